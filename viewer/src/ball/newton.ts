// Newton's steps, θ ← θ − H⁻¹g, plainly: to saddles as well as to minima.

import { eigen2, lifted, solved, whitened, type Pair } from "../plane/metric";
import type { Matrix, Plane } from "../plane/plane";
import { leastGradient } from "./doubt";
import type { Ground } from "./ground";
import type { Met, Steps, Stride } from "./steps";
import type { Judgement } from "./verdict";
import { NEWTON, WHY } from "./words";

// A curvature below this share of the other counts as none.
const SINGULAR = 1e-12;
// So much of the first gradient is left where it counts as vanished.
const TENTH = 0.1;

export interface NewtonStride extends Stride {
  // Both curvatures where a step could not be made.
  stopped: Pair | null;
}

const ENTRIES = ["hessian xx", "hessian xy", "hessian yy"];

// The curvature that was measured along the axes, between its own grid's nodes; the
// surface's where there is none.
function hessianAt(plane: Plane): (met: Met) => Matrix {
  const measured = ENTRIES.map((name) => plane.surface(name));
  return ({ at, patch }) => {
    const [xx = NaN, xy = NaN, yy = NaN] = measured.map(
      (entry) => entry?.value(...at) ?? NaN,
    );
    if (!Number.isFinite(xx + xy + yy)) return patch.hessian;
    return [
      [xx, xy],
      [xy, yy],
    ];
  };
}

export function newton(plane: Plane, ground: Ground): NewtonStride {
  const hessian = hessianAt(plane);
  const stride: NewtonStride = Object.assign(
    (met: Met): Pair | null => {
      const least = leastGradient(ground, met.patch.value);
      if (Math.hypot(...met.gradient) <= least) return null;
      const bends = hessian(met);
      const [low, high] = eigen2(whitened(ground.root, bends)).values;
      const [a, b] = [Math.abs(low), Math.abs(high)];
      if (!(Math.min(a, b) > SINGULAR * Math.max(a, b))) {
        stride.stopped = [low, high];
        return null;
      }
      const [dx, dy] = solved(bends, met.patch.gradient);
      return lifted(ground.root, [-dx, -dy]);
    },
    { stopped: null },
  );
  return stride;
}

// Its own rules: the loss may rise on the way to a saddle, which is no divergence.
export function newtonJudged(
  { gradientNorms, losses, x, y, unbounded, left }: Steps,
  ground: Ground,
  stopped: Pair | null,
): Judgement {
  const count = losses.length - 1;
  const [first = 0, last = 0, loss = NaN] = [
    gradientNorms[0],
    gradientNorms[count],
    losses[count],
  ];
  if (unbounded) return { verdict: "diverge", why: WHY.unbounded(loss, count) };
  if (left) return { verdict: "left the map", why: WHY.left };
  if (count === 0 && !stopped) return { verdict: "converge", why: NEWTON.still };
  if (last <= TENTH * first) {
    const needed = gradientNorms.findIndex((norm) => norm <= TENTH * first);
    const patch = ground.surface.at(x[count] ?? NaN, y[count] ?? NaN);
    const [low, high] = patch ? ground.curvatures(patch) : [NaN, NaN];
    const kind = low > 0 ? "minimum" : high < 0 ? "maximum" : "saddle";
    return { verdict: "converge", why: NEWTON.reached(kind, needed) };
  }
  if (stopped) return { verdict: "stopped", why: NEWTON.stopped(...stopped) };
  if (last > first) return { verdict: "diverge", why: NEWTON.grew(first, last) };
  return { verdict: "crawl", why: NEWTON.slow(count) };
}
