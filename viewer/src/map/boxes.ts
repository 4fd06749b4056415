// Rectangles that words and signs take up, so that none lies on another.

import type { Pair } from "./drawn";

export type Box = [left: number, top: number, right: number, bottom: number];

export const around = ([x, y]: Pair, half: number): Box => [
  x - half,
  y - half,
  x + half,
  y + half,
];

// The upright box around one that is turned about its middle.
export function turned([x, y]: Pair, wide: number, high: number, angle: number): Box {
  const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))];
  const [dx, dy] = [(wide * cos + high * sin) / 2, (wide * sin + high * cos) / 2];
  return [x - dx, y - dy, x + dx, y + dy];
}

export const meets = (one: Box, other: Box, room = 0): boolean =>
  one[0] < other[2] + room &&
  other[0] < one[2] + room &&
  one[1] < other[3] + room &&
  other[1] < one[3] + room;
