// @ts-check
// The queue of uploads: resumable by tus, three at a time, outliving lost networks, restarts of the service, and (once the
// same files are chosen again) a reload of this page.
import { html, signal, useState } from "./vendor/preact.js"
import { csrf, expire, session, urlOf } from "./api.js"
import { baseName, bytes, duration, Icon, IconButton, legible, open, plural, toast } from "./ui.js"

const AT_ONCE = 3
const RETRIES = [0, 500, 1000, 2000, 3000, 5000, 5000, 10000, 10000, 20000, 30000, 30000, 60000, 60000, 60000]
const PIECE = 16 << 20 // bytes of a request: what a service that was killed is sent again is less than one of these
const STORE = "storage-uploads:"

/** Grows when uploads have changed a bucket. */
export const changed = signal({ turn: 0, bucket: "" })
/** @typedef {{id: number, bucket: string, key: string, file: File, state: string, sent: number, error: string, overwrite: boolean, tus: any, from: number, refused: number}} Item */
const queue = signal(/** @type {Item[]} */ ([]))
const speed = signal(0)
let last = 0
let forAll = "" // what the person chose for every file that is there already
let Upload = /** @type {any} */ (null)

// What is asked for ---------------------------------------------------------------------------------------------------

/** Every file below what was dropped, with its path. @param {DataTransfer} data */
export async function dropped(data) {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
  const found = []
  for (const entry of entries) await walk(entry, "", found)
  return found
}

async function walk(entry, above, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject))
    found.push({ file, path: above + entry.name })
    return
  }
  const reader = entry.createReader()
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
    if (!some.length) return
    for (const one of some) await walk(one, `${above}${entry.name}/`, found)
  }
}

/** @param {string} bucket @param {string} prefix @param {{file: File, path: string}[]} files */
export async function enqueue(bucket, prefix, files) {
  if (!files.length) return
  if (!queue.value.some(isActive)) forAll = ""
  const waiting = new Set(queue.value.filter((item) => item.state !== "done").map((item) => `${item.bucket}/${item.key}`))
  const items = files.map(({ file, path }) => ({
    id: ++last, bucket, key: prefix + path, file, state: "waiting", sent: 0, error: "", overwrite: false, tus: null, from: 0, refused: 0,
  })).filter((item) => !waiting.has(`${item.bucket}/${item.key}`))
  queue.value = [...queue.value.filter((item) => item.state !== "done" && item.state !== "skipped"), ...items]
  Upload ??= (await import("./vendor/tus.js")).Upload
  pump()
}

// The work ------------------------------------------------------------------------------------------------------------

const isActive = (item) => item.state === "waiting" || item.state === "sending"
let drawing = 0
/** Show it, at most a few times a second: hundreds of files report at once. */
function tell() {
  if (drawing) return
  drawing = window.setTimeout(() => { drawing = 0; queue.value = [...queue.value]; measure() }, 200)
}

let measured = { at: 0, sent: 0 }
function measure() {
  const now = performance.now(), sent = queue.value.reduce((sum, item) => sum + item.sent - item.from, 0)
  if (now - measured.at < 900) return
  if (measured.at && sent >= measured.sent) speed.value = speed.value * 0.5 + ((sent - measured.sent) / (now - measured.at)) * 500
  measured = { at: now, sent }
}

function pump() {
  if (session.value === null) return
  const sending = queue.value.filter((item) => item.state === "sending").length
  for (const item of queue.value.filter((one) => one.state === "waiting").slice(0, Math.max(0, AT_ONCE - sending))) start(item)
  tell()
}

const fingerprint = (item) => `${STORE}${urlOf("").href} ${item.bucket}/${item.key} ${item.file.size} ${item.file.lastModified}`

