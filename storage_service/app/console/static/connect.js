// @ts-check
// Lines to copy for every kind of client, with this service's address and this bucket in them.
import { html, useState } from "./vendor/preact.js"
import { ROOT } from "./api.js"
import { open, Snippet } from "./ui.js"

const KEY = "YOUR_ACCESS_KEY", SECRET = "YOUR_SECRET_KEY"

const LINES = {
  curl: (url, bucket) => `# an access key's signature, by curl itself
curl --aws-sigv4 aws:amz:us-east-1:s3 --user ${KEY}:${SECRET} \\
  -T photo.jpg ${url}/${bucket}/photo.jpg

# or with a login token of your application
curl -H "Authorization: Bearer $TOKEN" -T photo.jpg \\
  ${url}/files/upload-direct/${bucket}/photo.jpg
curl -H "Authorization: Bearer $TOKEN" -O ${url}/files/download/${bucket}/photo.jpg`,
  Python: (url, bucket) => `import boto3

s3 = boto3.client("s3", endpoint_url="${url}",
                  aws_access_key_id="${KEY}",
                  aws_secret_access_key="${SECRET}")
s3.upload_file("photo.jpg", "${bucket}", "photo.jpg")

# or with the client of this service
from pathlib import Path
from storage_service.client import Client

with Client("${url}", token=token) as client:
    client.bucket("${bucket}").put("photo.jpg", Path("photo.jpg"), upsert=True)`,
  JavaScript: (url, bucket) => `import { S3Client, PutObjectCommand } from "@aws-sdk/client-s3"

const s3 = new S3Client({
  endpoint: "${url}", region: "us-east-1", forcePathStyle: true,
  credentials: { accessKeyId: "${KEY}", secretAccessKey: "${SECRET}" },
})
await s3.send(new PutObjectCommand({ Bucket: "${bucket}", Key: "photo.jpg", Body: file }))

// or resumable, in a browser
import * as tus from "tus-js-client"
new tus.Upload(file, {
  endpoint: "${url}/files/resumable",
  headers: { Authorization: \`Bearer \${token}\` },
  metadata: { bucket: "${bucket}", key: file.name, contentType: file.type },
}).start()`,
  aws: (url, bucket) => `export AWS_ACCESS_KEY_ID=${KEY}
export AWS_SECRET_ACCESS_KEY=${SECRET}
export AWS_DEFAULT_REGION=us-east-1
export AWS_ENDPOINT_URL=${url}

aws s3 cp photo.jpg s3://${bucket}/
aws s3 sync ./folder s3://${bucket}/folder`,
  rclone: (url, bucket) => `# ~/.config/rclone/rclone.conf
[storage]
type = s3
provider = Other
endpoint = ${url}
access_key_id = ${KEY}
secret_access_key = ${SECRET}
region = us-east-1

# then
rclone sync ./folder storage:${bucket}/folder --progress`,
  restic: (url, bucket) => `export AWS_ACCESS_KEY_ID=${KEY}
export AWS_SECRET_ACCESS_KEY=${SECRET}
export RESTIC_REPOSITORY=s3:${url}/${bucket}/backup

restic init
restic backup ~/documents`,
  mc: (url, bucket) => `mc alias set storage ${url} ${KEY} ${SECRET}
mc cp photo.jpg storage/${bucket}/
mc mirror ./folder storage/${bucket}/folder`,
}

export const showConnect = (bucket) => open({ title: `Connect to ${bucket}`, wide: true, body: () => html`<${Connect} bucket=${bucket} />` })

function Connect({ bucket }) {
  const [name, setName] = useState("curl")
  const url = ROOT.href.replace(/\/$/, "")
  return html`<div class="stack"><p class="muted">Make a key under <a href="#/keys">Access keys</a> and put it in place of the two words in capitals.</p>
    <div class="tabs" role="tablist" aria-label="Client">${Object.keys(LINES).map((one) => html`<button type="button" role="tab" aria-selected=${one === name} onClick=${() => setName(one)}>${one}</button>`)}</div>
    <${Snippet} label=${`lines for ${name}`} text=${LINES[name](url, bucket)} /></div>`
}
