// The chosen checkpoint on the curves, and its losses beside them.

import { draw, type Pair, widthOf, write } from "../map/drawn";
import { bead, moved, trackLook } from "../map/signs";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import type { Scales } from "./scales";
import type { Time } from "./time";

const APART = 13;
const ASIDE = 9;

interface Value {
  at: Pair;
  // Where its words stand, moved out of the others' way.
  y: number;
  text: string;
  number: number;
}

function spread(values: Value[]): Value[] {
  const sorted = [...values].sort((one, other) => one.y - other.y);
  sorted.forEach((value, i) => {
    const above = sorted[i - 1];
    if (above) value.y = Math.max(value.y, above.y + APART);
  });
  return sorted;
}

function valuesAt(plane: Plane, time: Time, scales: Scales, i: number): Value[] {
  return plane.tracks.flatMap((track, number) => {
    const loss = track.loss[i];
    if (loss === undefined) return [];
    const at: Pair = [scales.x(time.of(track, i)), scales.loss.at(loss)];
    return Number.isNaN(at[1]) ? [] : [{ at, y: at[1], text: short(loss), number }];
  });
}

export function now(
  plane: Plane,
  time: Time,
  scales: Scales,
  checkpoint: number | null,
): SVGElement[] {
  if (checkpoint === null) return [];
  const i = Math.min(Math.round(checkpoint), time.count - 1);
  const x = scales.x(time.of(time.track, i));
  const hair = draw("path", {
    d: `M${x.toFixed(1)},${scales.loss.top - 4}V${scales.away.bottom}`,
    stroke: "var(--ink)",
    "stroke-width": 0.9,
  });
  const feet = plane.tracks.flatMap((track, number) => {
    const away = scales.away.at(track.distance[i] ?? Number.NaN);
    if (Number.isNaN(away)) return [];
    return [moved(bead(trackLook(number), 3.4), [scales.x(time.of(track, i)), away])];
  });
  const values = spread(valuesAt(plane, time, scales, i));
  const words = values.map(({ at, y, text }) => {
    const type = { size: 11, fill: "var(--ink)", halo: "var(--paper)" };
    const right = at[0] + ASIDE + widthOf(text, type) <= scales.width - 2;
    const from: Pair = [at[0] + (right ? ASIDE : -ASIDE), y + 3.8];
    return write(text, from, { ...type, anchor: right ? "start" : "end" });
  });
  const beads = values.map(({ at, number }) => moved(bead(trackLook(number), 5), at));
  return [hair, ...feet, ...words, ...beads];
}
