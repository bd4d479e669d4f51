// @ts-check
// What a file looks like. Nothing of it runs: pictures are drawn by the browser as pictures, documents stand in frames of
// their own, and everything else is shown as text that this page writes letter by letter.
import { html, useEffect, useState } from "./vendor/preact.js"
import { place, send, urlOf } from "./api.js"
import { bytes, Failed, Icon, toast, trying } from "./ui.js"

const TEXT_BYTES = 512 * 1024
const FRAME_BYTES = 64 << 20
const ROWS = 500

/** @returns {"image" | "video" | "audio" | "pdf" | "markdown" | "json" | "csv" | "text" | ""} */
export function looksLike(file) {
  const type = (file.content_type ?? "").split(";")[0].trim().toLowerCase()
  if (/^image\//.test(type)) return "image"
  if (/^video\//.test(type)) return "video"
  if (/^audio\//.test(type)) return "audio"
  if (type === "application/pdf") return "pdf"
  if (type === "text/markdown" || /\.(md|markdown)$/i.test(file.path)) return "markdown"
  if (/json/.test(type)) return "json"
  if (type === "text/csv" || type === "text/tab-separated-values") return "csv"
  if (/^text\/|xml|yaml|javascript|typescript|sql|toml|x-sh|ecmascript/.test(type)) return "text"
  if (/\.(txt|log|ini|cfg|conf|toml|ya?ml|py|rs|go|c|h|cpp|java|sh|env|sql|ts|tsx|jsx)$/i.test(file.path)) return "text"
  return ""
}

export function Preview({ bucket, file, changed }) {
  const kind = looksLike(file)
  const source = urlOf(`files/view/${place(bucket, file)}`, { version_id: file.version_id }).href
  if (!file.size) return html`<${Nothing} text="The file is empty" kind=${kind} bucket=${bucket} file=${file} changed=${changed} />`
  if (kind === "image") return html`<${Picture} source=${source} file=${file} />`
  if (kind === "video") return html`<div class="preview"><video src=${source} controls preload="metadata" aria-label=${file.name}></video></div>`
  if (kind === "audio") return html`<div class="preview"><audio src=${source} controls preload="metadata" aria-label=${file.name}></audio></div>`
  if (kind === "pdf") return html`<${Pdf} bucket=${bucket} file=${file} source=${source} />`
  if (kind) return html`<${Text} kind=${kind} bucket=${bucket} file=${file} changed=${changed} />`
  return html`<${Nothing} text="There is no preview for this kind of file" />`
}

function Nothing({ text, kind, bucket, file, changed }) {
  const [editing, setEditing] = useState(false)
  if (editing) return html`<${Editor} text="" bucket=${bucket} file=${file} close=${() => setEditing(false)} changed=${changed} />`
  return html`<div class="stack"><div class="preview"><div class="empty"><${Icon} name="file" /><span>${text}</span></div></div>
    ${kind && file && html`<div><button type="button" onClick=${() => setEditing(true)}><${Icon} name="edit" />Edit</button></div>`}</div>`
}

function Picture({ source, file }) {
  const [failed, setFailed] = useState(false)
  if (failed) return html`<${Nothing} text="This picture cannot be shown" />`
  return html`<div class="preview"><img src=${source} alt=${file.name} onError=${() => setFailed(true)} /></div>`
}

/** In a frame of its own origin: the service sends it closed. */
function Pdf({ bucket, file, source }) {
  if (file.size > FRAME_BYTES) return html`<${Nothing} text="This document is too large to be shown" />`
  return html`<div class="stack"><div class="preview"><iframe src=${source} title=${file.name}></iframe></div>
    <div><a href=${source} target="_blank" rel="noopener noreferrer">Open in a tab of its own</a></div></div>`
}

function Text({ kind, bucket, file, changed }) {
  const [text, setText] = useState(/** @type {string | null} */ (null))
  const [error, setError] = useState(/** @type {any} */ (null))
  const [plain, setPlain] = useState(false)
  const [editing, setEditing] = useState(false)
  const whole = file.size <= TEXT_BYTES
  useEffect(() => {
    const headers = /** @type {Record<string, string>} */ (whole ? {} : { Range: `bytes=0-${TEXT_BYTES - 1}` })
    send("GET", `files/download/${place(bucket, file)}`, { headers, query: { version_id: file.version_id } })
      .then((answer) => answer.text()).then(setText, setError)
  }, [])
  if (error) return html`<${Failed} error=${error} />`
  if (text === null) return html`<div class="preview" aria-busy="true"></div>`
  if (editing) return html`<${Editor} text=${text} bucket=${bucket} file=${file} close=${() => setEditing(false)} changed=${changed} />`
  const rich = kind !== "text" && !plain
  return html`<div class="stack"><div class="preview">${rich && kind === "markdown" ? html`<${Markdown} text=${text} />`
      : rich && kind === "csv" ? html`<${Sheet} text=${text} tab=${/tab/.test(file.content_type)} />`
        : html`<pre tabindex="0" aria-label="Content">${rich && kind === "json" && whole ? pretty(text) : text}</pre>`}</div>
    ${!whole && html`<p class="muted small">The first ${bytes(TEXT_BYTES)} of ${bytes(file.size)}.</p>`}
    <div class="row">${whole && html`<button type="button" onClick=${() => setEditing(true)}><${Icon} name="edit" />Edit</button>`}
      ${kind !== "text" && html`<button type="button" class="plain" onClick=${() => setPlain(!plain)}>${plain ? "Show formatted" : "Show source"}</button>`}</div></div>`
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2) } catch { return text }
}

/** Saves only if nobody else did meanwhile, and stays, locked, until the saved file has been read: the old text is never
 * shown again, for what somebody began in it would go when the new one comes. */
function Editor({ text, bucket, file, close, changed }) {
  const [now, setNow] = useState(text)
  const [conflict, setConflict] = useState(false)
  const [busy, setBusy] = useState(false)
  const save = async (force) => {
    setBusy(true)
    await trying(() => write(force))
    setBusy(false)
  }
  const write = async (force) => {
    const headers = { "Content-Type": file.content_type, ...(force ? {} : { "If-Match": `"${file.etag}"` }) }
    try {
      await send("PUT", `files/upload-direct/${place(bucket, file.path)}`, { body: now, headers })
    } catch (error) {
      if (error.status !== 412) throw error
      return setConflict(true)
    }
    toast("Saved")
    await changed()
    close()
  }
  return html`<form class="stack" aria-busy=${busy} onSubmit=${(event) => { event.preventDefault(); save(false) }}>
    <textarea aria-label="Content" rows="22" spellcheck=${false} readonly=${busy} value=${now} onInput=${(event) => setNow(event.target.value)}></textarea>
    ${conflict && html`<div class="notice warn" role="alert">Somebody has changed this file since you opened it.
      <div class="row" style="margin-top:8px"><button type="button" class="danger" disabled=${busy} onClick=${() => save(true)}>Save over it</button></div></div>`}
    <div class="row"><button class="primary" disabled=${busy || now === text}>Save</button><button type="button" disabled=${busy} onClick=${close}>Cancel</button></div></form>`
}

// CSV -----------------------------------------------------------------------------------------------------------------

/** RFC 4180, and whatever else is about. @returns {string[][]} */
export function parseCsv(text, delimiter) {
  const rows = [[""]]
  let quoted = false
  for (let at = 0; at < text.length && rows.length <= ROWS + 1; at++) {
    const letter = text[at], row = rows[rows.length - 1]
    if (quoted) {
      if (letter !== '"') row[row.length - 1] += letter
      else if (text[at + 1] === '"') { row[row.length - 1] += '"'; at++ }
      else quoted = false
    } else if (letter === '"' && row[row.length - 1] === "") quoted = true
    else if (letter === delimiter) row.push("")
    else if (letter === "\n") rows.push([""])
    else if (letter !== "\r") row[row.length - 1] += letter
  }
  return rows.filter((row) => row.length > 1 || row[0])
}

function Sheet({ text, tab }) {
  const line = text.slice(0, text.indexOf("\n") >>> 0)
  const rows = parseCsv(text, tab ? "\t" : !line.includes(",") && line.includes(";") ? ";" : ",")
  const [head, ...body] = rows
  return html`<div class="sheet" tabindex="0" role="region" aria-label="Table"><table class="table"><thead><tr>${head?.map((cell) => html`<th>${cell}</th>`)}</tr></thead>
    <tbody>${body.slice(0, ROWS).map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table>
    ${body.length > ROWS && html`<p class="muted small" style="padding:8px">The first ${ROWS} rows</p>`}</div>`
}

// Markdown: parsed into tokens, written as nodes. HTML inside stays text. ----------------------------------------------

function Markdown({ text }) {
  const [tokens, setTokens] = useState(/** @type {any[] | null} */ (null))
  useEffect(() => { trying(async () => { const { Lexer } = await import("./vendor/marked.js"); setTokens(Lexer.lex(text)) }) }, [text])
  return html`<div class="prose" tabindex="0" role="region" aria-label="Content">${tokens === null ? "" : tokens.map(block)}</div>`
}

const inline = (tokens) => (tokens ?? []).map(span)
const UNESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" }
const plainText = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (found) => UNESCAPED[found])

