// Lines of one level through a grid, by marching squares.
//
// Lines go with what is higher on their left. Cells with a corner that is no number are
// left out, so that no line runs along a hole.

import type { Point } from "../view/state";

// Corners of a cell that lie above the level, as bits: 1 near, 2 far along x, 4 far along
// both, 8 far along y. Sides: 0 near and along x, 1 far and along y, 2 far and along x,
// 3 near and along y. A line goes from the first side of a pair to the second.
const CROSSED: readonly (readonly number[])[] = [
  [],
  [0, 3],
  [1, 0],
  [1, 3],
  [2, 1],
  [0, 1, 2, 3],
  [2, 0],
  [2, 3],
  [3, 2],
  [0, 2],
  [1, 2, 3, 0],
  [1, 2],
  [3, 1],
  [0, 1],
  [3, 0],
  [],
];
// The two saddles, where the middle lies with the lower corners.
const PARTED: Record<number, readonly number[]> = { 5: [0, 3, 2, 1], 10: [1, 0, 3, 2] };

// An edge of the grid from node n along x has the number 2n, along y 2n + 1.
interface Links {
  // One more than the edge that a crossed edge leads to; 0 for none.
  next: Int32Array;
  entered: Uint8Array;
  edges: number[];
}

function linked(
  rows: number,
  columns: number,
  values: Float64Array,
  level: number,
): Links {
  const links: Links = {
    next: new Int32Array(2 * values.length),
    entered: new Uint8Array(2 * values.length),
    edges: [],
  };
  for (let i = 0; i + 1 < rows; i++) {
    let n = i * columns;
    let a = values[n] as number;
    let b = values[n + columns] as number;
    let before = (a > level ? 1 : 0) | (b > level ? 2 : 0);
    for (let j = 0; j + 1 < columns; j++, n++) {
      const d = values[n + 1] as number;
      const c = values[n + columns + 1] as number;
      const after = (d > level ? 1 : 0) | (c > level ? 2 : 0);
      const kind = before | (after === 1 ? 8 : after === 2 ? 4 : 4 * after);
      // what is not finite shows in the sum
      const sum = a + b + c + d;
      a = d;
      b = c;
      before = after;
      if (kind === 0 || kind === 15 || sum - sum !== 0) continue;
      join(links, n, columns, kind, sum > 4 * level);
    }
  }
  return links;
}

function join(links: Links, n: number, columns: number, kind: number, middle: boolean) {
  const pairs = (middle ? null : PARTED[kind]) ?? CROSSED[kind] ?? [];
  for (let k = 0; k < pairs.length; k += 2) {
    const from = edgeOf(n, columns, pairs[k] as number);
    const to = edgeOf(n, columns, pairs[k + 1] as number);
    links.next[from] = to + 1;
    links.entered[to] = 1;
    links.edges.push(from);
  }
}

function edgeOf(n: number, columns: number, side: number): number {
  if (side === 0) return 2 * n;
  if (side === 1) return 2 * (n + columns) + 1;
  return side === 2 ? 2 * (n + 1) : 2 * n + 1;
}

// Polylines in coordinates; closed ones end where they begin.
export function isolines(
  x: Float64Array,
  y: Float64Array,
  values: Float64Array,
  level: number,
): Point[][] {
  const columns = y.length;
  if (x.length < 2 || columns < 2 || !Number.isFinite(level)) return [];
  const { next, entered, edges } = linked(x.length, columns, values, level);
  const crossing = (edge: number): Point => {
    const node = edge >> 1;
    const j = node % columns;
    const i = (node - j) / columns;
    const low = values[node] as number;
    const high = values[edge & 1 ? node + 1 : node + columns] as number;
    const share = (level - low) / (high - low);
    const [here, up] = [x[i] as number, y[j] as number];
    return edge & 1
      ? [here, up + share * ((y[j + 1] as number) - up)]
      : [here + share * ((x[i + 1] as number) - here), up];
  };
  const follow = (start: number): Point[] => {
    let last = crossing(start);
    const line = [last];
    let edge = start;
    while (next[edge]) {
      const after = (next[edge] as number) - 1;
      next[edge] = 0;
      edge = after;
      const point = crossing(edge);
      // a line through a node comes by it on several edges
      if (point[0] === last[0] && point[1] === last[1]) continue;
      line.push(point);
      last = point;
    }
    return line;
  };
  const lines: Point[][] = [];
  const take = (edge: number) => {
    const line = next[edge] ? follow(edge) : [];
    if (line.length > 1) lines.push(line);
  };
  for (const edge of edges) if (!entered[edge]) take(edge);
  edges.forEach(take);
  return lines;
}
