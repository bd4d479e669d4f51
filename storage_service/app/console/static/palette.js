// @ts-check
// Go to a bucket or page, or do what can be done here, by writing some of its name.
import { html, useEffect, useState } from "./vendor/preact.js"
import { get } from "./api.js"
import { filesLink } from "./buckets.js"
import { Icon, offered, open, useLoaded } from "./ui.js"

const MOST = 50
/** @typedef {{text: string, icon: string, hint?: string, href?: string, run?: () => void}} Action */

/** @param {Action[]} pages where one can go from everywhere, and what can be done everywhere */
export const showPalette = (pages) => open({ title: "Go to or do", bare: true, body: Palette(pages) })

const Palette = (pages) => ({ close }) => {
  const [said, setSaid] = useState("")
  const [chosen, setChosen] = useState(0)
  const { value: buckets } = useLoaded(() => get("buckets"), [])
  const all = [...offered(), ...(buckets ?? []).map((one) => ({ text: one.name, icon: "bucket", hint: "Bucket", href: filesLink(one.name) })), ...pages]
  const found = matching(all, said).slice(0, MOST)
  const at = Math.min(chosen, found.length - 1)
  useEffect(() => { document.getElementById(`found-${at}`)?.scrollIntoView({ block: "nearest" }) }, [at, said])

  const run = (one) => {
    close()
    if (one.href) location.hash = one.href
    else one.run()
  }
  const onKeyDown = (event) => {
    const to = { ArrowDown: (at + 1) % found.length, ArrowUp: (at - 1 + found.length) % found.length, PageDown: Math.min(found.length - 1, at + 8), PageUp: Math.max(0, at - 8) }[event.key]
    if (typeof to === "number" && found.length) setChosen(to)
    else if (event.key === "Enter" && found[at]) run(found[at])
    else return
    event.preventDefault()
  }
  return html`<div class="palette">
    <label class="search"><${Icon} name="search" /><span class="hidden">Go to a bucket or page, or do something here</span>
      <input role="combobox" aria-expanded=${found.length > 0} aria-controls="found" aria-autocomplete="list" aria-activedescendant=${found.length ? `found-${at}` : undefined}
        placeholder="Go to or do…" autocomplete="off" spellcheck=${false} autofocus value=${said} onInput=${(event) => { setSaid(event.target.value); setChosen(0) }} onKeyDown=${onKeyDown} /></label>
    ${found.length > 0 ? html`<ul id="found" role="listbox" aria-label="Found">${found.map((one, index) => html`
      <li key=${`${one.hint} ${one.text}`} id=${`found-${index}`} role="option" aria-selected=${index === at} onPointerMove=${() => setChosen(index)} onClick=${() => run(one)}>
        <${Icon} name=${one.icon} /><span class="grow clip">${one.text}</span><small class="muted">${one.hint}</small></li>`)}</ul>`
      : html`<p id="found" class="muted" role="status">Nothing is called like that.</p>`}</div>`
}

/** All whose text or hint has every word; first those that begin so. */
function matching(all, said) {
  const words = said.toLowerCase().split(/\s+/).filter(Boolean)
  if (!words.length) return all
  const found = all.filter((one) => words.every((word) => `${one.text} ${one.hint ?? ""}`.toLowerCase().includes(word)))
  const rank = (one) => (one.text.toLowerCase().startsWith(words[0]) ? 0 : 1)
  return found.sort((one, other) => rank(one) - rank(other))
}
