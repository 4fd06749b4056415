// Edges of the basins: from which side water, or gradient flow, runs to which minimum.

import type { Plane } from "../plane/plane";
import type { Point } from "../view/state";
import { thin } from "./sampled";

type Step = [number, number];

const SMOOTHED = 12;

const get = (all: ArrayLike<number>, i: number): number => all[i] ?? 0;

// Places that a divide runs through: middles of the grid's edges, and of its cells.
class Web {
  readonly #ny: number;
  readonly #nx: number;
  readonly places = new Map<number, Point>();
  readonly next: Ways = new Map();

  constructor(
    readonly x: Float64Array,
    readonly y: Float64Array,
  ) {
    [this.#nx, this.#ny] = [x.length, y.length];
  }

  // In halves of steps along both axes.
  #place(i2: number, j2: number): number {
    const key = i2 * 2 * this.#ny + j2;
    const half = (nodes: Float64Array, k: number) =>
      (get(nodes, k >> 1) + get(nodes, (k + 1) >> 1)) / 2;
    if (!this.places.has(key))
      this.places.set(key, [half(this.x, i2), half(this.y, j2)]);
    return key;
  }

  #join(one: number, other: number) {
    this.next.set(one, [...(this.next.get(one) ?? []), other]);
    this.next.set(other, [...(this.next.get(other) ?? []), one]);
  }

  cell(basins: Float64Array, i: number, j: number) {
    const of = (a: number, b: number) => get(basins, a * this.#ny + b);
    const [a, b, c, d] = [of(i, j), of(i + 1, j), of(i + 1, j + 1), of(i, j + 1)];
    const none = Math.min(a, b, c, d) === 0;
    if (none || (a === b && b === c && c === d)) return;
    const crossed: Step[] = [];
    if (a !== b) crossed.push([2 * i + 1, 2 * j]);
    if (b !== c) crossed.push([2 * i + 2, 2 * j + 1]);
    if (c !== d) crossed.push([2 * i + 1, 2 * j + 2]);
    if (d !== a) crossed.push([2 * i, 2 * j + 1]);
    const keys = crossed.map((ends) => this.#place(...ends));
    if (keys.length === 2) return this.#join(keys[0] ?? 0, keys[1] ?? 0);
    const middle = keys.length > 2 ? this.#place(2 * i + 1, 2 * j + 1) : 0;
    for (const key of keys) this.#join(key, middle);
  }

  get cells(): Step {
    return [this.#nx - 1, this.#ny - 1];
  }
}

type Ways = Map<number, number[]>;

// Along a divide to where it ends, or others meet it.
function walk(next: Ways, isEnd: (key: number) => boolean, from: number, to: number) {
  const keys = [from];
  let [before, here] = [from, to];
  const cut = (one: number, other: number) => {
    const left = next.get(one) ?? [];
    left.splice(left.indexOf(other), 1);
  };
  for (;;) {
    cut(before, here);
    cut(here, before);
    keys.push(here);
    const [way] = next.get(here) ?? [];
    if (way === undefined || isEnd(here)) return keys;
    [before, here] = [here, way];
  }
}

const mean = ([x0, y0]: Point, [x1, y1]: Point, share = 0.5): Point => [
  x0 + share * (x1 - x0),
  y0 + share * (y1 - y0),
];

// Grids have steps and divides have none: each point moves to the middle of its
// neighbours, some times over. Step stay, for others meet there.
function smooth(points: Point[]): Point[] {
  let found = points;
  for (let time = 0; time < SMOOTHED; time++) {
    found = found.map((point, i) => {
      const [before, after] = [found[i - 1], found[i + 1]];
      return before && after ? mean(point, mean(before, after), 0.66) : point;
    });
  }
  return found;
}

function thinned(plane: Plane, basins: Float64Array) {
  const [rows, columns] = [thin(plane.x.length), thin(plane.y.length)];
  const { length } = plane.y;
  return {
    x: Float64Array.from(rows, (i) => get(plane.x, i)),
    y: Float64Array.from(columns, (j) => get(plane.y, j)),
    basins: Float64Array.from(
      rows.flatMap((i) => columns.map((j) => get(basins, i * length + j))),
    ),
  };
}

function traced(plane: Plane): Point[][] {
  if (!plane.basins || plane.x.length < 2 || plane.y.length < 2) return [];
  const { x, y, basins } = thinned(plane, plane.basins);
  const web = new Web(x, y);
  const [nx, ny] = web.cells;
  for (let i = 0; i < nx; i++) for (let j = 0; j < ny; j++) web.cell(basins, i, j);
  const degree = new Map([...web.next].map(([key, ways]) => [key, ways.length]));
  const nodes = [...web.next.keys()];
  const isEnd = (key: number) => degree.get(key) !== 2;
  const found: number[][] = [];
  for (const from of [...nodes.filter(isEnd), ...nodes]) {
    for (;;) {
      const [to] = web.next.get(from) ?? [];
      if (to === undefined) break;
      found.push(walk(web.next, isEnd, from, to));
    }
  }
  return found.map((keys) => smooth(keys.map((key) => web.places.get(key) ?? [0, 0])));
}

const known = new WeakMap<Plane, Point[][]>();

// Polylines in coordinates; none where there is one basin or nobody knows.
export function dividesOf(plane: Plane): Point[][] {
  const found = known.get(plane) ?? traced(plane);
  known.set(plane, found);
  return found;
}
