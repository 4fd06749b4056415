// Round numbers in an interval: for ticks and for the levels of contours.

const STEPS = [1, 2, 5];

// So far from a round number by rounding alone.
const rounded = (value: number): number => Number(value.toPrecision(12));

function multiples(low: number, high: number, step: number): number[] {
  const found: number[] = [];
  const last = Math.floor(high / step + 1e-9);
  for (let k = Math.ceil(low / step - 1e-9); k <= last; k++) {
    // no negative zero
    found.push(rounded(k * step) + 0);
  }
  return found;
}

function nearest(candidates: number[][], count: number): number[] {
  const off = (found: number[]) => Math.abs(Math.log((found.length + 0.1) / count));
  return candidates.reduce((best, found) => (off(found) < off(best) ? found : best));
}

// Multiples of 1, 2 or 5 times a power of ten, about `count` of those to keep.
export function evenly(
  low: number,
  high: number,
  count: number,
  keep: (value: number) => boolean,
): number[] {
  const rough = (high - low) / Math.max(1, count);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  // further apart than what is left of their difference
  if (rough < 1e-11 * Math.max(Math.abs(low), Math.abs(high))) return [];
  const decade = 10 ** Math.floor(Math.log10(rough));
  const steps = [0.5, ...STEPS, 10].map((factor) => factor * decade);
  return nearest(
    steps.map((step) => multiples(low, high, step).filter(keep)),
    count,
  );
}

const MANTISSAS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]];
const EVERY = [2, 3, 4, 5, 10, 20, 50];

function decades(low: number, high: number, mantissas: number[], every: number) {
  const found: number[] = [];
  const first = Math.floor(Math.log10(low) / every) * every;
  for (let power = first; power <= Math.log10(high); power += every) {
    for (const mantissa of mantissas) found.push(rounded(mantissa * 10 ** power));
  }
  return found.filter((value) => value >= low && value <= high);
}

// Round numbers that lie evenly by their logarithm, about `count` of those to keep.
export function byDecades(
  low: number,
  high: number,
  count: number,
  keep: (value: number) => boolean,
): number[] {
  const span = Math.log10(high / low);
  if (!(span > 0) || !Number.isFinite(span)) return [];
  if (span < 0.6) return evenly(low, high, count, keep);
  const dense = MANTISSAS.map((mantissas) => decades(low, high, mantissas, 1));
  const sparse = EVERY.map((every) => decades(low, high, [1], every));
  return nearest(
    [...dense, ...sparse].map((all) => all.filter(keep)),
    count,
  );
}

// A number near a value, as round as an error of half the tolerance allows.
export function roundNear(value: number, tolerance: number): number {
  if (!(tolerance > 0) || !Number.isFinite(tolerance)) return value;
  const decade = 10 ** Math.floor(Math.log10(tolerance));
  const step =
    decade * ([...STEPS].reverse().find((s) => s * decade <= tolerance) ?? 1);
  return rounded(Math.round(value / step) * step) + 0;
}
