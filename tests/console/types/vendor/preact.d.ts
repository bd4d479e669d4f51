/** What tools/vendor_console.py bundles as preact.js: Preact, its hooks, signals, and htm. */
export interface Signal<T> { value: T; peek(): T; subscribe(told: (value: T) => void): () => void }
export function signal<T>(value: T): Signal<T>
export function computed<T>(of: () => T): Signal<T>
export function effect(work: () => void): () => void
export function batch<T>(work: () => T): T
export function useSignal<T>(value: T): Signal<T>
export function useComputed<T>(of: () => T): Signal<T>

type Ended = void | (() => void)
export function useEffect(work: () => Ended, keys?: any[]): void
export function useLayoutEffect(work: () => Ended, keys?: any[]): void
export function useMemo<T>(of: () => T, keys: any[]): T
export function useCallback<T>(of: T, keys: any[]): T
export function useRef<T>(value: T): { current: T }
export function useState<T>(first: T | (() => T)): [T, (next: T | ((old: T) => T)) => void]

export function h(type: any, props: any, ...children: any[]): any
export const Fragment: any
export function render(node: any, into: Element): void
export function html(texts: TemplateStringsArray, ...values: any[]): any
