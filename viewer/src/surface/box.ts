// The box in which the landscape stands: x to the right, y to the back, height upwards.

import type { Plane } from "../plane/plane";

export const HEIGHT = 0.5;
// The block of land below the lowest point, as a share of the height.
export const BASE = 0.16;
const LONGEST = 3;

export type Spot = [x: number, y: number, z: number];

export interface Box {
  width: number;
  depth: number;
  // From the plane's coordinates and a share of the height into the box…
  spot(x: number, y: number, share: number): Spot;
  // … and back.
  x(across: number): number;
  y(back: number): number;
  low: [x: number, y: number];
  high: [x: number, y: number];
}

function span(nodes: Float64Array): [number, number] {
  const [low, high] = [nodes[0] ?? 0, nodes.at(-1) ?? 0];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}

export function boxOf(plane: Plane, x: Float64Array, y: Float64Array): Box {
  const [[left, right], [near, far]] = [span(x), span(y)];
  const lengths = [
    (right - left) * (plane.axes[0].length || 1),
    (far - near) * (plane.axes[1].length || 1),
  ];
  const ratio = (lengths[0] ?? 1) / (lengths[1] ?? 1);
  const kept = Math.min(
    LONGEST,
    Math.max(1 / LONGEST, Number.isFinite(ratio) ? ratio : 1),
  );
  const [width, depth] = kept >= 1 ? [1, 1 / kept] : [kept, 1];
  return {
    width,
    depth,
    spot: (px, py, share) => [
      ((px - left) / (right - left) - 0.5) * width,
      share * HEIGHT,
      (0.5 - (py - near) / (far - near)) * depth,
    ],
    x: (across) => left + (across / width + 0.5) * (right - left),
    y: (back) => near + (0.5 - back / depth) * (far - near),
    low: [left, near],
    high: [right, far],
  };
}
