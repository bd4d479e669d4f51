// @ts-check
// Access keys: made, shown, revoked. The secret is seen once.
import { html, useState } from "./vendor/preact.js"
import { get, post, remove, session } from "./api.js"
import { confirm, Copyable, Empty, Failed, Icon, open, toast, trying, useLoaded, useOffers, when } from "./ui.js"

const ACTIONS = { read: "read", write: "write", delete: "delete", list: "list" }

const actionsOf = (key) => (key.actions.length === 4 ? "everything" : key.actions.join(", "))
const placesOf = (key) => (key.buckets.length ? `in ${key.buckets.join(", ")}` : "everywhere")
const scopeOf = (key) => `${actionsOf(key)} ${placesOf(key)}`

export function Keys({ menu }) {
  const [revoked, setRevoked] = useState(false)
  const { value: found, error, again } = useLoaded(() => get("api/v1/keys", { include_revoked: revoked }), [revoked])
  const create = async () => {
    const made = await open({ title: "New access key", body: NewKey })
    if (!made) return
    again()
    await open({ title: "Your new access key", body: Made(made) })
  }
  const revoke = async (key) => {
    const text = `Whoever uses ${key.access_key} is refused from now on. This cannot be undone.`
    if (await confirm({ title: "Revoke this key?", text, action: "Revoke", danger: true })) await trying(async () => { await remove(`api/v1/keys/${encodeURIComponent(key.access_key)}`); toast("Revoked"); again() })
  }
  useOffers(() => [{ text: "New access key…", icon: "plus", run: create }])
  return html`<header class="bar">${menu}<h1 class="grow">Access keys</h1><button type="button" class="primary" onClick=${create}><${Icon} name="plus" />New key</button></header>
    <div class="page"><div class="column stack">
      ${error && html`<${Failed} error=${error} again=${again} />`}
      <label class="check"><input type="checkbox" checked=${revoked} onChange=${(event) => setRevoked(event.target.checked)} />Show revoked keys</label>
      ${found?.keys.length === 0 && html`<${Empty} icon="key" title="No access keys">S3 clients sign in with a key: make one for each of them.</${Empty}>`}
      ${found?.keys.length > 0 && html`<div class="frame"><table class="table"><thead><tr><th>Key</th><th class="optional">May</th><th class="optional">Made</th><th class="optional">Last used</th><th>Expires</th><th><span class="hidden">Actions</span></th></tr></thead>
        <tbody>${found.keys.map((key) => html`<tr key=${key.access_key}>
          <td><div class="mono">${key.access_key}</div><div class="muted small">${[key.description, session.value?.admin && key.owner_id !== "@service" && key.owner_id].filter(Boolean).join(" · ")}</div><div class="muted small narrow any">${scopeOf(key)}</div></td>
          <td class="optional"><div>${actionsOf(key)}</div><div class="muted small any">${placesOf(key)}</div></td>
          <td class="muted optional">${when(key.created_at)}</td><td class="muted optional">${key.last_used_at ? when(key.last_used_at) : "never"}</td>
          <td>${key.revoked_at ? html`<span class="tag danger">revoked</span>` : key.expires_at ? html`<span class=${new Date(key.expires_at) < new Date() ? "tag danger" : "muted"}>${when(key.expires_at)}</span>` : html`<span class="muted">never</span>`}</td>
          <td class="actions">${!key.revoked_at && html`<button type="button" class="danger" onClick=${() => revoke(key)}>Revoke…</button>`}</td></tr>`)}</tbody></table></div>`}
    </div></div>`
}

const LIVES = [["never", 0], ["in 7 days", 7], ["in 30 days", 30], ["in 90 days", 90], ["in a year", 365]]

function NewKey({ close }) {
  const { value: buckets } = useLoaded(() => get("buckets"), [])
  const [fault, setFault] = useState("")
  async function submit(event) {
    event.preventDefault()
    const form = new FormData(event.target)
    const days = Number(form.get("life")), owner = String(form.get("owner") ?? "").trim()
    const actions = form.getAll("action")
    const body = {
      description: String(form.get("description")), buckets: String(form.get("places")).split(/[\s,]+/).filter(Boolean), actions: actions.length === 4 ? [] : actions,
      expires_at: days ? new Date(Date.now() + days * 86400e3).toISOString() : null, ...(owner ? { owner_id: owner } : {}),
    }
    if (!actions.length) return setFault("A key that may do nothing is of no use")
    try { close(await post("api/v1/keys", body)) } catch (error) { setFault(error.message) }
  }
  return html`<form class="stack" onSubmit=${submit}>
    <label class="field">What is it for?<input name="description" maxlength="1024" placeholder="backup of the laptop" autofocus /></label>
    <div class="row wrap" role="group" aria-label="It may">${Object.keys(ACTIONS).map((name) => html`<label class="check"><input type="checkbox" name="action" value=${name} defaultChecked />${name}</label>`)}</div>
    <label class="field">Only in<input name="places" list="bucket-names" placeholder="all buckets" spellcheck=${false} /><span class="muted small">Buckets, or bucket/prefix, with commas between them</span></label>
    <datalist id="bucket-names">${buckets?.map((one) => html`<option value=${one.name} />`)}</datalist>
    <label class="field">It expires<select name="life">${LIVES.map(([label, days]) => html`<option value=${days}>${label}</option>`)}</select></label>
    ${session.value?.admin && html`<label class="field">For the user<input name="owner" placeholder="yourself" spellcheck=${false} /></label>`}
    ${fault && html`<p class="error" role="alert">${fault}</p>`}
    <footer><button type="button" onClick=${() => close()}>Cancel</button><button class="primary">Make key</button></footer></form>`
}

const Made = (key) => ({ close }) => html`<div class="stack"><p class="notice warn">The secret is shown this once. Keep it somewhere safe.</p>
  <label class="field">Access key<${Copyable} value=${key.access_key} label="Access key" /></label>
  <label class="field">Secret key<${Copyable} value=${key.secret_key} label="Secret key" /></label>
  <footer><button type="button" class="primary" onClick=${() => close()}>Done</button></footer></div>`
