// Tick marks at powers of ten, few enough for the width at hand.

export function decades(low: number, high: number, most: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks: number[] = [];
  for (let size = last; size >= first; size -= stride) ticks.unshift(10 ** size);
  return ticks;
}

// Ticks of a symmetric-log axis: zero, and decades on both sides beyond `linear`.
export function signedDecades(
  low: number,
  high: number,
  linear: number,
  most: number,
): number[] {
  const reach = Math.max(-low, high);
  const upward = decades(linear, reach, most);
  const negative = upward.filter((tick) => -tick >= low).map((tick) => -tick);
  return [...negative.reverse(), 0, ...upward.filter((tick) => tick <= high)];
}
