// @ts-check
// The bucket's policy as text, ready-made ones, and the question "may X do Y?" put to the service.
import { html, useState } from "./vendor/preact.js"
import { post } from "./api.js"
import { Icon, trying } from "./ui.js"

const arn = (bucket) => `arn:aws:s3:::${bucket}`
const READY = {
  "Anyone may read files": (bucket) => [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `${arn(bucket)}/*` }],
  "Anyone may read files below public/": (bucket) => [{ Effect: "Allow", Principal: "*", Action: "s3:GetObject", Resource: `${arn(bucket)}/public/*` }],
  "One user may read and write": (bucket) => [
    { Effect: "Allow", Principal: { AWS: "user@example.org" }, Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource: `${arn(bucket)}/*` },
    { Effect: "Allow", Principal: { AWS: "user@example.org" }, Action: "s3:ListBucket", Resource: arn(bucket) }],
  "Nobody may delete": (bucket) => [{ Effect: "Deny", Principal: "*", Action: ["s3:DeleteObject", "s3:DeleteObjectVersion"], Resource: `${arn(bucket)}/*` }],
  "Only from these addresses": (bucket) => [{ Effect: "Deny", Principal: "*", Action: "s3:*", Resource: [arn(bucket), `${arn(bucket)}/*`], Condition: { NotIpAddress: { "aws:SourceIp": ["192.0.2.0/24"] } } }],
}
const ACTIONS = { read_object: "read a file", list_objects: "list files", write_object: "write a file", delete_object: "delete a file", update_bucket: "change the bucket" }

const pretty = (value) => JSON.stringify(value, null, 2)
function parse(text) {
  if (!text.trim()) return { policy: null, fault: "" }
  try {
    return { policy: JSON.parse(text), fault: "" }
  } catch (error) {
    return { policy: undefined, fault: `Not JSON: ${error.message}` }
  }
}

export function Policy({ bucket, found, change }) {
  const [text, setText] = useState(found.policy ? pretty(found.policy) : "")
  const { policy, fault } = parse(text)
  const changed = text !== (found.policy ? pretty(found.policy) : "")
  const ready = (name) => { if (name) setText(pretty({ Version: "2012-10-17", Statement: READY[name](bucket.name) })) }
  const save = (event) => { event.preventDefault(); trying(() => change({ policy })) }
  return html`<div class="stack" style="max-width:860px">
    <div class="row wrap">${found.is_public ? html`<span class="tag warn"><${Icon} name="globe" />The world can reach something in this bucket</span>` : html`<span class="tag ok"><${Icon} name="lock" />Nothing here is public</span>`}</div>
    <form class="card stack" onSubmit=${save}><div class="row wrap"><h2 class="grow">Policy</h2>
      <label class="begin"><span class="hidden">Begin with</span><select onChange=${(event) => { ready(event.target.value); event.target.value = "" }}>
        <option value="">Begin with…</option>${Object.keys(READY).map((name) => html`<option>${name}</option>`)}</select></label></div>
      <p class="muted small">As S3 has it. A denial wins over everything; what nothing says is left to the bucket's owner and its public switch.</p>
      <textarea aria-label="Policy as JSON" rows="13" spellcheck=${false} value=${text} placeholder="No policy" onInput=${(event) => setText(event.target.value)}></textarea>
      ${fault && html`<p class="error" role="alert">${fault}</p>`}
      <div class="row"><button class="primary" disabled=${!changed || Boolean(fault)}>${text.trim() || !found.policy ? "Save policy" : "Remove policy"}</button>
        ${changed && html`<button type="button" onClick=${() => setText(found.policy ? pretty(found.policy) : "")}>Undo</button>`}</div></form>
    <${Tester} bucket=${bucket} draft=${changed && !fault ? policy : undefined} /></div>`
}

function Tester({ bucket, draft }) {
  const [answer, setAnswer] = useState(/** @type {any} */ (null))
  const ask = (event) => {
    event.preventDefault()
    const form = new FormData(event.target)
    const question = { user: String(form.get("user")).trim() || null, action: form.get("action"), key: String(form.get("key")) }
    trying(async () => setAnswer(await post(`api/v1/buckets/${encodeURIComponent(bucket.name)}/access`, draft ? { ...question, policy: draft } : question)))
  }
  return html`<form class="card stack" onSubmit=${ask} onInput=${() => setAnswer(null)}><h2>May somebody do something?</h2>
    <div class="cards"><label class="field">Who<input name="user" placeholder="anyone, without signing in" spellcheck=${false} /></label>
      <label class="field">does what<select name="action">${Object.entries(ACTIONS).map(([name, label]) => html`<option value=${name}>${label}</option>`)}</select></label>
      <label class="field">to which key<input name="key" placeholder="folder/file.txt" spellcheck=${false} /></label></div>
    <div class="row wrap"><button>Ask</button>${draft && html`<span class="muted small">Asked under the policy above, which is not saved yet.</span>`}
      <span role="status" data-test="answer">${answer && html`<span class=${`tag ${answer.allowed ? "ok" : "danger"}`}>${answer.allowed ? "Yes" : "No"}</span> ${answer.reason.replace(/\.$/, "")}.`}</span></div></form>`
}
