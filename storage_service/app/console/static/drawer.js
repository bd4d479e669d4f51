// @ts-check
// One file: what it is, what it looks like, its versions, and what may be done with it.
import { html, useEffect, useRef, useState } from "./vendor/preact.js"
import { get, place, patch, post, put, remove, urlOf } from "./api.js"
import { baseName, bytes, confirm, copyText, Failed, Icon, IconButton, legible, Menu, toast, trying, useLoaded, when } from "./ui.js"
import { Preview } from "./preview.js"
import { Share } from "./share.js"

const TABS = { preview: "Preview", details: "Details", versions: "Versions", share: "Share" }

/** `of`: what can be done with a row of the list. */
export function Drawer({ bucket, name, close, reload, of }) {
  const { value: file, error, again } = useLoaded(() => get(`files/info/${place(bucket, name)}`), [bucket, name])
  const [tab, setTab] = useState("preview")
  const box = useRef(/** @type {any} */ (null))
  useEffect(() => {
    const mine = box.current
    mine.focus({ preventScroll: true })
    return () => { if (mine.contains(document.activeElement)) /** @type {any} */ (document.querySelector("[data-test=rows]"))?.focus({ preventScroll: true }) }
  }, [])
  const changed = async () => { await again(); reload() }
  const onKeyDown = (event) => { if (event.key === "Escape" && !event.target.closest("dialog")) close() }
  return html`<aside class="drawer" ref=${box} tabindex="-1" aria-label=${`File ${name}`} onKeyDown=${onKeyDown}>
    <header><div class="grow"><h2>${legible(baseName(name))}</h2>${file && html`<div class="muted small">${bytes(file.size)} · ${when(file.updated_at)}</div>`}</div>
      ${file && html`<a class="button plain square" href=${urlOf(`files/download/${place(bucket, file)}`).href} download aria-label="Download" title="Download"><${Icon} name="download" /></a>
      <${Menu} label="Actions of this file" items=${() => of({ file, key: file.path }).slice(2)} />`}
      <${IconButton} icon="close" label="Close details" onClick=${close} /></header>
    <div class="tabs" role="tablist" aria-label="About this file">${Object.entries(TABS).map(([key, label]) => html`
      <button type="button" role="tab" aria-selected=${tab === key} onClick=${() => setTab(key)}>${label}</button>`)}</div>
    <div class="body" role="tabpanel" tabindex="0" aria-label=${TABS[tab]}>
      ${error && html`<${Missing} error=${error} tab=${tab} />`}
      ${file && !error && tab === "preview" && html`<${Preview} key=${file.version_id} bucket=${bucket} file=${file} changed=${changed} />`}
      ${file && !error && tab === "details" && html`<${Details} key=${file.version_id + file.etag} bucket=${bucket} file=${file} changed=${changed} />`}
      ${tab === "versions" && html`<${Versions} bucket=${bucket} name=${name} changed=${changed} />`}
      ${file && !error && tab === "share" && html`<${Share} bucket=${bucket} file=${file} />`}
    </div>
  </aside>`
}

/** Not there any more: its versions may tell, and bring it back. */
const Missing = ({ error, tab }) => tab === "versions" ? null : html`<${Failed} error=${error} />`

// Details -------------------------------------------------------------------------------------------------------------

function Details({ bucket, file, changed }) {
  const facts = [
    ["Key", legible(file.path)], ["Size", `${bytes(file.size)}${file.size > 1023 ? ` (${file.size.toLocaleString("en")} bytes)` : ""}`], ["Changed", when(file.updated_at)],
    ["Owner", file.owner_id === "@service" ? "service" : file.owner_id], ["ETag", file.etag], ["SHA-256", file.checksums.sha256], ["CRC64NVME", file.checksums.crc64nvme],
    ["Version", file.version_id], ["File id", file.id], ["Expires", when(file.expires_at)],
  ].filter(([, value]) => value)
  return html`<div class="stack wide">
    <dl class="facts">${facts.map(([label, value]) => html`<dt>${label}</dt><dd class=${/ETag|SHA|CRC|Version|id$/.test(label) ? "mono" : ""}>${value}</dd>`)}</dl>
    <${Headers} bucket=${bucket} file=${file} changed=${changed} />
    <${Pairs} title="Tags" values=${file.tags} most=${10} save=${(tags) => put(`files/tags/${place(bucket, file)}`, { tags })} changed=${changed} />
    <${Pairs} title="Metadata" values=${texts(file.metadata)} most=${100} changed=${changed}
      save=${(metadata) => put(`files/metadata/${place(bucket, file)}`, { metadata }, { headers: { "If-Match": `"${file.etag}"` } })} />
  </div>`
}

const texts = (metadata) => Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]))