function span(token) {
  switch (token.type) {
    case "strong": return html`<strong>${inline(token.tokens)}</strong>`
    case "em": return html`<em>${inline(token.tokens)}</em>`
    case "del": return html`<s>${inline(token.tokens)}</s>`
    case "codespan": return html`<code>${plainText(token.text)}</code>`
    case "br": return html`<br />`
    case "link": return /^(https?:|mailto:)/i.test(token.href) ? html`<a href=${token.href} target="_blank" rel="noopener noreferrer">${inline(token.tokens)}</a>` : inline(token.tokens)
    case "image": return html`<span class="tag">${token.text || "picture"}</span>`
    default: return token.tokens ? inline(token.tokens) : plainText(token.text ?? token.raw)
  }
}

function block(token) {
  switch (token.type) {
    case "space": return null
    case "hr": return html`<hr />`
    case "heading": return html`<${`h${Math.min(6, token.depth + 2)}`}>${inline(token.tokens)}</${`h${Math.min(6, token.depth + 2)}`}>`
    case "paragraph": return html`<p>${inline(token.tokens)}</p>`
    case "code": return html`<pre>${token.text}</pre>`
    case "blockquote": return html`<blockquote>${token.tokens.map(block)}</blockquote>`
    case "list": {
      const items = token.items.map((item) => html`<li>${item.tokens.map(block)}</li>`)
      return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`
    }
    case "table": return html`<table class="table"><thead><tr>${token.header.map((cell) => html`<th>${inline(cell.tokens)}</th>`)}</tr></thead>
      <tbody>${token.rows.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell.tokens)}</td>`)}</tr>`)}</tbody></table>`
    default: return token.tokens ? inline(token.tokens) : plainText(token.text ?? token.raw)
  }
}
