// @ts-check
// How the service is: disk, backlog, usage; what is unfinished; what is set.
import { html, useEffect, useState } from "./vendor/preact.js"
import { get, remove } from "./api.js"
import { filesLink } from "./buckets.js"
import { about, bytes, confirm, Empty, Failed, Icon, IconButton, legible, number, toast, trying, useLoaded, when } from "./ui.js"
import { Gauge, History } from "./settings.js"

const REFRESH_MS = 5000

export function Status({ menu }) {
  const { value: found, error, again } = useLoaded(() => get("api/v1/status"), [])
  const usage = useLoaded(() => get("api/v1/usage"), [])
  useEffect(() => { const timer = setInterval(() => { if (!document.hidden) again() }, REFRESH_MS); return () => clearInterval(timer) }, [])
  return html`<header class="bar">${menu}<h1 class="grow">Status</h1>${found && html`<span class=${`tag ${found.health.status === "healthy" ? "ok" : "danger"}`}>${found.health.status}</span>`}</header>
    <div class="page"><div class="column stack wide">
      ${error && html`<${Failed} error=${error} again=${again} />`}
      ${found?.health.problems.map((problem) => html`<p class="notice warn row"><${Icon} name="warning" />${problem}</p>`)}
      ${found && html`<${Figures} ...${found} />`}
      <${History} />
      ${usage.value && html`<${UsageTable} buckets=${usage.value.buckets} />`}
    </div></div>`
}

function Figures({ health, disk, settle, view }) {
  const used = disk.total_bytes - disk.free_bytes, inodes = disk.total_inodes - disk.free_inodes
  return html`<div class="cards">
    <div class="card stack tight"><div class="muted">Disk</div><div class="figure">${bytes(disk.free_bytes)} free</div><${Gauge} part=${used / disk.total_bytes} label="Disk used" />
      <div class="muted small">${bytes(used)} of ${bytes(disk.total_bytes)} used, ${bytes(disk.reserve_bytes)} kept in reserve</div></div>
    <div class="card stack tight"><div class="muted">Inodes</div><div class="figure">${disk.total_inodes ? `${about(disk.free_inodes)} free` : "unlimited"}</div>
      ${disk.total_inodes > 0 && html`<${Gauge} part=${inodes / disk.total_inodes} label="Inodes used" /><div class="muted small">${number(inodes)} of ${number(disk.total_inodes)} used</div>`}</div>
    <div class="card stack tight"><div class="muted">Settle backlog</div><div class="figure">${number(settle.rows)}</div><${Gauge} part=${settle.rows / settle.limit_rows} label="Backlog" />
      <div class="muted small">${bytes(settle.bytes)} wait to be written as files${settle.set_aside_rows ? `, ${number(settle.set_aside_rows)} set aside` : ""}</div></div>
    <div class="card stack tight"><div class="muted">Service</div><div class="figure">${health.version}</div><div class="muted small">${health.durability}${view.hidden_keys ? `, ${number(view.hidden_keys)} keys not shown as files` : ""}${view.foreign_files ? `, ${number(view.foreign_files)} foreign files` : ""}</div></div>
  </div>`
}

function UsageTable({ buckets }) {
  const [field, setField] = useState("total_size")
  const sorted = [...buckets].sort((one, other) => (field === "name" ? (one.name < other.name ? -1 : 1) : other[field] - one[field]))
  const columns = { name: "Bucket", file_count: "Files", total_size: "Size", noncurrent_size: "Old versions", trash_size: "Trash", upload_size: "Unfinished" }
  if (!buckets.length) return null
  return html`<section class="stack tight"><h2>Usage by bucket</h2><div class="frame"><table class="table"><thead><tr>${Object.entries(columns).map(([name, label]) => html`
      <th class=${name === "name" ? "" : name === "noncurrent_size" || name === "upload_size" ? "num optional" : "num"} aria-sort=${field === name ? "descending" : undefined}><button type="button" class="link" style="color:inherit" onClick=${() => setField(name)}>${label}</button></th>`)}</tr></thead>
    <tbody>${sorted.map((one) => html`<tr key=${one.id}><td><a href=${filesLink(one.name)}>${one.name}</a></td><td class="num">${number(one.file_count)}</td><td class="num">${bytes(one.total_size)}</td>
      <td class="num optional">${bytes(one.noncurrent_size)}</td><td class="num">${bytes(one.trash_size)}</td><td class="num optional">${bytes(one.upload_size)}</td></tr>`)}</tbody></table></div></section>`
}

