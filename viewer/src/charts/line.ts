// The loss along a line: the curve, the points it was measured at, what lies at its ends.

import {
  areaY,
  axisX,
  axisY,
  dot,
  line as curve,
  plot,
  pointerX,
  ruleX,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import { type Chart, DOWN, FAINT, INK, PAPER, TIP, isPhone, look } from "../chart";
import { amount, short } from "../numbers";
import { stopsOf } from "../stops";
import { type Height, axisOf, gridOf, heightOf } from "./heights";
import { legendOf } from "./legend";
import { type LinePoint, type LineRecord, pointsOf } from "./line_record";
import { shorten } from "./names";
import { seriesColour } from "./series";

// Points beyond which their dots would be a line themselves.
const DOTTED = 140;

interface Series {
  name: string;
  stroke: string;
  points: LinePoint[];
}

interface Told {
  t: number;
  height: number;
  text: string;
}

function seriesOf(record: LineRecord): Series[] {
  const names = record.shown ?? Object.keys(record.fields);
  return names.flatMap((name, number) => {
    const field = record.fields[name];
    if (!field) return [];
    return [{ name, stroke: seriesColour(number), points: pointsOf(record, field) }];
  });
}

const height = ({ value }: LinePoint): number =>
  Number.isFinite(value) ? value : Number.NaN;

function drawn({ name, stroke, points }: Series, scale: Height) {
  const measured = points.filter((point) => point.measured);
  const isTest = name.startsWith("test ");
  const edge = (sign: number) => (point: LinePoint) =>
    scale.at(height(point) + sign * point.error);
  return [
    areaY(points, {
      x: "t",
      y1: edge(-1),
      y2: edge(1),
      fill: stroke,
      fillOpacity: 0.22,
    }),
    curve(points, {
      x: "t",
      y: height,
      stroke,
      strokeWidth: 1.9,
      ...(isTest ? { strokeDasharray: "6 3" } : {}),
    }),
    dot(measured.length <= DOTTED ? measured : [], {
      x: "t",
      y: height,
      r: isTest ? 2.4 : 3,
      fill: isTest ? PAPER : stroke,
      stroke,
      strokeWidth: 1,
    }),
  ];
}

// Where the loss was measured, and is no number.
function broken(all: Series[], scale: Height) {
  const found = all.flatMap(({ points }) =>
    points.filter(({ measured, value }) => measured && !Number.isFinite(value)),
  );
  return text(found, {
    x: "t",
    y: scale.domain[0],
    dy: -8,
    text: () => "×",
    fill: DOWN,
  });
}

function endNames({ ends, t }: LineRecord, phone: boolean) {
  if (!ends) return [];
  const places = [0, 1].filter((place) => t.includes(place));
  const most = phone ? 16 : 40;
  return places.flatMap((place) => [
    ruleX([place], { stroke: FAINT, strokeDasharray: "2 3" }),
    text([shorten(String(ends[place as 0 | 1]), most)], {
      x: place,
      frameAnchor: "top",
      dy: -16,
      textAnchor: place === 0 ? "start" : "end",
      fill: INK,
    }),
  ]);
}

// From the higher end up to the highest point between both.
function barrier(record: LineRecord, all: Series[]) {
  const loss = all.find(({ name }) => name === "loss")?.points ?? [];
  const inside = loss.filter(({ t }) => t >= 0 && t <= 1);
  const top = inside.reduce<LinePoint | null>(
    (best, point) => (best && best.value >= point.value ? best : point),
    null,
  );
  if (!record.ends || !top || !(record.barrier > 0)) return [];
  const foot = top.value - record.barrier;
  const words = `barrier ${short(record.barrier)}`;
  const leftward = top.t > 0.5;
  return [
    ruleY([foot], { stroke: FAINT, strokeDasharray: "2 3" }),
    ruleX([top.t], { y1: foot, y2: top.value, stroke: INK, strokeWidth: 1.6 }),
    text([words], {
      x: top.t,
      y: (foot + top.value) / 2,
      dx: leftward ? -8 : 8,
      textAnchor: leftward ? "end" : "start",
      fill: INK,
      stroke: PAPER,
      strokeWidth: 5,
      fontWeight: 600,
    }),
  ];
}

function described({ name, points }: Series, t: number): string {
  const point = points.find((one) => one.t === t);
  if (!point) return "";
  const shown = amount(point.value, point.error);
  return `${name} ${shown}${point.measured ? "" : " (interpolated)"}`;
}

function toldOf(record: LineRecord, all: Series[], scale: Height): Told[] {
  return record.t.map((t) => {
    const parts = all.map((series) => described(series, t)).filter(Boolean);
    const values = all.flatMap(({ points }) =>
      points.filter((point) => point.t === t).map(height),
    );
    const top = values.find(Number.isFinite) ?? scale.domain[0];
    return { t, height: top, text: [`t = ${short(t)}`, ...parts].join("\n") };
  });
}

export function line(record: LineRecord, width: number): Chart | null {
  const all = seriesOf(record);
  const values = all.flatMap(({ points }) => points.map(({ value }) => value));
  const scale = heightOf(values, 6);
  const first = all[0];
  if (!first || !scale || record.t.length < 2) return null;
  const phone = isPhone(width);
  const told = toldOf(record, all, scale);
  const drawing = plot({
    ...look(width),
    height: phone ? 280 : Math.min(380, Math.max(220, width * 0.52)),
    marginTop: 34,
    marginLeft: 52,
    marginRight: 14,
    marginBottom: 42,
    x: { domain: [record.t[0] ?? 0, record.t.at(-1) ?? 1] },
    y: { type: scale.log ? "log" : "linear", domain: scale.domain },
    marks: [
      gridOf(scale),
      axisY(axisOf(scale, first.name.replace("test ", ""), phone)),
      axisX({
        ticks: phone ? 5 : 9,
        tickSize: 4,
        label: record.ends ? "share of the way, t" : "t, in units of the direction",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      ...endNames(record, phone),
      ...all.flatMap((series) => drawn(series, scale)),
      ...barrier(record, all),
      broken(all, scale),
      ruleX(told, pointerX({ x: "t", stroke: INK, strokeOpacity: 0.3 })),
      tip(told, pointerX({ x: "t", y: "height", title: "text", ...TIP })),
    ],
  });
  const stops = stopsOf(drawing, told, (at) => [at.t, at.height]);
  const legend = all.length > 1 ? { legend: legendOf(all) } : {};
  return { drawing, stops, ...legend };
}
