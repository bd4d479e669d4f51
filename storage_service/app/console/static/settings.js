// @ts-check
// One bucket's settings, a tab each.
import { html, useEffect, useState } from "./vendor/preact.js"
import { get, patch, put } from "./api.js"
import { bytes, Failed, Icon, IconButton, number, parseBytes, toast, trying, useLoaded, useOffers, when } from "./ui.js"
import { connect, deleteBucket, filesLink, settingsLink, Visibility } from "./buckets.js"
import { Pairs } from "./drawer.js"
import { Policy } from "./policy.js"

const TABS = { general: "General", access: "Access", cors: "CORS", lifecycle: "Lifecycle", tags: "Tags", usage: "Usage", danger: "Delete" }

export function Settings({ parts, menu }) {
  const [name, tab = "general"] = parts
  const path = `buckets/${encodeURIComponent(name)}`
  const { value: bucket, error, again } = useLoaded(() => get(path), [name])
  const settings = useLoaded(() => get(`api/v1/${path}/configuration`), [name])
  const found = settings.value
  const change = async (fields) => { await patch(`api/v1/${path}/configuration`, fields); toast("Saved"); await Promise.all([settings.again(), again()]) }
  const props = { bucket, found, change, again }
  useOffers(() => [
    { text: `Files of ${name}`, icon: "folder", href: filesLink(name) },
    ...Object.entries(TABS).map(([key, label]) => ({ text: `Settings: ${label}`, icon: "gear", href: settingsLink(name, key) })),
    { text: "Connect…", icon: "plug", run: () => connect(name) },
  ])
  return html`<header class="bar">${menu}<nav class="crumbs grow" aria-label="Bucket"><a href="#/" class="optional">Buckets</a><span class="optional" aria-hidden="true">/</span>
      <a href=${filesLink(name)} class="clip">${name}</a><span aria-hidden="true">/</span><h1>Settings</h1></nav>
      <${IconButton} icon="plug" label="Connect" onClick=${() => connect(name)} />
      <a class="button" href=${filesLink(name)}><${Icon} name="folder" />Files</a></header>
    <div class="page"><div class="column stack wide">
      <nav class="tabs" aria-label="Settings">${Object.entries(TABS).map(([key, label]) => html`<a href=${settingsLink(name, key)} aria-current=${key === tab ? "page" : undefined}>${label}</a>`)}</nav>
      ${(error ?? settings.error) && html`<${Failed} error=${error ?? settings.error} again=${() => { again(); settings.again() }} />`}
      ${bucket && tab === "general" && html`<${General} ...${props} key=${bucket.updated_at} path=${path} />`}
      ${bucket && found && tab === "access" && html`<${Policy} ...${props} key=${JSON.stringify(found.policy)} />`}
      ${bucket && found && tab === "cors" && html`<${Cors} ...${props} key=${JSON.stringify(found.cors)} />`}
      ${bucket && found && tab === "lifecycle" && html`<${Lifecycle} ...${props} key=${JSON.stringify(found.lifecycle)} />`}
      ${bucket && found && tab === "tags" && html`<div class="card"><${Pairs} key=${JSON.stringify(found.tags)} title="Tags" values=${found.tags} most=${50} save=${(tags) => change({ tags })} changed=${() => {}} /></div>`}
      ${bucket && tab === "usage" && html`<${Usage} bucket=${bucket} />`}
      ${bucket && tab === "danger" && html`<div class="card stack"><h2>Delete this bucket</h2><p>All its files go with it.</p>
        <div><button type="button" class="danger" onClick=${async () => { if (await deleteBucket(bucket)) location.hash = "#/" }}><${Icon} name="trash" />Delete ${name}…</button></div></div>`}
    </div></div>`
}

