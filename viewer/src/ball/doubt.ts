// What counts as nothing when a walk is judged.

import type { Ground } from "./ground";
import type { Steps } from "./steps";

export interface Doubt {
  // The rounding of one number.
  resolution: number;
  // Below which differences of gradients and of losses are rounding.
  gradient: number;
  loss: number;
  // The share of a gradient that a step makes look like one along the steepest
  // direction, where that is not exactly known.
  leak: number;
}

// What rounding the interpolant makes of a height, where losses are so large: of the
// loss, and of how much more it is at the next nodes.
function roundingOf({ largest, spacing }: Ground, loss: number): number {
  return 16 * Number.EPSILON * (Math.abs(loss) + Math.abs(largest) * spacing ** 2);
}

// Gradients below are rounding of differences between nodes; at least, where the
// curvature is not known, of the loss alone.
export function leastGradient(ground: Ground, loss: number): number {
  const rounding = roundingOf(ground, loss);
  const known = Number.isNaN(rounding)
    ? 16 * Number.EPSILON * Math.abs(loss)
    : rounding;
  return known / ground.spacing;
}

export function doubtOn(ground: Ground, made: Steps): Doubt {
  let largest = 0;
  for (const loss of made.losses) {
    if (Number.isFinite(loss)) largest = Math.max(largest, Math.abs(loss));
  }
  const rounding = roundingOf(ground, largest);
  return {
    resolution: Number.EPSILON,
    gradient: rounding / ground.spacing,
    loss: rounding,
    leak: 0,
  };
}

// Which values are more than rounding.
export function clear(values: number[], { resolution, gradient }: Doubt): boolean[] {
  const sizes = values.map((value) => (Number.isFinite(value) ? Math.abs(value) : 0));
  const share = Math.sqrt(resolution) * sizes.reduce((a, b) => Math.max(a, b), 0);
  // a doubt that is not known is none
  const least = gradient > share ? gradient : share;
  return sizes.map((size) => size > least);
}

// The components along the steepest direction; zero what may be something else.
export function trusted(made: Steps, doubt: Doubt): number[] {
  const values = (made.along[0] ?? []).map((value, i) => {
    if (i === 0) return value;
    const leaked = doubt.leak * (made.gradientNorms[i - 1] ?? NaN);
    return Math.abs(value) > leaked ? value : 0;
  });
  const seen = clear(values, doubt);
  return values.map((value, i) => (seen[i] ? value : 0));
}