async function start(item) {
  item.state = "sending"
  item.error = ""
  const upload = new Upload(item.file, {
    endpoint: urlOf("files/resumable").href,
    chunkSize: PIECE,
    retryDelays: RETRIES,
    uploadDataDuringCreation: item.file.size <= 1 << 20,
    removeFingerprintOnSuccess: true,
    fingerprint: async () => fingerprint(item),
    metadata: { bucket: item.bucket, key: item.key, contentType: item.file.type, overwrite: String(item.overwrite) },
    onBeforeRequest: (request) => { item.refused = 0; for (const [name, value] of Object.entries(csrf())) request.setHeader(name, value) },
    // The library takes every refusal of a HEAD for the end of the upload, and would begin anew while the service starts.
    onAfterResponse: (request, response) => {
      const status = response.getStatus()
      if (request.getMethod() !== "HEAD" || status < 400 || GONE.includes(status)) return
      item.refused = status
      throw new Error(`The service answered ${status}`)
    },
    onShouldRetry: (error) => { const status = statusOf(item, error); return !status || status >= 500 || status === 423 || status === 429 },
    onProgress: (sent) => { item.sent = sent; tell() },
    onError: (error) => failed(item, error),
    onSuccess: () => { item.state = "done"; item.sent = item.file.size; item.tus = null; finished(item) },
  })
  item.tus = upload
  try {
    const earlier = await upload.findPreviousUploads()
    if (earlier.length && item.state === "sending") {
      upload.resumeFromPreviousUpload(earlier[0])
      const known = await offsetOf(earlier[0].uploadUrl)
      item.from = item.sent = known
    }
  } catch { /* begin anew */ }
  if (item.state === "sending") upload.start()
}

/** How far an earlier upload came, for the display only. */
async function offsetOf(url) {
  try {
    const answer = await fetch(new URL(url, urlOf("files/resumable/")), { method: "HEAD", headers: { "Tus-Resumable": "1.0.0", ...csrf() } })
    return Number(answer.headers.get("Upload-Offset") ?? 0)
  } catch {
    return 0
  }
}

const GONE = [404, 410]
const statusOf = (item, error) => error.originalResponse?.getStatus() ?? item.refused ?? 0

function failed(item, error) {
  const status = statusOf(item, error)
  item.tus = null
  if (status === 401) {
    item.state = "waiting" // whoever signs in again goes on
    if (session.value) expire()
  } else if (status === 409 && !item.overwrite) {
    item.state = "conflict"
    settle()
  } else {
    item.state = "failed"
    item.error = status ? said(error) : "The service cannot be reached"
  }
  pump()
}

function said(error) {
  try { return JSON.parse(error.originalResponse.getBody()).detail } catch { return error.message }
}

let lately = 0
function finished(item) {
  clearTimeout(lately)
  const left = queue.value.some(isActive)
  lately = window.setTimeout(() => { changed.value = { turn: changed.value.turn + 1, bucket: item.bucket } }, left ? 1500 : 150)
  if (!left) {
    speed.value = 0
    const done = queue.value.filter((one) => one.state === "done").length
    if (done) toast(`${plural(done, "file")} uploaded`)
  }
  pump()
}

// Files that are there already ----------------------------------------------------------------------------------------

let asking = false
async function settle() {
  if (asking) return
  asking = true
  for (let item; (item = queue.value.find((one) => one.state === "conflict"));) {
    const answer = forAll || await open({ title: "This file is there already", body: Conflict(item) })
    resolve(item, answer ?? "skip")
  }
  asking = false
  pump()
}

function resolve(item, answer) {
  if (answer === "skip") item.state = "skipped"
  else {
    if (answer === "replace") item.overwrite = true
    else item.key = beside(item.key)
    item.state = "waiting"
  }
}

const beside = (key) => key.replace(/( \((\d+)\))?(\.[^./]*)?$/, (_, __, count, extension = "") => ` (${Number(count ?? 1) + 1})${extension}`)

const Conflict = (item) => ({ close }) => {
  const [all, setAll] = useState(false)
  const choose = (answer) => { if (all) forAll = answer; close(answer) }
  return html`<div class="stack"><p><b class="any">${legible(item.key)}</b> is in ${item.bucket}.</p>
    <label class="check"><input type="checkbox" checked=${all} onChange=${(event) => setAll(event.target.checked)} />Do the same for all others</label>
    <footer class="wrap"><button type="button" onClick=${() => choose("skip")}>Skip</button><button type="button" autofocus onClick=${() => choose("both")}>Keep both</button>
      <button type="button" class="primary" onClick=${() => choose("replace")}>Replace</button></footer></div>`
}

// What a person does with the queue -----------------------------------------------------------------------------------

function pause(item) {
  item.tus?.abort()
  item.tus = null
  item.state = "paused"
  pump()
}
function again(item) { item.state = "waiting"; item.error = ""; pump() }
function drop(item) {
  item.tus?.abort(true).catch(() => {})
  queue.value = queue.value.filter((one) => one !== item)
  pump()
}
const each = (states, act) => queue.value.filter((item) => states.includes(item.state)).forEach(act)

addEventListener("beforeunload", (event) => { if (queue.value.some(isActive)) event.preventDefault() })
session.subscribe((who) => { if (who && queue.value.length) pump() })
addEventListener("online", () => each(["failed"], again))

