// @ts-check
// What every page is made of: icons, dialogs, menus, notices, and how figures are written.
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "./vendor/preact.js"

const PATHS = {
  bucket: "M3 6c0-1.7 4-3 9-3s9 1.3 9 3-4 3-9 3-9-1.3-9-3zm0 0 2 13c.2 1.1 3.300 2 7 2s6.800-.9 7-2l2-13",
  folder: "M3 7a2 2 0 0 1 2-2h4l2 2.500h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z",
  file: "M6 3h8l5 5v12a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM14 3v5h5",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
  video: "M4 5h16v14H4zM10 9l5 3-5 3z",
  audio: "M9 18V6l10-2v12M9 18a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0zM19 16a2.500 2.500 0 1 1-5 0 2.500 2.500 0 0 1 5 0z",
  text: "M6 3h8l5 5v12a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM8.500 12h7M8.500 16h5",
  archive: "M4 4h16v5H4zM5 9v11h14V9M10 13h4",
  key: "M14 10a4.500 4.500 0 1 0-3.600 4.400L12 16h2v2h2v2h4v-3.500zM8 8h.01",
  chart: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  gear: "M20 7h-9M14 17H4M17 14a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM7 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.500 4.500",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  download: "M12 4v12M7 11l5 5 5-5M4 18v1a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-1",
  plus: "M12 5v14M5 12h14",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  share: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  move: "M4 12h15M13 6l6 6-6 6",
  tag: "M4 4h8l8 8-8 8-8-8zM8 8h.01",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
  undo: "M9 14 4 9l5-5M4 9h10a6 6 0 0 1 0 12h-3",
  close: "M6 6l12 12M18 6 6 18",
  more: "M12 5a.75.75 0 1 0 .01 0zM12 11.250a.75.75 0 1 0 .01 0zM12 17.500a.75.75 0 1 0 .01 0z",
  menu: "M4 7h16M4 12h16M4 17h16",
  list: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
  check: "M5 12l5 5 9-11",
  globe: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM3 12h18M12 3c3 3 3.500 6 3.500 9s-.5 6-3.500 9c-3-3-3.500-6-3.500-9s.5-6 3.500-9z",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z",
  out: "M10 4H5v16h5M10 12h10M16 8l4 4-4 4",
  refresh: "M20 5v5h-5M19 10a7.500 7.500 0 1 0 1 5",
  warning: "M12 4 2.500 20h19zM12 10v4M12 17h.01",
}

export const Icon = ({ name, className = "" }) => html`<svg class=${`icon ${className}`} viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name] ?? PATHS.file} /></svg>`

/** A button with a picture only: `label` is what it is called. */
export const IconButton = ({ icon, label, ...rest }) => html`
  <button type="button" class="plain square" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`

// Names ----------------------------------------------------------------------------------------------------------------

/** The last part of a key, or of a prefix. */
export const baseName = (key) => key.replace(/\/$/, "").split("/").pop() || key

/** A name as it can be read: marks that turn the direction of writing, and those nobody sees, stand as their numbers. */
export const legible = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
  (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`)

// Figures ------------------------------------------------------------------------------------------------------------

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
export function bytes(count) {
  if (count === null || count === undefined) return ""
  let value = count, unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1]
  if (!unit) return count === 1 ? "1 byte" : `${count} bytes`
  return `${value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2)} ${UNITS[unit]}`
}

const NUMBER = new Intl.NumberFormat("en"), SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 })
export const number = (value) => NUMBER.format(value ?? 0)
/** At a glance: 13.5M. */
export const about = (value) => SHORT.format(value ?? 0)
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`

/** Bytes from what a person writes: `1.5 GB`, `20M`, `4096`; null for nothing, NaN for what is no size. */
export function parseBytes(text) {
  const said = text.trim()
  if (!said) return null
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?)b?(?:ytes?)?$/i.exec(said)
  if (!found) return NaN
  const power = "kmgtp".indexOf(found[2].toLowerCase() || " ") + 1
  return Math.round(Number(found[1]) * 1024 ** power)
}

const two = (value) => String(value).padStart(2, "0")
export function when(text) {
  if (!text) return ""
  const at = new Date(text)
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`
}

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return ""
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`
  return seconds < 86400 ? `${(seconds / 3600).toFixed(1)} h` : `${Math.round(seconds / 86400)} days`
}

// Notices ------------------------------------------------------------------------------------------------------------

const toasts = signal(/** @type {any[]} */ ([]))
let lastToast = 0

/** @param {string} text @param {{error?: boolean, action?: string, onAction?: () => void, seconds?: number}} [options] */
export function toast(text, options = {}) {
  const id = ++lastToast
  toasts.value = [...toasts.value.slice(-3), { id, text, ...options }]
  setTimeout(() => dismiss(id), 1000 * (options.seconds ?? (options.error ? 12 : options.action ? 15 : 5)))
}
const dismiss = (id) => { toasts.value = toasts.value.filter((one) => one.id !== id) }

