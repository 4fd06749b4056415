// Minima, passes and the centre; edges of basins; points that were measured.

import { told } from "../language";
import { amount, short } from "../numbers";
import type { Field, Plane } from "../plane/plane";
import type { Mark } from "../plane/record";
import { around, type Box, meets } from "./boxes";
import { dividesOf } from "./divides";
import { draw, through, widthOf, write } from "./drawn";
import { type Layout, SMALL } from "./layout";
import type { Scale } from "./scale";
import { moved, sign } from "./signs";
import type { Tints } from "./tints";
import { KINDS } from "./words";

// So many minima are told apart by their values; more would cover the map.
const NUMBERED = 8;
// So many dots are still dots.
const DOTS = 1500;

// They belong to the loss; the centre belongs to all quantities.
export function marksOf(plane: Plane, field: Field): Mark[] {
  const holds = (axis: Float64Array) =>
    (axis[0] ?? 1) <= 0 && (axis[axis.length - 1] ?? -1) >= 0;
  const own: Mark = { kind: "centre", x: 0, y: 0, value: Number.NaN, text: "" };
  const missing = !plane.marks.some(({ kind }) => kind === "centre");
  const centre = missing && holds(plane.x) && holds(plane.y) ? [own] : [];
  return [...centre, ...(field.name === "loss" ? plane.marks : [])];
}

const inside = (layout: Layout, mark: Mark): boolean =>
  layout.from(layout.to([mark.x, mark.y])) !== null;

function spoken(mark: Mark, field: Field): string {
  const name = told(mark.text) || told(KINDS[mark.kind]);
  const where = `(${short(mark.x)}, ${short(mark.y)})`;
  const value = Number.isFinite(mark.value)
    ? ` ${amount(mark.value, field.error)}`
    : "";
  return `${name}${value} ${where}`;
}

// Above the sign or below it, where there is room.
function value(mark: Mark, on: On): SVGTextElement | null {
  const { layout, tints, scale, taken } = on;
  const share = Math.max(0, scale.share(mark.value) || 0);
  const text = short(mark.value);
  const half = widthOf(text, SMALL) / 2 + 2;
  const [x, y] = layout.to([mark.x, mark.y]);
  for (const dy of [15, -14]) {
    const box: Box = [x - half, y + dy - 7, x + half, y + dy + 6];
    const out = box[0] < layout.left || box[2] > layout.right;
    const over = box[1] < layout.top || box[3] > layout.bottom;
    if (out || over || taken.some((other) => meets(box, other))) continue;
    taken.push(box);
    return write(text, [x, y + dy + 3.4], {
      ...SMALL,
      anchor: "middle",
      fill: tints.line(share),
      halo: tints.halo(share),
    });
  }
  return null;
}

// What signs stand on. Words and signs they take room from are in `taken`.
export interface On {
  layout: Layout;
  tints: Tints;
  scale: Scale;
  taken: Box[];
}

export function marks(plane: Plane, field: Field, on: On): SVGGElement {
  const { layout, taken } = on;
  const seen = marksOf(plane, field).filter((mark) => inside(layout, mark));
  for (const mark of seen) taken.push(around(layout.to([mark.x, mark.y]), 7));
  const signs = seen.map((mark) => {
    const made = moved(sign(mark.kind), layout.to([mark.x, mark.y]));
    made.append(draw("title", {}, spoken(mark, field)));
    return made;
  });
  const minima = seen
    .filter(({ kind }) => kind === "minimum")
    .sort((one, other) => one.value - other.value)
    .slice(0, NUMBERED);
  const values = minima.map((mark) => value(mark, on));
  return draw("g", {}, ...signs, ...values.filter((made) => made !== null));
}

export function divides(plane: Plane, layout: Layout): SVGGElement {
  const path = dividesOf(plane)
    .map((points) => through(points.map(layout.to)))
    .join("");
  const line = { d: path, fill: "none", "stroke-linejoin": "round" };
  return draw(
    "g",
    {},
    draw("path", {
      ...line,
      stroke: "var(--plate)",
      "stroke-width": 2.6,
      "stroke-opacity": 0.5,
    }),
    draw("path", {
      ...line,
      stroke: "var(--ink)",
      "stroke-width": 1,
      "stroke-dasharray": "6 3 1 3",
    }),
  );
}

// Whether some of what is drawn was not measured but interpolated.
export const interpolated = ({ values, measured }: Field): boolean =>
  measured.some((flag, at) => flag === 0 && Number.isFinite(values[at]));

export function measuredDots({ x, y, measured }: Field, layout: Layout): SVGElement {
  const found: string[] = [];
  measured.forEach((flag, at) => {
    if (!flag) return;
    const point: [number, number] = [
      x[Math.floor(at / y.length)] ?? 0,
      y[at % y.length] ?? 0,
    ];
    const [px, py] = layout.to(point);
    found.push(`M${px.toFixed(1)},${py.toFixed(1)}h0`);
  });
  const shown = found.length <= DOTS ? found.join("") : "";
  const line = { d: shown, fill: "none", "stroke-linecap": "round" };
  return draw(
    "g",
    {},
    draw("path", {
      ...line,
      stroke: "var(--plate)",
      "stroke-width": 4.2,
      "stroke-opacity": 0.55,
    }),
    draw("path", { ...line, stroke: "var(--ink)", "stroke-width": 2.2 }),
  );
}
