// @ts-check
// Work on many files: the service says line by line how far it is; what was deleted can be brought back.
import { html, signal, useEffect, useState } from "./vendor/preact.js"
import { lines, post, send, urlOf } from "./api.js"
import { number, open, plural, toast } from "./ui.js"

const DONE = { delete: "deleted", move: "moved", copy: "copied", restore: "brought back" }

/**
 * Run a job and show how far it is; resolves when it has ended, however it did.
 * @param {{op: string, bucket: string, title: string, undo?: () => void, [name: string]: any}} job
 */
export async function run({ title, undo, ...job }) {
  const progress = signal({ done: 0, total: null, failed: 0, errors: /** @type {any[]} */ ([]) })
  const stop = new AbortController()
  const started = new Date(Date.now() - 2000).toISOString()
  let ended = false
  const work = (async () => {
    try {
      const answer = await send("POST", "api/v1/bulk", { json: job, signal: stop.signal })
      for await (const line of lines(answer)) progress.value = { ...progress.value, ...line }
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message, { error: true })
    } finally {
      ended = true
    }
  })()
  // A short job needs no dialog.
  const shown = await Promise.race([work.then(() => false), new Promise((resolve) => setTimeout(() => resolve(true), 400))])
  if (shown) await open({ title, body: Progress(progress, work, stop) })
  stop.abort()
  await work
  const { done, failed, errors } = progress.value
  const words = `${plural(done, "file")} ${DONE[job.op]}`
  if (failed) toast(`${words}; ${number(failed)} could not be: ${errors[0]?.detail ?? ""}`, { error: true })
  else if (ended) toast(words, job.op === "delete" && done ? { action: "Undo", onAction: () => bringBack(job, started, undo) } : {})
}

function bringBack(job, since, then) {
  const { bucket, keys, prefixes } = job
  run({ op: "restore", bucket, keys, prefixes, since, title: "Bringing back" }).finally(then)
}

const Progress = (progress, work, stop) => ({ close }) => {
  const [, setTurn] = useState(0)
  useEffect(() => { work.finally(close); return progress.subscribe(() => setTurn((old) => old + 1)) }, [])
  const { done, total, failed } = progress.value
  return html`<div class="stack"><progress max=${total ?? 1} value=${total === null ? undefined : done + failed} aria-label="Progress"></progress>
    <p role="status">${number(done)}${total !== null ? ` of ${number(total)}` : ""} done${failed ? `, ${number(failed)} failed` : ""}</p>
    <footer><button type="button" onClick=${() => { stop.abort(); close() }}>Stop</button></footer></div>`
}

/** Download as one archive; the browser fetches it itself, so that it may be of any size. `base` is left out of the names. */
export async function zip(bucket, { keys, prefixes }, base) {
  if (!keys.length && prefixes.length === 1) return follow(urlOf(`files/zip/${encodeURIComponent(bucket)}`, { prefix: prefixes[0] }))
  const { url } = await post("files/zip", { bucket, prefix: base, keys: [...keys, ...prefixes] })
  const path = new URL(url).pathname
  return follow(urlOf(path.slice(path.indexOf("files/zip-signed/")))) // under the address that this page has
}

function follow(url) {
  const link = document.createElement("a")
  link.href = url.href
  link.download = ""
  link.click()
}
