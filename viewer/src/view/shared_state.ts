// Several planes side by side: what the reader chooses of one holds for all.

import type { Plane, Track } from "../plane/plane";
import type { State } from "./state";
import type { Store } from "./store";

export interface Linked {
  plane: Plane;
  store: Store;
}

export const LINKED = [
  "field",
  "log",
  "clip",
  "colours",
  "camera",
  "start",
  "rate",
  "momentum",
  "noise",
  "methods",
  "step",
  "playing",
  "speed",
  "checkpoint",
] as const satisfies (keyof State)[];

type Key = (typeof LINKED)[number];

export const longest = (plane: Plane): Track | undefined =>
  plane.tracks.reduce<Track | undefined>(
    (best, track) => (track.labels.length > (best?.labels.length ?? 0) ? track : best),
    undefined,
  );

// The other run's checkpoint of the same name, or else the nearest in number.
export function sameCheckpoint(number: number, from: Plane, to: Plane): number | null {
  const labels = longest(to)?.labels ?? [];
  if (labels.length === 0) return null;
  const named = labels.indexOf(longest(from)?.labels[number] ?? "");
  return named >= 0 ? named : Math.min(number, labels.length - 1);
}

// What a change on one plane means on another; nothing where it means nothing.
function translated(change: Partial<State>, from: Plane, to: Plane): Partial<State> {
  const { field, checkpoint, ...rest } = change;
  const meant: Partial<State> = { ...rest };
  if (field !== undefined && to.fields.has(field)) meant.field = field;
  if (checkpoint === null) meant.checkpoint = null;
  if (typeof checkpoint === "number") {
    meant.checkpoint = sameCheckpoint(checkpoint, from, to);
  }
  return meant;
}

function changed(now: Readonly<State>, before: Readonly<State>): Partial<State> {
  const keys = LINKED.filter((key) => !Object.is(now[key], before[key]));
  return Object.fromEntries(keys.map((key) => [key, now[key]]));
}

export function link(all: Linked[]): void {
  // What of each is known to the others: what they were given is no news to them.
  const known = new Map(all.map(({ store }) => [store, store.state]));
  const pass = (from: Linked) => {
    const news = changed(from.store.state, known.get(from.store) ?? from.store.state);
    known.set(from.store, from.store.state);
    if (Object.keys(news).length === 0) return;
    for (const to of all) {
      if (to === from) continue;
      const meant = translated(news, from.plane, to.plane);
      known.set(to.store, { ...to.store.state, ...meant });
      to.store.set(meant);
    }
  };
  for (const one of all) one.store.on([...LINKED], () => pass(one));
}

// What all begin with: the gentlest rate, and a height that suits every plane.
export function shared(states: State[]): Partial<State> {
  const [first] = states;
  if (!first) return {};
  const common: Partial<State> = Object.fromEntries(
    LINKED.filter((key: Key) => key !== "checkpoint").map((key) => [key, first[key]]),
  );
  return {
    ...common,
    log: states.every(({ log }) => log),
    clip: Math.max(...states.map(({ clip }) => clip)),
    rate: Math.min(...states.map(({ rate }) => rate)),
  };
}
