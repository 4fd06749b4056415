// The needle at the point under the pointer, and what is known of a point.

import { fieldName } from "../plane/field_name";
import { told } from "../language";
import { amount, short } from "../numbers";
import { inParameters } from "../plane/metric";
import { longest } from "../view/shared_state";
import type { Point } from "../view/state";
import { HEIGHT } from "./box";
import { trueHeight } from "./tracks";
import { known } from "./lines";
import type { Sight } from "./sight";
import type { Pair, Stroke } from "./strokes";
import { widthOf } from "./strokes";
import { WORDS } from "./words";

const LINE = 15;
const PAD = 7;

function valueAt({ plane, field, ground, scale }: Sight, [x, y]: Point): number {
  const exact = plane.surface(field.name)?.value(x, y) ?? Number.NaN;
  if (!Number.isNaN(exact)) return exact;
  const share = ground.height(x, y);
  return share >= 1 ? Number.NaN : scale.heights.value(share);
}

function place(sight: Sight, [x, y]: Point): string[] {
  const far = inParameters(sight.plane.metric, x, y);
  return [`(${short(x)}, ${short(y)})`, `${short(far)} ${told(WORDS.fromCentre)}`];
}

// A card beside a point, kept on the sheet.
function card(sight: Sight, at: Pair, lines: string[]): Stroke[] {
  const { inks, eye } = sight;
  const [first = "", ...others] = lines;
  const heads = { font: inks.sans, size: 12, text: first };
  const width =
    2 * PAD +
    Math.max(
      widthOf(heads),
      ...others.map((text) => widthOf({ font: inks.sans, size: 10.5, text })),
    );
  const tall = 2 * PAD + lines.length * LINE - 2;
  const right = at[0] + 12 + width < eye.width - 2;
  const left = Math.max(2, right ? at[0] + 12 : at[0] - 12 - width);
  const top = Math.min(eye.height - tall - 2, Math.max(2, at[1] - tall / 2));
  const points: Pair[] = [
    [left, top],
    [left + width, top],
    [left + width, top + tall],
    [left, top + tall],
  ];
  return [
    {
      kind: "shape",
      points,
      fill: inks.plate,
      stroke: inks.rule,
      width: 1,
      opacity: 0.94,
    },
    ...lines.map((text, i): Stroke => ({
      kind: "words",
      text,
      at: [left + PAD, top + PAD + LINE * (i + 0.45)],
      font: inks.sans,
      size: i === 0 ? 12 : 10.5,
      colour: i === 0 ? inks.ink : inks.faint,
      anchor: "start",
    })),
  ];
}

export function needle(sight: Sight): Stroke[] {
  const { probe } = sight.state;
  if (!probe) return [];
  const { ground, box, eye, inks, field } = sight;
  const height = ground.height(...probe);
  if (Number.isNaN(height)) return [];
  const [x, y, z] = box.spot(probe[0], probe[1], height);
  const foot = eye.seen([x, y, z]);
  const top = eye.seen([x, Math.min(HEIGHT * 1.04, y + 0.12), z]);
  const value = valueAt(sight, probe);
  const shown = Number.isNaN(value) ? "–" : amount(value, field.error);
  return [
    { kind: "line", points: [foot, top], colour: inks.plate, width: 3, opacity: 0.8 },
    { kind: "line", points: [foot, top], colour: inks.ink, width: 1.1 },
    {
      kind: "disc",
      at: foot,
      radius: 3.4,
      fill: inks.ink,
      stroke: inks.plate,
      width: 1.3,
    },
    ...card(sight, top, [
      `${told(fieldName(field.name))} ${shown}`,
      ...place(sight, probe),
    ]),
  ];
}

// Of the chosen checkpoint, where nothing is under the pointer.
export function checkpointTip(sight: Sight): Stroke[] {
  const { checkpoint, probe } = sight.state;
  const track = longest(sight.plane);
  if (checkpoint === null || probe || !track) return [];
  const i = Math.round(checkpoint);
  const [x, y] = [track.x[i] ?? Number.NaN, track.y[i] ?? Number.NaN];
  const spot = sight.box.spot(x, y, trueHeight(sight, track, i));
  if (!known(spot)) return [];
  const number = (values: Float64Array) => short(values[i] ?? Number.NaN);
  const [, far = ""] = place(sight, [x, y]);
  return card(sight, sight.eye.seen(spot), [
    `${track.name} ${track.labels[i] ?? ""}`.trim(),
    `${told(fieldName("loss"))} ${number(track.loss)}`,
    `${number(track.planeLoss)} ${told(WORDS.foot)}`,
    `${number(track.distance)} ${told(WORDS.offPlane)}`,
    far,
  ]);
}