/** Uploads that an earlier visit of this page began: they go on once the same files are chosen. */
function unfinished() {
  const here = `tus::${STORE}${urlOf("").href} `
  const found = []
  for (let index = 0; index < localStorage.length; index++) {
    const name = localStorage.key(index) ?? ""
    if (name.startsWith(here)) found.push(name)
  }
  return found
}
const earlier = signal(unfinished().length)
function forget() {
  unfinished().forEach((name) => localStorage.removeItem(name))
  earlier.value = 0
}

// The panel -----------------------------------------------------------------------------------------------------------

const WORDS = { waiting: "waiting", paused: "paused", done: "done", skipped: "skipped", conflict: "there already" }
const SHOWN = 200

export function Queue() {
  const [small, setSmall] = useState(false)
  const items = queue.value
  if (!items.length) {
    if (!earlier.value) return null
    return html`<section class="queue" aria-label="Uploads"><header><span class="grow">${plural(earlier.value, "upload")} of an earlier visit can go on: choose the same files again.</span>
      <${IconButton} icon="close" label="Forget them" onClick=${forget} /></header></section>`
  }
  const active = items.filter(isActive), done = items.filter((item) => item.state === "done").length
  const total = items.reduce((sum, item) => sum + item.file.size, 0), sent = items.reduce((sum, item) => sum + item.sent, 0)
  const left = speed.value > 0 ? (total - sent) / speed.value : Infinity
  const title = active.length ? `Uploading ${done + 1} of ${items.length}` : done === items.length ? `${plural(done, "file")} uploaded` : `${done} of ${items.length} uploaded`
  return html`<section class="queue" aria-label="Uploads">
    <header><div class="grow"><b>${title}</b><div class="muted small clip">${bytes(sent)} of ${bytes(total)}${active.length && speed.value ? ` · ${bytes(speed.value)}/s · ${duration(left)}` : ""}</div></div>
      ${active.length > 0 && html`<${IconButton} icon="pause" label="Pause all" onClick=${() => each(["sending", "waiting"], pause)} />`}
      ${!active.length && items.some((item) => item.state === "paused" || item.state === "failed") && html`<${IconButton} icon="play" label="Resume all" onClick=${() => each(["paused", "failed"], again)} />`}
      <${IconButton} icon=${small ? "up" : "down"} label=${small ? "Show files" : "Hide files"} onClick=${() => setSmall(!small)} />
      ${!active.length && html`<${IconButton} icon="close" label="Close" onClick=${() => { each(["paused", "failed", "conflict"], drop); queue.value = []; earlier.value = 0 }} />`}</header>
    <progress max=${total || 1} value=${total ? sent : done === items.length ? 1 : 0} aria-label="All uploads" style="border-radius:0;height:3px;display:block"></progress>
    ${!small && html`<ul>${[...items].sort((one, other) => rank(one) - rank(other)).slice(0, SHOWN).map((item) => html`<${Row} key=${item.id} item=${item} sent=${item.sent} state=${item.state} />`)}
      ${items.length > SHOWN && html`<li class="muted small">and ${items.length - SHOWN} more</li>`}</ul>`}
  </section>`
}

const rank = (item) => ({ sending: 0, failed: 1, conflict: 1, paused: 2, waiting: 3, skipped: 4, done: 5 })[item.state] ?? 6

function Row({ item }) {
  const { state, file } = item
  const text = state === "sending" ? `${bytes(item.sent)} of ${bytes(file.size)}` : state === "failed" ? item.error : `${bytes(file.size)} · ${WORDS[state]}`
  return html`<li><span class="clip" title=${`${item.bucket}/${legible(item.key)}`}>${legible(baseName(item.key))}</span>
    <span class="row">
      ${state === "sending" && html`<${IconButton} icon="pause" label=${`Pause ${item.key}`} onClick=${() => pause(item)} />`}
      ${(state === "paused" || state === "failed") && html`<${IconButton} icon="play" label=${`Resume ${item.key}`} onClick=${() => again(item)} />`}
      ${state === "done" ? html`<span class="tag ok"><${Icon} name="check" /></span>` : html`<${IconButton} icon="close" label=${`Cancel ${item.key}`} onClick=${() => drop(item)} />`}</span>
    <small class=${state === "failed" ? "error clip" : "muted clip"}>${text}</small>
    ${state === "sending" && html`<progress max=${file.size || 1} value=${item.sent} aria-label=${`Upload of ${item.key}`}></progress>`}</li>`
}
