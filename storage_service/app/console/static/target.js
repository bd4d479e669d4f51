// @ts-check
// Where files are to go.
import { html, useState } from "./vendor/preact.js"
import { get } from "./api.js"
import { Failed, Icon, legible, open, useLoaded } from "./ui.js"

/** Bucket and prefix, or null. */
export const askTarget = (op, bucket, prefix) => open({ title: op === "move" ? "Move to" : "Copy to", body: Target(op, bucket, prefix) })

const Target = (op, from, prefix) => ({ close }) => {
  const [bucket, setBucket] = useState(from)
  const [path, setPath] = useState(prefix)
  const { value: buckets } = useLoaded(() => get("buckets"), [])
  const query = { prefix: path, delimiter: "/", envelope: true, limit: 500 }
  const { value: found, error } = useLoaded(() => get(`files/list/${encodeURIComponent(bucket)}`, query), [bucket, path])
  const above = path.replace(/[^/]*\/?$/, "")
  return html`<form class="stack" onSubmit=${(event) => { event.preventDefault(); close({ bucket, prefix: path && !path.endsWith("/") ? `${path}/` : path }) }}>
    <label class="field">Bucket<select value=${bucket} onChange=${(event) => { setBucket(event.target.value); setPath("") }}>
      ${(buckets ?? [{ name: from }]).map((one) => html`<option value=${one.name}>${one.name}</option>`)}</select></label>
    <label class="field">Folder<input value=${path} placeholder="top of the bucket" spellcheck=${false} onInput=${(event) => setPath(event.target.value.replace(/^\//, ""))} /></label>
    ${error && html`<${Failed} error=${error} />`}
    <ul class="frame" style="max-height:200px;min-height:80px;padding:4px" aria-label="Folders">
      ${path && html`<li><button type="button" class="plain row" onClick=${() => setPath(above)}><${Icon} name="up" />Up</button></li>`}
      ${found?.prefixes.map((one) => html`<li><button type="button" class="plain row" onClick=${() => setPath(one)}><${Icon} name="folder" className="folder" />${legible(one.slice(path.length))}</button></li>`)}</ul>
    <footer><button type="button" onClick=${() => close()}>Cancel</button><button class="primary" disabled=${bucket === from && path === prefix}>${op === "move" ? "Move here" : "Copy here"}</button></footer></form>`
}
