// Round numbers along an axis.

const ROUND = [1, 2, 5, 10];
const FEWEST = 3;

function evenly(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count;
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = (ROUND.find((part) => part * size >= rough * 0.999) ?? 10) * size;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
}

// About so many, and never a lone zero.
export function roundTicks(low: number, high: number, count: number): number[] {
  let found: number[] = [];
  for (let more = 0; more < 3 && found.length < FEWEST; more++)
    found = evenly(low, high, Math.max(1, count) * 1.6 ** more);
  return found;
}
