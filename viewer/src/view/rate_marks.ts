// Which learning rates are marked, and how wide a slider has to be to show them.

import { planeRates } from "../ball/race";
import type { Rates } from "../ball/rates";
import type { Plane } from "../plane/plane";
import { STEPS } from "./races";
import type { State } from "./state";

export interface Boundary {
  rate: number;
  // 1/λ or 2/λ, with what stands before it.
  sign: string;
}

export interface Band {
  kind: "crawl" | "converge" | "oscillate" | "diverge";
  from: number;
  to: number;
}

// How far the slider reaches below the least mark and above the largest.
const [BELOW, ABOVE] = [25, 4];
const MOST_BELOW = 1e4;

const positive = (rate: number) => rate > 0 && Number.isFinite(rate);

export const plainRates = (plane: Plane): Rates | null => planeRates(plane, STEPS, 0);

export function planeMarks(plane: Plane): Boundary[] {
  const rates = plainRates(plane);
  if (!rates || !positive(rates.divergesAbove)) return [];
  return [
    { rate: rates.oscillatesAbove, sign: "1/λ" },
    { rate: rates.divergesAbove, sign: "2/λ" },
  ];
}

export function momentumMarks(plane: Plane, state: Readonly<State>): Boundary[] {
  if (!state.methods.includes("momentum")) return [];
  const rates = planeRates(plane, STEPS, state.momentum);
  if (!rates || !positive(rates.divergesAbove)) return [];
  return [{ rate: rates.divergesAbove, sign: "2(1+β)/λ" }];
}

// With two parameters the plane is all there is.
export const isWhole = ({ parameters }: Plane): boolean => parameters <= 2;

// The whole model's, where it was measured and is not the plane's own.
export function modelMarks(plane: Plane): Boundary[] {
  const { limit } = plane;
  if (isWhole(plane) || !limit || !positive(limit.value)) return [];
  return [
    { rate: limit.value / 2, sign: "1/λ_max" },
    { rate: limit.value, sign: "2/λ_max" },
  ];
}

// From the least to the largest rate that the slider reaches, for all planes at once.
export function rateRange(planes: Plane[], first: number): [number, number] {
  const marked = planes.flatMap((plane) => [
    ...planeMarks(plane).map(({ rate }) => rate),
    ...modelMarks(plane).map(({ rate }) => rate),
  ]);
  const all = marked.length > 0 ? marked : [first];
  const largest = Math.max(...all) * ABOVE;
  const crawls = planes.map((plane) => plainRates(plane)?.crawlsBelow ?? NaN);
  const least = Math.min(
    Math.min(...all) / BELOW,
    ...crawls.filter(positive).map(half),
  );
  return [Math.max(least, largest / MOST_BELOW), largest];
}

const half = (rate: number) => rate / 2;

// Bands of plain descent on the plane's own quadratic, from left to right.
export function bands(plane: Plane, [low, high]: readonly [number, number]): Band[] {
  const rates = plainRates(plane);
  if (!rates || !positive(rates.divergesAbove)) return [];
  const { crawlsBelow, oscillatesAbove, divergesAbove } = rates;
  const slow = crawlsBelow > low ? Math.min(crawlsBelow, oscillatesAbove) : low;
  const all: Band[] = [
    { kind: "crawl", from: low, to: slow },
    { kind: "converge", from: slow, to: oscillatesAbove },
    { kind: "oscillate", from: oscillatesAbove, to: divergesAbove },
    { kind: "diverge", from: divergesAbove, to: high },
  ];
  return all.filter(({ from, to }) => to > from);
}
