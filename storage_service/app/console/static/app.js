// @ts-check
// The shell: who is signed in, which page the address names, what stands beside it.
import { html, render, signal, effect, useEffect, useState } from "./vendor/preact.js"
import { session, signOut, whoAmI } from "./api.js"
import { Dialogs, Icon, IconButton, Toasts, trying } from "./ui.js"
import { SignIn } from "./signin.js"
import { Buckets } from "./buckets.js"
import { Files } from "./files.js"
import { Queue } from "./uploads.js"

/** The address behind `#`: a path and a query. */
export const route = signal(parse())

function parse() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?", 2)
  const parts = path.split("/").filter((part, index) => index || part).map((part) => { try { return decodeURIComponent(part) } catch { return part } })
  return { page: parts[0] || "buckets", parts: parts.slice(1), query: new URLSearchParams(query), text: location.hash }
}
addEventListener("hashchange", () => { route.value = parse() })

const theme = signal(localStorage.getItem("theme") ?? "auto")
effect(() => {
  localStorage.setItem("theme", theme.value)
  if (theme.value === "auto") delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme.value
})
const THEMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" }
const nextTheme = () => { const names = Object.keys(THEMES); theme.value = names[(names.indexOf(theme.value) + 1) % names.length] }

/** Pages that few visits need are fetched when they are first shown. */
const LATER = {
  settings: () => import("./settings.js").then((found) => found.Settings),
  keys: () => import("./keys.js").then((found) => found.Keys),
  status: () => import("./status.js").then((found) => found.Status),
  uploads: () => import("./status.js").then((found) => found.Unfinished),
  requests: () => import("./requests.js").then((found) => found.Requests),
  config: () => import("./status.js").then((found) => found.Config),
}

function Later({ page, ...props }) {
  const [Found, setFound] = useState(/** @type {any} */ (null))
  useEffect(() => {
    setFound(null)
    trying(async () => { const found = await LATER[page](); setFound(() => found) })
  }, [page])
  return Found ? html`<${Found} ...${props} />` : null
}

function Page({ menu }) {
  const { page, parts, query } = route.value
  if (page === "b" && parts[0]) {
    const [bucket, ...rest] = parts
    return html`<${Files} key=${bucket} bucket=${bucket} prefix=${rest.join("/")} query=${query} menu=${menu} />`
  }
  if (LATER[page]) return html`<${Later} page=${page} parts=${parts} query=${query} menu=${menu} />`
  return html`<${Buckets} menu=${menu} />`
}

const TITLES = { buckets: "Buckets", b: "Files", settings: "Settings", keys: "Access keys", status: "Status", uploads: "Unfinished uploads", requests: "Requests", config: "Configuration" }

/** Where one can go, and what can be done, wherever one is. */
function everywhere() {
  const to = (page, icon) => ({ text: TITLES[page], icon, hint: "Page", href: `#/${page}` })
  return [
    to("buckets", "bucket"), to("keys", "key"),
    ...(session.value.admin ? [to("status", "chart"), to("requests", "pulse"), to("uploads", "upload"), to("config", "gear")] : []),
    ...Object.entries(THEMES).map(([name, text]) => ({ text, icon: "moon", run: () => { theme.value = name } })),
    { text: "Sign out", icon: "out", run: () => trying(signOut) },
  ]
}

function palette() {
  if (!document.querySelector("dialog[open]")) trying(async () => (await import("./palette.js")).showPalette(everywhere()))
}

function Shell() {
  const [shown, setShown] = useState(false)
  const { page, parts, text } = route.value
  useEffect(() => setShown(false), [text])
  useEffect(() => { document.title = `${parts[0] ? `${parts[0]} · ` : ""}${TITLES[page] ?? "Buckets"} · Storage` }, [text])
  useEffect(() => {
    const key = (event) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
      event.preventDefault()
      palette()
    }
    document.addEventListener("keydown", key)
    return () => document.removeEventListener("keydown", key)
  }, [])
  const menu = html`<${IconButton} icon="menu" label="Menu" class="plain square menu-button" onClick=${() => setShown(true)} />`
  const here = page === "b" || page === "settings" ? "buckets" : page
  const link = (name, icon, label) => html`<a class="nav" href=${`#/${name}`} aria-current=${here === name ? "page" : undefined}><${Icon} name=${icon} />${label}</a>`
  const who = session.value
  return html`<div class="shell">
    ${shown && html`<button type="button" class="veil" aria-label="Close menu" onClick=${() => setShown(false)}></button>`}
    <nav class=${shown ? "side open" : "side"} aria-label="Main">
      <a class="brand" href="#/"><img src=${new URL("icon.svg", import.meta.url).href} alt="" />Storage</a>
      <button type="button" class="find" aria-keyshortcuts="Control+K" onClick=${() => { setShown(false); palette() }}><${Icon} name="search" /><span class="grow">Go to…</span><kbd class="optional" aria-hidden="true">Ctrl K</kbd></button>
      ${link("buckets", "bucket", "Buckets")}
      ${link("keys", "key", "Access keys")}
      ${who.admin && html`<h2>Service</h2>${link("status", "chart", "Status")}${link("requests", "pulse", "Requests")}
        ${link("uploads", "upload", "Unfinished uploads")}${link("config", "gear", "Configuration")}`}
      <div class="foot">
        <button type="button" class="plain" onClick=${nextTheme}><${Icon} name="moon" />${THEMES[theme.value] ?? THEMES.auto}</button>
        <div class="row who"><span class="grow clip muted small" title=${who.subject} data-test="who">${who.access_key ?? (who.subject === "@service" ? "operator" : who.subject)}</span>
          <${IconButton} icon="out" label="Sign out" onClick=${() => trying(signOut)} /></div>
      </div>
    </nav>
    <main><${Page} menu=${menu} /></main>
    <${Queue} />
  </div>`
}

function App() {
  const [failed, setFailed] = useState("")
  const [asked, setAsked] = useState(/** @type {any} */ (null))
  useEffect(() => { whoAmI().then(setAsked, (error) => setFailed(error.message)) }, [])
  if (session.value) return html`<${Shell} /><${Dialogs} /><${Toasts} />`
  if (failed) return html`<div class="empty" role="alert"><${Icon} name="warning" /><h2>${failed}</h2><button type="button" onClick=${() => location.reload()}>Try again</button></div>`
  if (asked === null) return null
  return html`<${SignIn} password=${asked.password !== false} /><${Toasts} />`
}

const stage = /** @type {HTMLElement} */ (document.getElementById("app"))
render(html`<${App} />`, stage)
