// Balls that roll on a measured plane, each by its own rule, from the same point.
//
// The plane's part of a step −η∇f of the parameters is −η (D Dᵀ)⁻¹ ∂f/∂c by its
// coordinates: this is descent of the parameters held on the plane.

import type { Told } from "../language";
import type { Plane } from "../plane/plane";
import type { Point } from "../view/state";
import { doubtOn } from "./doubt";
import { groundOf, type Ground } from "./ground";
import { newton, newtonJudged } from "./newton";
import { noisy, noisyJudged } from "./noisy";
import { Rates } from "./rates";
import { descending, walk, type Steps } from "./steps";
import { judged, type Judgement, type Verdict } from "./verdict";

export type Method = "descent" | "momentum" | "newton" | "noisy";

export const METHODS: Method[] = ["descent", "momentum", "newton", "noisy"];

export interface Settings {
  method: Method;
  // η, of which Newton's steps take no notice.
  rate: number;
  // β, of the heavy ball alone.
  momentum: number;
  // Of noisy descent alone: its spread over the gradient's norm at the start.
  noise: number;
  seed: number;
  steps: number;
}

export interface Race {
  method: Method;
  // At every step, the start included.
  x: Float64Array;
  y: Float64Array;
  loss: Float64Array;
  // By parameters, of the part in the plane.
  gradientNorm: Float64Array;
  // The surface's largest.
  curvature: Float64Array;
  left: boolean;
  unbounded: boolean;
  verdict: Verdict;
  why: Told;
  // What the curvature at the plane's lowest point says of the rate.
  predicted: string;
}

type Ran = { made: Steps } & Judgement;

function run(plane: Plane, ground: Ground, start: Point, wanted: Settings): Ran | null {
  const { method, rate, noise, seed, steps } = wanted;
  if (method === "newton") {
    const stride = newton(plane, ground);
    const made = walk(ground, start, steps, stride);
    return made && { made, ...newtonJudged(made, ground, stride.stopped) };
  }
  // without noise it is plain descent, and judged so
  if (method === "noisy" && noise > 0) {
    const made = walk(ground, start, steps, noisy(rate, noise, seed));
    return made && { made, ...noisyJudged(made) };
  }
  const momentum = method === "momentum" ? wanted.momentum : 0;
  const made = walk(ground, start, steps, descending(rate, momentum));
  return made && { made, ...judged(made, steps, momentum, doubtOn(ground, made)) };
}

// Null where there is no surface, or the start is off the map or beside a hole.
export function race(plane: Plane, start: Point, settings: Settings): Race | null {
  const ground = groundOf(plane);
  const ran = ground && run(plane, ground, start, settings);
  if (!ran) return null;
  const { made, verdict, why } = ran;
  const { method, rate, steps } = settings;
  const momentum = method === "momentum" ? settings.momentum : 0;
  return {
    method,
    x: Float64Array.from(made.x),
    y: Float64Array.from(made.y),
    loss: Float64Array.from(made.losses),
    gradientNorm: Float64Array.from(made.gradientNorms),
    curvature: Float64Array.from(made.curvatures),
    left: made.left,
    unbounded: made.unbounded,
    verdict,
    why,
    predicted:
      method === "newton"
        ? ""
        : new Rates(ground.largest, ground.smallest, steps, momentum).verdict(rate),
  };
}

// 1/λ and 2/λ of the plane's own curvature at its lowest point.
export function planeRates(
  plane: Plane,
  steps: number,
  momentum: number,
): Rates | null {
  const ground = groundOf(plane);
  return ground && new Rates(ground.largest, ground.smallest, steps, momentum);
}
