// The smoothed spectra of several runs on one scale.

import {
  areaY,
  axisX,
  axisY,
  gridX,
  gridY,
  line,
  plot,
  pointer,
  ruleX,
  tip,
} from "@observablehq/plot";
import { type Chart, FAINT, TIP, isPhone, look } from "../chart";
import { decades, signedDecades } from "../decades";
import { decade } from "../numbers";
import { stopsOf } from "../stops";
import { legendOf } from "./legend";
import { seriesColour } from "./series";
import { type Point, type Smoothed, linearWidth, points } from "./spectrum_points";

const FLOOR = 1e-6;
const STOPS = 16;

interface Run extends Smoothed {
  name: string;
}

export interface DensitiesRecord {
  runs: Run[];
}

interface Curve {
  name: string;
  stroke: string;
  all: Point[];
}

function curvesOf(runs: Run[], floor: number): Curve[] {
  return runs.map((run, number) => {
    const all = points(run, floor);
    const named = all.map((point) => ({
      ...point,
      text: `${run.name}\n${point.text}`,
    }));
    return { name: run.name, stroke: seriesColour(number), all: named };
  });
}

function drawn({ all, stroke }: Curve, floor: number) {
  const height = ({ y }: Point) => (y > floor ? y : Number.NaN);
  return [
    areaY(all, { x: "x", y1: "low", y2: "high", fill: stroke, fillOpacity: 0.2 }),
    line(all, { x: "x", y: height, stroke, strokeWidth: 1.9 }),
  ];
}

function axes(
  x: [number, number],
  y: [number, number],
  linear: number,
  phone: boolean,
) {
  const across = signedDecades(x[0], x[1], linear, phone ? 3 : 6);
  const up = decades(y[0], y[1], 6);
  const scale = `symmetric-log, linear within ±${decade(linear)}`;
  const shared = { tickFormat: decade, tickSize: 0, labelArrow: "none" } as const;
  const label = `eigenvalue${phone ? "" : " of the Hessian"} (${scale})`;
  return [
    gridX(across, {}),
    gridY(up, {}),
    axisX(across, { ...shared, label, labelAnchor: "center" }),
    axisY(up, { ...shared, label: "density (log)" }),
    ruleX([0], { stroke: FAINT }),
  ];
}

export function densities({ runs }: DensitiesRecord, width: number): Chart | null {
  const peaks = runs.flatMap(({ density }) => density.filter(Number.isFinite));
  const peak = Math.max(0, ...peaks);
  const floor = peak * FLOOR;
  const curves = curvesOf(runs, floor).filter(({ all }) => all.length > 1);
  const told = curves.flatMap(({ all }) => all);
  if (!(peak > 0) || told.length === 0) return null;
  const linear = Math.min(...curves.map(({ all }) => linearWidth(all)));
  const places = [0, ...told.map((point) => point.x)];
  const top = Math.max(peak, ...told.map(({ high }) => high));
  const x: [number, number] = [Math.min(...places), Math.max(...places)];
  const y: [number, number] = [floor, top * 1.6];
  const drawing = plot({
    ...look(width),
    height: isPhone(width) ? 300 : 380,
    marginTop: 28,
    marginLeft: 44,
    marginRight: 16,
    marginBottom: 42,
    x: { type: "symlog", constant: linear, domain: x },
    y: { type: "log", domain: y, clamp: true },
    marks: [
      ...axes(x, y, linear, isPhone(width)),
      ...curves.flatMap((curve) => drawn(curve, floor)),
      tip(told, pointer({ x: "x", y: "y", title: "text", ...TIP })),
    ],
  });
  const stride = (all: Point[]) => Math.max(1, Math.floor(all.length / STOPS));
  const chosen = curves.flatMap(({ all }) =>
    all.filter((_, i) => i % stride(all) === 0),
  );
  const stops = stopsOf(drawing, chosen, (point) => [point.x, point.y]);
  return { drawing, stops, legend: legendOf(curves) };
}
