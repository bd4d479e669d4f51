// @ts-check
// The public JSON API, as any client of it: this page has no other door. Paths are relative to where the page stands,
// so that it works under any path of a proxy.
import { signal } from "./vendor/preact.js"

/** What stands above /console/: the service itself. */
export const ROOT = new URL("../", document.baseURI)
/** Who is signed in; null: nobody; undefined: not known yet. */
export const session = signal(/** @type {any} */ (undefined))
/** Why the sign-in page shows, if there is something to say. */
export const notice = signal("")

export class ApiError extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    const detail = body && (typeof body.detail === "string" ? body.detail : body.message)
    super(detail || (status ? `The service answered ${status}` : "The service cannot be reached"))
    this.status = status
    this.code = body?.code ?? ""
    this.requestId = body?.request_id ?? ""
    this.body = body
  }
}

/** @param {string} path relative to the service, each segment encoded @param {Record<string, any>} [query] */
export function urlOf(path, query = {}) {
  const url = new URL(path, ROOT)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) url.searchParams.set(name, String(value))
  }
  return url
}

/** A key as it stands in a path. */
export const encodeKey = (key) => key.split("/").map(encodeURIComponent).join("/")

/** Bucket and file for a path. A browser would tidy away `.` and `..` however they are written: those go by their id. */
export function place(bucket, file) {
  const key = typeof file === "string" ? file : file.path
  const tidied = key.split("/").some((part) => part === "." || part === "..")
  return `${encodeURIComponent(bucket)}/${tidied && file.id ? file.id : encodeKey(key)}`
}

/** @returns {Record<string, string>} */
export const csrf = () => (session.value?.csrf_token ? { "X-CSRF-Token": session.value.csrf_token } : {})

/**
 * @param {string} method @param {string} path
 * @param {{query?: object, json?: any, body?: BodyInit, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 */
export async function send(method, path, options = {}) {
  const headers = { ...csrf(), ...options.headers }
  let body = options.body
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json"
    body = JSON.stringify(options.json)
  }
  let answer
  try {
    answer = await fetch(urlOf(path, options.query), {
      method, headers, body, signal: options.signal, credentials: "same-origin", cache: "no-store",
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error
    throw new ApiError(0, null)
  }
  if (answer.ok) return answer
  const said = await answer.json().catch(() => null)
  if (answer.status === 401 && session.value) expire()
  throw new ApiError(answer.status, said)
}

/** The session has ended: whoever signs in again goes on where they were. */
export function expire() {
  notice.value = "Your session has ended. Sign in to go on."
  session.value = null
}

const json = async (answer) => (answer.status === 204 ? null : answer.json())

export const get = async (path, query, options = {}) => json(await send("GET", path, { query, ...options }))
export const post = async (path, body, options = {}) => json(await send("POST", path, { json: body, ...options }))
export const put = async (path, body, options = {}) => json(await send("PUT", path, { json: body, ...options }))
export const patch = async (path, body, options = {}) => json(await send("PATCH", path, { json: body, ...options }))
export const remove = async (path, query, options = {}) => json(await send("DELETE", path, { query, ...options }))

/** Lines of JSON as they arrive. @returns {AsyncGenerator<any>} */
export async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) break
    const parts = (rest + value).split("\n")
    rest = parts.pop() ?? ""
    for (const part of parts) if (part.trim()) yield JSON.parse(part)
  }
  if (rest.trim()) yield JSON.parse(rest)
}

/** Server-sent events of an answer, as objects; `seen.id` is how far they came. EventSource cannot send the header that proves who asks. */
export async function* events(answer, seen = { id: "" }) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const parts = (rest + value).split("\n\n")
    rest = parts.pop() ?? ""
    for (const part of parts) {
      const of = (name) => part.split("\n").filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("")
      const data = of("data")
      if (data) yield JSON.parse(data)
      seen.id = of("id") || seen.id
    }
  }
}

/** Tell of every change below a prefix, whoever made it, until `stop`. After a break first of what was missed. */
export async function follow(bucket, prefix, stop, tell) {
  const seen = { id: "" }
  for (let pause = 1000; !stop.aborted; pause = Math.min(60_000, pause * 2)) {
    try {
      const answer = await send("GET", "events", { query: { bucket, prefix }, headers: seen.id ? { "Last-Event-ID": seen.id } : {}, signal: stop })
      pause = 1000
      for await (const event of events(answer, seen)) tell(event)
    } catch (error) {
      if (error.status && error.status < 500) return // it may not be followed
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
  }
}

export async function whoAmI() {
  const found = await get("console/session")
  session.value = found.subject ? found : null
  return found
}

export async function signIn(said) {
  const answer = await fetch(urlOf("console/session"), {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said), credentials: "same-origin",
  }).catch(() => { throw new ApiError(0, null) })
  const body = await answer.json().catch(() => null)
  if (!answer.ok) throw new ApiError(answer.status, body)
  notice.value = ""
  session.value = body
}

export async function signOut() {
  await send("DELETE", "console/session")
  session.value = null
}
