// @ts-check
// What was deleted below a folder and can be brought back.
import { html, useState } from "./vendor/preact.js"
import { get } from "./api.js"
import { run } from "./jobs.js"
import { bytes, Empty, Failed, legible, number, open, useLoaded, when } from "./ui.js"

export const showTrash = (bucket, prefix, reload) => open({ title: prefix ? `Deleted files of ${prefix}` : `Deleted files of ${bucket}`, wide: true, body: Trash(bucket, prefix, reload) })

const Trash = (bucket, prefix, reload) => ({ close }) => {
  const { value: found, error, again } = useLoaded(() => get(`api/v1/trash/${encodeURIComponent(bucket)}`, { prefix, limit: 1000 }), [])
  const [picked, setPicked] = useState(/** @type {Set<string>} */ (new Set()))
  const toggle = (key) => { const next = new Set(picked); if (!next.delete(key)) next.add(key); setPicked(next) }
  const restore = async (what) => { close(); await run({ op: "restore", bucket, ...what, title: "Bringing back" }); reload() }
  return html`<div class="stack">
    ${error && html`<${Failed} error=${error} again=${again} />`}
    ${found?.files.length === 0 && html`<${Empty} icon="trash" title="Nothing here">What is deleted stays for a while, and shows here.</${Empty}>`}
    ${found?.files.length > 0 && html`<div class="frame" style="max-height:50vh" tabindex="0" role="region" aria-label="Deleted files"><table class="table"><thead><tr><th><span class="hidden">Pick</span></th><th>Name</th><th class="num">Size</th><th class="optional">Deleted</th><th class="optional">Kept until</th></tr></thead>
      <tbody>${found.files.map((file) => html`<tr key=${file.key}><td><input type="checkbox" aria-label=${`Select ${file.key}`} checked=${picked.has(file.key)} onChange=${() => toggle(file.key)} /></td>
        <td class="any">${legible(file.key.slice(prefix.length))}</td><td class="num">${bytes(file.size)}</td><td class="muted optional">${when(file.deleted_at)}</td><td class="muted optional">${when(file.purge_at)}</td></tr>`)}</tbody></table></div>`}
    <footer><button type="button" onClick=${() => close()}>Close</button>
      ${found?.files.length > 0 && html`<button type="button" onClick=${() => restore({ prefixes: [prefix] })}>Bring all back</button>
        <button type="button" class="primary" disabled=${!picked.size} onClick=${() => restore({ keys: [...picked] })}>Bring ${number(picked.size)} back</button>`}</footer></div>`
}
