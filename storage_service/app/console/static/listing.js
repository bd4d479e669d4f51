// @ts-check
// What a folder holds, however much that is: rows are fetched where the person looks, and only there.
import { signal } from "./vendor/preact.js"
import { get } from "./api.js"

const FIRST = 1000
const PAGE = 200
const PATIENCE_MS = 60 // who scrolls fast passes by most rows: only where they are then is asked for

/** One view of a folder: its rows by number, folders first. */
export class Listing {
  /** @param {string} bucket @param {string} prefix @param {{search: string, sort: string, order: string}} how */
  constructor(bucket, prefix, how) {
    this.bucket = bucket
    this.prefix = prefix
    this.how = how
    this.folders = /** @type {string[]} */ ([])
    this.total = 0 // files, without folders
    this.whole = false // everything is here, in `rows`
    this.rows = /** @type {Map<number, any>} */ (new Map())
    this.waiting = new Set()
    this.stop = new AbortController()
    this.range = { from: 0, to: 0 } // the rows that were wanted last
    this.timer = 0
    /** Grows with every change; `error` says why there is nothing. */
    this.state = signal({ turn: 0, loading: true, error: /** @type {any} */ (null) })
  }

  get length() { return this.folders.length + this.total }

  async load() {
    try {
      if (!this.how.search && await this.loadWhole()) return
      await this.loadPage(0, true)
    } catch (error) {
      if (error.name !== "AbortError") this.state.value = { turn: this.state.value.turn + 1, loading: false, error }
    }
  }

  /** All at once, where one page holds all: then it is sorted here. */
  async loadWhole() {
    const found = await this.ask({ prefix: this.prefix, delimiter: "/", limit: FIRST })
    if (found.cursor) return false
    const files = found.files.filter((one) => one.path !== this.prefix) // the folder's own marker
    this.whole = true
    this.folders = found.prefixes
    if (this.how.sort === "name" && this.how.order === "desc") this.folders.reverse()
    this.take(0, files.sort(comparing(this.how)))
    this.total = files.length
    this.tell()
    return true
  }

  async loadPage(number, first = false) {
    if (this.waiting.has(number)) return
    this.waiting.add(number)
    try {
      const { search, sort, order } = this.how
      const delimiter = search ? "" : "/"
      const query = { prefix: this.prefix, search, delimiter, sort, order, total: true, offset: number * PAGE, limit: PAGE }
      const found = await this.ask(query)
      if (first) this.folders = search ? [] : found.prefixes
      this.total = found.total
      this.take(number * PAGE, found.files)
      this.tell()
    } finally {
      this.waiting.delete(number)
    }
  }

  ask(query) {
    return get(`files/list/${encodeURIComponent(this.bucket)}`, { envelope: true, ...query }, { signal: this.stop.signal })
  }

  take(at, files) {
    files.forEach((file, index) => this.rows.set(at + index, file))
  }

  /** The row of this number: a folder's name, a file, or null while it is on its way. */
  at(index) {
    if (index < this.folders.length) return { folder: this.folders[index], key: this.folders[index] }
    const file = this.rows.get(index - this.folders.length)
    return file ? { file, key: file.path } : null
  }

  /** Make sure that these rows come, if they are still wanted in a moment. */
  want(from, to) {
    if (this.whole || this.state.value.loading || this.state.value.error) return
    this.range = { from, to }
    this.timer ||= window.setTimeout(() => { this.timer = 0; this.fetch(this.range) }, PATIENCE_MS)
  }

  fetch({ from, to }) {
    const first = Math.max(0, from - this.folders.length), last = Math.min(this.total - 1, to - this.folders.length)
    for (let page = Math.floor(first / PAGE); page * PAGE <= last; page++) {
      if (!this.rows.has(page * PAGE)) this.loadPage(page).catch(() => {})
    }
  }

  /** Which row holds this key; -1 if it has not come. */
  find(key) {
    const folder = this.folders.indexOf(key)
    if (folder >= 0) return folder
    for (const [index, file] of this.rows) if (file.path === key) return index + this.folders.length
    return -1
  }

  tell() {
    this.state.value = { turn: this.state.value.turn + 1, loading: false, error: null }
  }

  end() { clearTimeout(this.timer); this.stop.abort() }
}

const FIELDS = { name: "path", size: "size", created_at: "created_at", type: "content_type" }

function comparing({ sort, order }) {
  const field = FIELDS[sort], sign = order === "desc" ? -1 : 1
  return (one, other) => {
    if (one[field] === other[field]) return one.path < other.path ? -1 : 1
    return one[field] < other[field] ? -sign : sign
  }
}
