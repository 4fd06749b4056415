// What is known of a point of the plane, and of a checkpoint beside it, in words.

import { fieldName } from "../plane/field_name";
import { told } from "../language";
import { amount, short } from "../numbers";
import { inParameters } from "../plane/metric";
import type { Field, Plane, Track } from "../plane/plane";
import type { Point } from "../view/state";
import { WORDS } from "./words";

// Between the points as the surface is, beside holes as the nearest point is.
export function valueAt(plane: Plane, field: Field, [x, y]: Point): number {
  const smooth = plane.surface(field.name)?.value(x, y) ?? Number.NaN;
  if (!Number.isNaN(smooth)) return smooth;
  const nearest = (nodes: Float64Array, at: number): number =>
    nodes.reduce(
      (best, node, i) =>
        Math.abs(node - at) < Math.abs((nodes[best] ?? 0) - at) ? i : best,
      0,
    );
  const at = nearest(field.x, x) * field.y.length + nearest(field.y, y);
  return field.values[at] ?? Number.NaN;
}

export function readAt(plane: Plane, field: Field, point: Point): string[] {
  const value = valueAt(plane, field, point);
  const shown = Number.isNaN(value) ? told(WORDS.noValue) : amount(value, field.error);
  const far = inParameters(plane.metric, ...point);
  return [
    `${told(fieldName(field.name))} ${shown}`,
    `(${short(point[0])}, ${short(point[1])})`,
    `${short(far)} ${told(WORDS.fromCentre)}`,
  ];
}

// Two lines: its losses, and where it is. Its name alone where none is chosen.
export function readingOf(
  plane: Plane,
  track: Track,
  checkpoint: number | null,
): string[] {
  const i = Math.min(Math.round(checkpoint ?? -1), track.x.length - 1);
  const [x, y] = [track.x[i], track.y[i]];
  if (x === undefined || y === undefined) return [track.name];
  const of = (all: Float64Array) => short(all[i] ?? Number.NaN);
  const away = short(inParameters(plane.metric, x, y));
  return [
    `${track.name} ${track.labels[i] ?? ""}: ${told(fieldName("loss"))} ${of(track.loss)} (${of(track.planeLoss)} ${told(WORDS.foot)})`,
    `${of(track.distance)} ${told(WORDS.offPlane)} · (${short(x)}, ${short(y)}) · ${away} ${told(WORDS.fromCentre)}`,
  ];
}
