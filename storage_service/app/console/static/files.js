// @ts-check
// The files of a folder: a virtual list or grid, selection, and what can be done with what is selected.
import { html, useEffect, useMemo, useRef, useState } from "./vendor/preact.js"
import { follow, get, place, post, urlOf } from "./api.js"
import { askText, baseName, confirm, Icon, IconButton, legible, Menu, number, plural, trying, useOffers } from "./ui.js"
import { connect, filesLink, settingsLink } from "./buckets.js"
import { Listing } from "./listing.js"
import { Rows } from "./rows.js"
import { changed, dropped, enqueue } from "./uploads.js"

const REFRESH_MS = 800 // after a change that others made: many come together
const parentOf = (prefix) => prefix.replace(/[^/]*\/?$/, "")

/** The address of this view with some of its words changed. */
function viewLink(bucket, prefix, query, changes = {}) {
  const next = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name)
    else next.set(name, value)
  }
  const text = next.toString()
  return filesLink(bucket, prefix) + (text ? `?${text}` : "")
}

export function Files({ bucket, prefix, query, menu }) {
  const how = { search: query.get("q") ?? "", sort: query.get("sort") ?? "name", order: query.get("order") ?? "asc" }
  const view = query.get("view") ?? localStorage.getItem("view") ?? "list"
  const opened = query.get("open")
  const [turn, setTurn] = useState(0)
  const listing = useMemo(() => new Listing(bucket, prefix, how), [bucket, prefix, how.search, how.sort, how.order, turn])
  const [picked, setPicked] = useState(() => new Set())
  const [all, setAll] = useState(false)
  const reload = () => { setTurn((old) => old + 1); clear() }
  const clear = () => { setPicked(new Set()); setAll(false) }
  const go = (changes) => { location.hash = viewLink(bucket, prefix, query, changes) }

  useEffect(() => { listing.load(); return () => listing.end() }, [listing])
  // What was seen stays until what comes in its place is there.
  const seen = useRef({ listing, view: "" })
  const viewOf = `${bucket}/${prefix}?${how.search}&${how.sort}&${how.order}`
  if (!listing.state.value.loading || seen.current.view !== viewOf) seen.current = { listing, view: viewOf }
  const shown = seen.current.listing
  useEffect(() => {
    const stop = new AbortController()
    let timer = 0
    follow(bucket, prefix, stop.signal, () => { timer ||= window.setTimeout(() => { timer = 0; setTurn((old) => old + 1) }, REFRESH_MS) })
    return () => { stop.abort(); clearTimeout(timer) }
  }, [bucket, prefix])
  useEffect(clear, [bucket, prefix, how.search])
  const uploaded = changed.value
  useEffect(() => { if (uploaded.turn && uploaded.bucket === bucket) setTurn((old) => old + 1) }, [uploaded.turn])

  const show = (row) => row.folder ? (location.hash = viewLink(bucket, row.folder, query, { q: null, open: null })) : go({ open: row.key })
  const actions = makeActions({ bucket, prefix, listing: shown, picked, all, how, reload, clear, go })
  const other = view === "grid" ? "list" : "grid"
  const turnView = () => { localStorage.setItem("view", other); go({ view: other }) }
  const more = [
    { text: "New folder…", icon: "folder", run: actions.newFolder },
    { text: "Deleted files…", icon: "trash", run: () => trying(async () => (await import("./trash.js")).showTrash(bucket, prefix, reload)) },
    { text: "Download folder as zip", icon: "archive", run: () => actions.zip([prefix]) },
  ]
  useOffers(() => [
    ...(all || picked.size ? actions.selected() : []), ...more,
    { text: `Show as ${other}`, icon: other, run: turnView },
    { text: "Search here and below", icon: "search", run: () => setTimeout(() => /** @type {any} */ (document.querySelector(".tools input[type=search]"))?.focus()) },
    { text: "Reload", icon: "refresh", run: reload },
    { text: "Connect…", icon: "plug", run: () => connect(bucket) },
    { text: "Bucket settings", icon: "gear", href: settingsLink(bucket) },
  ])
  const [over, setOver] = useState(0)
  const drag = {
    onDragEnter: (event) => { event.preventDefault(); setOver((old) => old + 1) },
    onDragLeave: () => setOver((old) => old - 1),
    onDragOver: (event) => event.preventDefault(),
    onDrop: (event) => { event.preventDefault(); setOver(0); trying(async () => enqueue(bucket, prefix, await dropped(event.dataTransfer))) },
  }
  const count = all ? shown.length : picked.size

  return html`<header class="bar">${menu}<h1 class="hidden">Files of ${bucket}</h1>
      <${Crumbs} bucket=${bucket} prefix=${prefix} query=${query} /><span class="grow"></span>
      <${IconButton} icon="plug" label="Connect" onClick=${() => connect(bucket)} />
      <a class="button plain square" href=${settingsLink(bucket)} aria-label="Bucket settings" title="Bucket settings"><${Icon} name="gear" /></a></header>
    <div class="tools">
      <${UploadMenu} bucket=${bucket} prefix=${prefix} />
      <button type="button" class="optional" onClick=${actions.newFolder}><${Icon} name="folder" />New folder</button>
      <span class="grow"></span>
      <${Search} value=${how.search} onSearch=${(text) => go({ q: text })} />
      <${IconButton} icon="refresh" label="Reload" onClick=${reload} />
      <${IconButton} icon=${other} label=${`Show as ${other}`} onClick=${turnView} />
      <${Menu} label="More" items=${more} />
    </div>
    <div class="browser">
      <div class=${over > 0 ? "listing dropping" : "listing"} ...${drag}>
        <${Rows} listing=${shown} view=${view} how=${how} picked=${picked} all=${all} setPicked=${(next) => { setAll(false); setPicked(next) }}
          setAll=${(on) => { setAll(on); setPicked(new Set()) }} show=${show} opened=${opened} go=${go} actions=${actions} link=${(row) => row.folder
            ? viewLink(bucket, row.folder, query, { q: null, open: null }) : viewLink(bucket, prefix, query, { open: row.key })} up=${() => { if (prefix) location.hash = viewLink(bucket, parentOf(prefix), query, { q: null, open: null }) }} />
        ${count > 0 && html`<${SelectionBar} count=${count} actions=${actions} clear=${clear} row=${count === 1 && !all ? shown.at(shown.find([...picked][0])) : null} />`}
        <${StatusLine} listing=${shown} how=${how} />
      </div>
      ${opened && html`<${DrawerLater} key=${opened} bucket=${bucket} name=${opened} close=${() => go({ open: null })} reload=${reload} of=${actions.of} />`}
    </div>`
}

