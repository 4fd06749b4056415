// The landscape as a grid fine enough to look smooth, of heights as shares of the box.

import type { Field, Plane } from "../plane/plane";
import type { Scale } from "./scale";

// Coarser grids are refined to about this many nodes an axis, finer ones thinned out.
const FINE = 180;
const MOST = 301;

export interface Ground {
  x: Float64Array;
  y: Float64Array;
  // shares[i * y.length + j] at (x[i], y[j]); above 1 what is cut off, NaN in holes.
  shares: Float32Array;
  // 1 for each cell whose four corners are known; cells[i * (y.length - 1) + j].
  cells: Uint8Array;
  empty: boolean;
  // The height that is drawn; NaN beyond the land and in holes.
  height(x: number, y: number): number;
}

// Where a drawn line lies among the nodes: node and share of the way to the next.
interface Lines {
  at: Float64Array;
  node: Int32Array;
  part: Float64Array;
}

function linesOf(nodes: Float64Array): Lines {
  const count = nodes.length;
  const stride = count > MOST ? Math.ceil((count - 1) / (MOST - 51)) : 1;
  const fold = count > 1 ? Math.max(1, Math.round(FINE / (count - 1))) : 1;
  const places: [number, number][] = [];
  for (let i = 0; i < count - 1; i += stride)
    for (let k = 0; k < (stride > 1 ? 1 : fold); k++) places.push([i, k / fold]);
  if (count > 0) places.push([count - 1, 0]);
  return {
    at: Float64Array.from(places, ([i, part]) => {
      const [here, next] = [nodes[i] ?? 0, nodes[i + 1] ?? nodes[i] ?? 0];
      return here + part * (next - here);
    }),
    node: Int32Array.from(places, ([i]) => i),
    part: Float64Array.from(places, ([, part]) => part),
  };
}

// Between four nodes without a smooth surface: beside a hole or a wall.
function between(
  nodes: Float32Array,
  ny: number,
  at: [number, number],
  part: [number, number],
): number {
  const [i, j] = at;
  const [s, t] = part;
  let sum = 0;
  for (const [a, u] of [
    [0, 1 - s],
    [1, s],
  ] as const)
    for (const [b, v] of [
      [0, 1 - t],
      [1, t],
    ] as const)
      if (u * v > 0) sum += u * v * (nodes[(i + a) * ny + j + b] ?? Number.NaN);
  return sum;
}

function sampled(
  plane: Plane,
  field: Field,
  scale: Scale,
  x: Lines,
  y: Lines,
): Float32Array {
  const nodes = Float32Array.from(field.values, scale.share);
  const ny = field.y.length;
  const shares = new Float32Array(x.at.length * y.at.length);
  const refined = x.part.some((part) => part > 0) || y.part.some((part) => part > 0);
  const smooth = refined ? plane.surface(field.name) : null;
  let k = 0;
  for (let a = 0; a < x.at.length; a++) {
    for (let b = 0; b < y.at.length; b++, k++) {
      const [i, j] = [x.node[a] ?? 0, y.node[b] ?? 0];
      const [s, t] = [x.part[a] ?? 0, y.part[b] ?? 0];
      let share = Number.NaN;
      if (s === 0 && t === 0) share = nodes[i * ny + j] ?? Number.NaN;
      else if (smooth) share = scale.share(smooth.value(x.at[a] ?? 0, y.at[b] ?? 0));
      shares[k] = Number.isNaN(share) ? between(nodes, ny, [i, j], [s, t]) : share;
    }
  }
  return shares;
}

function wholeCells(shares: Float32Array, nx: number, ny: number): Uint8Array {
  const cells = new Uint8Array(Math.max(0, nx - 1) * Math.max(0, ny - 1));
  let k = 0;
  for (let i = 0; i + 1 < nx; i++)
    for (let j = 0; j + 1 < ny; j++, k++) {
      const at = i * ny + j;
      const sum =
        (shares[at] ?? 0) +
        (shares[at + 1] ?? 0) +
        (shares[at + ny] ?? 0) +
        (shares[at + ny + 1] ?? 0);
      cells[k] = Number.isNaN(sum) ? 0 : 1;
    }
  return cells;
}

// Which cell a coordinate lies in, −1 beyond the ends.
export function cellAt(nodes: Float64Array, at: number): number {
  let [low, high] = [0, nodes.length - 1];
  if (high < 1 || !(at >= (nodes[0] ?? 0) && at <= (nodes[high] ?? 0))) return -1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((nodes[middle] ?? 0) <= at) low = middle;
    else high = middle;
  }
  return low;
}

export function groundOf(plane: Plane, field: Field, scale: Scale): Ground {
  const [x, y] = [linesOf(field.x), linesOf(field.y)];
  const shares = sampled(plane, field, scale, x, y);
  const [nx, ny] = [x.at.length, y.at.length];
  const cells = wholeCells(shares, nx, ny);
  const corner = (i: number, j: number) =>
    Math.min(1, shares[i * ny + j] ?? Number.NaN);
  return {
    x: x.at,
    y: y.at,
    shares,
    cells,
    empty: !cells.includes(1),
    height(px, py) {
      const [i, j] = [cellAt(x.at, px), cellAt(y.at, py)];
      if (i < 0 || j < 0 || cells[i * (ny - 1) + j] !== 1) return Number.NaN;
      const [x0, y0] = [x.at[i] ?? 0, y.at[j] ?? 0];
      const s = (px - x0) / ((x.at[i + 1] ?? 0) - x0);
      const t = (py - y0) / ((y.at[j + 1] ?? 0) - y0);
      const near = corner(i, j) * (1 - t) + corner(i, j + 1) * t;
      return (
        near * (1 - s) + (corner(i + 1, j) * (1 - t) + corner(i + 1, j + 1) * t) * s
      );
    },
  };
}
