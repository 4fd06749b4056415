// Lengths and curvatures in parameter units, on a plane of oblique coordinates.

import type { Matrix } from "./plane";

export type Pair = [number, number];

// Both eigenvalues of a symmetric matrix, the lower first, with unit vectors.
export interface Eigen {
  values: Pair;
  vectors: [Pair, Pair];
}

// L with L Lᵀ = the metric; null where the directions span no plane.
export function cholesky([[xx, xy], [, yy]]: Matrix): Matrix | null {
  const first = Math.sqrt(xx);
  const side = xy / first;
  const rest = Math.sqrt(yy - side * side);
  if (!(first > 0 && rest > 0)) return null;
  return [
    [first, 0],
    [side, rest],
  ];
}

// L⁻¹v: a gradient by coordinates becomes one by parameters on the plane.
export function forward([[first], [side, rest]]: Matrix, [x, y]: Readonly<Pair>): Pair {
  const u = x / first;
  return [u, (y - side * u) / rest];
}

// L⁻ᵀz: a point by parameters on the plane becomes coordinates.
export function backward(
  [[first], [side, rest]]: Matrix,
  [u, v]: Readonly<Pair>,
): Pair {
  const y = v / rest;
  return [(u - side * y) / first, y];
}

// Lᵀc: coordinates become a point by parameters on the plane.
export function lifted([[first], [side, rest]]: Matrix, [x, y]: Readonly<Pair>): Pair {
  return [first * x + side * y, rest * y];
}

// L⁻¹ H L⁻ᵀ: curvature by parameters on the plane.
export function whitened(root: Matrix, [[xx, xy], [yx, yy]]: Matrix): Matrix {
  const [left, right] = [forward(root, [xx, yx]), forward(root, [xy, yy])];
  return [forward(root, [left[0], right[0]]), forward(root, [left[1], right[1]])];
}

// How far a step of the coordinates moves the parameters.
export function inParameters(
  [[xx, xy], [, yy]]: Matrix,
  dx: number,
  dy: number,
): number {
  return Math.sqrt(Math.max(0, xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy));
}

// H⁻¹g
export function solved([[xx, xy], [yx, yy]]: Matrix, [x, y]: Readonly<Pair>): Pair {
  const determinant = xx * yy - xy * yx;
  return [(yy * x - xy * y) / determinant, (xx * y - yx * x) / determinant];
}

// The unit vector to the eigenvalue that is larger in size, as LAPACK's dlaev2 finds it:
// `turn` is the difference of the diagonal, made larger by that of the eigenvalues.
function turned(turn: number, twice: number, swap: boolean): Pair {
  let [cos, sin] = [1, 0];
  if (Math.abs(turn) > Math.abs(twice)) {
    const ratio = -twice / turn;
    sin = 1 / Math.sqrt(1 + ratio * ratio);
    cos = ratio * sin;
  } else if (twice !== 0) {
    const ratio = -turn / twice;
    cos = 1 / Math.sqrt(1 + ratio * ratio);
    sin = ratio * cos;
  }
  return swap ? [-sin, cos] : [cos, sin];
}

export function eigen2([[a, above], [below, d]]: Matrix): Eigen {
  const corner = (above + below) / 2;
  const [sum, apart, twice] = [a + d, a - d, 2 * corner];
  const distance = Math.hypot(apart, twice);
  const [most, least] = Math.abs(a) > Math.abs(d) ? [a, d] : [d, a];
  const positive = sum >= 0;
  const far = (sum + (positive ? distance : -distance)) / 2;
  // the determinant over the larger one: no difference of large numbers
  const near =
    sum === 0 || far === 0 ? -far : (most / far) * least - (corner / far) * corner;
  const ahead = apart >= 0;
  const turn = apart + (ahead ? distance : -distance);
  const vector = turned(turn, twice, positive === ahead);
  const other: Pair = [-vector[1], vector[0]];
  return positive
    ? { values: [near, far], vectors: [other, vector] }
    : { values: [far, near], vectors: [vector, other] };
}

// Both curvatures in the plane by parameters: of (D Dᵀ)⁻¹ D H Dᵀ, the lower first.
export function curvature(hessian: Matrix, metric: Matrix): Pair {
  const root = cholesky(metric);
  return root ? eigen2(whitened(root, hessian)).values : [NaN, NaN];
}

// Of the gradient's part in the plane, in loss per parameter unit.
export function gradientNorm(gradient: Readonly<Pair>, metric: Matrix): number {
  const root = cholesky(metric);
  return root ? Math.hypot(...forward(root, gradient)) : NaN;
}
