// The box's corners as the eye sees them: which are near, left, right, at the back.

import { BASE, HEIGHT, type Spot } from "./box";
import type { Sight } from "./sight";

export type Side = -1 | 1;
export type Corner = [x: Side, z: Side];

// How far the sheet that the block stands on reaches around it.
export const SHEET = 0.045;
export const FOOT = -BASE * HEIGHT;

const side = (value: number): Side => (value < 0 ? -1 : 1);

// Which sides of the box look at the eye.
export const nearSides = ({ eye }: Sight): Corner => [side(eye.at[0]), side(eye.at[2])];

export const cornerSpot = (
  { box }: Pick<Sight, "box">,
  [x, z]: Corner,
  y: number,
  beyond = 0,
): Spot => [x * (box.width / 2 + beyond), y, z * (box.depth / 2 + beyond)];

// The corners' upright edges from left to right, without the nearest one.
export function uprights(sight: Sight): [left: Corner, back: Corner, right: Corner] {
  const [x, z] = nearSides(sight);
  const [opposite, behind] = [-x as Side, -z as Side];
  const one: Corner = [x, behind];
  const other: Corner = [opposite, z];
  const across = (corner: Corner) => sight.eye.seen(cornerSpot(sight, corner, 0))[0];
  const back: Corner = [opposite, behind];
  return across(one) < across(other) ? [one, back, other] : [other, back, one];
}
