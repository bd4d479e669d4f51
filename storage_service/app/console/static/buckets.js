// @ts-check
// All buckets one may see, and making one.
import { html, useState } from "./vendor/preact.js"
import { get, post, remove, session } from "./api.js"
import { bytes, confirm, Empty, Failed, Icon, Menu, number, open, parseBytes, plural, toast, trying, useLoaded, useOffers, when } from "./ui.js"

export const filesLink = (bucket, prefix = "") => `#/b/${encodeURIComponent(bucket)}/${prefix.split("/").map(encodeURIComponent).join("/")}`
export const settingsLink = (bucket, tab = "general") => `#/settings/${encodeURIComponent(bucket)}/${tab}`

export const Visibility = ({ bucket }) => bucket.is_public
  ? html`<span class="tag warn"><${Icon} name="globe" />public</span>` : html`<span class="tag"><${Icon} name="lock" />private</span>`

export function Buckets({ menu }) {
  const { value: buckets, error, again } = useLoaded(() => get("buckets"), [])
  const [search, setSearch] = useState("")
  const shown = buckets?.filter((one) => one.name.includes(search.toLowerCase()))
  const total = (name) => buckets.reduce((sum, one) => sum + one[name], 0)

  async function create() {
    const made = await open({ title: "New bucket", body: NewBucket })
    if (made) location.hash = filesLink(made.name)
  }

  useOffers(() => [{ text: "New bucket…", icon: "plus", run: create }])

  return html`<header class="bar">${menu}<h1 class="grow">Buckets</h1>
      <button type="button" class="primary" onClick=${create}><${Icon} name="plus" />New bucket</button></header>
    <div class="page"><div class="column stack">
      ${error && html`<${Failed} error=${error} again=${again} />`}
      ${buckets?.length > 0 && html`<div class="row wrap">
        <label class="search"><${Icon} name="search" /><span class="hidden">Search buckets</span>
          <input type="search" placeholder="Search buckets" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>
        <span class="muted">${plural(buckets.length, "bucket")} · ${plural(total("file_count"), "file")} · ${bytes(total("total_size"))}</span></div>`}
      ${buckets?.length === 0 && html`<${Empty} icon="bucket" title="No buckets yet">A bucket holds files: make the first one.</${Empty}>`}
      ${shown?.length > 0 && html`<div class="frame"><table class="table">
        <thead><tr><th>Name</th><th>Access</th><th class="num optional">Files</th><th class="num">Size</th><th class="optional">Owner</th><th class="optional">Created</th><th><span class="hidden">Actions</span></th></tr></thead>
        <tbody>${shown.map((one) => html`<${BucketRow} key=${one.id} bucket=${one} again=${again} />`)}</tbody></table></div>`}
      ${buckets?.length > 0 && shown.length === 0 && html`<p class="muted">No bucket is called like that.</p>`}
    </div></div>`
}

function BucketRow({ bucket, again }) {
  const items = [
    { text: "Open", icon: "folder", href: filesLink(bucket.name) },
    { text: "Connect…", icon: "plug", run: () => connect(bucket.name) },
    { text: "Settings", icon: "gear", href: settingsLink(bucket.name) },
    { text: "Delete…", icon: "trash", danger: true, run: async () => { if (await deleteBucket(bucket)) again() } },
  ]
  const owner = bucket.owner_id === "@service" ? "service" : bucket.owner_id
  return html`<tr><td><a href=${filesLink(bucket.name)}><b>${bucket.name}</b></a>
      ${bucket.description && html`<div class="muted small clip" style="max-width:320px">${bucket.description}</div>`}</td>
    <td><${Visibility} bucket=${bucket} /></td>
    <td class="num optional">${number(bucket.file_count)}</td>
    <td class="num">${bytes(bucket.total_size)}<div class="muted small narrow">${plural(bucket.file_count, "file")}</div>${bucket.quota_bytes !== null && html`<div class="muted small">of ${bytes(bucket.quota_bytes)}</div>`}</td>
    <td class="muted optional clip" style="max-width:180px">${owner}</td>
    <td class="muted optional">${when(bucket.created_at)}</td>
    <td class="actions"><${Menu} label=${`Actions of ${bucket.name}`} items=${items} /></td></tr>`
}

export const connect = async (bucket) => trying(async () => (await import("./connect.js")).showConnect(bucket))

/** @returns {Promise<boolean>} whether it is gone */
export async function deleteBucket(bucket) {
  const full = bucket.file_count > 0
  const text = full
    ? `${bucket.name} holds ${plural(bucket.file_count, "file")} (${bytes(bucket.total_size)}). They are deleted with it.`
    : `${bucket.name} is empty.`
  if (!await confirm({ title: `Delete bucket ${bucket.name}?`, text, action: "Delete bucket", danger: true, typed: bucket.name })) return false
  return await trying(async () => {
    await remove(`buckets/${encodeURIComponent(bucket.name)}`, { force: full })
    toast(`Bucket ${bucket.name} is deleted`)
    return true
  }) ?? false
}

function NewBucket({ close }) {
  const [fault, setFault] = useState("")
  const [busy, setBusy] = useState(false)
  async function submit(event) {
    event.preventDefault()
    const form = new FormData(event.target)
    const quota = parseBytes(String(form.get("quota") ?? ""))
    if (Number.isNaN(quota)) return setFault("Write the quota like 10 GB, or leave it empty")
    setBusy(true)
    try {
      const body = { name: form.get("name"), is_public: form.get("access") === "public", versioning: form.get("versioning") ? "on" : "off" }
      close(await post("buckets", quota === null ? body : { ...body, quota_bytes: quota }))
    } catch (error) {
      setFault(error.message)
      setBusy(false)
    }
  }
  return html`<form class="stack" onSubmit=${submit}>
    <label class="field">Name<input name="name" required autofocus autocomplete="off" spellcheck=${false} pattern="[a-z0-9][a-z0-9.\\-]{1,61}[a-z0-9]" title="3 to 63 of a-z, 0-9, . and -" />
      <span class="muted small">3 to 63 of a–z, 0–9, dot and hyphen. It cannot be changed later.</span></label>
    <fieldset class="stack tight bare"><legend class="hidden">Access</legend>
      <label class="check"><input type="radio" name="access" value="private" checked />Private: its owner, and whom a policy lets in</label>
      <label class="check"><input type="radio" name="access" value="public" />Public: anyone may read its files</label></fieldset>
    <label class="check"><input type="checkbox" name="versioning" />Keep every version of a file</label>
    <label class="field">Quota<input name="quota" placeholder="none" autocomplete="off" /><span class="muted small">For example 10 GB. All versions count.</span></label>
    ${fault && html`<p class="error" role="alert">${fault}</p>`}
    <footer><button type="button" onClick=${() => close()}>Cancel</button><button class="primary" disabled=${busy}>Make bucket</button></footer>
  </form>`
}

export { session }