function DrawerLater(props) {
  const [Found, setFound] = useState(/** @type {any} */ (null))
  useEffect(() => { trying(async () => { const { Drawer } = await import("./drawer.js"); setFound(() => Drawer) }) }, [])
  return Found ? html`<${Found} ...${props} />` : html`<aside class="drawer" aria-busy="true"></aside>`
}

function Crumbs({ bucket, prefix, query }) {
  const parts = prefix.split("/").filter((part, index, all) => part || index < all.length - 1)
  const to = (count) => viewLink(bucket, count ? `${parts.slice(0, count).join("/")}/` : "", query, { q: null, open: null })
  const here = (at) => (at === parts.length ? "page" : undefined)
  return html`<nav class="crumbs" aria-label="Folder"><a class="optional" href="#/">Buckets</a><span class="optional" aria-hidden="true">/</span>
    <a class="clip" href=${to(0)} aria-current=${here(0)}>${bucket}</a>
    ${parts.map((part, index) => html`<span aria-hidden="true">/</span><a class="clip" href=${to(index + 1)} aria-current=${here(index + 1)}>${legible(part) || "(empty)"}</a>`)}</nav>`
}

function Search({ value, onSearch }) {
  const box = useRef(/** @type {any} */ (null))
  const timer = useRef(0)
  useEffect(() => { if (document.activeElement !== box.current) box.current.value = value }, [value])
  useEffect(() => {
    const key = (event) => {
      if (event.key === "/" && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) { event.preventDefault(); box.current.focus() }
    }
    document.addEventListener("keydown", key)
    return () => document.removeEventListener("keydown", key)
  }, [])
  const later = (text) => { clearTimeout(timer.current); timer.current = setTimeout(() => onSearch(text), 250) }
  return html`<label class="search"><${Icon} name="search" /><span class="hidden">Search this folder and all below it</span>
    <input ref=${box} type="search" placeholder="Search here and below" defaultValue=${value} onInput=${(event) => later(event.target.value)} /></label>`
}

