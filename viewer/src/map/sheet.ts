// One sheet of the map: everything on it but what moves.

import type { Race } from "../ball/race";
import { told } from "../language";
import { short } from "../numbers";
import type { Field, Plane } from "../plane/plane";
import { css, type Inks } from "../surface/inks";
import type { State } from "../view/state";
import type { Box } from "./boxes";
import { barWords, colourBar } from "./colour_bar";
import { contourLines } from "./contour_lines";
import { draw, type Pair, through, write } from "./drawn";
import { frame, graticule } from "./frame";
import { itemsOf, keyOf } from "./key";
import { type Layout, layoutOf } from "./layout";
import { divides, interpolated, marks, measuredDots } from "./places";
import { paintRelief, type Relief, reliefOf } from "./relief";
import { edgesOf, type Sampled, sampledOf } from "./sampled";
import { type Scale, scaleOf } from "./scale";
import { type Tints, tintsOf } from "./tints";
import { trails } from "./trails";
import { WORDS } from "./words";

export interface Sheet {
  layout: Layout;
  height: number;
  drawn: SVGElement[];
  // Where what moves belongs: inside the map's edge, below the frame.
  moving: SVGGElement;
  paint(canvas: HTMLCanvasElement, ratio: number): void;
  // Of the chosen checkpoint, in the key.
  read(checkpoint: number | null): void;
}

let sheets = 0;

// Nothing on the map reaches beyond its edge.
function edge({ left, right, top, bottom }: Layout, id: string): SVGElement {
  const [width, height] = [right - left, bottom - top];
  const rect = draw("rect", { x: left, y: top, width, height });
  return draw("clipPath", { id }, rect);
}

function holeEdges({ cells }: Sampled, layout: Layout): SVGElement[] {
  if (!cells.holes) return [];
  const path = edgesOf(cells).map(([x0, y0, x1, y1]) =>
    through([layout.to([x0, y0]), layout.to([x1, y1])]),
  );
  const line = { d: path.join(""), fill: "none", "stroke-linecap": "square" };
  return [draw("path", { ...line, stroke: "var(--faint)", "stroke-width": 0.9 })];
}

// Where there are no cells between points, each point shows its own colour.
function loosePoints(field: Field, scale: Scale, layout: Layout, tints: Tints) {
  return [...field.values].flatMap((value, at) => {
    const share = scale.share(value);
    const point: Pair = [
      field.x[Math.floor(at / field.y.length)] ?? 0,
      field.y[at % field.y.length] ?? 0,
    ];
    const [cx, cy] = layout.to(point);
    const fill = Number.isNaN(share) ? "none" : css(tints.at(share));
    const title = draw("title", {}, short(value));
    return [draw("circle", { cx, cy, r: 7, fill, stroke: "var(--ink)" }, title)];
  });
}

function nothing({ left, right, top, bottom }: Layout): SVGElement {
  const at: Pair = [(left + right) / 2, (top + bottom) / 2];
  return write(told(WORDS.empty), at, {
    size: 13,
    anchor: "middle",
    italic: true,
    family: "var(--serif)",
  });
}

interface Ground {
  plane: Plane;
  field: Field;
  scale: Scale;
  layout: Layout;
  tints: Tints;
  relief: Relief | null;
  // Where signs and words stand.
  taken: Box[];
}

function ground(on: Ground): SVGElement[] {
  const { plane, field, scale, layout, tints, relief, taken } = on;
  if (!relief) {
    const points = loosePoints(field, scale, layout, tints);
    return points.length > 0 ? points : [nothing(layout)];
  }
  return [
    ...holeEdges(relief.sampled, layout),
    graticule(layout),
    contourLines(relief, scale, layout, tints, taken),
    ...(field.name === "loss" ? [divides(plane, layout)] : []),
    ...(interpolated(field) ? [measuredDots(field, layout)] : []),
    trails(plane, layout),
  ];
}

export function sheetOf(
  plane: Plane,
  state: Readonly<State>,
  width: number,
  inks: Inks,
  races: Race[] = [],
): Sheet {
  const field = plane.fields.get(state.field) ?? plane.loss;
  const scale = scaleOf(field, state.log, state.clip);
  const layout = layoutOf(plane, width, barWords(scale, field));
  const tints = tintsOf(state.colours, inks);
  const sampled = sampledOf(plane, field);
  const relief = sampled && reliefOf(sampled, scale);
  const key = keyOf(plane, itemsOf(plane, field, scale, sampled, races), layout);
  sheets += 1;
  const id = `map-edge-${sheets}`;
  const within = { "clip-path": `url(#${id})` };
  const moving = draw("g", within);
  const taken: Box[] = [];
  const signs = relief ? [marks(plane, field, { layout, tints, scale, taken })] : [];
  const on = { plane, field, scale, layout, tints, relief, taken };
  const bar = Number.isFinite(field.low)
    ? [colourBar(layout, scale, field, tints)]
    : [];
  return {
    layout,
    height: layout.height + key.height,
    drawn: [
      edge(layout, id),
      draw("g", within, ...ground(on)),
      ...signs,
      moving,
      frame(layout, { ...state, field: field.name }, scale),
      ...bar,
      key.group,
    ],
    moving,
    read: key.read,
    paint(canvas, ratio) {
      if (relief) paintRelief(canvas, relief, layout, tints, ratio);
      else [canvas.width, canvas.height] = [1, 1];
    },
  };
}
