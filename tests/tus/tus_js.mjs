// tus-js-client: an upload that stands still half-way, and goes on when it is told to.
//     node tus_js.mjs ENDPOINT TOKEN BUCKET KEY FILE
// Says `half` once half of the file is there, reads a line, goes on in a new upload that finds the old one, and says
// `done` with the number of bytes it sent then.
import fs from "node:fs";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(process.env.CLIENTS_MODULES + "/");
const tus = require("tus-js-client");

const [endpoint, token, bucket, key, path] = process.argv.slice(2);
const size = fs.statSync(path).size;
const options = {
  endpoint,
  chunkSize: 1 << 20,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { bucket, key, contentType: "video/mp4" },
  retryDelays: [200, 500, 1000, 2000, 4000, 8000],
  urlStorage: new tus.FileUrlStorage(path + ".urls"),
  uploadSize: size,
  removeFingerprintOnSuccess: true,
};
const begin = (more) =>
  new Promise((resolve, reject) => {
    const upload = new tus.Upload(fs.createReadStream(path), {
      ...options,
      onError: reject,
      onSuccess: () => resolve(upload),
      ...more(() => upload, resolve),
    });
    upload.findPreviousUploads().then((found) => {
      if (found.length) upload.resumeFromPreviousUpload(found[0]);
      upload.start();
    }, reject);
  });

await begin((upload, resolve) => ({
  onChunkComplete: (_, sent) => {
    if (sent >= size / 2) upload().abort().then(resolve);
  },
}));
console.log("half");
await once(process.stdin, "data");
process.stdin.pause();
let first = 0; // what the first piece brought the offset to
await begin(() => ({ onChunkComplete: (_, accepted) => (first ||= accepted) }));
console.log(`done ${size - first + (1 << 20)}`);
