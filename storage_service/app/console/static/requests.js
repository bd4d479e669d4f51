// @ts-check
// Requests as they are answered, of all workers.
import { html, useEffect, useRef, useState } from "./vendor/preact.js"
import { events, send } from "./api.js"
import { bytes, Empty, Failed, Icon, plural } from "./ui.js"

const KEPT = 500

export function Requests({ menu }) {
  const [rows, setRows] = useState(/** @type {any[]} */ ([]))
  const [error, setError] = useState(/** @type {any} */ (null))
  const [errorsOnly, setErrorsOnly] = useState(false)
  const [search, setSearch] = useState("")
  const [missed, setMissed] = useState(0)
  const [running, setRunning] = useState(true)
  const last = useRef(0)
  useEffect(() => {
    if (!running) return undefined
    const stop = new AbortController()
    const follow = async () => {
      while (!stop.signal.aborted) {
        try {
          const answer = await send("GET", "api/v1/requests/live", { signal: stop.signal })
          setError(null)
          for await (const event of events(answer)) {
            if (event.missed) setMissed((old) => old + event.missed)
            else setRows((old) => [{ ...event, row: ++last.current }, ...old].slice(0, KEPT))
          }
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
  const shown = rows.filter((one) => (!errorsOnly || one.status >= 400) && `${one.method} ${one.path} ${one.client ?? ""} ${one.operation} ${one.code ?? ""}`.toLowerCase().includes(search.toLowerCase()))
  return html`<header class="bar">${menu}<h1 class="grow">Requests</h1>
      <button type="button" onClick=${() => setRunning(!running)}><${Icon} name=${running ? "pause" : "play"} />${running ? "Pause" : "Go on"}</button></header>
    <div class="page"><div class="stack">
      <div class="row wrap"><label class="search"><${Icon} name="search" /><span class="hidden">Search requests</span><input type="search" placeholder="Path, client, operation or error" value=${search} onInput=${(event) => setSearch(event.target.value)} /></label>
        <label class="check"><input type="checkbox" checked=${errorsOnly} onChange=${(event) => setErrorsOnly(event.target.checked)} />Errors only</label></div>
      ${error && html`<${Failed} error=${error} />`}
      ${missed > 0 && html`<p class="muted small">${plural(missed, "request")} came too fast to be shown.</p>`}
      ${!shown.length && !error && html`<${Empty} icon="pulse" title="Nothing yet">Requests show here as they are answered.</${Empty}>`}
      ${shown.length > 0 && html`<div class="frame" tabindex="0" role="region" aria-label="Requests"><table class="table"><thead><tr><th>Time</th><th>Request</th><th>Status</th><th class="num">Took</th><th class="num optional">Sent</th><th class="optional">From</th></tr></thead>
        <tbody>${shown.map((one) => html`<tr key=${one.row}><td class="muted mono">${new Date(one.at_ms).toTimeString().slice(0, 8)}</td><td class="mono any"><b>${one.method}</b> ${one.path}${one.code ? html`<div class="error small">${one.code}</div>` : ""}</td>
          <td><span class=${`tag ${one.status >= 500 ? "danger" : one.status >= 400 ? "warn" : "ok"}`}>${one.status}</span></td><td class="num">${one.milliseconds < 10 ? one.milliseconds.toFixed(1) : Math.round(one.milliseconds)} ms</td>
          <td class="num optional">${bytes(one.bytes_out)}</td><td class="muted optional clip" style="max-width:180px">${one.client ?? ""}</td></tr>`)}</tbody></table></div>`}
    </div></div>`
}
