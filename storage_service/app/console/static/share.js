// @ts-check
// Links to a file: for good, or for a while; with a picture to scan and lines to copy.
import { html, useEffect, useMemo, useState } from "./vendor/preact.js"
import { get, place, post } from "./api.js"
import { Copyable, open, Snippet, trying, useLoaded, when } from "./ui.js"

const LIVES = [["15 minutes", 900], ["1 hour", 3600], ["1 day", 86400], ["7 days", 604800], ["30 days", 2592000], ["1 year", 31536000], ["10 years", 315360000], ["until…", 0]]

export const showShare = (bucket, file) => open({ title: `Share ${file.name}`, body: () => html`<${Share} bucket=${bucket} file=${file} />` })

export function Share({ bucket, file }) {
  const { value: holder } = useLoaded(() => get(`buckets/${encodeURIComponent(bucket)}`), [bucket])
  const [life, setLife] = useState(86400)
  const [inline, setInline] = useState(true)
  const [end, setEnd] = useState("")
  const [once, setOnce] = useState(false)
  const [link, setLink] = useState(/** @type {any} */ (null))
  const make = (event) => {
    event.preventDefault()
    const seconds = life || Math.round((Date.parse(end) - Date.now()) / 1000)
    const body = { expires_in_seconds: seconds, disposition: inline ? "inline" : "attachment", once }
    trying(async () => setLink(await post(`files/presigned-url/download/${place(bucket, file)}`, body)))
  }
  return html`<div class="stack wide">
    <section class="stack tight"><h3>Permanent link</h3><${Copyable} value=${file.url} label="Permanent link" />
      ${holder && html`<p class="muted small">${holder.is_public ? "Anyone may open it: the bucket is public." : "Only for those who may read this private bucket."}</p>`}</section>
    <form class="stack" onSubmit=${make}><h3>Signed link</h3><p class="muted small">Whoever has it may read this file, without signing in.</p>
      <label class="field">It holds for<select value=${life} onChange=${(event) => setLife(Number(event.target.value))}>
        ${LIVES.map(([label, seconds]) => html`<option value=${seconds}>${label}</option>`)}</select></label>
      ${!life && html`<label class="field">It ends<input type="datetime-local" required value=${end} min=${when(Date.now()).replace(" ", "T")} onInput=${(event) => setEnd(event.target.value)} /></label>`}
      <label class="check"><input type="checkbox" checked=${inline} onChange=${(event) => setInline(event.target.checked)} />Show in the browser where that is safe</label>
      <label class="check"><input type="checkbox" checked=${once} onChange=${(event) => setOnce(event.target.checked)} />For one download only</label>
      <div><button class="primary">Make link</button></div></form>
    ${link && html`<${Made} url=${link.download_url} until=${link.expires_at} name=${file.name} />`}
  </div>`
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`

function Made({ url, until, name }) {
  return html`<section class="stack"><${Copyable} value=${url} label="Signed link" /><p class="muted small">It holds until ${when(until)}.</p>
    <${Code} text=${url} />
    <${Snippet} label="curl line" text=${`curl -fLo ${quoted(name)} ${quoted(url)}`} />
    <${Snippet} label="wget line" text=${`wget -O ${quoted(name)} ${quoted(url)}`} /></section>`
}

/** The link as a QR code; nothing where it is too long for one. */
export function Code({ text }) {
  const [encode, setEncode] = useState(/** @type {any} */ (null))
  useEffect(() => { trying(async () => { const found = await import("./vendor/qr.js"); setEncode(() => found.encode) }) }, [])
  const path = useMemo(() => {
    if (!encode) return null
    try {
      const { data, size } = encode(text, { ecc: "L", border: 2 })
      return { size, d: data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("") }
    } catch {
      return null
    }
  }, [encode, text])
  return path && html`<svg class="qr" viewBox=${`0 0 ${path.size} ${path.size}`} role="img" aria-label="QR code of the link" shape-rendering="crispEdges"><path fill="#000" d=${path.d} /></svg>`
}
