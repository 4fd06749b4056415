// How much of the sky each point of the land sees: valleys lie in a soft shade.

const AROUND: [number, number][] = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
];
// Nodes apart at which the horizon is looked for.
const REACH = [1, 2, 4, 7, 12, 20];

function seen(
  heights: Float32Array,
  nx: number,
  ny: number,
  step: number,
): Float32Array {
  const sky = new Float32Array(heights.length);
  for (const [di, dj] of AROUND) {
    const length = step * Math.hypot(di, dj);
    for (let i = 0; i < nx; i++)
      for (let j = 0; j < ny; j++) {
        const at = i * ny + j;
        const here = heights[at] ?? 0;
        let steepest = 0;
        for (const reach of REACH) {
          const [a, b] = [i + di * reach, j + dj * reach];
          if (a < 0 || b < 0 || a >= nx || b >= ny) break;
          const slope = ((heights[a * ny + b] ?? 0) - here) / (length * reach);
          if (slope > steepest) steepest = slope;
        }
        const seen = 1 - steepest / Math.sqrt(1 + steepest * steepest);
        sky[at] = (sky[at] ?? 0) + seen / AROUND.length;
      }
  }
  return sky;
}

// Evened out a little, as it is only looked for in some directions.
export function skies(
  heights: Float32Array,
  nx: number,
  ny: number,
  step: number,
): Float32Array {
  const sky = seen(heights, nx, ny, step);
  const along = evened(sky, nx * ny, ny);
  return evened(along, ny, 1);
}

function evened(sky: Float32Array, period: number, stride: number): Float32Array {
  return sky.map((here, k) => {
    const at = k % period;
    const before = at >= stride ? (sky[k - stride] ?? here) : here;
    const after = at + stride < period ? (sky[k + stride] ?? here) : here;
    return (before + 2 * here + after) / 4;
  });
}
