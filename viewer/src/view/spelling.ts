// A state's values as they are spelled in an address, and how they are read there:
// what is out of bounds is brought back, what makes no sense is left out.

import { METHODS } from "../ball/race";
import type { Plane } from "../plane/plane";
import { checkpoints } from "./first_state";
import { STEPS } from "./races";
import type { Camera, Point, State } from "./state";

export const RATES: Point = [1e-12, 1e12];
export const LIMITS = {
  clip: [0.01, 1],
  momentum: [0, 0.999],
  noise: [0, 2],
  step: [0, STEPS],
  speed: [1, 60],
  elevation: [0, Math.PI / 2],
  zoom: [0.4, 4],
} as const;

interface Spelling<T> {
  write(value: T): string;
  // Undefined where the text makes no sense.
  read(text: string, plane: Plane): T | undefined;
}

type Spellings = { [Key in keyof State]: Spelling<State[Key]> };

// More digits than a slider moves by, so that a walk comes back as it was.
const digits = (value: number) => String(Number(value.toPrecision(10)));

const within = (value: number, [low, high]: readonly [number, number]) =>
  Math.min(Math.max(value, low), high);

function numbers(text: string, count: number): number[] | undefined {
  const parts = text.split(",");
  const read = parts.map(Number);
  const whole = parts.every((part) => part.trim() !== "") && parts.length === count;
  return whole && read.every(Number.isFinite) ? read : undefined;
}

const number = (bounds: readonly [number, number]): Spelling<number> => ({
  write: digits,
  read: (text) => {
    const [value] = numbers(text, 1) ?? [];
    return value === undefined ? undefined : within(value, bounds);
  },
});

const flag: Spelling<boolean> = {
  write: (value) => (value ? "1" : "0"),
  read: (text) => (text === "1" ? true : text === "0" ? false : undefined),
};

const holds = (axis: Float64Array, at: number): boolean =>
  at >= (axis[0] ?? Infinity) && at <= (axis[axis.length - 1] ?? -Infinity);

const point: Spelling<Point | null> = {
  write: (value) => (value ? value.map(digits).join(",") : "none"),
  read: (text, plane) => {
    if (text === "none") return null;
    const [x, y] = numbers(text, 2) ?? [];
    if (x === undefined || y === undefined) return undefined;
    return holds(plane.x, x) && holds(plane.y, y) ? [x, y] : undefined;
  },
};

const camera: Spelling<Camera> = {
  write: ({ azimuth, elevation, zoom }) =>
    [azimuth, elevation, zoom].map((part) => String(Number(part.toFixed(4)))).join(","),
  read: (text) => {
    const [azimuth, elevation, zoom] = numbers(text, 3) ?? [];
    if (azimuth === undefined || elevation === undefined || zoom === undefined) {
      return undefined;
    }
    return {
      azimuth: azimuth % (2 * Math.PI),
      elevation: within(elevation, LIMITS.elevation),
      zoom: within(zoom, LIMITS.zoom),
    };
  },
};

function oneOf<T extends string>(names: readonly T[]): Spelling<T> {
  return { write: (value) => value, read: (text) => names.find((n) => n === text) };
}

const methods: Spelling<State["methods"]> = {
  write: (value) => value.join(","),
  read: (text) => {
    const named = text.split(",");
    const chosen = METHODS.filter((method) => named.includes(method));
    return chosen.length > 0 ? chosen : undefined;
  },
};

const checkpoint: Spelling<number | null> = {
  write: (value) => (value === null ? "none" : String(value)),
  read: (text, plane) => {
    if (text === "none") return null;
    const [value] = numbers(text, 1) ?? [];
    const last = checkpoints(plane) - 1;
    if (value === undefined || last < 0) return undefined;
    return within(Math.round(value), [0, last]);
  },
};

export const SPELLINGS: Spellings = {
  field: {
    write: (value) => value,
    read: (text, plane) => (plane.fields.has(text) ? text : undefined),
  },
  log: flag,
  clip: number(LIMITS.clip),
  colours: oneOf(["viridis", "cividis", "grey"]),
  camera,
  probe: point,
  start: point,
  rate: number(RATES),
  momentum: number(LIMITS.momentum),
  noise: number(LIMITS.noise),
  methods,
  step: number(LIMITS.step),
  playing: flag,
  speed: number(LIMITS.speed),
  checkpoint,
};

export const STATE_KEYS = Object.keys(SPELLINGS) as (keyof State)[];

function spelled<Key extends keyof State>(key: Key, state: Readonly<State>): string {
  return SPELLINGS[key].write(state[key]);
}

// What differs from the first state. A ball that rolls has no step worth keeping.
export function written(
  state: Readonly<State>,
  first: Readonly<State>,
): [keyof State, string][] {
  const differs = (key: keyof State) => spelled(key, state) !== spelled(key, first);
  return STATE_KEYS.filter(differs)
    .filter((key) => !(key === "step" && state.playing))
    .map((key) => [key, spelled(key, state)]);
}

// The values that are there and make sense.
export function readState(texts: Map<string, string>, plane: Plane): Partial<State> {
  const found = STATE_KEYS.map((key) => {
    const text = texts.get(key);
    return [key, text === undefined ? text : SPELLINGS[key].read(text, plane)];
  });
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}
