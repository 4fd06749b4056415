// Heights as shares of the box: 0 at the lowest, 1 at the ceiling, and beyond both.

import { type Heights, heightsOf } from "../plane/heights";
import type { Field } from "../plane/plane";

// How far a track may rise above the ceiling or sink below the lowest point.
const ABOVE = 1.2;
const BELOW = -0.16;
// Where infinity stands.
const WALL = 1.5;
const LEVELS = 16;
const MOST_LEVELS = 29;

export interface Scale {
  heights: Heights;
  // Of a value of the surface: above 1 what is cut off; NaN where it is not a number.
  share(value: number): number;
  // Of a value that was measured elsewhere, which may lie below the surface's lowest.
  elsewhere(value: number): number;
  levels: number[];
}

const finite = (share: number, otherwise: number): number =>
  Number.isFinite(share) ? share : otherwise;

// Shares of the height that go on beyond both ends.
function unbounded({ low, high, log, shift }: Heights): (value: number) => number {
  const up = (value: number) => (log ? Math.log(value + shift) : value);
  const [bottom, range] = [up(low), up(high) - up(low)];
  return (value) => (range > 0 ? (up(value) - bottom) / range : 0);
}

export function scaleOf(field: Field, log: boolean, clip: number): Scale {
  const heights = heightsOf(field, log, clip);
  const free = unbounded(heights);
  const share = (value: number) => {
    if (Number.isNaN(value)) return Number.NaN;
    if (value === Infinity) return Math.max(WALL, free(field.high));
    return Math.max(0, finite(free(Math.max(value, heights.low)), 0));
  };
  return {
    heights,
    share,
    elsewhere(value) {
      const beyond = value > heights.high ? ABOVE : BELOW;
      return Math.min(ABOVE, Math.max(BELOW, finite(free(value), beyond)));
    },
    levels: heights
      .levels(LEVELS)
      .map((value) => heights.at(value))
      .filter((level) => level > 1e-3 && level < 1 - 1e-3)
      .slice(0, MOST_LEVELS),
  };
}
