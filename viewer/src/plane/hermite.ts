// Cubic polynomials between two nodes, by values and slopes at both.

// The node left of a place; −1 beyond the ends.
export function cellOf(nodes: Float64Array, at: number): number {
  const last = nodes.length - 1;
  const first = nodes[0] as number;
  const end = nodes[last] as number;
  if (!(first <= at && at <= end)) return -1;
  // right at once where nodes are evenly spaced
  const share = ((at - first) / (end - first)) * last;
  const guess = share < last ? Math.floor(share) : last - 1;
  if ((nodes[guess] as number) <= at && at < (nodes[guess + 1] as number)) return guess;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((nodes[middle] as number) <= at) low = middle;
    else high = middle;
  }
  return low;
}

// What both values and then both slopes contribute where t of the width is behind, or
// to the first or second derivative.
export function basis(
  out: Float64Array,
  t: number,
  width: number,
  order: number,
): void {
  if (order === 0) {
    out[0] = (2 * t - 3) * t * t + 1;
    out[1] = (3 - 2 * t) * t * t;
    out[2] = ((t - 2) * t + 1) * t * width;
    out[3] = (t - 1) * t * t * width;
  } else if (order === 1) {
    out[0] = (6 * t * (t - 1)) / width;
    out[1] = (6 * t * (1 - t)) / width;
    out[2] = (3 * t - 4) * t + 1;
    out[3] = (3 * t - 2) * t;
  } else {
    out[0] = (12 * t - 6) / (width * width);
    out[1] = (6 - 12 * t) / (width * width);
    out[2] = (6 * t - 4) / width;
    out[3] = (6 * t - 2) / width;
  }
}

// Σ uₐ blockₐᵦ vᵦ over four by four.
export function form(u: Float64Array, block: Float64Array, v: Float64Array): number {
  let total = 0;
  for (let a = 0; a < 4; a++) {
    let row = 0;
    for (let b = 0; b < 4; b++) row += (block[4 * a + b] as number) * (v[b] as number);
    total += (u[a] as number) * row;
  }
  return total;
}
