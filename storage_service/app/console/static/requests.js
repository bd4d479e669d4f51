// @ts-check
// Requests as they are answered, of all workers.
import { html, useEffect, useRef, useState } from "./vendor/preact.js"
import { send } from "./api.js"
import { bytes, Empty, Failed, Icon } from "./ui.js"

const KEPT = 500

/** Server-sent events of an answer, as objects. EventSource cannot send the header that proves who asks. */
async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const parts = (rest + value).split("\n\n")
    rest = parts.pop() ?? ""
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("")
      if (data) yield JSON.parse(data)
    }
  }
}

export function Requests({ menu }) {
  const [rows, setRows] = useState(/** @type {any[]} */ ([]))
  const [error, setError] = useState(/** @type {any} */ (null))
  const [errorsOnly, setErrorsOnly] = useState(false)
  const [search, setSearch] = useState("")
  const [running, setRunning] = useState(true)
  const last = useRef(0)
  useEffect(() => {
    if (!running) return undefined
    const stop = new AbortController()
    const follow = async () => {
      while (!stop.signal.aborted) {
        try {
          const answer = await send("GET", "requests/live", { signal: stop.signal })
          setError(null)
          for await (const event of events(answer)) setRows((old) => [{ ...event, row: ++last.current }, ...old].slice(0, KEPT))
        } catch (fault) {
          if (fault.name === "AbortError") return
          setError(fault)
          if (fault.status) return
        }
        await new Promise((resolve) => setTimeout(resolve, 2000))
      }
    }
    follow()
    return () => stop.abort()
  }, [running])
  const shown = rows.filter((one) => (!errorsOnly || one.status >= 400) && `${one.method} ${one.path} ${one.actor ?? ""} ${one.request_id ?? ""}`.toLowerCase().includes(search.toLowerCase()))
  return html`<header class="bar">${menu}<h1 class="grow">Requests</h1>
      <button type="button" onClick=${() => setRunning(!running)}><${Icon} name=${running ? "pause" : "play"} />${running ? "Pause" : "Go on"}</button></header>
    <div class="page"><div class="stack">
      <div class="row wrap"><label class="search"><${Icon} name="search" /><span class="hidden">Search requests</span><input type="search" placeholder="Path, user or request id" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>
        <label class="check"><input type="checkbox" checked=${errorsOnly} onChange=${(event) => setErrorsOnly(event.target.checked)} />Errors only</label></div>
      ${error && html`<${Failed} error=${error} />`}
      ${!shown.length && !error && html`<${Empty} icon="pulse" title="Nothing yet">Requests show here as they are answered.</${Empty}>`}
      ${shown.length > 0 && html`<div class="frame" tabindex="0" role="region" aria-label="Requests"><table class="table"><thead><tr><th>Time</th><th>Request</th><th>Status</th><th class="num">Took</th><th class="num optional">Sent</th><th class="optional">Who</th></tr></thead>
        <tbody>${shown.map((one) => html`<tr key=${one.row}><td class="muted mono">${String(one.at).slice(11, 19)}</td><td class="mono" style="overflow-wrap:anywhere"><b>${one.method}</b> ${one.path}${one.code ? html`<div class="error small">${one.code}</div>` : ""}</td>
          <td><span class=${`tag ${one.status >= 500 ? "danger" : one.status >= 400 ? "warn" : "ok"}`}>${one.status}</span></td><td class="num">${Math.round((one.seconds ?? 0) * 1000)} ms</td>
          <td class="num optional">${bytes(one.bytes_out ?? 0)}</td><td class="muted optional clip" style="max-width:180px">${one.actor ?? ""}</td></tr>`)}</tbody></table></div>`}
    </div></div>`
}
