// Walking on a surface step by step, and what it leaves behind to be judged.

import type { Patch } from "../plane/bicubic";
import { backward, lifted, type Pair } from "../plane/metric";
import type { Point } from "../view/state";
import type { Ground } from "./ground";

// A loss that has grown so far has left for good.
const GROWN = 1e12;

// What is met at one point: the surface there, and its gradient by parameters.
export interface Met {
  at: Point;
  patch: Patch;
  gradient: Pair;
  step: number;
}

// The move to the next point, by parameters; null where it cannot go on.
export type Stride = (met: Met) => Pair | null;

export interface Steps {
  // At every step, the start included.
  x: number[];
  y: number[];
  losses: number[];
  gradientNorms: number[];
  // The largest curvature of the surface.
  curvatures: number[];
  // The gradient's components along the directions of the compass.
  along: number[][];
  // Between each gradient and the next.
  cosines: number[];
  // Whether the next point lay beyond the end of the map.
  left: boolean;
  // Whether the loss, up or down, or the gradient went beyond all bounds.
  unbounded: boolean;
}

const dot = ([a, b]: Readonly<Pair>, [c, d]: Readonly<Pair>): number => a * c + b * d;

function note(made: Steps, met: Met, ground: Ground, last: Pair | null): void {
  const { at, patch, gradient } = met;
  const length = Math.hypot(...gradient);
  if (last) {
    const lengths = (made.gradientNorms[met.step - 1] ?? 0) * length;
    made.cosines.push(lengths ? dot(last, gradient) / lengths : 0);
  }
  made.x.push(at[0]);
  made.y.push(at[1]);
  made.losses.push(patch.value);
  made.gradientNorms.push(length);
  made.curvatures.push(ground.curvatures(patch)[1]);
  ground.compass.forEach((way, k) => made.along[k]?.push(dot(way, gradient)));
  const bound = GROWN * (1 + Math.abs(made.losses[0] ?? 0));
  made.unbounded = !(Number.isFinite(length) && Math.abs(patch.value) <= bound);
}

// At most `steps` strides. It ends early where the map ends, where the loss has grown
// beyond all bounds, and where a stride says so. Null where the start is off the map.
export function walk(
  ground: Ground,
  start: Point,
  steps: number,
  stride: Stride,
): Steps | null {
  const made: Steps = {
    x: [],
    y: [],
    losses: [],
    gradientNorms: [],
    curvatures: [],
    along: ground.compass.map(() => []),
    cosines: [],
    left: false,
    unbounded: false,
  };
  let z = lifted(ground.root, start);
  let last: Pair | null = null;
  for (let step = 0; step <= steps; step++) {
    const at = step === 0 ? start : backward(ground.root, z);
    const patch = ground.surface.at(...at);
    if (!patch) {
      made.left = true;
      break;
    }
    const gradient = ground.gradient(patch);
    const met = { at, patch, gradient, step };
    note(made, met, ground, last);
    last = gradient;
    if (step === steps || made.unbounded) break;
    const move = stride(met);
    if (!move) break;
    z = [z[0] + move[0], z[1] + move[1]];
  }
  return made.losses.length > 0 ? made : null;
}

//     v ← β v + ∇f(θ),   θ ← θ − η v
//
// Without momentum it ends where the gradient is zero.
export function descending(rate: number, momentum: number): Stride {
  let velocity: Pair | null = null;
  return ({ gradient: [u, v] }) => {
    if (!momentum && u === 0 && v === 0) return null;
    const before: Pair = momentum && velocity ? velocity : [0, 0];
    velocity = [u + momentum * before[0], v + momentum * before[1]];
    return [-rate * velocity[0], -rate * velocity[1]];
  };
}