// Unfinished uploads --------------------------------------------------------------------------------------------------

async function allUnfinished() {
  const buckets = await get("buckets")
  const pages = await Promise.all(buckets.map((bucket) => get(`api/v1/uploads/${encodeURIComponent(bucket.name)}`)))
  return pages.flatMap((page) => page.uploads).sort((one, other) => (one.created_at < other.created_at ? 1 : -1))
}

const KINDS = { multipart: "S3 multipart", resumable: "resumable", partial: "a piece" }

export function Unfinished({ menu }) {
  const { value: found, error, again } = useLoaded(allUnfinished, [])
  const end = async (upload) => {
    if (await confirm({ title: "End this upload?", text: `What has come of ${legible(upload.key) || "it"} is thrown away: ${bytes(upload.size)}.`, action: "End upload", danger: true })) {
      await trying(async () => { await remove(`api/v1/uploads/${encodeURIComponent(upload.bucket)}/${upload.id}`); toast("Ended"); again() })
    }
  }
  return html`<header class="bar">${menu}<h1 class="grow">Unfinished uploads</h1><${IconButton} icon="refresh" label="Reload" onClick=${again} /></header>
    <div class="page"><div class="column stack">
      ${error && html`<${Failed} error=${error} again=${again} />`}
      ${found?.length === 0 && html`<${Empty} icon="upload" title="Nothing unfinished">Uploads that have begun and not ended show here.</${Empty}>`}
      ${found?.length > 0 && html`<div class="frame"><table class="table"><thead><tr><th>Key</th><th class="optional">Kind</th><th class="num">Has come</th><th class="optional">Began</th><th class="optional">Ends by itself</th><th><span class="hidden">Actions</span></th></tr></thead>
        <tbody>${found.map((one) => html`<tr key=${one.id}><td class="any"><span class="muted">${one.bucket}/</span>${legible(one.key)}</td><td class="optional">${KINDS[one.kind]}</td>
          <td class="num">${bytes(one.size)}${one.length !== null && html`<div class="muted small">of ${bytes(one.length)}</div>`}</td><td class="muted optional">${when(one.created_at)}</td><td class="muted optional">${when(one.expires_at)}</td>
          <td class="actions"><button type="button" class="danger" onClick=${() => end(one)}>End…</button></td></tr>`)}</tbody></table></div>`}
    </div></div>`
}

// Configuration -------------------------------------------------------------------------------------------------------

export function Config({ menu }) {
  const { value: found, error, again } = useLoaded(() => get("api/v1/settings"), [])
  const [search, setSearch] = useState("")
  const [own, setOwn] = useState(false)
  const shown = found?.settings.filter((one) => (!own || !one.is_default) && `${one.name} ${one.description}`.toLowerCase().includes(search.toLowerCase()))
  return html`<header class="bar">${menu}<h1 class="grow">Configuration</h1></header>
    <div class="page"><div class="column stack">
      <p class="muted">What this service was started with: its environment and .env. Secrets are not shown.</p>
      <div class="row wrap"><label class="search"><${Icon} name="search" /><span class="hidden">Search settings</span><input type="search" placeholder="Search settings" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>
        <label class="check"><input type="checkbox" checked=${own} onChange=${(event) => setOwn(event.target.checked)} />Only what differs from the default</label></div>
      ${error && html`<${Failed} error=${error} again=${again} />`}
      ${shown && html`<div class="frame" tabindex="0" role="region" aria-label="Settings"><table class="table"><thead><tr><th>Setting</th><th>Value</th></tr></thead><tbody>${shown.map((one) => html`<tr key=${one.name}>
        <td class="any"><div class="mono">${one.name}</div><div class="muted small">${one.description}</div></td><td class="mono any value">${one.value || html`<span class="muted">–</span>`} ${!one.is_default && html`<span class="tag accent">set</span>`}</td></tr>`)}</tbody></table></div>`}
    </div></div>`
}
