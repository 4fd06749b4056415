// Descent along gradients with noise, as from a part of the data.

import type { Pair } from "../plane/metric";
import { normalPairs } from "./random";
import type { Steps, Stride } from "./steps";
import type { Judgement } from "./verdict";
import { NOISY, WHY } from "./words";

// The noise has the same spread along all directions of the parameters: `noise` times
// the gradient's norm at the start.
export function noisy(rate: number, noise: number, seed: number): Stride {
  const draw = normalPairs(seed);
  let spread: number | null = null;
  return ({ gradient: [u, v] }): Pair => {
    spread ??= noise * Math.hypot(u, v);
    const [a, b] = draw();
    return [-rate * (u + spread * a), -rate * (v + spread * b)];
  };
}

const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

// On a quadratic, one gradient along a direction is 1 − ηλ times the one before, and
// noise: their correlation is negative where, without noise, every step changed sign.
function correlation(values: number[]): number {
  const middle = mean(values);
  const off = values.map((value) => value - middle);
  const square = off.reduce((sum, value) => sum + value * value, 0);
  const product = off
    .slice(1)
    .reduce((sum, value, i) => sum + value * (off[i] ?? 0), 0);
  return square > 0 ? product / square : 0;
}

// Single steps go anywhere: averages say how it goes.
export function noisyJudged(made: Steps): Judgement {
  const { losses } = made;
  const count = losses.length;
  const [first = NaN, end = NaN] = [losses[0], losses[count - 1]];
  if (made.unbounded) return { verdict: "diverge", why: WHY.unbounded(end, count - 1) };
  const quarter = Math.max(1, Math.floor(count / 4));
  const [late, before] = [losses.slice(-quarter), losses.slice(-2 * quarter, -quarter)];
  const [last, earlier] = [mean(late), before.length ? mean(before) : first];
  const spread = deviation(late);
  // one loss tells of the next, so that averages are off by nearly as much as losses
  const chance = Math.hypot(spread, before.length > 0 ? deviation(before) : 0);
  if (last > first + chance && last > earlier + chance) {
    return { verdict: "diverge", why: NOISY.rose(first, last) };
  }
  if (made.left) return { verdict: "left the map", why: WHY.left };
  const along = correlation(made.along[0] ?? []);
  if (along < -2 / Math.sqrt(count)) {
    return { verdict: "oscillate", why: NOISY.undone(along) };
  }
  if (earlier > last + chance) {
    return { verdict: "crawl", why: NOISY.falls(earlier, last) };
  }
  return { verdict: "converge", why: NOISY.hovers(last, spread) };
}
