// How a plane is first shown.

import { planeRates } from "../ball/race";
import { heightsOf } from "../plane/heights";
import type { Field, Plane } from "../plane/plane";
import { STEPS } from "./races";
import { CAMERA, type State } from "./state";

// A wall: nine tenths of the surface lie below this share of its height.
const WALL = 0.4;
const LEAST_CLIP = 0.05;
const DECADES = 2;
// Where neither the plane nor the model has a curvature to go by.
const SOME_RATE = 0.1;

function quantile(field: Field, share: number): number {
  const finite = field.values.filter(Number.isFinite).sort();
  return finite[Math.floor(share * (finite.length - 1))] ?? Number.NaN;
}

function firstClip(field: Field, log: boolean): number {
  if (!(field.low < field.high)) return 1;
  const share = heightsOf(field, log, 1).at(quantile(field, 0.9));
  if (!(share < WALL)) return 1;
  return Math.max(LEAST_CLIP, Math.ceil(110 * share) / 100);
}

function firstRate(plane: Plane): number {
  const largest = planeRates(plane, STEPS, 0)?.largest ?? 0;
  // between crawling and swinging, on the edge of neither
  if (largest > 0) return Number((0.5 / largest).toPrecision(3));
  const half = (plane.limit?.value ?? 0) / 2;
  return half > 0 ? Number(half.toPrecision(3)) : SOME_RATE;
}

// The checkpoints of the longest track, along which all views choose.
export const checkpoints = (plane: Plane): number =>
  Math.max(0, ...plane.tracks.map((track) => track.labels.length));

export function firstState(plane: Plane, opening: Partial<State> = {}): State {
  const { low, high } = plane.loss;
  const log = low > 0 && high / low > 10 ** DECADES;
  const count = checkpoints(plane);
  return {
    field: "loss",
    log,
    clip: firstClip(plane.loss, log),
    colours: "viridis",
    camera: CAMERA,
    probe: null,
    start: null,
    rate: firstRate(plane),
    momentum: 0.9,
    noise: 0.3,
    methods: ["descent"],
    step: 0,
    playing: false,
    speed: 8,
    checkpoint: count > 0 ? count - 1 : null,
    ...opening,
  };
}
