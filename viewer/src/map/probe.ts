// The point that is read, and what is known of it.

import type { Field, Plane } from "../plane/plane";
import type { State } from "../view/state";
import { draw, type Pair, widthOf, write } from "./drawn";
import { type Layout, SMALL } from "./layout";
import { readAt } from "./reading";

const [PAD, LINE] = [8, 15.5];
const PLATE = "var(--plate)";
const HEAD = { size: 12.5, fill: "var(--ink)", weight: 600 };

// Right of a point where there is room, else left; never off the sheet.
function card(at: Pair, texts: string[], layout: Layout): SVGGElement {
  const widths = texts.map((text, i) => widthOf(text, i === 0 ? HEAD : SMALL));
  const width = Math.ceil(Math.max(...widths)) + 2 * PAD;
  const height = texts.length * LINE + 2 * PAD - 3;
  const right = at[0] + 12 + width <= layout.right;
  const wanted = right ? at[0] + 12 : at[0] - 12 - width;
  const left = Math.max(2, Math.min(wanted, layout.width - width - 2));
  const above = at[1] - 12 - height;
  const top = above >= layout.top - 22 ? above : at[1] + 12;
  const words = texts.map((text, i) =>
    write(
      text,
      [left + PAD, top + PAD + 10 + i * LINE],
      i === 0 ? HEAD : { ...SMALL, fill: "var(--ink)" },
    ),
  );
  const plate = draw("rect", {
    x: left,
    y: top,
    width,
    height,
    rx: 2,
    fill: PLATE,
    "fill-opacity": 0.95,
    stroke: "var(--rule)",
  });
  return draw("g", { "pointer-events": "none" }, plate, ...words);
}

function hairs([x, y]: Pair, { left, right, top, bottom }: Layout): SVGElement[] {
  const gap = 6;
  const path =
    `M${left},${y.toFixed(1)}H${(x - gap).toFixed(1)}M${(x + gap).toFixed(1)},${y.toFixed(1)}H${right}` +
    `M${x.toFixed(1)},${top}V${(y - gap).toFixed(1)}M${x.toFixed(1)},${(y + gap).toFixed(1)}V${bottom}`;
  const ring = { cx: x, cy: y, r: 4.5, fill: "none" };
  return [
    draw("path", {
      d: path,
      stroke: PLATE,
      "stroke-width": 2.4,
      "stroke-opacity": 0.45,
    }),
    draw("path", { d: path, stroke: "var(--ink)", "stroke-width": 0.8 }),
    draw("circle", { ...ring, stroke: PLATE, "stroke-width": 3.4 }),
    draw("circle", { ...ring, stroke: "var(--ink)", "stroke-width": 1.4 }),
  ];
}

export function probe(
  plane: Plane,
  field: Field,
  { probe: point }: Readonly<State>,
  layout: Layout,
): SVGElement[] {
  const at = point && layout.to(point);
  if (!at || !layout.from(at)) return [];
  return [...hairs(at, layout), card(at, readAt(plane, field, point), layout)];
}
