// The shown heights as shares of the colours: above 1 is what is cut off.

import { type Heights, heightsOf } from "../plane/heights";
import type { Field } from "../plane/plane";

// As many as on the surface.
const LEVELS = 16;
// Of the lines of equal steps, every so many is drawn stronger.
const STRONG = 5;
// A range that is not larger by its values is rounding.
const FLAT = 1e-12;

export interface Level {
  value: number;
  share: number;
  strong: boolean;
}

export interface Scale {
  heights: Heights;
  // NaN where it is no number; above 1 where it is cut off.
  share(value: number): number;
  levels: Level[];
  // Between lines; NaN where steps are not equal.
  step: number;
  // All values are the same.
  flat: boolean;
  // Something is higher than what is shown.
  cut: boolean;
}

function stepOf(levels: number[], log: boolean): number {
  const [one = Number.NaN, two = Number.NaN] = levels;
  const [last = Number.NaN] = levels.slice(-1);
  const step = two - one;
  const even = Math.abs(step * (levels.length - 1) - (last - one)) < 1e-6 * step;
  return !log && even ? step : Number.NaN;
}

const isDecade = (value: number): boolean =>
  value > 0 && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;

function strongOnes(levels: number[], step: number): boolean[] {
  const isRound = (value: number): boolean =>
    step > 0 ? Math.round(value / step) % STRONG === 0 : isDecade(value);
  const found = levels.map(isRound);
  const enough = found.filter(Boolean).length >= 2 || levels.length < 2;
  return enough ? found : levels.map((_, i) => i % 3 === 1);
}

export function scaleOf(field: Field, log: boolean, clip: number): Scale {
  const heights = heightsOf(field, log, clip);
  const whole = clip < 1 ? heightsOf(field, log, 1) : heights;
  const top = whole.at(heights.high) || 1;
  const flat = !(field.high - field.low > FLAT * Math.abs(field.high));
  const share = (value: number): number => {
    if (Number.isNaN(value)) return Number.NaN;
    if (flat) return 0;
    const found = whole.at(Math.max(value, field.low)) / top;
    return Number.isFinite(found) ? found : 0;
  };
  const values = flat ? [] : heights.levels(LEVELS);
  const step = stepOf(values, heights.log);
  const strong = strongOnes(values, step);
  const levels = values
    .map((value, i) => ({ value, share: share(value), strong: strong[i] ?? false }))
    .filter((level) => level.share > 0 && level.share < 1);
  return { heights, share, levels, step, flat, cut: heights.clipped(field.high) };
}