function UploadMenu({ bucket, prefix }) {
  const files = useRef(/** @type {any} */ (null)), folder = useRef(/** @type {any} */ (null))
  const take = (event) => {
    const found = [...event.target.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }))
    event.target.value = ""
    trying(() => enqueue(bucket, prefix, found))
  }
  const items = [
    { text: "Files…", icon: "file", run: () => files.current.click() },
    { text: "Folder…", icon: "folder", run: () => folder.current.click() },
  ]
  useOffers(() => items.map((one) => ({ ...one, text: `Upload ${one.text.toLowerCase()}`, icon: "upload" })))
  return html`<input ref=${files} class="hidden" type="file" multiple onChange=${take} data-test="files" aria-label="Files to upload" tabindex="-1" />
    <input ref=${folder} class="hidden" type="file" webkitdirectory onChange=${take} data-test="folder" aria-label="Folder to upload" tabindex="-1" />
    <${Menu} label="Upload" icon="upload" text="Upload" className="primary" side="left" items=${items} />`
}

function StatusLine({ listing, how }) {
  const { loading, error } = listing.state.value
  if (error) return html`<div class="status" role="status"></div>`
  if (loading) return html`<div class="status" role="status">Loading…</div>`
  const folders = listing.folders.length
  return html`<div class="status" role="status">
    ${how.search ? html`<span>${plural(listing.total, "file")} found for “${how.search}”</span>`
      : html`<span>${folders > 0 && `${plural(folders, "folder")}, `}${plural(listing.total, "file")}</span>`}</div>`
}

/** `row`: the only one, if it is one. */
function SelectionBar({ count, actions, clear, row }) {
  const file = row?.file
  return html`<div class="selection" role="toolbar" aria-label="Selection"><b>${number(count)} selected</b>
    ${file && html`<a class="button plain" href=${actions.href(file)} download><${Icon} name="download" /><span class="words">Download</span></a>`}
    ${!file && html`<button type="button" class="plain" onClick=${() => actions.zip()}><${Icon} name="archive" /><span class="words">Download zip</span></button>`}
    ${row && html`<button type="button" class="plain" onClick=${() => actions.rename(row)}><${Icon} name="edit" /><span class="words">Rename</span></button>`}
    <button type="button" class="plain" onClick=${() => actions.transfer("move")}><${Icon} name="move" /><span class="words">Move</span></button>
    <button type="button" class="plain" onClick=${() => actions.transfer("copy")}><${Icon} name="copy" /><span class="words">Copy</span></button>
    <button type="button" class="plain danger" onClick=${() => actions.delete()}><${Icon} name="trash" /><span class="words">Delete</span></button>
    <span class="grow"></span><${IconButton} icon="close" label="Clear selection" onClick=${clear} /></div>`
}

// Actions ------------------------------------------------------------------------------------------------------------

