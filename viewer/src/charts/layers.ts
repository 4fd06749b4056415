// The largest eigenvalue of every layer, and the learning rate each one allows.

import {
  axisX,
  dot,
  gridX,
  plot,
  pointerY,
  rect,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import {
  type Chart,
  FAINT,
  INK,
  PAPER,
  TIP,
  UP,
  UP_TINT,
  isPhone,
  look,
} from "../chart";
import { decades } from "../decades";
import { decade, short } from "../numbers";
import { stopsOf } from "../stops";
import type { Layer, Survey } from "../survey";
import { type Row, extent, isDrawable, layerRows, longest, whyNot } from "./layer_rows";

const ROW = { few: 36, many: 25 };
const FEW = 12;
const HEAD = 46;
const LETTER = 7;

interface Sheet {
  width: number;
  all: Row[];
  x: [number, number];
  ticks: number[];
  label: number;
  rate: number;
}

function sheet(found: Layer[], width: number): Sheet {
  const phone = isPhone(width);
  const label = Math.min(phone ? 124 : 236, Math.max(96, longest(found) * LETTER + 24));
  const x = extent(found);
  return {
    width,
    all: layerRows(found, Math.floor((label - 14) / LETTER)),
    x,
    ticks: decades(x[0], x[1], phone ? 3 : 6),
    label,
    rate: phone ? 64 : 92,
  };
}

function frame({ width, label, rate, x }: Sheet, count: number) {
  return {
    ...look(width),
    marginLeft: label,
    marginRight: rate,
    marginBottom: 6,
    marginTop: 2,
    height: count * (count > FEW ? ROW.many : ROW.few) + 8,
    x: { type: "log", domain: x, axis: null },
    y: { domain: [-0.5, count - 0.5], reverse: true, axis: null },
  } as const;
}

// The scale stays in sight while a long list scrolls beneath it.
function head(page: Sheet) {
  const phone = isPhone(page.width);
  return plot({
    ...frame(page, 1),
    height: HEAD,
    marginTop: HEAD - 8,
    marginBottom: 8,
    marks: [
      axisX(page.ticks, {
        anchor: "top",
        tickFormat: decade,
        tickSize: 0,
        label: phone ? "eigenvalue (log)" : "largest eigenvalue (log)",
        labelAnchor: "left",
        labelOffset: 38,
        labelArrow: "none",
      }),
      text([phone ? "rate" : "learning rate"], {
        frameAnchor: "top-right",
        dx: page.rate - 5,
        dy: -28,
        textAnchor: "end",
        lineAnchor: "bottom",
      }),
    ],
  });
}

function end(layer: Layer, sign: number, floor: number): number {
  const residual = Number.isFinite(layer.residual) ? layer.residual : 0;
  return Math.max(floor, layer.eigenvalue + sign * residual);
}

function bars(shown: Row[], floor: number) {
  return [
    rect(shown, {
      x1: floor,
      x2: "eigenvalue",
      y1: (row: Row) => row.at - 0.26,
      y2: (row: Row) => row.at + 0.26,
      fill: UP_TINT,
    }),
    ruleY(shown, {
      x1: (row: Row) => end(row, -1, floor),
      x2: (row: Row) => end(row, 1, floor),
      y: "at",
      stroke: UP,
      strokeWidth: 2.5,
    }),
    dot(shown, {
      x: "eigenvalue",
      y: "at",
      r: 4.5,
      stroke: UP,
      strokeWidth: 1.8,
      fill: (row: Row) => (row.converged ? UP : PAPER),
    }),
  ];
}

function writing({ all, x, rate }: Sheet) {
  const bare = all.filter((row) => !isDrawable(row));
  const names = { frameAnchor: "left", dx: -10, textAnchor: "end" } as const;
  const rates = { frameAnchor: "right", dx: rate - 5, textAnchor: "end" } as const;
  const learningRate = (row: Row) => short(row.learning_rate);
  return [
    text(all, { ...names, y: "at", text: "shown", fontSize: 12.5 }),
    text(all, { ...rates, y: "at", text: learningRate, fill: INK }),
    text(bare, {
      x: x[0],
      y: "at",
      dx: 6,
      textAnchor: "start",
      text: whyNot,
      fill: FAINT,
    }),
  ];
}

function body(page: Sheet, at: (row: Row) => number) {
  const shown = page.all.filter(isDrawable);
  return plot({
    ...frame(page, page.all.length),
    marks: [
      gridX(page.ticks, {}),
      ...bars(shown, page.x[0]),
      ...writing(page),
      tip(page.all, pointerY({ x: at, y: "at", title: "text", ...TIP })),
    ],
  });
}

// Named as a whole, for the scale and the list are drawn apart.
function stack(above: Element, list: Element): Element {
  const drawing = document.createElement("div");
  const top = document.createElement("div");
  drawing.className = "list";
  top.className = "list-head";
  top.append(above);
  drawing.append(top, list);
  for (const part of [above, list]) part.setAttribute("aria-hidden", "true");
  return drawing;
}

export function layers(survey: Survey, width: number): Chart | null {
  const found = survey.measurements.layers?.value.rows ?? [];
  if (found.length === 0) return null;
  const page = sheet(found, width);
  const at = (row: Row) => (isDrawable(row) ? row.eigenvalue : page.x[0]);
  const list = body(page, at);
  const stops = stopsOf(list, page.all, (row) => [at(row), row.at]);
  return { drawing: stack(head(page), list), stops };
}