/** Do it, and say what went wrong if it does. Resolves to undefined then. */
export async function trying(work) {
  try {
    return await work()
  } catch (error) {
    if (error.name !== "AbortError" && error.status !== 401) toast(error.message, { error: true })
    return undefined
  }
}

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map((one) => html`<div key=${one.id} class=${one.error ? "toast error" : "toast"}>
    <span class="grow">${one.text}</span>
    ${one.action && html`<button type="button" onClick=${() => { dismiss(one.id); one.onAction() }}>${one.action}</button>`}
    <button type="button" aria-label="Dismiss" onClick=${() => dismiss(one.id)}><${Icon} name="close" /></button>
  </div>`)}
</div>`

// Dialogs ------------------------------------------------------------------------------------------------------------

const dialogs = signal(/** @type {any[]} */ ([]))
let lastDialog = 0

/**
 * Show a dialog; resolves with what it closes with, null when it is dismissed.
 * `bare`: the title is for those who listen; a click beside it dismisses it.
 * @param {{title: string, wide?: boolean, bare?: boolean, body: (props: {close: (value?: any) => void}) => any}} options
 */
export function open(options) {
  return new Promise((resolve) => {
    const id = ++lastDialog
    const close = (value = null) => {
      dialogs.value = dialogs.value.filter((one) => one.id !== id)
      resolve(value)
    }
    dialogs.value = [...dialogs.value, { id, close, ...options }]
  })
}

export const Dialogs = () => html`${dialogs.value.map((one) => html`<${Dialog} key=${one.id} ...${one} />`)}`

function Dialog({ id, title, wide, bare, body: Body, close }) {
  const box = useRef(/** @type {any} */ (null))
  useEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement) // goes on where they were
    if (!box.current.open) box.current.showModal()
    return () => before?.focus({ preventScroll: true })
  }, [])
  const label = `dialog-${id}`, dismiss = (event) => { event.preventDefault(); close() }
  if (bare) {
    return html`<dialog ref=${box} class="bare" aria-label=${title} onCancel=${dismiss} onClick=${(event) => { if (event.target === box.current) close() }}><${Body} close=${close} /></dialog>`
  }
  return html`<dialog ref=${box} class=${wide ? "wide" : ""} aria-labelledby=${label} onCancel=${dismiss}>
    <div class="inside">
      <header><h2 id=${label}>${title}</h2><${IconButton} icon="close" label="Close" onClick=${() => close()} /></header>
      <${Body} close=${close} />
    </div>
  </dialog>`
}

/** A question; resolves to whether it was confirmed. `typed`: what must be typed first. */
export const confirm = ({ title, text, action = "OK", danger = false, typed = "" }) => open({
  title,
  body: ({ close }) => {
    const [said, setSaid] = useState("")
    return html`<form class="stack" onSubmit=${(event) => { event.preventDefault(); close(true) }}>
      <p>${text}</p>
      ${typed && html`<label class="field">Type ${typed} to confirm
        <input value=${said} onInput=${(event) => setSaid(event.target.value)} autocomplete="off" autofocus /></label>`}
      <footer><button type="button" autofocus=${danger && !typed} onClick=${() => close(false)}>Cancel</button>
        <button autofocus=${!danger} class=${danger ? "primary danger" : "primary"} disabled=${typed && said !== typed}>${action}</button></footer>
    </form>`
  },
})

/** A line of text from the person; null when dismissed. */
export const askText = ({ title, label, value = "", action = "OK", hint = "" }) => open({
  title,
  body: ({ close }) => {
    const [said, setSaid] = useState(value)
    const box = useRef(/** @type {any} */ (null))
    useEffect(() => {
      box.current.focus()
      const name = value.replace(/\/$/, "").lastIndexOf("/") + 1, dot = value.lastIndexOf(".")
      box.current.setSelectionRange(name, dot > name ? dot : value.length)
    }, [])
    return html`<form class="stack" onSubmit=${(event) => { event.preventDefault(); close(said) }}>
      <label class="field">${label}
        <input ref=${box} value=${said} onInput=${(event) => setSaid(event.target.value)} autocomplete="off" spellcheck=${false} />
        ${hint && html`<span class="muted small">${hint}</span>`}</label>
      <footer><button type="button" onClick=${() => close()}>Cancel</button>
        <button class="primary" disabled=${!said || said === value}>${action}</button></footer>
    </form>`
  },
})

// Smaller parts ------------------------------------------------------------------------------------------------------

/**
 * A button that opens a list of actions, above everything and inside the window.
 * @param {{label: string, icon?: string, text?: string, items: any[] | (() => any[]), side?: string, className?: string}} props
 */
export function Menu({ label, icon = "more", text, items, side = "", className = "plain square" }) {
  const [shown, setShown] = useState(false)
  const box = useRef(/** @type {any} */ (null))
  useEffect(() => setShown(false), [label]) // a row that is another one now
  useLayoutEffect(() => (shown ? unfold(box.current, side, () => setShown(false)) : undefined), [shown])
  const leave = () => { setShown(false); box.current.firstElementChild.focus({ preventScroll: true }) }
  const onKeyDown = (event) => {
    const found = [...box.current.querySelectorAll(".items button, .items a")], at = found.indexOf(document.activeElement)
    const to = { ArrowDown: (at + 1) % found.length, ArrowUp: (at - 1 + found.length) % found.length, Home: 0, End: found.length - 1 }[event.key]
    if (to !== undefined) found[to].focus()
    else if (event.key === "Escape") leave()
    else if (event.key === "Tab") return setShown(false)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const choose = (event, one) => { event.stopPropagation(); leave(); one.run?.() }
  return html`<div class="menu" ref=${box}>
    <button type="button" class=${className} aria-label=${text ? undefined : label} title=${text ? undefined : label} aria-haspopup="menu"
      aria-expanded=${shown} onClick=${(event) => { event.stopPropagation(); setShown(!shown) }}><${Icon} name=${icon} />${text}</button>
    ${shown && html`<div class="items" popover="manual" role="menu" aria-label=${label} onKeyDown=${onKeyDown}>
      ${(typeof items === "function" ? items() : items).filter(Boolean).map((one) => one.href
        ? html`<a role="menuitem" href=${one.href} download=${one.download} onClick=${(event) => choose(event, one)}><${Icon} name=${one.icon} />${one.text}</a>`
        : html`<button type="button" role="menuitem" class=${one.danger ? "danger" : ""} onClick=${(event) => choose(event, one)}><${Icon} name=${one.icon} />${one.text}</button>`)}
    </div>`}
  </div>`
}

const EDGE = 8 // pixels to the window's edge, at least

/** Show the list below its button, or above where there is more room; returns what ends that. */
function unfold(box, side, fold) {
  const list = box.querySelector(".items"), button = box.firstElementChild.getBoundingClientRect()
  list.showPopover()
  const { width, height } = list.getBoundingClientRect()
  const left = side === "left" ? button.left : button.right - width, below = button.bottom + 4, above = button.top - 4 - height
  list.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - width - EDGE))}px`
  list.style.top = `${below + height > innerHeight - EDGE && above >= EDGE ? above : below}px`
  list.querySelector("button, a")?.focus({ preventScroll: true })
  const leave = (event) => { if (!box.contains(event.target)) fold() }
  document.addEventListener("pointerdown", leave)
  document.addEventListener("scroll", leave, true)
  addEventListener("resize", fold)
  return () => {
    document.removeEventListener("pointerdown", leave)
    document.removeEventListener("scroll", leave, true)
    removeEventListener("resize", fold)
  }
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const box = document.createElement("textarea") // without HTTPS browsers keep the clipboard from pages
    box.value = text
    ;(document.querySelector("dialog[open]") ?? document.body).append(box)
    box.select()
    document.execCommand("copy")
    box.remove()
  }
  toast("Copied")
}