function General({ bucket, path, again }) {
  const [fault, setFault] = useState("")
  async function submit(event) {
    event.preventDefault()
    const form = new FormData(event.target)
    const sizes = { quota_bytes: parseBytes(String(form.get("quota"))), max_object_bytes: parseBytes(String(form.get("largest"))) }
    if (Object.values(sizes).some(Number.isNaN)) return setFault("Write sizes like 10 GB or 500 MB, or leave them empty")
    setFault("")
    const objects = String(form.get("objects")).trim()
    const types = String(form.get("types")).split(/[\s,]+/).filter(Boolean)
    const versioning = String(form.get("versioning"))
    await trying(async () => {
      await put(path, {
        is_public: form.get("access") === "public", public_list: form.get("listed") !== null || form.get("access") !== "public", description: String(form.get("description")).trim() || null,
        ...(versioning !== bucket.versioning ? { versioning } : {}), ...sizes, quota_objects: objects ? Number(objects) : null, allowed_mime_types: types.length ? types : null,
      })
      toast("Saved")
      await again()
    })
  }
  const [open, setOpen] = useState(bucket.is_public)
  const size = (value) => (value === null ? "" : value % 1024 ? String(value) : bytes(value).replace(".00", "").replace(/(\.\d)0 /, "$1 "))
  return html`<form class="card stack" style="max-width:640px" onSubmit=${submit}>
    <fieldset class="stack tight bare"><legend><h2>Who may read</h2></legend>
      <label class="check"><input type="radio" name="access" value="private" defaultChecked=${!bucket.is_public} onChange=${() => setOpen(false)} />Private: its owner, and whom a policy lets in</label>
      <label class="check"><input type="radio" name="access" value="public" defaultChecked=${bucket.is_public} onChange=${() => setOpen(true)} />Public: anyone may read its files</label>
      ${open && html`<label class="check" style="padding-left:24px"><input type="checkbox" name="listed" defaultChecked=${bucket.public_list} />and anyone may list them</label>`}</fieldset>
    <label class="field">Description<input name="description" defaultValue=${bucket.description ?? ""} maxlength="2000" /></label>
    <label class="field">Versions<select name="versioning">
      ${bucket.versioning === "off" && html`<option value="off">Off: what is replaced or deleted goes to the trash</option>`}
      <option value="on" selected=${bucket.versioning === "on"}>On: every version is kept</option>
      <option value="suspended" selected=${bucket.versioning === "suspended"}>Suspended: old versions stay, new ones are not kept</option></select></label>
    <label class="field">Quota<input name="quota" defaultValue=${size(bucket.quota_bytes)} placeholder="none" /><span class="muted small">For example 10 GiB. All versions count.</span></label>
    <label class="field">Most files<input name="objects" inputmode="numeric" pattern="[0-9]*" defaultValue=${bucket.quota_objects ?? ""} placeholder="no limit" /></label>
    <label class="field">Largest file<input name="largest" defaultValue=${size(bucket.max_object_bytes)} placeholder="no limit" /></label>
    <label class="field">Allowed types<input name="types" defaultValue=${(bucket.allowed_mime_types ?? []).join(", ")} placeholder="all" spellcheck=${false} /><span class="muted small">For example image/*, application/pdf</span></label>
    ${fault && html`<p class="error" role="alert">${fault}</p>`}
    <div><button class="primary">Save</button></div></form>`
}

// CORS ----------------------------------------------------------------------------------------------------------------

const words = (text) => String(text ?? "").split(/[\s,]+/).filter(Boolean)
const METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]

