// @ts-check
// The files of a folder: a virtual list or grid, selection, and what can be done with what is selected.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js"
import { follow, get, place, post, urlOf } from "./api.js"
import { askText, bytes, confirm, Empty, Failed, Icon, IconButton, Menu, number, plural, toast, trying, when } from "./ui.js"
import { connect, filesLink, settingsLink } from "./buckets.js"
import { Listing } from "./listing.js"
import { changed, dropped, enqueue } from "./uploads.js"

export const baseName = (key) => key.replace(/\/$/, "").split("/").pop() || key
const REFRESH_MS = 800 // after a change that others made: many come together
const parentOf = (prefix) => prefix.replace(/[^/]*\/?$/, "")

const KINDS = [
  [/^image\//, "image", "Image"], [/^video\//, "video", "Video"], [/^audio\//, "audio", "Audio"], [/^application\/pdf/, "text", "PDF"],
  [/json/, "text", "JSON"], [/csv/, "text", "CSV"], [/markdown/, "text", "Markdown"], [/html/, "text", "HTML"], [/^text\//, "text", "Text"],
  [/(zip|tar|gzip|compress|7z|rar|zstd|bzip|x-xz)/, "archive", "Archive"],
]
export function kindOf(file) {
  const type = file.content_type ?? ""
  const found = KINDS.find(([pattern]) => pattern.test(type))
  if (found) return { icon: found[1], label: found[2] }
  const extension = /\.([a-z0-9]{1,6})$/i.exec(file.path)
  return { icon: "file", label: extension ? extension[1].toUpperCase() : "File" }
}

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
      <${IconButton} icon=${view === "grid" ? "list" : "grid"} label=${view === "grid" ? "Show as list" : "Show as grid"}
        onClick=${() => { const next = view === "grid" ? "list" : "grid"; localStorage.setItem("view", next); go({ view: next }) }} />
      <${Menu} label="More" items=${[
        { text: "New folder…", icon: "folder", run: actions.newFolder },
        { text: "Deleted files…", icon: "trash", run: () => trying(async () => (await import("./trash.js")).showTrash(bucket, prefix, reload)) },
        { text: "Download folder as zip", icon: "archive", run: () => actions.zip([prefix]) },
      ]} />
    </div>
    <div class="browser">
      <div class=${over > 0 ? "listing dropping" : "listing"} ...${drag}>
        <${Rows} listing=${shown} view=${view} how=${how} picked=${picked} all=${all} setPicked=${(next) => { setAll(false); setPicked(next) }}
          setAll=${(on) => { setAll(on); setPicked(new Set()) }} show=${show} opened=${opened} go=${go} actions=${actions} link=${(row) => row.folder
            ? viewLink(bucket, row.folder, query, { q: null, open: null }) : viewLink(bucket, prefix, query, { open: row.key })} up=${() => { if (prefix) location.hash = viewLink(bucket, parentOf(prefix), query, { q: null, open: null }) }} />
        ${count > 0 && html`<${SelectionBar} count=${count} single=${count === 1 && !all} actions=${actions} clear=${clear} row=${count === 1 && !all ? shown.at(shown.find([...picked][0])) : null} />`}
        <${StatusLine} listing=${shown} how=${how} />
      </div>
      ${opened && html`<${DrawerLater} key=${opened} bucket=${bucket} name=${opened} close=${() => go({ open: null })} reload=${reload} openKey=${(key) => go({ open: key })} />`}
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
    ${parts.map((part, index) => html`<span aria-hidden="true">/</span><a class="clip" href=${to(index + 1)} aria-current=${here(index + 1)}>${part || "(empty)"}</a>`)}</nav>`
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
  return html`<input ref=${files} class="hidden" type="file" multiple onChange=${take} data-test="files" aria-label="Files to upload" tabindex="-1" />
    <input ref=${folder} class="hidden" type="file" webkitdirectory onChange=${take} data-test="folder" aria-label="Folder to upload" tabindex="-1" />
    <${Menu} label="Upload" icon="upload" text="Upload" className="primary" side="left" items=${[
      { text: "Files…", icon: "file", run: () => files.current.click() },
      { text: "Folder…", icon: "folder", run: () => folder.current.click() },
    ]} />`
}

function StatusLine({ listing, how }) {
  const { loading } = listing.state.value
  if (loading) return html`<div class="status" role="status">Loading…</div>`
  const folders = listing.folders.length
  return html`<div class="status" role="status">
    ${how.search ? html`<span>${plural(listing.total, "file")} found for “${how.search}”</span>`
      : html`<span>${folders > 0 && `${plural(folders, "folder")}, `}${plural(listing.total, "file")}</span>`}</div>`
}

function SelectionBar({ count, single, actions, clear, row }) {
  const file = row?.file
  return html`<div class="selection" role="toolbar" aria-label="Selection"><b style="margin-right:8px;white-space:nowrap">${number(count)} selected</b>
    ${single && file && html`<a class="button plain" href=${actions.href(file)} download><${Icon} name="download" />Download</a>`}
    ${!(single && file) && html`<button type="button" class="plain" onClick=${() => actions.zip()}><${Icon} name="archive" />Download zip</button>`}
    ${single && html`<button type="button" class="plain" onClick=${() => actions.rename(row)}><${Icon} name="edit" />Rename</button>`}
    <button type="button" class="plain" onClick=${() => actions.transfer("move")}><${Icon} name="move" />Move</button>
    <button type="button" class="plain" onClick=${() => actions.transfer("copy")}><${Icon} name="copy" />Copy</button>
    <button type="button" class="plain danger" onClick=${() => actions.delete()}><${Icon} name="trash" />Delete</button>
    <span class="grow"></span><${IconButton} icon="close" label="Clear selection" onClick=${clear} /></div>`
}

// Rows ---------------------------------------------------------------------------------------------------------------

const CELL = { width: 168, height: 164, gap: 8, edge: 16 }
const SPARE = 8 // rows drawn above and below what is seen

function Rows({ listing, view, how, picked, all, setPicked, setAll, show, opened, go, actions, link, up }) {
  const { loading, error } = listing.state.value
  const box = useRef(/** @type {any} */ (null))
  const [place, setPlace] = useState({ top: 0, height: 600, width: 800 })
  const [focus, setFocus] = useState(0)
  const anchor = useRef(0)
  const narrow = matchMedia("(max-width: 860px)").matches // rows for fingers
  const grid = view === "grid"
  const columns = grid ? Math.max(1, Math.floor((place.width - 2 * CELL.edge + CELL.gap) / (CELL.width + CELL.gap))) : 1
  const step = grid ? CELL.height + CELL.gap : narrow ? 44 : 36
  const count = listing.length
  const lines = Math.ceil(count / columns)
  const first = Math.max(0, Math.floor(place.top / step) - SPARE), last = Math.min(lines, Math.ceil((place.top + place.height) / step) + SPARE)

  useLayoutEffect(() => {
    const measure = () => setPlace((old) => ({ ...old, height: box.current.clientHeight, width: box.current.clientWidth }))
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [])
  useEffect(() => { box.current.scrollTop = 0; setFocus(0); setPlace((old) => ({ ...old, top: 0 })) }, [listing.prefix, how.search, how.sort, how.order])
  useEffect(() => { listing.want(first * columns, last * columns) }, [listing, first, last, columns, loading])

  const pick = (index, event) => {
    const row = listing.at(index)
    if (!row) return
    setFocus(index)
    const next = all ? new Set() : new Set(picked)
    if (event.shiftKey) {
      const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)]
      for (let at = from; at <= to; at++) { const one = listing.at(at); if (one) next.add(one.key) }
    } else {
      anchor.current = index
      if (next.has(row.key)) next.delete(row.key)
      else next.add(row.key)
    }
    setPicked(next)
  }
  const reveal = (index) => {
    const at = Math.floor(index / columns) * step, view = box.current
    if (at < view.scrollTop) view.scrollTop = at
    else if (at + step > view.scrollTop + view.clientHeight) view.scrollTop = at + step - view.clientHeight
  }
  const onKeyDown = (event) => {
    if (event.target !== box.current) return
    const page = Math.max(1, Math.floor(place.height / step) - 1) * columns
    const moves = { ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -count, End: count, ...(grid ? { ArrowRight: 1, ArrowLeft: -1 } : {}) }
    const row = listing.at(focus)
    if (moves[event.key] && count) {
      const next = Math.max(0, Math.min(count - 1, focus + moves[event.key]))
      if (event.shiftKey) pick(next, event)
      else { anchor.current = next; setFocus(next) }
      reveal(next)
    } else if (event.key === "Enter" && row) show(row)
    else if (event.key === " " && row) pick(focus, {})
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) setAll(true)
    else if (event.key === "Escape") { setPicked(new Set()); if (opened) go({ open: null }) }
    else if (event.key === "Delete" && (picked.size || all)) actions.delete()
    else if (event.key === "F2" && row) actions.rename(row)
    else if (event.key === "Backspace") up()
    else return
    event.preventDefault()
  }
  const frame = useRef(0)
  const onScroll = () => { cancelAnimationFrame(frame.current); frame.current = requestAnimationFrame(() => setPlace((old) => ({ ...old, top: box.current?.scrollTop ?? 0 }))) }

  // A row that is as it was is not drawn again: its node is kept. What it calls is looked up when it calls.
  const latest = useRef(/** @type {any} */ (null))
  latest.current = { pick, show, link, actions }
  const on = useMemo(() => ({
    pick: (index, event) => latest.current.pick(index, event), show: (row) => latest.current.show(row), link: (row) => latest.current.link(row), of: (row) => latest.current.actions.of(row),
  }), [])
  const kept = useRef(/** @type {Map<number, any>} */ (new Map()))
  const frameOf = `${grid} ${step} ${columns} ${Boolean(how.search)} ${location.hash}`
  const next = new Map()
  const drawn = []
  for (let index = first * columns; index < Math.min(count, last * columns); index++) {
    const row = listing.at(index)
    const selected = all || (row !== null && picked.has(row.key))
    const focused = index === focus
    const before = kept.current.get(index)
    if (before && row && before.entry === (row.file ?? row.folder) && before.selected === selected && before.focused === focused && before.frameOf === frameOf) {
      next.set(index, before)
      drawn.push(before.node)
      continue
    }
    const where = grid
      ? { top: `${CELL.edge + Math.floor(index / columns) * step}px`, left: `${CELL.edge + (index % columns) * (CELL.width + CELL.gap)}px`, width: `${CELL.width}px`, height: `${CELL.height}px` }
      : { top: `${index * step}px`, height: `${step}px` }
    const Part = grid ? Cell : Line
    const node = html`<${Part} key=${index} id=${`row-${index}`} index=${index} row=${row} where=${where} selected=${selected} focused=${focused}
      on=${on} full=${Boolean(how.search)} prefix=${listing.prefix} bucket=${listing.bucket} />`
    next.set(index, { node, entry: row && (row.file ?? row.folder), selected, focused, frameOf })
    drawn.push(node)
  }
  kept.current = next
  const state = error ? html`<div style="padding:24px"><${Failed} error=${error} again=${actions.reload} /></div>`
    : !loading && !count ? html`<${Empty} icon="folder" title=${how.search ? "Nothing found" : "This folder is empty"}>${how.search ? "No key below here contains that." : "Drop files here, or choose Upload."}</${Empty}>` : null
  return html`
    ${!grid && html`<${Head} how=${how} go=${go} all=${all} some=${picked.size > 0} setAll=${setAll} count=${count} />`}
    <div ref=${box} class="viewport" tabindex="0" role="grid" aria-label="Files" aria-multiselectable="true" aria-rowcount=${count || undefined}
      aria-activedescendant=${count ? `row-${focus}` : undefined} onKeyDown=${onKeyDown} onScroll=${onScroll} data-test="rows">
      <div role="rowgroup" style=${{ height: `${lines * step + (grid ? 2 * CELL.edge : 0)}px`, position: "relative" }}>${drawn}</div>
      ${state}
    </div>`
}

function Head({ how, go, all, some, setAll, count }) {
  const sorter = (name, label, className = "") => html`<button type="button" class=${className} aria-label=${`Sort by ${label.toLowerCase()}`} onClick=${() => go({
    sort: name === "name" ? null : name, order: how.sort === name && how.order === "asc" ? "desc" : null })}>
    ${label}${how.sort === name && html`<${Icon} name=${how.order === "asc" ? "up" : "down"} />`}</button>`
  return html`<div class="lines head">
    <span><input type="checkbox" aria-label="Select all" checked=${all} indeterminate=${some && !all} disabled=${!count} onChange=${(event) => setAll(event.target.checked)} /></span>
    ${sorter("name", "Name")}${sorter("size", "Size", "end")}<span class="at" style="padding-left:24px">${sorter("created_at", "Changed")}</span><span class="type">${sorter("type", "Type")}</span><span></span></div>`
}

const nameOf = (row, full, prefix) => row.folder ? baseName(row.folder) : full ? row.key.slice(prefix.length) : baseName(row.key)

function Line({ id, index, row, where, selected, focused, on, full, prefix }) {
  if (!row) return html`<div class="lines line" style=${where} role="row" aria-rowindex=${index + 1}><span role="gridcell"></span><span role="gridcell"><div class="skeleton"></div></span></div>`
  const file = row.file, kind = file ? kindOf(file) : { icon: "folder", label: "Folder" }
  return html`<div id=${id} class=${`lines line${focused ? " focus" : ""}`} style=${where} role="row" aria-rowindex=${index + 1} aria-selected=${selected}
      onClick=${(event) => { if (!event.target.closest("a,button,input,.menu")) on.pick(index, event) }} onDblClick=${() => on.show(row)}>
    <span class="pick" role="gridcell"><input type="checkbox" tabindex="-1" aria-label=${`Select ${row.key}`} checked=${selected} onClick=${(event) => on.pick(index, event)} /></span>
    <span class="name" role="gridcell"><${Icon} name=${kind.icon} className=${file ? "kind" : "folder"} /><a href=${on.link(row)} tabindex="-1" title=${row.key}>${nameOf(row, full, prefix)}</a></span>
    <span class="num" role="gridcell">${file && bytes(file.size)}</span>
    <span class="at muted" role="gridcell" style="padding-left:24px;white-space:nowrap">${file && when(file.updated_at)}</span>
    <span class="type muted clip" role="gridcell">${kind.label}</span>
    <span role="gridcell"><${Menu} label=${`Actions of ${nameOf(row, full, prefix)}`} items=${() => on.of(row)} /></span></div>`
}

const THUMB_BYTES = 4 << 20

function Cell({ id, index, row, where, selected, focused, on, full, prefix, bucket }) {
  if (!row) return html`<div class="cell" style=${where} role="row" aria-rowindex=${index + 1}><span role="gridcell" class="thumb"></span></div>`
  const file = row.file, kind = file ? kindOf(file) : { icon: "folder", label: "Folder" }
  const shown = file && /^image\/(png|jpe?g|gif|webp|avif|svg|bmp)/.test(file.content_type) && file.size <= THUMB_BYTES
  const source = shown && (file.content_type.includes("svg") ? null : urlOf(`files/view/${place(bucket, file)}`, { version_id: file.version_id }).href)
  return html`<div id=${id} class=${`cell${focused ? " focus" : ""}`} style=${where} role="row" aria-rowindex=${index + 1} aria-selected=${selected}
      onClick=${(event) => { if (!event.target.closest("a,input")) on.pick(index, event) }} onDblClick=${() => on.show(row)}>
    <span class="thumb" role="gridcell">${source ? html`<img src=${source} alt="" loading="lazy" decoding="async" />` : html`<${Icon} name=${kind.icon} className=${file ? "" : "folder"} />`}</span>
    <span class="label" role="gridcell"><input type="checkbox" tabindex="-1" aria-label=${`Select ${row.key}`} checked=${selected} onClick=${(event) => on.pick(index, event)} />
      <a href=${on.link(row)} tabindex="-1" title=${row.key}>${nameOf(row, full, prefix)}</a></span></div>`
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
    async transfer(op) {
      const what = await chosen()
      const target = await trying(async () => (await import("./target.js")).askTarget(op, bucket, prefix))
      if (!target) return
      const title = `${op === "move" ? "Moving" : "Copying"} to ${target.bucket}/${target.prefix}`
      await (await jobs()).run({ op, bucket, ...what, base: prefix, target, title }).finally(reload)
    },
    async delete(row) {
      const what = row ? { keys: row.folder ? [] : [row.key], prefixes: row.folder ? [row.folder] : [] } : await chosen()
      const count = what.keys.length, folders = what.prefixes.length
      const words = [count && plural(count, "file"), folders && (all ? "everything in this folder" : plural(folders, "folder") + " with all that is in them")].filter(Boolean).join(" and ")
      if (!await confirm({ title: "Delete?", text: `${words[0].toUpperCase()}${words.slice(1)} will be deleted. It can be undone for a while.`, action: "Delete", danger: true })) return
      clear()
      go({ open: null })
      await (await jobs()).run({ op: "delete", bucket, ...what, title: `Deleting ${words}`, undo: reload }).finally(reload)
    },
    async zip(prefixes) {
      const what = prefixes ? { keys: [], prefixes } : await chosen()
      await trying(async () => (await jobs()).zip(bucket, what, prefix))
    },
    of(row) {
      return [
        row.file && { text: "Open", icon: "file", run: () => go({ open: row.key }) },
        row.file && { text: "Download", icon: "download", href: href(row.file), download: "" },
        row.folder && { text: "Download zip", icon: "archive", run: () => actions.zip([row.folder]) },
        row.file && { text: "Share…", icon: "share", run: () => trying(async () => (await import("./share.js")).showShare(bucket, row.file)) },
        { text: "Rename…", icon: "edit", run: () => actions.rename(row) },
        { text: "Delete…", icon: "trash", danger: true, run: () => actions.delete(row) },
      ]
    },
  }
  return actions
}

export { toast }