/** A text to be copied. */
export const Copyable = ({ value, label, secret = false }) => html`<div class="copy">
  <input readonly value=${value} aria-label=${label} type=${secret ? "password" : "text"} onFocus=${(event) => event.target.select()} />
  <button type="button" onClick=${() => copyText(value)}><${Icon} name="copy" />Copy</button></div>`

export const Snippet = ({ text, label }) => html`<div class="snippet-box">
  <pre class="snippet" tabindex="0" aria-label=${label}>${text}</pre>
  <button type="button" class="plain" aria-label=${`Copy ${label}`} onClick=${() => copyText(text)}><${Icon} name="copy" /></button></div>`

// What can be done on the page that is shown, for the palette -------------------------------------------------------

const offers = signal(/** @type {(() => any[])[]} */ ([]))
/** As long as the calling component is shown: its actions, as a menu has them. @param {() => any[]} items */
export function useOffers(items) {
  const latest = useRef(items)
  latest.current = items
  useEffect(() => {
    const one = () => latest.current()
    offers.value = [...offers.peek(), one]
    return () => { offers.value = offers.peek().filter((other) => other !== one) }
  }, [])
}
/** What is offered now; who calls this while rendering is rendered again when another page offers its own. */
export const offered = () => offers.value.flatMap((one) => one()).filter(Boolean)

export const Empty = ({ icon, title, children }) => html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2><div>${children}</div></div>`

/** Whatever a promise brings: `load` again by calling what is returned. */
export function useLoaded(load, keys) {
  const [state, setState] = useState({ value: /** @type {any} */ (undefined), error: /** @type {any} */ (null) })
  const turn = useRef(0)
  const again = async () => {
    const mine = ++turn.current
    try {
      const value = await load()
      if (mine === turn.current) setState({ value, error: null })
    } catch (error) {
      if (mine === turn.current && error.name !== "AbortError") setState((old) => ({ value: old.value, error }))
    }
  }
  useEffect(() => { again(); return () => { turn.current++ } }, keys)
  return { ...state, again }
}

export const Failed = ({ error, again }) => html`<div class="notice danger row"><${Icon} name="warning" /><span class="grow">${error.message}</span>
  ${again && html`<button type="button" onClick=${again}>Try again</button>`}</div>`
