// @ts-check
// The rows of a folder: those in sight and a few around them, drawn in nodes that are used again as one scrolls.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact.js"
import { place as placeOf, urlOf } from "./api.js"
import { baseName, bytes, Empty, Failed, Icon, legible, Menu, when } from "./ui.js"

const CELL = { width: 152, height: 164, gap: 8, edge: 16 } // the least width: cells fill the line
const LINE = 36, LINE_FOR_FINGERS = 44
const SPARE = { lines: 8, cells: 2 } // drawn above and below what is seen; half of them may pass before anything is drawn anew

/** Which rows are drawn, and where: `pool` nodes are enough for them all. */
function layout(view, place, count) {
  const grid = view === "grid"
  const columns = grid ? Math.max(1, Math.floor((place.width - 2 * CELL.edge + CELL.gap) / (CELL.width + CELL.gap))) : 1
  const step = grid ? CELL.height + CELL.gap : matchMedia("(max-width: 860px)").matches ? LINE_FOR_FINGERS : LINE
  const width = Math.floor((place.width - 2 * CELL.edge - (columns - 1) * CELL.gap) / columns)
  const lines = Math.ceil(count / columns), seen = Math.ceil(place.height / step) + 1, spare = grid ? SPARE.cells : SPARE.lines
  const first = Math.max(0, Math.floor(place.top / step) - spare), last = Math.min(lines, first + seen + 2 * spare)
  const height = lines * step + (grid ? 2 * CELL.edge : 0)
  const pool = (seen + 2 * spare) * columns
  return { grid, columns, step, width, height, pool, slack: (step * spare) / 2, first: first * columns, last: Math.min(count, last * columns) }
}

function boxOf(index, { grid, columns, step, width }) {
  if (!grid) return { top: `${index * step}px`, height: `${step}px` }
  const top = CELL.edge + Math.floor(index / columns) * step, left = CELL.edge + (index % columns) * (width + CELL.gap)
  return { top: `${top}px`, left: `${left}px`, width: `${width}px`, height: `${CELL.height}px` }
}

export function Rows({ listing, view, how, picked, all, setPicked, setAll, show, opened, go, actions, link, up }) {
  const { loading, error } = listing.state.value
  const box = useRef(/** @type {any} */ (null))
  const [place, setPlace] = useState({ top: 0, height: 600, width: 800, bar: 0 })
  const [focus, setFocus] = useState(0)
  const anchor = useRef(0)
  const count = listing.length
  const plan = layout(view, place, count)
  const { grid, columns, step, first, last } = plan

  useLayoutEffect(() => {
    const measure = () => setPlace((old) => {
      const { clientHeight: height, clientWidth: width, offsetWidth } = box.current
      return { ...old, height, width, bar: offsetWidth - width }
    })
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(box.current)
    return () => watch.disconnect()
  }, [])
  useEffect(() => { box.current.scrollTop = 0; setFocus(0); setPlace((old) => ({ ...old, top: 0 })) }, [listing.prefix, how.search, how.sort, how.order])
  useEffect(() => { listing.want(first, last) }, [listing, first, last, loading])

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
  const onScroll = () => {
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0
      const top = box.current?.scrollTop ?? 0
      setPlace((old) => (Math.abs(top - old.top) < plan.slack && top > 0 ? old : { ...old, top }))
    })
  }

  // A row that is as it was is not compared again. What it calls is looked up when it calls.
  const latest = useRef(/** @type {any} */ (null))
  latest.current = { pick, show, link, actions }
  const on = useMemo(() => ({
    pick: (index, event) => latest.current.pick(index, event), show: (row) => latest.current.show(row), link: (row) => latest.current.link(row), of: (row) => latest.current.actions.of(row),
  }), [])
  const kept = useRef(/** @type {Map<number, any>} */ (new Map()))
  const frameOf = `${grid} ${step} ${columns} ${plan.width} ${plan.pool} ${Boolean(how.search)} ${location.hash}`
  const next = new Map()
  const drawn = []
  for (let index = first; index < last; index++) {
    const row = listing.at(index)
    const selected = all || (row !== null && picked.has(row.key))
    const focused = index === focus
    let one = kept.current.get(index)
    if (!(one && row && one.entry === (row.file ?? row.folder) && one.selected === selected && one.focused === focused && one.frameOf === frameOf)) {
      const Part = grid ? Cell : Line
      const node = html`<${Part} key=${index % plan.pool} id=${`row-${index}`} index=${index} row=${row} where=${boxOf(index, plan)} selected=${selected} focused=${focused}
        on=${on} full=${Boolean(how.search)} prefix=${listing.prefix} bucket=${listing.bucket} />`
      one = { node, entry: row && (row.file ?? row.folder), selected, focused, frameOf }
    }
    next.set(index, one)
    drawn.push(one.node)
  }
  kept.current = next
  const state = error ? html`<${Failed} error=${error} again=${actions.reload} />`
    : !loading && !count ? html`<${Empty} icon=${how.search ? "search" : "folder"} title=${how.search ? "Nothing found" : "This folder is empty"}>${how.search ? "No key below here contains that." : "Drop files here, or choose Upload."}</${Empty}>` : null
  return html`
    ${!grid && html`<${Head} how=${how} go=${go} all=${all} some=${picked.size > 0} setAll=${setAll} count=${count} bar=${place.bar} />`}
    <div class="stage"><div ref=${box} class="viewport" tabindex="0" role="grid" aria-label="Files" aria-multiselectable="true" aria-rowcount=${count || undefined}
      aria-activedescendant=${focus >= first && focus < last ? `row-${focus}` : undefined} onKeyDown=${onKeyDown} onScroll=${onScroll} data-test="rows">
      <div role="rowgroup" style=${{ height: `${plan.height}px`, position: "relative" }}>${drawn}</div></div>
      ${state && html`<div class="instead">${state}</div>`}</div>`
}

