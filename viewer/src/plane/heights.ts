// How high a value is drawn: from 0 to 1, linear or by its logarithm, cut off above.

import { byDecades, evenly, roundNear } from "./nice";
import type { Field } from "./plane";

export interface Heights {
  // Of what is shown; NaN where nothing is a number.
  low: number;
  high: number;
  log: boolean;
  // Heights are by log(value + shift); 0 where all values are positive.
  shift: number;
  // From 0 to 1, which nothing exceeds; NaN for NaN.
  at(value: number): number;
  // Whether it is higher than what is shown.
  clipped(value: number): boolean;
  // The value at a height.
  value(share: number): number;
  // Round numbers for contours, inside what is shown.
  levels(count: number): number[];
  // Round numbers for an axis, ends included.
  ticks(count: number): number[];
}

// A lowest value below this share of the highest is zero but for rounding.
const NOTHING = 1e-12;
// Where values are not positive, the logarithm begins with this share of the range.
const OFFSET = 1e-3;

function shiftOf({ low, high }: Field): number {
  return low > 0 && low > NOTHING * high ? 0 : OFFSET * (high - low) - low;
}

// By even heights, each as round as the distance to the next allows.
function spread(value: (share: number) => number, count: number): number[] {
  const shares = Array.from({ length: count + 2 }, (_, i) => i / (count + 1));
  const all = shares.map(value);
  const round = all
    .slice(0, -1)
    .map((here, i) => roundNear(here, ((all[i + 1] ?? here) - here) / 2));
  return [...new Set(round)];
}

// `clip` is the share of the height that is shown.
export function heightsOf(field: Field, wanted: boolean, clip: number): Heights {
  const log = wanted && field.low < field.high;
  const shift = log ? shiftOf(field) : 0;
  const scaled = (value: number) => (log ? Math.log(value + shift) : value);
  const bottom = scaled(field.low);
  const share = clip > 0 && clip < 1 ? clip : 1;
  const range = share * (scaled(field.high) - bottom);
  const value = (at: number) => {
    const height = bottom + at * range;
    return log ? Math.exp(height) - shift : height;
  };
  const { low } = field;
  const high = share === 1 ? field.high : value(1);
  const at = (given: number) => {
    if (Number.isNaN(given)) return NaN;
    if (given <= low) return 0;
    if (given >= high) return 1;
    return Math.min(1, Math.max(0, (scaled(given) - bottom) / range));
  };
  const round = (count: number, keep: (value: number) => boolean) => {
    if (!log) return evenly(low, high, count, keep);
    if (shift === 0) return byDecades(low, high, count, keep);
    return spread(value, count).filter(keep);
  };
  return {
    low,
    high,
    log,
    shift,
    at,
    clipped: (given) => given > high,
    value,
    levels: (count) => round(count, (level) => level > low && level < high),
    ticks: (count) =>
      low === high ? [low] : round(count, (tick) => tick >= low && tick <= high),
  };
}