function Headers({ bucket, file, changed }) {
  const submit = (event) => {
    event.preventDefault()
    const form = new FormData(event.target)
    const fields = { content_type: form.get("content_type") || undefined, cache_control: form.get("cache_control") || null }
    const expires = form.get("expires_at")
    if (expires || file.expires_at) fields.expires_at = expires ? new Date(String(expires)).toISOString() : null
    trying(async () => { await patch(`files/metadata/${place(bucket, file)}`, fields, { headers: { "If-Match": `"${file.etag}"` } }); toast("Saved"); changed() })
  }
  const local = file.expires_at ? when(file.expires_at).replace(" ", "T") : ""
  return html`<form class="stack" onSubmit=${submit}><h3>Delivery</h3>
    <label class="field">Content type<input name="content_type" defaultValue=${file.content_type} spellcheck=${false} /></label>
    <label class="field">Cache-Control<input name="cache_control" defaultValue=${file.cache_control ?? ""} placeholder="none" spellcheck=${false} /></label>
    <label class="field">Expires<input name="expires_at" type="datetime-local" defaultValue=${local} /></label>
    <div><button>Save delivery</button></div></form>`
}

/** Names and values, to be changed. */
export function Pairs({ title, values, save, changed, most }) {
  const [rows, setRows] = useState(() => Object.entries(values))
  const [dirty, setDirty] = useState(false)
  const change = (next) => { setRows(next); setDirty(true) }
  const set = (index, at, text) => change(rows.map((row, number) => (number === index ? (at ? [row[0], text] : [text, row[1]]) : row)))
  const submit = (event) => {
    event.preventDefault()
    trying(async () => { await save(Object.fromEntries(rows.filter(([name]) => name))); toast(`${title} saved`); setDirty(false); changed() })
  }
  return html`<form class="stack tight" onSubmit=${submit}><h3>${title}</h3>
    ${rows.map(([name, value], index) => html`<div class="row" key=${index}>
      <input value=${name} placeholder="name" aria-label=${`${title}: name ${index + 1}`} onInput=${(event) => set(index, 0, event.target.value)} />
      <input value=${value} placeholder="value" aria-label=${`${title}: value ${index + 1}`} onInput=${(event) => set(index, 1, event.target.value)} />
      <${IconButton} icon="close" label=${`Remove ${name || "row"}`} onClick=${() => change(rows.filter((_, number) => number !== index))} /></div>`)}
    ${!rows.length && html`<p class="muted small">None</p>`}
    <div class="row">${rows.length < most && html`<button type="button" onClick=${() => change([...rows, ["", ""]])}><${Icon} name="plus" />Add</button>`}
      ${dirty && html`<button class="primary">Save ${title.toLowerCase()}</button>`}</div></form>`
}

// Versions ------------------------------------------------------------------------------------------------------------

function Versions({ bucket, name, changed }) {
  const { value: versions, error, again } = useLoaded(() => get(`files/versions/${place(bucket, name)}`, { trash: true }), [bucket, name])
  const done = async () => { await changed(); await again() }
  if (error) return html`<${Failed} error=${error} again=${again} />`
  if (!versions) return null
  const restore = (one) => trying(async () => {
    if (one.is_delete_marker) await remove(`files/${place(bucket, name)}`, { version_id: one.version_id })
    else await post(`files/restore/${place(bucket, name)}`, { version_id: one.version_id })
    toast("Restored")
    await done()
  })
  const destroy = (one) => trying(async () => {
    if (!await confirm({ title: "Delete this version?", text: `The version of ${when(one.created_at)} goes to the trash.`, action: "Delete version", danger: true })) return
    await remove(`files/${place(bucket, name)}`, { version_id: one.version_id })
    await done()
  })
  return html`<ul class="stack tight">${versions.map((one) => {
    const items = [
      !one.is_latest && !one.is_delete_marker && { text: "Restore", icon: "undo", run: () => restore(one) },
      one.is_latest && one.is_delete_marker && { text: "Undelete", icon: "undo", run: () => restore(one) },
      !one.in_trash && !one.is_delete_marker && { text: "Download", icon: "download", href: urlOf(`files/download/${place(bucket, name)}`, { version_id: one.version_id }).href, download: "" },
      { text: "Copy version id", icon: "copy", run: () => copyText(one.version_id) },
      !one.in_trash && { text: "Delete version…", icon: "trash", danger: true, run: () => destroy(one) },
    ]
    return html`<li class="card row" style="padding:8px 8px 8px 12px" key=${one.version_id}>
      <div class="grow"><div>${when(one.created_at)}</div><div class="muted small">${one.is_delete_marker ? "delete marker" : bytes(one.size)}${one.purge_at ? ` · kept until ${when(one.purge_at)}` : ""}</div></div>
      ${one.is_latest && html`<span class="tag accent">current</span>`}${one.in_trash && html`<span class="tag warn">in trash</span>`}
      ${!one.is_latest && !one.is_delete_marker && html`<button type="button" onClick=${() => restore(one)}>Restore</button>`}
      ${one.is_latest && one.is_delete_marker && html`<button type="button" onClick=${() => restore(one)}>Undelete</button>`}
      <${Menu} label="Actions of this version" items=${items} /></li>`
  })}</ul>`
}
