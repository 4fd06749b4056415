// The walks of the chosen methods from where the ball was dropped.

import { race, type Method, type Race } from "../ball/race";
import type { Plane } from "../plane/plane";
import type { Point, State } from "./state";

// As many as `descend_on` walks.
export const STEPS = 200;
const SEED = 1;
// What is left of the gradient of a ball that lies still.
const STILL = 1e-6;
const REMEMBERED = 24;

type Chosen = Pick<State, "start" | "rate" | "momentum" | "noise" | "methods">;

const walked = new WeakMap<Plane, Map<string, Race | null>>();
const together = new WeakMap<Plane, Map<string, Race[]>>();

// Keeps the latest few, as a slider that is dragged asks for many.
function remembered<T>(
  all: WeakMap<Plane, Map<string, T>>,
  plane: Plane,
  key: string,
  make: () => T,
): T {
  const known = all.get(plane) ?? new Map<string, T>();
  all.set(plane, known);
  if (known.has(key)) return known.get(key) as T;
  const [eldest] = known.keys();
  if (known.size >= REMEMBERED && eldest !== undefined) known.delete(eldest);
  const made = make();
  known.set(key, made);
  return made;
}

// Only what a method heeds: the others do not walk anew when it changes.
function settings(method: Method, { rate, momentum, noise }: Chosen) {
  return {
    method,
    rate: method === "newton" ? 1 : rate,
    momentum: method === "momentum" ? momentum : 0,
    noise: method === "noisy" ? noise : 0,
    seed: SEED,
    steps: STEPS,
  };
}

function walk(plane: Plane, start: Point, method: Method, chosen: Chosen) {
  const wanted = settings(method, chosen);
  const key = [...start, ...Object.values(wanted)].join(" ");
  return remembered(walked, plane, key, () => race(plane, start, wanted));
}

// One race a chosen method, in that order; none where the ball cannot roll. The same
// array comes back until something changes.
export function racesOf(plane: Plane, state: Readonly<Chosen>): Race[] {
  const { start, rate, momentum, noise, methods } = state;
  if (!start) return [];
  const key = [...start, rate, momentum, noise, ...methods].join(" ");
  return remembered(together, plane, key, () =>
    methods.flatMap((method) => walk(plane, start, method, state) ?? []),
  );
}

export interface Ball {
  x: number;
  y: number;
  // The last whole step, which is the race's last where it has ended before.
  step: number;
  ended: boolean;
}

// Where a race's ball is at a step, which may lie between two.
export function ballAt(race: Race, step: number): Ball {
  const last = race.x.length - 1;
  const at = Math.min(Math.max(step, 0), last);
  const before = Math.floor(at);
  const after = Math.min(before + 1, last);
  const share = at - before;
  const between = (all: Float64Array) =>
    (all[before] ?? NaN) * (1 - share) + (all[after] ?? NaN) * share;
  return {
    x: between(race.x),
    y: between(race.y),
    step: before,
    ended: at >= last,
  };
}

// From here on nothing of a race is seen to move.
function rests(race: Race): number {
  const least = STILL * (race.gradientNorm[0] ?? 0);
  let last = race.x.length - 1;
  while (last > 1 && (race.gradientNorm[last - 1] ?? 0) <= least) last -= 1;
  return last;
}

// The step at which the last ball comes to rest, leaves, or has walked long enough.
export function lastStep(races: Race[]): number {
  return Math.max(0, ...races.map(rests));
}