function Cors({ found, change }) {
  const [rules, setRules] = useState(found.cors)
  const set = (index, fields) => setRules(rules.map((rule, at) => (at === index ? { ...rule, ...fields } : rule)))
  const save = (event) => { event.preventDefault(); trying(() => change({ cors: rules.length ? rules : null })) }
  return html`<form class="stack" style="max-width:760px" onSubmit=${save}>
    <p class="muted">Which pages of other origins may use this bucket from a browser. Without a rule the service's own setting holds.</p>
    ${rules.map((rule, index) => html`<fieldset class="card stack" key=${index}><legend class="hidden">Rule ${index + 1}</legend>
      <div class="row"><h2 class="grow">Rule ${index + 1}</h2><${IconButton} icon="trash" label=${`Remove rule ${index + 1}`} onClick=${() => setRules(rules.filter((_, at) => at !== index))} /></div>
      <label class="field">Origins<input required defaultValue=${rule.origins.join(", ")} placeholder="https://app.example.org" onChange=${(event) => set(index, { origins: words(event.target.value) })} /></label>
      <div class="row wrap" role="group" aria-label="Methods">${METHODS.map((method) => html`<label class="check"><input type="checkbox" checked=${rule.methods.includes(method)}
        onChange=${(event) => set(index, { methods: METHODS.filter((one) => (one === method ? event.target.checked : rule.methods.includes(one))) })} />${method}</label>`)}</div>
      <label class="field">Headers they may send<input defaultValue=${(rule.headers ?? []).join(", ")} placeholder="none" onChange=${(event) => set(index, { headers: words(event.target.value) })} /></label>
      <label class="field">Headers they may read<input defaultValue=${(rule.expose ?? []).join(", ")} placeholder="none" onChange=${(event) => set(index, { expose: words(event.target.value) })} /></label>
      <label class="field">Seconds a browser remembers<input inputmode="numeric" pattern="[0-9]*" defaultValue=${rule.max_age ?? ""} onChange=${(event) => set(index, { max_age: event.target.value ? Number(event.target.value) : null })} /></label>
    </fieldset>`)}
    <div class="row"><button type="button" onClick=${() => setRules([...rules, { origins: [], methods: ["GET"], headers: ["*"], expose: ["ETag"], max_age: 3600 }])}><${Icon} name="plus" />Add rule</button>
      <button class="primary">Save rules</button></div></form>`
}

// Lifecycle -----------------------------------------------------------------------------------------------------------

function Lifecycle({ found, change }) {
  const [rules, setRules] = useState(found.lifecycle)
  const set = (index, fields) => setRules(rules.map((rule, at) => (at === index ? { ...rule, ...fields } : rule)))
  const days = (text) => (String(text).trim() ? Number(text) : null)
  const save = (event) => { event.preventDefault(); trying(() => change({ lifecycle: rules.length ? rules : null })) }
  const field = (label, value, set, hint) => html`<label class="field">${label}<input inputmode="numeric" pattern="[0-9]*" placeholder="never" defaultValue=${value ?? ""} onChange=${(event) => set(days(event.target.value))} />${hint && html`<span class="muted small">${hint}</span>`}</label>`
  return html`<form class="stack" style="max-width:760px" onSubmit=${save}>
    <p class="muted">What ends by itself. Files that end go to the trash first.</p>
    ${rules.map((rule, index) => html`<fieldset class="card stack" key=${index}><legend class="hidden">Rule ${index + 1}</legend>
      <div class="row"><h2 class="grow">Rule ${index + 1}</h2>
        <label class="check"><input type="checkbox" checked=${rule.status === "Enabled"} onChange=${(event) => set(index, { status: event.target.checked ? "Enabled" : "Disabled" })} />on</label>
        <${IconButton} icon="trash" label=${`Remove rule ${index + 1}`} onClick=${() => setRules(rules.filter((_, at) => at !== index))} /></div>
      <label class="field">For keys that begin with<input defaultValue=${rule.filter?.prefix ?? ""} placeholder="all files" spellcheck=${false} onChange=${(event) => set(index, { filter: { ...rule.filter, prefix: event.target.value || undefined } })} /></label>
      ${rule.filter?.tags && html`<p class="muted small">Only with the tags ${Object.entries(rule.filter.tags).map(([name, value]) => `${name}=${value}`).join(", ")}.</p>`}
      ${rule.expiration?.date ? html`<p>Files end on ${rule.expiration.date.slice(0, 10)}.</p>` : rule.expiration?.marker ? html`<p>Lonely delete markers go.</p>`
        : field("Files end after days", rule.expiration?.days, (value) => set(index, { expiration: value ? { days: value } : null }))}
      ${field("Old versions end after days", rule.noncurrent?.days, (value) => set(index, { noncurrent: value ? { ...rule.noncurrent, days: value } : null }), "Counted from when they were replaced")}
      ${field("Unfinished uploads end after days", rule.abort_days, (value) => set(index, { abort_days: value }))}
    </fieldset>`)}
    <div class="row"><button type="button" onClick=${() => setRules([...rules, { status: "Enabled", filter: {}, expiration: { days: 30 } }])}><${Icon} name="plus" />Add rule</button>
      <button class="primary">Save rules</button></div></form>`
}

