// A smooth surface through the points of a grid: cubic in each cell.
//
// Slopes at the nodes are those of the polynomial through the five nearest along each
// axis. What is NaN or infinite spoils its neighbourhood of two nodes and nothing else.
// `maps/descending/bicubic.py` is the same, and says why this one.

import type { Point } from "../view/state";
import { basis, cellOf, form } from "./hermite";
import { eigen2, solved } from "./metric";
import type { Matrix } from "./plane";
import { slopesAcross, slopesDown } from "./slopes";

export interface Patch {
  value: number;
  // By both coordinates.
  gradient: [number, number];
  hessian: Matrix;
}

const NEWTON_STEPS = 20;

// Room to work in, as surfaces are asked for very many points.
const four = () => new Float64Array(4);
const [u, du, ddu] = [four(), four(), four()];
const [v, dv, ddv] = [four(), four(), four()];
const block = new Float64Array(16);

function requireAscending(axis: Float64Array): void {
  let ascends = axis.length > 1;
  for (let i = 1; i < axis.length; i++) {
    ascends &&= (axis[i] as number) > (axis[i - 1] as number);
  }
  if (!ascends) {
    throw new RangeError("A surface lies between two or more nodes that ascend.");
  }
}

function bases(nodes: Float64Array, left: number, at: number, into: Float64Array[]) {
  const start = nodes[left] as number;
  const width = (nodes[left + 1] as number) - start;
  into.forEach((out, order) => basis(out, (at - start) / width, width, order));
}

export class Bicubic {
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  // Of each node in turn: its value, its slopes by x and by y, and the mixed derivative.
  readonly #nodes: Float64Array;

  // values[i * y.length + j] belongs to (x[i], y[j]).
  constructor(x: Float64Array, y: Float64Array, values: Float64Array) {
    requireAscending(x);
    requireAscending(y);
    const byX = slopesDown(x, values);
    const byY = slopesAcross(y, values);
    const mixed = slopesAcross(y, byX);
    const nodes = new Float64Array(4 * values.length);
    for (let n = 0; n < values.length; n++) {
      nodes[4 * n] = values[n] as number;
      nodes[4 * n + 1] = byX[n] as number;
      nodes[4 * n + 2] = byY[n] as number;
      nodes[4 * n + 3] = mixed[n] as number;
    }
    this.#x = x;
    this.#y = y;
    this.#nodes = nodes;
  }

  // Height, gradient and curvature; nothing beyond the grid or beside a hole.
  at(x: number, y: number): Patch | null {
    const [i, j] = [cellOf(this.#x, x), cellOf(this.#y, y)];
    if (i < 0 || j < 0 || !this.#gather(i, j)) return null;
    bases(this.#x, i, x, [u, du, ddu]);
    bases(this.#y, j, y, [v, dv, ddv]);
    const mixed = form(du, block, dv);
    return {
      value: form(u, block, v),
      gradient: [form(du, block, v), form(u, block, dv)],
      hessian: [
        [form(ddu, block, v), mixed],
        [mixed, form(u, block, ddv)],
      ],
    };
  }

  // The height alone; NaN beyond the grid and beside a hole.
  value(x: number, y: number): number {
    const i = cellOf(this.#x, x);
    const j = cellOf(this.#y, y);
    if (i < 0 || j < 0) return NaN;
    const [x0, y0] = [this.#x[i] as number, this.#y[j] as number];
    const wide = (this.#x[i + 1] as number) - x0;
    const high = (this.#y[j + 1] as number) - y0;
    basis(u, (x - x0) / wide, wide, 0);
    basis(v, (y - y0) / high, high, 0);
    const columns = this.#y.length;
    const found = this.#edge(i * columns + j, 0) + this.#edge((i + 1) * columns + j, 1);
    return Number.isFinite(found) ? found : NaN;
  }

  // The lowest point near the lowest node, by Newton's steps downhill.
  lowest(): Point | null {
    let [least, found] = [Infinity, -1];
    for (let n = 0; n < this.#nodes.length; n += 4) {
      const value = this.#nodes[n] as number;
      if (value > -Infinity && value < least) [least, found] = [value, n / 4];
    }
    if (found < 0) return null;
    const columns = this.#y.length;
    let here: Point = [
      this.#x[Math.floor(found / columns)] as number,
      this.#y[found % columns] as number,
    ];
    let patch = this.at(...here);
    for (let step = 0; step < NEWTON_STEPS && patch; step++) {
      if (!(eigen2(patch.hessian).values[0] > 0)) break;
      const [dx, dy] = solved(patch.hessian, patch.gradient);
      const there: Point = [here[0] - dx, here[1] - dy];
      const lower = this.at(...there);
      if (!lower || lower.value >= patch.value) break;
      [here, patch] = [there, lower];
    }
    return here;
  }

  // The cell's corners: (value and slope along x) by (value and slope along y).
  #gather(i: number, j: number): boolean {
    let finite = true;
    for (let a = 0; a < 4; a++) {
      for (let b = 0; b < 4; b++) {
        const node = (i + (a & 1)) * this.#y.length + j + (b & 1);
        const found = this.#nodes[4 * node + (a >> 1) + (b & 2)] as number;
        block[4 * a + b] = found;
        finite &&= Number.isFinite(found);
      }
    }
    return finite;
  }

  // What the two corners at one end along x add to the height.
  #edge(node: number, end: number): number {
    const nodes = this.#nodes;
    const at = 4 * node;
    const [value, slope] = [u[end] as number, u[end + 2] as number];
    return (
      (value * (nodes[at] as number) + slope * (nodes[at + 1] as number)) *
        (v[0] as number) +
      (value * (nodes[at + 4] as number) + slope * (nodes[at + 5] as number)) *
        (v[1] as number) +
      (value * (nodes[at + 2] as number) + slope * (nodes[at + 3] as number)) *
        (v[2] as number) +
      (value * (nodes[at + 6] as number) + slope * (nodes[at + 7] as number)) *
        (v[3] as number)
    );
  }
}
