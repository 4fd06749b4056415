// How many eigenvalues lie where: the smoothed spectrum, its band, and the outliers.

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
  ruleX,
  tip,
} from "@observablehq/plot";
import {
  type Chart,
  DOWN,
  DOWN_TINT,
  FAINT,
  INK,
  TIP,
  UP,
  UP_TINT,
  colour,
  isPhone,
  look,
} from "../chart";
import { decades, signedDecades } from "../decades";
import { decade, short } from "../numbers";
import { stopsOf } from "../stops";
import type { Density, Survey } from "../survey";
import { type Point, linearWidth, points } from "./spectrum_points";

const FLOOR = 1e-6;
const STICK = 0.16;
const STOPS = 24;

type Told = Pick<Point, "x" | "y" | "text">;

interface Ground {
  all: Point[];
  outliers: Told[];
  x: [number, number];
  y: [number, number];
  linear: number;
}

function ground(value: Density): Ground | null {
  const peak = Math.max(...value.density.filter(Number.isFinite));
  const floor = peak * FLOOR;
  const all = points(value, floor);
  if (!(peak > 0) || all.length < 2) return null;
  const finite = value.outliers.filter(Number.isFinite);
  const places = [0, ...finite, ...all.map((point) => point.x)];
  const top = Math.max(peak, ...all.map(({ high }) => high));
  const x: [number, number] = [Math.min(...places), Math.max(...places)];
  const y: [number, number] = [floor, top * 1.6];
  const sticking = (at: number) => ({
    x: at,
    y: stickTop(y),
    text: `outlier: ${short(at)}`,
  });
  return { all, outliers: finite.map(sticking), x, y, linear: linearWidth(all) };
}

// The point on the axis between both colours, so that they meet.
function crossing(all: Point[]): Point[] {
  const after = all.findIndex(({ x }) => x > 0);
  const [left, right] = [all[after - 1], all[after]];
  if (!left || !right || left.x === 0) return [];
  const share = -left.x / (right.x - left.x);
  const mix = (a: number, b: number) => a + share * (b - a);
  const [y, low, high] = [
    mix(left.y, right.y),
    mix(left.low, right.low),
    mix(left.high, right.high),
  ];
  return [{ x: 0, y, low, high, text: "" }];
}

function bulk(all: Point[], floor: number) {
  const middle = crossing(all);
  const sides = [
    {
      stroke: DOWN,
      tint: DOWN_TINT,
      part: [...all.filter(({ x }) => x <= 0), ...middle],
    },
    { stroke: UP, tint: UP_TINT, part: [...middle, ...all.filter(({ x }) => x >= 0)] },
  ].filter(({ part }) => part.length > 1);
  const height = ({ y }: Point) => (y > floor ? y : Number.NaN);
  return sides.flatMap(({ stroke, tint, part }) => [
    areaY(part, { x: "x", y1: floor, y2: "y", fill: tint, fillOpacity: 0.6 }),
    areaY(part, { x: "x", y1: "low", y2: "high", fill: stroke, fillOpacity: 0.3 }),
    line(part, { x: "x", y: height, stroke, strokeWidth: 1.8 }),
  ]);
}

const stickTop = (y: [number, number]): number => y[0] * (y[1] / y[0]) ** STICK;

function sticks({ outliers, y }: Ground) {
  const shade = (outlier: { x: number }) => colour(outlier.x);
  const top = stickTop(y);
  return [
    ruleX(outliers, { x: "x", y1: y[0], y2: top, stroke: shade, strokeWidth: 1.4 }),
    dot(outliers, { x: "x", y: top, r: 3.2, fill: shade }),
  ];
}

function axes({ x, y, linear }: Ground, phone: boolean) {
  const across = signedDecades(x[0], x[1], linear, phone ? 3 : 6);
  const up = decades(y[0], y[1], 6);
  const scale = `symmetric-log, linear within ±${decade(linear)}`;
  const label = phone
    ? `eigenvalue (${scale})`
    : `eigenvalue of the Hessian (${scale})`;
  return [
    gridX(across, {}),
    gridY(up, {}),
    axisX(across, {
      tickFormat: decade,
      tickSize: 0,
      label,
      labelAnchor: "center",
      labelArrow: "none",
    }),
    axisY(up, {
      tickFormat: decade,
      tickSize: 0,
      label: "density (log)",
      labelArrow: "none",
    }),
  ];
}

export function density(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.density?.value;
  const base = value ? ground(value) : null;
  if (!base) return null;
  const told: Told[] = [...base.all, ...base.outliers];
  const drawing = plot({
    ...look(width),
    height: isPhone(width) ? 300 : 380,
    marginTop: 28,
    marginLeft: 44,
    marginRight: 16,
    marginBottom: 42,
    x: { type: "symlog", constant: base.linear, domain: base.x },
    y: { type: "log", domain: base.y, clamp: true },
    marks: [
      ...axes(base, isPhone(width)),
      ruleX([0], { stroke: FAINT }),
      ...bulk(base.all, base.y[0]),
      ...sticks(base),
      ruleX(told, pointerX({ x: "x", stroke: INK, strokeOpacity: 0.3 })),
      tip(told, pointerX({ x: "x", y: "y", title: "text", ...TIP })),
    ],
  });
  const stride = Math.max(1, Math.floor(base.all.length / STOPS));
  const chosen = [...base.all.filter((_, i) => i % stride === 0), ...base.outliers];
  return { drawing, stops: stopsOf(drawing, chosen, ({ x, y }) => [x, y]) };
}
