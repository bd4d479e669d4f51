// aws-sdk-js v3 with lib-storage. The steps of exercise.py.
//     node aws_sdk_js.mjs URL ACCESS_KEY SECRET_KEY MEGABYTES
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const require = createRequire(process.env.CLIENTS_MODULES + "/");
const S3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const [endpoint, accessKeyId, secretAccessKey, megabytes] = process.argv.slice(2);
const Bucket = "c-" + randomBytes(5).toString("hex");
const odd = ["a b.txt", "plus+plus", "per%41cent", "é ü 日本.txt", "a&b=c;d,e", "a//b", "deep/er/down", "q'uote"];

// forcePathStyle is what the SDK needs for any endpoint of one's own.
const connect = (secret) =>
  new S3.S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey: secret },
  });
const client = connect(secretAccessKey);
const send = (Command, input) => client.send(new Command({ Bucket, ...input }));
const read = async (Key, Range) => {
  const answer = await send(S3.GetObjectCommand, { Key, Range });
  return Buffer.from(await answer.Body.transformToByteArray());
};
const list = async (Prefix) => {
  const keys = [];
  for await (const page of S3.paginateListObjectsV2({ client }, { Bucket, Prefix }))
    keys.push(...(page.Contents ?? []).map((found) => found.Key));
  return keys;
};

await send(S3.CreateBucketCommand, {});
console.log("put, get, range");
await send(S3.PutObjectCommand, { Key: "small.txt", Body: "hello" });
assert.equal((await read("small.txt")).toString(), "hello");
assert.equal((await read("small.txt", "bytes=1-2")).toString(), "el");
await send(S3.PutObjectCommand, { Key: "empty", Body: "" });
assert.equal((await read("empty")).length, 0);

console.log("odd keys");
for (const key of odd) await send(S3.PutObjectCommand, { Key: "odd/" + key, Body: key });
for (const key of odd) assert.equal((await read("odd/" + key)).toString(), key);
assert.deepEqual((await list("odd/")).sort(), odd.map((key) => "odd/" + key).sort());

console.log("multipart");
const sent = createHash("sha256");
async function* chunks() {
  for (let at = 0; at < Number(megabytes); at++) {
    const chunk = randomBytes(1 << 20);
    sent.update(chunk);
    yield chunk;
  }
}
await new Upload({ client, params: { Bucket, Key: "large.bin", Body: Readable.from(chunks(), { objectMode: false }) } }).done();
const got = createHash("sha256");
const large = await send(S3.GetObjectCommand, { Key: "large.bin" });
for await (const chunk of large.Body) got.update(chunk);
assert.equal(got.digest("hex"), sent.digest("hex"));

console.log("more than a page");
const many = Array.from({ length: 1005 }, (_, number) => "many/" + String(number).padStart(5, "0"));
for (let at = 0; at < many.length; at += 20)
  await Promise.all(many.slice(at, at + 20).map((Key) => send(S3.PutObjectCommand, { Key, Body: "x" })));
assert.deepEqual((await list("many/")).sort(), many);

console.log("copy, delete");
await send(S3.CopyObjectCommand, { Key: "copied.txt", CopySource: `${Bucket}/small.txt` });
assert.equal((await read("copied.txt")).toString(), "hello");
await send(S3.DeleteObjectCommand, { Key: "copied.txt" });
await assert.rejects(read("copied.txt"), { name: "NoSuchKey" });
const gone = await send(S3.DeleteObjectsCommand, { Delete: { Objects: many.slice(0, 1000).map((Key) => ({ Key })) } });
assert.equal(gone.Deleted.length, 1000);

console.log("wrong key");
const forger = connect(secretAccessKey + "-wrong");
const forged = forger.send(new S3.PutObjectCommand({ Bucket, Key: "forged", Body: "x" }));
await assert.rejects(forged, { name: "SignatureDoesNotMatch" });
