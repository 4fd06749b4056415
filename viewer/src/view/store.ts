// Keeps the state of one plane's views, and tells those who asked.

import type { State } from "./state";

type Key = keyof State;

export class Store {
  #state: State;
  readonly #first: State;
  readonly #heard = new Map<Key, Set<() => void>>();

  constructor(first: State) {
    this.#first = first;
    this.#state = first;
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  // What it was before the reader chose anything.
  get first(): Readonly<State> {
    return this.#first;
  }

  set(change: Partial<State>): void {
    const keys = (Object.keys(change) as Key[]).filter(
      (key) => !Object.is(change[key], this.#state[key]),
    );
    if (keys.length === 0) return;
    this.#state = { ...this.#state, ...change };
    const told = new Set(keys.flatMap((key) => [...(this.#heard.get(key) ?? [])]));
    for (const tell of told) tell();
  }

  // `tell` is called once a change, however many of the keys it touches.
  on(keys: Key[], tell: () => void): () => void {
    for (const key of keys) {
      const heard = this.#heard.get(key) ?? new Set();
      this.#heard.set(key, heard.add(tell));
    }
    return () => {
      for (const key of keys) this.#heard.get(key)?.delete(tell);
    };
  }
}
