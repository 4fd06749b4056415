// The two axes of the plane, along the edges of the sheet that are near the eye.

import { told } from "../language";
import { short } from "../numbers";
import type { Spot } from "./box";
import { FOOT, nearSides, SHEET } from "./corners";
import { fitting, type Placing } from "./placing";
import type { Sight } from "./sight";
import type { Pair } from "./strokes";
import { smallSize, tickStroke } from "./tick_marks";
import { roundTicks } from "./ticks";

const TICK = 5;
// Pixels that a labelled tick takes, and what an edge needs for any.
const APART = 46;
const SHORTEST = 30;
// How long a title may be, by the edge's length.
const ROOM = 1.15;
// Where the title stands, pixels off the edge: the first place that is free.
const TITLE = [35, 42, 29, 50, 58, 66];

interface Axis {
  low: number;
  high: number;
  title: string;
  // On the edge of the sheet.
  spot(value: number): Spot;
}

// An axis' edge on the sheet, and the way off the block.
interface Edge {
  from: Pair;
  to: Pair;
  length: number;
  turn: number;
  beside(base: Pair, far: number): Pair;
  anchor: "start" | "middle" | "end";
}

export function groundAxes(sight: Sight, placing: Placing): void {
  const { box, plane } = sight;
  const [x, z] = nearSides(sight);
  const axes: Axis[] = [
    {
      low: box.low[0],
      high: box.high[0],
      title: told(plane.axes[0].label),
      spot: (value) => [box.spot(value, 0, 0)[0], FOOT, z * (box.depth / 2 + SHEET)],
    },
    {
      low: box.low[1],
      high: box.high[1],
      title: told(plane.axes[1].label),
      spot: (value) => [x * (box.width / 2 + SHEET), FOOT, box.spot(0, value, 0)[2]],
    },
  ];
  const edges = axes.map((axis) => edgeOf(sight, axis));
  axes.forEach((axis, i) => edges[i] && ticks(sight, placing, axis, edges[i]));
  axes.forEach((axis, i) => edges[i] && title(sight, placing, axis, edges[i]));
}

function edgeOf({ eye }: Sight, { low, high, spot }: Axis): Edge | null {
  const [from, to] = [eye.seen(spot(low)), eye.seen(spot(high))];
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  if (!(length > SHORTEST)) return null;
  const along: Pair = [(to[0] - from[0]) / length, (to[1] - from[1]) / length];
  const middle = eye.seen([0, FOOT, 0]);
  const out: Pair = [-along[1], along[0]];
  const off = (from[0] - middle[0]) * out[0] + (from[1] - middle[1]) * out[1];
  const sign = off < 0 ? -1 : 1;
  const sideways = sign * out[0];
  return {
    from,
    to,
    length,
    turn: Math.atan2(along[1], along[0]),
    beside: (base, far) => [
      base[0] + sign * out[0] * far,
      base[1] + sign * out[1] * far,
    ],
    anchor: sideways > 0.45 ? "start" : sideways < -0.45 ? "end" : "middle",
  };
}

function ticks({ eye, inks }: Sight, placing: Placing, axis: Axis, edge: Edge) {
  const count = Math.max(2, Math.floor(edge.length / APART));
  for (const value of roundTicks(axis.low, axis.high, count)) {
    const base = eye.seen(axis.spot(value));
    const written = placing.write(
      {
        kind: "words",
        text: short(value),
        at: edge.beside(base, edge.anchor === "middle" ? TICK + 8 : TICK + 6),
        font: inks.sans,
        size: smallSize(eye),
        colour: inks.faint,
        anchor: edge.anchor,
      },
      5,
    );
    if (written) placing.draw(tickStroke(base, edge.beside(base, TICK), inks));
  }
}

function title({ eye, inks }: Sight, placing: Placing, axis: Axis, edge: Edge) {
  const { from, to, turn } = edge;
  const words = fitting(
    {
      kind: "words",
      text: axis.title,
      at: [0, 0],
      font: inks.serif,
      size: smallSize(eye) + 2,
      italic: true,
      colour: inks.ink,
      anchor: "middle",
      turn: Math.abs(turn) > Math.PI / 2 ? turn + Math.PI : turn,
    },
    edge.length * ROOM,
  );
  const centre: Pair = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
  for (const far of TITLE)
    if (words && placing.write({ ...words, at: edge.beside(centre, far) }, 1)) break;
}
