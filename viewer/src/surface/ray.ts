// Where a line of sight meets the land, followed over its grid.

import type { Box, Spot } from "./box";
import { HEIGHT } from "./box";
import type { Ground } from "./ground";

export interface Hit {
  x: number;
  y: number;
  // How far from where the ray began, in the box's units.
  distance: number;
  // Whether it is a face where the block is cut, not the surface.
  wall: boolean;
}

const HALVINGS = 12;
// Land that stands so little before a spot is the spot's own.
const HAIR = 0.02;

// From and to which distance the ray is within the land's outline and height.
function within(box: Box, from: Spot, to: Spot): [number, number] {
  const sides: [number, number][] = [
    [-box.width / 2, box.width / 2],
    [-1e-6, HEIGHT + 1e-6],
    [-box.depth / 2, box.depth / 2],
  ];
  let [enters, leaves] = [0, Infinity];
  for (const axis of [0, 1, 2] as const) {
    const [low, high] = sides[axis] ?? [0, 0];
    const slope = Math.abs(to[axis]) < 1e-12 ? 1e-12 : to[axis];
    const ends = [(low - from[axis]) / slope, (high - from[axis]) / slope];
    enters = Math.max(enters, Math.min(...ends));
    leaves = Math.min(leaves, Math.max(...ends));
  }
  return [enters, leaves];
}

// In steps of so many cells, and the crossing halved down.
export function hitOf(
  ground: Ground,
  box: Box,
  from: Spot,
  to: Spot,
  stride = 0.5,
): Hit | null {
  const [enters, leaves] = within(box, from, to);
  if (!(enters < leaves)) return null;
  const cell = Math.min(box.width / ground.x.length, box.depth / ground.y.length);
  const step = (stride * cell) / Math.max(Math.hypot(to[0], to[2]), 0.2);
  const place = (far: number): [number, number] => [
    box.x(from[0] + far * to[0]),
    box.y(from[2] + far * to[2]),
  ];
  const above = (far: number) =>
    from[1] + far * to[1] - ground.height(...place(far)) * HEIGHT;
  let before = Number.NaN;
  for (let far = enters + 1e-7; far < leaves + step; far += step) {
    const end = Math.min(far, leaves - 1e-7);
    const now = above(end);
    if (now < 0) {
      const wall = Number.isNaN(before);
      const distance = wall ? end : halved(above, end - step, end);
      const [x, y] = place(distance);
      return { x, y, distance, wall };
    }
    before = now;
  }
  return null;
}

function halved(above: (far: number) => number, near: number, far: number): number {
  let [over, under] = [near, far];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (over + under) / 2;
    if (above(middle) < 0) under = middle;
    else over = middle;
  }
  return (over + under) / 2;
}

// Whether land stands between the eye and a spot.
export function hidden(ground: Ground, box: Box, eye: Spot, spot: Spot): boolean {
  const away: Spot = [spot[0] - eye[0], spot[1] - eye[1], spot[2] - eye[2]];
  const length = Math.hypot(...away);
  const to: Spot = [away[0] / length, away[1] / length, away[2] / length];
  const hit = hitOf(ground, box, eye, to, 1.5);
  return hit !== null && hit.distance < length - HAIR;
}
