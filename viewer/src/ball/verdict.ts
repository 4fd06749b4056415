// What kind of descent it was, read off what it met on the way.
//
// Whatever was predicted. Let aₜ be the gradient's component along the steepest
// direction, and bₜ that along the flattest, where one is known; values that rounding
// may have made, or below √ε of the largest, are left out. The first that holds:
//
// diverge: the loss, up or down, or the gradient is beyond all bounds; or the loss ends
//   above where it began; or it ends above its lowest while aₜ changes sign and its
//   amplitude still grows in the last quarter;
// left the map: the next point would have lain beyond its end;
// oscillate: aₜ changes sign at every second step or more often (with momentum: at
//   all), or more than half of the late steps turn back on the one before;
// crawl: as fast as it was on the whole along the flattest direction (or, where none is
//   known, as the gradient shrinks in the last quarter), bₜ would take more than all
//   steps to come down to a tenth;
// converge: none of these.

import type { Told } from "../language";
import { clear, trusted, type Doubt } from "./doubt";
import { REDUCTION, type Kind } from "./rates";
import type { Steps } from "./steps";
import { WHY, type Shrinking } from "./words";

export type Verdict = Kind | "left the map" | "stopped";

export interface Judgement {
  verdict: Verdict;
  why: Told;
}

export function judged(
  made: Steps,
  steps: number,
  momentum: number,
  doubt: Doubt,
): Judgement {
  const steepest = trusted(made, doubt);
  const grown = divergence(made, steepest, momentum, doubt);
  if (grown) return { verdict: "diverge", why: grown };
  if (made.left) return { verdict: "left the map", why: WHY.left };
  const swings = oscillation(made, steepest, momentum, doubt);
  if (swings) return { verdict: "oscillate", why: swings };
  const [needed, along] = stepsToATenth(made, doubt);
  if (needed === Infinity) return { verdict: "crawl", why: WHY.still(along) };
  if (needed > steps) return { verdict: "crawl", why: WHY.slow(along, needed, steps) };
  return { verdict: "converge", why: WHY.converges(along, needed) };
}

// How many steps bring the flattest component to a tenth at the pace observed.
export function stepsToATenth(made: Steps, doubt: Doubt): [number, Shrinking] {
  const flattest = made.along[1] ?? [];
  const last = clear(flattest, doubt).lastIndexOf(true);
  if (last > 0 && clear(flattest, doubt)[0]) {
    return [pace(flattest.map(Math.abs), 0, last), "flattest"];
  }
  const seen = clear(made.gradientNorms, doubt);
  const end = seen.lastIndexOf(true);
  if (seen.filter(Boolean).length < 2) return [0, "gradient"];
  const start = Math.min(Math.floor((3 * end) / 4), end - 1);
  return [pace(made.gradientNorms, start, end), "gradient"];
}

// Steps to a tenth at the mean rate between two steps.
function pace(sizes: number[], start: number, end: number): number {
  const ratio = (sizes[start] ?? NaN) / (sizes[end] ?? NaN);
  const shrunk = Math.log(ratio) / (end - start);
  return shrunk > 0 ? -Math.log(REDUCTION) / shrunk : Infinity;
}

const most = (values: number[]): number =>
  values.reduce((a, b) => Math.max(a, b), -Infinity);

function divergence(
  made: Steps,
  steepest: number[],
  momentum: number,
  doubt: Doubt,
): Told | null {
  const { losses } = made;
  const [first, last] = [losses[0] ?? NaN, losses[losses.length - 1] ?? NaN];
  if (made.unbounded) return WHY.unbounded(last, losses.length - 1);
  if (last > first + doubt.loss) return WHY.rose(first, last);
  const lowest = losses.reduce((a, b) => Math.min(a, b), Infinity);
  const above = last > lowest + doubt.loss;
  return above && swells(steepest, momentum, doubt) ? WHY.swells : null;
}

// Whether the last quarter swings, and further than the quarter before.
function swells(steepest: number[], momentum: number, { resolution }: Doubt): boolean {
  const quarter = Math.max(1, Math.floor(steepest.length / 4));
  const late = steepest.slice(-2 * quarter);
  const sizes = late.map(Math.abs);
  if (sizes.length < 2) return false;
  const growth = most(sizes.slice(-quarter)) / most(sizes.slice(0, -quarter));
  return growth > 1 + Math.sqrt(resolution) && changesSign(late, momentum) !== null;
}

function oscillation(
  made: Steps,
  steepest: number[],
  momentum: number,
  doubt: Doubt,
): Told | null {
  const changes = changesSign(steepest, momentum);
  if (changes) return changes;
  const seen = clear(made.gradientNorms, doubt);
  const late = Math.floor(made.cosines.length / 2);
  const turns = made.cosines.filter((_, i) => i >= late && seen[i] && seen[i + 1]);
  const back = turns.filter((cosine) => cosine < 0).length;
  return turns.length > 3 && 2 * back > turns.length
    ? WHY.turnedBack(back, turns.length)
    : null;
}

function changesSign(values: number[], momentum: number): Told | null {
  // signs, as a product of two small numbers may be none
  const turns = values
    .slice(1)
    .map((value, i) => Math.sign(value) * Math.sign(values[i] ?? 0));
  const flips = turns.filter((turn) => turn < 0).length;
  const count = turns.filter((turn) => turn !== 0).length;
  const enough = momentum ? flips > 0 : 2 * flips >= count && count > 0;
  return enough ? WHY.changesSign(flips, count) : null;
}
