// @ts-check
import { html, useState } from "./vendor/preact.js"
import { notice, signIn } from "./api.js"

const WAYS = { password: "Password", key: "Access key", token: "Token" }

/** @param {{password: boolean}} props whether this service has a password */
export function SignIn({ password }) {
  const [way, setWay] = useState(password ? "password" : "key")
  const [fault, setFault] = useState("")
  const [busy, setBusy] = useState(false)

  async function submit(event) {
    event.preventDefault()
    const form = new FormData(event.target)
    setBusy(true)
    setFault("")
    try {
      await signIn(Object.fromEntries(form))
    } catch (error) {
      setFault(error.status === 401 ? "That is not right. Nobody was signed in." : error.message)
      setBusy(false)
    }
  }

  return html`<main class="sign-in"><div>
    <h1 class="brand"><img src=${new URL("icon.svg", import.meta.url).href} alt="" />Storage</h1>
    <div class="card" style="padding:0">
      <div class="tabs" role="tablist" aria-label="Sign in with" style="padding:0 16px">
        ${Object.entries(WAYS).filter(([name]) => password || name !== "password").map(([name, label]) => html`
          <button type="button" role="tab" aria-selected=${way === name} onClick=${() => { setWay(name); setFault("") }}>${label}</button>`)}
      </div>
      <form class="stack" onSubmit=${submit} key=${way}>
        ${notice.value && html`<p class="notice warn">${notice.value}</p>`}
        ${way === "password" && html`<label class="field">Password
          <input name="password" type="password" autocomplete="current-password" required autofocus />
          <span class="muted small">CONSOLE_PASSWORD of the service; the first start wrote it to .env</span></label>`}
        ${way === "key" && html`<label class="field">Access key
          <input name="access_key" autocomplete="username" spellcheck=${false} required autofocus /></label>
          <label class="field">Secret key<input name="secret_key" type="password" autocomplete="current-password" required /></label>`}
        ${way === "token" && html`<label class="field">Token
          <textarea name="token" rows="4" spellcheck=${false} required autofocus></textarea>
          <span class="muted small">A login token of your application, or the service key</span></label>`}
        ${fault && html`<p class="error" role="alert">${fault}</p>`}
        <button class="primary" disabled=${busy}>${busy ? "Signing in…" : "Sign in"}</button>
      </form>
    </div>
  </div></main>`
}
