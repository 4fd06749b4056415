// The key below the map: every sign on it, and nothing that is not on it.

import type { Race } from "../ball/race";
import { told } from "../language";
import { short } from "../numbers";
import { farthest, type Field, type Plane } from "../plane/plane";
import type { MarkKind } from "../plane/record";
import { METHOD } from "../view/words";
import { methodColour } from "./balls";
import { dividesOf } from "./divides";
import { draw, lines, type Pair, write } from "./drawn";
import { flow, type Item, ROW, SIGN } from "./flow";
import { type Layout, SMALL } from "./layout";
import { interpolated, marksOf } from "./places";
import { readingOf } from "./reading";
import { BROKEN, type Sampled, UNMEASURED } from "./sampled";
import type { Scale } from "./scale";
import { bead, moved, sign, trackLook } from "./signs";
import { KINDS, WORDS } from "./words";

const LINE = 14;
// From this width on a checkpoint is read in one row.
const ONE_ROW = 640;
// Below this one in three.
const NARROW = 320;
const KINDS_SHOWN: MarkKind[] = ["centre", "minimum", "saddle", "pass", "checkpoint"];

const stroke = (values: Record<string, string | number>): SVGElement =>
  draw("path", { d: `M${-SIGN / 2 + 2},0H${SIGN / 2 - 2}`, fill: "none", ...values });

function swatch(...inner: SVGElement[]): SVGElement {
  const values = { x: -10, y: -6, width: 20, height: 12 };
  const plate = draw("rect", { ...values, fill: "var(--plate)" });
  const edge = draw("rect", { ...values, fill: "none", stroke: "var(--rule)" });
  return draw("g", { stroke: "var(--faint)", fill: "none" }, plate, ...inner, edge);
}

const hatched = (): SVGElement =>
  swatch(draw("path", { d: "M-10,2L-2,-6M-8,6L4,-6M-2,6L10,-6M4,6L10,0" }));

const dotted = (): SVGElement =>
  swatch(
    draw("path", {
      d: "M-6,-3h0M0,-3h0M6,-3h0M-3,2h0M3,2h0",
      "stroke-width": 1.8,
      "stroke-linecap": "round",
    }),
  );

const dot = (): SVGElement => draw("circle", { r: 1.8, fill: "var(--ink)" });

function contours({ levels, step }: Scale): Item[] {
  if (levels.length === 0) return [];
  const text = step > 0 ? `${told(WORDS.every)} ${short(step)}` : told(WORDS.contours);
  const line = { stroke: "var(--ink)", "stroke-opacity": 0.75 };
  const pair = draw(
    "g",
    {},
    stroke({ ...line, "stroke-width": 1.2, transform: "translate(0 -3)" }),
    stroke({ ...line, "stroke-width": 0.6, transform: "translate(0 2)" }),
  );
  return [{ sign: pair, text }];
}

function faded({ tracks }: Plane): Item[] {
  if (!(farthest(tracks) > 0)) return [];
  const half = (from: number, opacity: number) =>
    draw("path", { d: `M${from},0h11`, "stroke-opacity": opacity });
  const line = draw("g", { stroke: "var(--ink)", "stroke-width": 2, fill: "none" });
  line.append(half(-11, 1), half(0, 0.35));
  return [{ sign: line, text: told(WORDS.off) }];
}

function trackSign(number: number): SVGElement {
  const look = trackLook(number);
  const line = { stroke: look.colour, "stroke-width": 2 };
  const dashed = stroke({ ...line, "stroke-dasharray": look.dash || "none" });
  return draw("g", {}, dashed, bead(look, 3.4));
}

function holes({ cells }: Sampled): Item[] {
  const has = (kind: number) => cells.kinds.includes(kind);
  return [
    ...(has(BROKEN) ? [{ sign: hatched(), text: told(WORDS.broken) }] : []),
    ...(has(UNMEASURED) ? [{ sign: dotted(), text: told(WORDS.unmeasured) }] : []),
  ];
}

function divide(plane: Plane): Item[] {
  if (dividesOf(plane).length === 0) return [];
  const line = { stroke: "var(--ink)", "stroke-dasharray": "6 3 1 3" };
  return [{ sign: stroke(line), text: told(WORDS.divide) }];
}

export function itemsOf(
  plane: Plane,
  field: Field,
  scale: Scale,
  sampled: Sampled | null,
  races: Race[],
): Item[] {
  const kinds = new Set(marksOf(plane, field).map(({ kind }) => kind));
  const shown = KINDS_SHOWN.filter((kind) => kinds.has(kind));
  return [
    ...(sampled ? contours(scale) : []),
    ...shown.map((kind) => ({ sign: sign(kind), text: told(KINDS[kind]) })),
    ...(sampled && field.name === "loss" ? divide(plane) : []),
    ...(sampled && interpolated(field)
      ? [{ sign: dot(), text: told(WORDS.measured) }]
      : []),
    ...(sampled ? holes(sampled) : []),
    ...faded(plane),
    ...races.map(({ method }) => ({
      sign: draw("circle", { r: 5, fill: methodColour(method) }),
      text: told(METHOD[method]),
    })),
  ];
}

export interface Key {
  group: SVGGElement;
  height: number;
  // Says of each trajectory where its checkpoint is.
  read(checkpoint: number | null): void;
}

function rowsOf({ phone, width }: Layout, left: number): number {
  if (phone) return width < NARROW ? 3 : 2;
  return width - left > ONE_ROW ? 1 : 2;
}

export function keyOf(plane: Plane, items: Item[], layout: Layout): Key {
  const group = draw("g");
  const left = layout.phone ? 4 : layout.left;
  let y =
    items.length > 0
      ? flow(group, items, { left, right: layout.width, top: layout.height + 14 })
      : layout.height - 4;
  const rows = rowsOf(layout, left);
  const readings = plane.tracks.map((track, number) => {
    y += ROW + 3;
    const at: Pair = [left + SIGN + 5, y + 3.6];
    const words = Array.from({ length: rows }, (_, row) =>
      write("", [at[0], at[1] + row * LINE], { ...SMALL, fill: "var(--ink)" }),
    );
    group.append(moved(trackSign(number), [left + SIGN / 2, y]), ...words);
    y += (rows - 1) * LINE;
    return { track, words };
  });
  const room = layout.width - left - SIGN - 5;
  return {
    group,
    height: y + 12 - layout.height,
    read(checkpoint) {
      for (const { track, words } of readings) {
        const parts = readingOf(plane, track, checkpoint);
        const whole = lines(parts.join(" · "), room, rows, SMALL);
        const texts = rows === 2 && !layout.phone ? parts : whole;
        words.forEach((word, row) => {
          word.textContent = lines(texts[row] ?? "", room, 1, SMALL)[0] ?? "";
        });
      }
    },
  };
}
