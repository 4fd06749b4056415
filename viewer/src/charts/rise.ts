// How far the loss rises when every parameter is shaken: predicted and measured.

import {
  areaY,
  axisX,
  axisY,
  dot,
  gridX,
  gridY,
  line,
  plot,
  pointerX,
  rect,
  ruleX,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import {
  type Chart,
  DOWN,
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
import { amount, decade, short } from "../numbers";
import { stopsOf } from "../stops";
import type { Estimate, Rise, RiseRow, Survey } from "../survey";

interface Row extends RiseRow {
  text: string;
}

const error = (estimate: Estimate): number =>
  Number.isFinite(estimate.error) ? estimate.error : 0;
const isDrawable = (value: number): boolean => value > 0 && value < Infinity;

function describe({ sigma, measured, predicted }: RiseRow): string {
  return [
    `σ = ${short(sigma)}`,
    `measured ${amount(measured.value, measured.error)}`,
    `predicted ${amount(predicted.value, predicted.error)}`,
  ].join("\n");
}

function extent(rows: RiseRow[]): [number, number] {
  const values = rows.flatMap((row) => [row.measured.value, row.predicted.value]);
  const shown = values.filter(isDrawable);
  return [Math.min(...shown) / 4, Math.max(...shown) * 3];
}

function prediction(rows: Row[], floor: number) {
  const drawn = rows.filter((row) => isDrawable(row.predicted.value));
  const edge = (row: Row, sign: number) =>
    Math.max(floor, row.predicted.value + sign * error(row.predicted));
  return [
    areaY(drawn, {
      x: "sigma",
      y1: (row: Row) => edge(row, -1),
      y2: (row: Row) => edge(row, 1),
      fill: UP,
      fillOpacity: 0.25,
    }),
    line(drawn, {
      x: "sigma",
      y: (row: Row) => row.predicted.value,
      stroke: UP,
      strokeWidth: 1.8,
    }),
  ];
}

function observation(rows: Row[], floor: number) {
  const drawn = rows.filter((row) => isDrawable(row.measured.value));
  const fallen = rows.filter((row) => row.measured.value <= 0);
  const edge = (row: Row, sign: number) =>
    Math.max(floor, row.measured.value + sign * error(row.measured));
  return [
    ruleX(drawn, {
      x: "sigma",
      y1: (row: Row) => edge(row, -1),
      y2: (row: Row) => edge(row, 1),
      stroke: INK,
      strokeWidth: 1.5,
    }),
    dot(drawn, {
      x: "sigma",
      y: (row: Row) => row.measured.value,
      r: 4,
      fill: INK,
      stroke: PAPER,
      strokeWidth: 1,
    }),
    text(fallen, {
      x: "sigma",
      y: floor,
      text: ["▽"],
      fontSize: 14,
      dy: -9,
      fill: DOWN,
    }),
  ];
}

function furniture(x: [number, number], y: [number, number], phone: boolean) {
  const across = decades(x[0], x[1], 5);
  const up = decades(y[0], y[1], 6);
  return [
    gridX(across, {}),
    gridY(up, {}),
    axisX(across, {
      tickFormat: decade,
      tickSize: 0,
      label: phone
        ? "noise σ (log)"
        : "standard deviation σ of the noise on every parameter (log)",
      labelAnchor: "center",
      labelArrow: "none",
    }),
    axisY(up, {
      tickFormat: decade,
      tickSize: 0,
      label: "expected rise of the loss (log)",
      labelArrow: "none",
    }),
  ];
}

function reach({ holds_up_to }: Rise, x: [number, number], y: [number, number]) {
  if (holds_up_to === null || !isDrawable(holds_up_to)) return [];
  return [
    rect([0], {
      x1: x[0],
      x2: holds_up_to,
      y1: y[0],
      y2: y[1],
      fill: UP_TINT,
      fillOpacity: 0.35,
    }),
    ruleX([holds_up_to], { stroke: UP, strokeDasharray: "2 3" }),
    text([`holds up to σ = ${short(holds_up_to)}`], {
      x: holds_up_to,
      frameAnchor: "top",
      dy: 6,
      dx: -6,
      textAnchor: "end",
      fill: FAINT,
      fontStyle: "italic",
    }),
  ];
}

function theLossItself({ loss }: Rise, y: [number, number]) {
  if (!(loss > y[0] && loss < y[1])) return [];
  return [
    ruleY([loss], { stroke: FAINT, strokeDasharray: "5 4" }),
    text([`the loss itself, ${short(loss)}`], {
      y: loss,
      frameAnchor: "left",
      textAnchor: "start",
      dy: -9,
      dx: 8,
      fill: FAINT,
    }),
  ];
}

export function rise(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.rise?.value;
  const found = value?.rows.filter((row) => isDrawable(row.sigma)) ?? [];
  const rows = found.map((row) => ({ ...row, text: describe(row) }));
  const y = extent(rows);
  if (!value || !isDrawable(y[1])) return null;
  const sigmas = rows.map((row) => row.sigma);
  const x: [number, number] = [Math.min(...sigmas) / 1.5, Math.max(...sigmas) * 1.5];
  const height = (row: Row) =>
    isDrawable(row.measured.value) ? row.measured.value : y[0];
  const drawing = plot({
    ...look(width),
    height: isPhone(width) ? 300 : 360,
    marginTop: 28,
    marginLeft: 50,
    marginRight: 12,
    marginBottom: 42,
    x: { type: "log", domain: x },
    y: { type: "log", domain: y },
    marks: [
      ...furniture(x, y, isPhone(width)),
      ...reach(value, x, y),
      ...theLossItself(value, y),
      ...prediction(rows, y[0]),
      ...observation(rows, y[0]),
      tip(rows, pointerX({ x: "sigma", y: height, title: "text", ...TIP })),
    ],
  });
  return { drawing, stops: stopsOf(drawing, rows, (row) => [row.sigma, height(row)]) };
}
