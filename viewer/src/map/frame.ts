// What stands around the map: its border, coordinates, labels, and what is shown.

import { fieldName } from "../plane/field_name";
import { told } from "../language";
import { short } from "../numbers";
import type { State } from "../view/state";
import { draw, lines, type Pair, SERIF, write, widthOf } from "./drawn";
import { LABEL, type Layout, SMALL } from "./layout";
import type { Scale } from "./scale";
import { WORDS } from "./words";

const TICK = 5;
const CROSS = 3;
const [HAIR, FRAME] = ["var(--faint)", "var(--ink)"];

function ticks({ x, y, left, bottom, to, extent }: Layout): SVGElement[] {
  const across = x.ticks.flatMap((tick) => {
    const [px] = to([tick, extent.y[0]]);
    const at: Pair = [px, bottom + TICK + 12];
    return [
      draw("path", { d: `M${px.toFixed(1)},${bottom}v${TICK}`, stroke: HAIR }),
      write(short(tick), at, { ...SMALL, anchor: "middle" }),
    ];
  });
  const up = y.ticks.flatMap((tick) => {
    const [, py] = to([extent.x[0], tick]);
    const at: Pair = [left - TICK - 4, py + 3.6];
    return [
      draw("path", { d: `M${left},${py.toFixed(1)}h${-TICK}`, stroke: HAIR }),
      write(short(tick), at, { ...SMALL, anchor: "end" }),
    ];
  });
  return [...across, ...up];
}

// Small crosses where the lines of a grid would meet, as printed maps have them.
export function graticule({ x, y, to, left, right, top, bottom }: Layout): SVGElement {
  const arms = x.ticks.flatMap((tx) =>
    y.ticks.map((ty) => {
      const [px, py] = to([tx, ty]);
      const off = [px - left, right - px, py - top, bottom - py];
      if (Math.min(...off) < CROSS + 2) return "";
      const [sx, sy] = [px.toFixed(1), py.toFixed(1)];
      return `M${sx},${sy}m${-CROSS},0h${2 * CROSS}m${-CROSS},${-CROSS}v${2 * CROSS}`;
    }),
  );
  return draw("path", {
    d: arms.join(""),
    fill: "none",
    stroke: "#fff",
    "stroke-width": 0.8,
    "stroke-opacity": 0.6,
  });
}

function labels({ left, right, top, bottom, x, y }: Layout): SVGElement[] {
  const below = bottom + TICK + 16 + LABEL.size;
  const middle = (left + right) / 2;
  const across = x.lines.map((line, i) =>
    write(line, [middle, below + i * 14], { ...LABEL, anchor: "middle" }),
  );
  const up = y.lines.map((line, i) => {
    if (!y.along)
      return write(line, [4, top - 8 - (y.lines.length - 1 - i) * 14], LABEL);
    const made = write(line, [0, 0], { ...LABEL, anchor: "middle" });
    const at = `translate(11 ${((top + bottom) / 2).toFixed(1)})`;
    made.setAttribute("transform", `${at} rotate(-90)`);
    return made;
  });
  across[0]?.append(draw("title", {}, x.note));
  up[0]?.append(draw("title", {}, y.note));
  return [...across, ...up];
}

function heading(layout: Layout, state: Readonly<State>, scale: Scale): SVGElement[] {
  const { left, head, width, y } = layout;
  const start = y.along ? left : 4;
  const name = { size: 16, family: SERIF, italic: true, fill: "var(--ink)" };
  const title = told(fieldName(state.field));
  const parts = [
    ...(scale.heights.log ? [told(WORDS.logarithmic)] : []),
    ...(scale.cut ? [`${told(WORDS.cut)} ${short(scale.heights.high)}`] : []),
  ];
  const from = start + widthOf(title, name) + 10;
  const [about = ""] = lines(parts.join(" · "), width - from - 4, 1, SMALL);
  return [write(title, [start, head], name), write(about, [from, head], SMALL)];
}

// A thin line on the map's edge, and a thinner one around it.
function border({ left, right, top, bottom }: Layout): SVGElement {
  return draw("rect", {
    x: left - 0.5,
    y: top - 0.5,
    width: right - left + 1,
    height: bottom - top + 1,
    fill: "none",
    stroke: FRAME,
    "stroke-opacity": 0.75,
  });
}

export function frame(
  layout: Layout,
  state: Readonly<State>,
  scale: Scale,
): SVGGElement {
  return draw(
    "g",
    { "stroke-width": 1 },
    ...ticks(layout),
    ...labels(layout),
    ...heading(layout, state, scale),
    border(layout),
  );
}