function makeActions({ bucket, prefix, listing, picked, all, how, reload, clear, go }) {
  const href = (file) => urlOf(`files/download/${place(bucket, file)}`).href
  /** What the selection names: keys, and prefixes with all below them. A search is all that it finds. */
  async function chosen() {
    if (!all) return { keys: [...picked].filter((key) => !listing.folders.includes(key)), prefixes: [...picked].filter((key) => listing.folders.includes(key)) }
    if (!how.search) return { keys: [], prefixes: [prefix] }
    const keys = []
    for (let offset = 0; offset < listing.total; offset += 1000) {
      const page = await get(`files/list/${encodeURIComponent(bucket)}`, { envelope: true, prefix, search: how.search, total: true, offset, limit: 1000 })
      keys.push(...page.files.map((file) => file.path))
    }
    return { keys, prefixes: [] }
  }
  /** A row, or else what is selected. */
  const meant = (row) => (row ? { keys: row.folder ? [] : [row.key], prefixes: row.folder ? [row.folder] : [] } : chosen())
  const jobs = () => import("./jobs.js")
  const act = (work) => trying(async () => { await work(); reload() })

  const actions = {
    href, reload,
    async newFolder() {
      const name = await askText({ title: "New folder", label: "Name", action: "Make folder", hint: "A folder is the common beginning of keys: it shows once a file is in it." })
      if (name) location.hash = filesLink(bucket, `${prefix}${name.replace(/^\/+|\/+$/g, "")}/`)
    },
    async rename(row) {
      const name = await askText({ title: "Rename", label: "New name", value: baseName(row.key), action: "Rename" })
      if (!name) return
      const target = parentOf(row.folder ? row.folder.slice(0, -1) : row.key) + name
      if (row.folder) await (await jobs()).run({ op: "move", bucket, prefixes: [row.folder], base: row.folder, target: { bucket, prefix: `${target}/` }, title: `Renaming ${baseName(row.folder)}` }).finally(reload)
      else await act(() => post("files/move", { source: { bucket, key: row.key }, target: { bucket, key: target } }))
    },
    async transfer(op, row) {
      const what = await trying(() => meant(row))
      if (!what) return
      const target = await trying(async () => (await import("./target.js")).askTarget(op, bucket, prefix))
      if (!target) return
      const title = `${op === "move" ? "Moving" : "Copying"} to ${target.bucket}/${target.prefix}`
      await (await jobs()).run({ op, bucket, ...what, base: prefix, target, title }).finally(reload)
    },
    async delete(row) {
      const what = await trying(() => meant(row))
      if (!what) return
      const count = what.keys.length, folders = what.prefixes.length
      const words = [count && plural(count, "file"), folders && (all ? "everything in this folder" : plural(folders, "folder") + " with all that is in them")].filter(Boolean).join(" and ")
      if (!await confirm({ title: "Delete?", text: `${words[0].toUpperCase()}${words.slice(1)} will be deleted. It can be undone for a while.`, action: "Delete", danger: true })) return
      clear()
      go({ open: null })
      await (await jobs()).run({ op: "delete", bucket, ...what, title: `Deleting ${words}`, undo: reload }).finally(reload)
    },
    async zip(prefixes) {
      await trying(async () => (await jobs()).zip(bucket, prefixes ? { keys: [], prefixes } : await chosen(), prefix))
    },
    /** Of what is selected. */
    selected() {
      return [
        { text: "Download selection as zip", icon: "archive", run: () => actions.zip() },
        { text: "Move selection…", icon: "move", run: () => actions.transfer("move") },
        { text: "Copy selection…", icon: "copy", run: () => actions.transfer("copy") },
        { text: "Delete selection…", icon: "trash", danger: true, run: () => actions.delete() },
      ]
    },
    of(row) {
      return [
        row.file && { text: "Open", icon: "file", run: () => go({ open: row.key }) },
        row.file && { text: "Download", icon: "download", href: href(row.file), download: "" },
        row.folder && { text: "Download zip", icon: "archive", run: () => actions.zip([row.folder]) },
        row.file && { text: "Share…", icon: "share", run: () => trying(async () => (await import("./share.js")).showShare(bucket, row.file)) },
        { text: "Rename…", icon: "edit", run: () => actions.rename(row) },
        { text: "Move…", icon: "move", run: () => actions.transfer("move", row) },
        { text: "Copy…", icon: "copy", run: () => actions.transfer("copy", row) },
        { text: "Delete…", icon: "trash", danger: true, run: () => actions.delete(row) },
      ]
    },
  }
  return actions
}