// Usage ---------------------------------------------------------------------------------------------------------------

function Usage({ bucket }) {
  const figures = [
    ["Files", number(bucket.file_count), bytes(bucket.total_size)], ["Old versions", number(bucket.noncurrent_count), bytes(bucket.noncurrent_size)],
    ["Trash", number(bucket.trash_count), bytes(bucket.trash_size)], ["Unfinished uploads", "", bytes(bucket.upload_size)],
  ]
  const used = bucket.total_size + bucket.noncurrent_size + bucket.upload_size
  return html`<div class="stack"><div class="cards">${figures.map(([label, count, size]) => html`<div class="card"><div class="muted">${label}</div><div class="figure">${size}</div><div class="muted small">${count && `${count} in number`}</div></div>`)}</div>
    ${bucket.quota_bytes !== null && html`<div class="card stack tight"><div class="row"><span class="grow">Quota</span><span>${bytes(used)} of ${bytes(bucket.quota_bytes)}</span></div><${Gauge} part=${used / bucket.quota_bytes} label="Quota used" /></div>`}
    <p class="muted small">${bucket.name} was made on ${when(bucket.created_at)}. <${Visibility} bucket=${bucket} /></p><${History} bucket=${bucket.name} /></div>`
}

export function Gauge({ part, label }) {
  const percent = Math.min(100, Math.round(part * 100))
  return html`<div class=${`gauge${percent > 95 ? " danger" : percent > 85 ? " warn" : ""}`} role="meter" aria-label=${label} aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100"><i style=${{ width: `${percent}%` }}></i></div>`
}

/** How much was kept, hour by hour. */
export function History({ bucket }) {
  const [samples, setSamples] = useState(/** @type {any[] | null} */ (null))
  useEffect(() => { get("api/v1/usage/history", { bucket }).then((found) => setSamples(found.samples), () => {}) }, [bucket])
  if (samples === null) return null
  if (samples.length < 2) return html`<div class="card stack tight"><h2>Usage over time</h2><p class="muted small">Looked at every hour: the picture begins with the next.</p></div>`
  const first = Date.parse(samples[0].at), span = Date.parse(samples[samples.length - 1].at) - first || 1
  const most = Math.max(...samples.map((one) => one.total_size)) || 1
  const points = samples.map((one) => `${((Date.parse(one.at) - first) / span) * 1000},${150 - (one.total_size / most) * 140}`).join("L")
  return html`<figure class="card stack tight"><figcaption class="row wrap"><h2 class="grow">Usage over time</h2><span class="muted small">${when(samples[0].at)} to ${when(samples[samples.length - 1].at)}, most ${bytes(most)}</span></figcaption>
    <svg class="chart" viewBox="0 0 1000 160" preserveAspectRatio="none" role="img" aria-label=${`Usage, now ${bytes(samples[samples.length - 1].total_size)}`}><path class="area" d=${`M0,160L${points}L1000,160Z`} /><path class="edge" d=${`M${points}`} /></svg></figure>`
}
