// All that a drawing of the surface needs to know.

import type { Field, Plane } from "../plane/plane";
import type { State } from "../view/state";
import { type Box, boxOf } from "./box";
import { type Ground, groundOf } from "./ground";
import type { Inks } from "./inks";
import type { Eye } from "./orbit";
import { type Scale, scaleOf } from "./scale";

// What changes with the quantity, its scale and its clipping only.
export interface Land {
  plane: Plane;
  field: Field;
  scale: Scale;
  ground: Ground;
  box: Box;
}

export interface Sight extends Land {
  eye: Eye;
  inks: Inks;
  state: Readonly<State>;
}

export function landOf(plane: Plane, state: Readonly<State>): Land {
  const field = plane.fields.get(state.field) ?? plane.loss;
  const scale = scaleOf(field, state.log, state.clip);
  const box = boxOf(plane, field.x, field.y);
  return { plane, field, scale, box, ground: groundOf(plane, field, scale) };
}