/** `bar`: as wide as the bar that rows leave room for. */
function Head({ how, go, all, some, setAll, count, bar }) {
  const sorter = (name, label, className = "") => html`<button type="button" class=${className} aria-label=${`Sort by ${label.toLowerCase()}`} onClick=${() => go({
    sort: name === "name" ? null : name, order: how.sort === name && how.order === "asc" ? "desc" : null })}>
    ${label}${how.sort === name && html`<${Icon} name=${how.order === "asc" ? "up" : "down"} />`}</button>`
  return html`<div class="head" style=${{ paddingRight: `${bar}px` }}><div class="lines">
    <span><input type="checkbox" aria-label="Select all" checked=${all} indeterminate=${some && !all} disabled=${!count} onChange=${(event) => setAll(event.target.checked)} /></span>
    ${sorter("name", "Name")}${sorter("size", "Size", "end")}<span class="at">${sorter("created_at", "Changed")}</span><span class="type">${sorter("type", "Type")}</span><span></span></div></div>`
}

const KINDS = [
  [/^image\//, "image", "Image"], [/^video\//, "video", "Video"], [/^audio\//, "audio", "Audio"], [/^application\/pdf/, "text", "PDF"],
  [/json/, "text", "JSON"], [/csv/, "text", "CSV"], [/markdown/, "text", "Markdown"], [/html/, "text", "HTML"], [/^text\//, "text", "Text"],
  [/(zip|tar|gzip|compress|7z|rar|zstd|bzip|x-xz)/, "archive", "Archive"],
]
function kindOf(file) {
  const type = file.content_type ?? ""
  const found = KINDS.find(([pattern]) => /** @type {RegExp} */ (pattern).test(type))
  if (found) return { icon: found[1], label: found[2] }
  const extension = /\.([a-z0-9]{1,6})$/i.exec(file.path)
  return { icon: "file", label: extension ? extension[1].toUpperCase() : "File" }
}
const FOLDER = { icon: "folder", label: "Folder" }

const nameOf = (row, full, prefix) => legible(row.folder ? baseName(row.folder) : full ? row.key.slice(prefix.length) : baseName(row.key))
/** Whether something in the row has its own use for a click. */
const isFor = (event) => event.target.closest("a,button,input,.menu") !== null

function Line({ id, index, row, where, selected, focused, on, full, prefix }) {
  if (!row) return html`<div class="lines line" style=${where} role="row" aria-rowindex=${index + 1}><span role="gridcell"></span><span role="gridcell"><div class="skeleton"></div></span></div>`
  const file = row.file, kind = file ? kindOf(file) : FOLDER, name = nameOf(row, full, prefix)
  return html`<div id=${id} class=${`lines line${focused ? " focus" : ""}`} style=${where} role="row" aria-rowindex=${index + 1} aria-selected=${selected}
      onClick=${(event) => { if (!isFor(event)) on.pick(index, event) }} onDblClick=${(event) => { if (!isFor(event)) on.show(row) }}>
    <span class="pick" role="gridcell"><input type="checkbox" tabindex="-1" aria-label=${`Select ${row.key}`} checked=${selected} onClick=${(event) => on.pick(index, event)} /></span>
    <span class="name" role="gridcell"><${Icon} name=${kind.icon} className=${file ? "kind" : "folder"} /><a href=${on.link(row)} tabindex="-1" title=${legible(row.key)}>${name}</a></span>
    <span class="num" role="gridcell">${file && bytes(file.size)}</span>
    <span class="at muted" role="gridcell">${file && when(file.updated_at)}</span>
    <span class="type muted clip" role="gridcell">${kind.label}</span>
    <span role="gridcell"><${Menu} label=${`Actions of ${name}`} items=${() => on.of(row)} /></span></div>`
}

const THUMB_BYTES = 4 << 20
const THUMBS = /^image\/(png|jpe?g|gif|webp|avif|bmp)/ // and no SVG: hundreds at once would draw for seconds

function Cell({ id, index, row, where, selected, focused, on, full, prefix, bucket }) {
  if (!row) return html`<div class="cell" style=${where} role="row" aria-rowindex=${index + 1}><span role="gridcell" class="thumb"></span></div>`
  const file = row.file, kind = file ? kindOf(file) : FOLDER
  const shown = file && THUMBS.test(file.content_type) && file.size <= THUMB_BYTES
  const source = shown ? urlOf(`files/view/${placeOf(bucket, file)}`, { version_id: file.version_id }).href : null
  return html`<div id=${id} class=${`cell${focused ? " focus" : ""}`} style=${where} role="row" aria-rowindex=${index + 1} aria-selected=${selected}
      onClick=${(event) => { if (!isFor(event)) on.pick(index, event) }} onDblClick=${(event) => { if (!isFor(event)) on.show(row) }}>
    <span class="thumb" role="gridcell">${source ? html`<img key=${source} src=${source} alt="" loading="lazy" decoding="async" />` : html`<${Icon} name=${kind.icon} className=${file ? "" : "folder"} />`}</span>
    <span class="label" role="gridcell"><input type="checkbox" tabindex="-1" aria-label=${`Select ${row.key}`} checked=${selected} onClick=${(event) => on.pick(index, event)} />
      <a href=${on.link(row)} tabindex="-1" title=${legible(row.key)}>${nameOf(row, full, prefix)}</a></span></div>`
}
