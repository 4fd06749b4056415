// The clock of the balls: one for all instruments that show the same step.

import type { Plane } from "../plane/plane";
import { lastStep, racesOf } from "./races";
import type { Point, State } from "./state";
import type { Store } from "./store";

export interface Walker {
  plane: Plane;
  store: Store;
}

// Where a ball is dropped that nobody dropped: shares of the map's width and height.
const PLACES: Point[] = [
  [0.2, 0.78],
  [0.8, 0.8],
  [0.75, 0.25],
  [0.25, 0.2],
  [0.4, 0.6],
  [0.5, 0.5],
];
// A slow machine keeps time, but a page that was in the background does not leap.
const LONGEST_FRAME = 0.5;
// With reduced motion: a leap every so many seconds, so many leaps in all.
const LEAP = 0.9;
const LEAPS = 8;
const PATH: (keyof State)[] = ["rate", "momentum", "noise", "methods"];

const reduced = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// The step at which the last of all balls has come to its end.
export const lastOf = (walkers: Walker[]): number =>
  lastStep(walkers.flatMap(({ plane, store }) => racesOf(plane, store.state)));

function along(axis: Float64Array, share: number): number {
  const [first, end] = [axis[0] ?? 0, axis[axis.length - 1] ?? 0];
  return Number((first + share * (end - first)).toPrecision(3));
}

// Somewhere up the slope where there is a surface; null where there is none.
export function someStart({ plane }: Pick<Walker, "plane">): Point | null {
  const surface = plane.surface("loss");
  const places = PLACES.map(([x, y]): Point => [along(plane.x, x), along(plane.y, y)]);
  return places.find(([x, y]) => surface?.at(x, y)) ?? null;
}

// How many steps further the balls are after so many seconds, and what time is left.
function ahead(seconds: number, state: Readonly<State>, end: number): [number, number] {
  if (!reduced()) return [seconds * state.speed, 0];
  if (seconds < LEAP) return [0, seconds];
  return [Math.max(1, Math.ceil(end / LEAPS)), 0];
}

export function keepTime(walkers: Walker[]): void {
  const [leader] = walkers;
  if (!leader) return;
  const { store } = leader;
  let [frame, before, waited] = [0, 0, 0];
  let end = lastOf(walkers);
  let seen = store.state;

  const tick = (now: number) => {
    waited += Math.min((now - before) / 1000, reduced() ? Infinity : LONGEST_FRAME);
    before = now;
    const [steps, rest] = ahead(waited, store.state, end);
    waited = rest;
    const step = Math.min(store.state.step + steps, end);
    if (steps > 0) store.set(step < end ? { step } : { step: end, playing: false });
    if (store.state.playing) frame = requestAnimationFrame(tick);
  };

  const begin = () => {
    const start = store.state.start ?? someStart(leader);
    if (!start) return store.set({ playing: false });
    if (start !== store.state.start) store.set({ start, step: 0 });
    end = lastOf(walkers);
    if (store.state.step >= end) store.set({ step: 0 });
    [before, waited] = [performance.now(), 0];
    frame = requestAnimationFrame(tick);
  };

  const listen = () => {
    cancelAnimationFrame(frame);
    if (store.state.playing) begin();
  };

  // A walk that is shown to its end stays so, whatever its new end is.
  const heed = () => {
    const { start, step, playing } = store.state;
    const whole = step > 0 && step >= end;
    const same = start === seen.start && step === seen.step;
    seen = store.state;
    end = lastOf(walkers);
    if (same && whole && !playing) store.set({ step: end });
  };

  store.on(["playing"], listen);
  for (const walker of walkers) walker.store.on(["start", "step", ...PATH], heed);
  if (store.state.playing) begin();
}

// Pausing rests on a whole step.
export function pause(store: Store): void {
  store.set({ playing: false, step: Math.round(store.state.step) });
}

export function play({ plane, store }: Walker): void {
  const start = store.state.start ?? someStart({ plane });
  if (start) store.set({ start, playing: true });
}

export function move(walkers: Walker[], steps: number): void {
  const [leader] = walkers;
  if (!leader) return;
  const { store, plane } = leader;
  const start = store.state.start ?? someStart({ plane });
  if (!start) return;
  const from = steps > 0 ? Math.floor(store.state.step) : Math.ceil(store.state.step);
  store.set({ start, playing: false });
  const step = Math.min(Math.max(from + steps, 0), lastOf(walkers));
  store.set({ step });
}
