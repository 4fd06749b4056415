// The curves: each track's loss at its checkpoints and below them on the plane, and how
// far off the plane it is.

import { told } from "../language";
import {
  draw,
  lines as fitted,
  type Pair,
  SERIF,
  through,
  widthOf,
  write,
} from "../map/drawn";
import { flow, type Item } from "../map/flow";
import { SMALL } from "../map/layout";
import { bead, moved, trackLook } from "../map/signs";
import { short } from "../numbers";
import type { Plane, Track } from "../plane/plane";
import type { Axis, Scales } from "./scales";
import type { Time } from "./time";
import { WORDS } from "./words";

const HEADING = { size: 16, family: SERIF, italic: true, fill: "var(--ink)" };
const BEADS = 6;

type Values = "loss" | "planeLoss" | "distance";

function places(track: Track, of: Values, axis: Axis, scales: Scales, time: Time) {
  return Array.from(track[of], (value, i): Pair => [
    scales.x(time.of(track, i)),
    axis.at(value),
  ]);
}

// Broken where there is no number.
function path(points: Pair[]): string {
  const runs: Pair[][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point[0] + point[1])) runs.at(-1)?.push(point);
    else runs.push([]);
  }
  return runs.map((run) => through(run)).join("");
}

function area(points: Pair[], { bottom }: Axis): string {
  const known = points.filter(([x, y]) => Number.isFinite(x + y));
  const [first, last] = [known[0], known.at(-1)];
  if (!first || !last) return "";
  return `${through(known)}L${last[0].toFixed(1)},${bottom}L${first[0].toFixed(1)},${bottom}Z`;
}

function beads(points: Pair[], number: number): SVGElement[] {
  const every = Math.max(1, Math.ceil((points.length - 1) / BEADS));
  return points.flatMap((at, i) => {
    const wanted = i % every === 0 || i === points.length - 1;
    if (!wanted || !Number.isFinite(at[0] + at[1])) return [];
    return [moved(bead(trackLook(number), 2.8), at)];
  });
}

function curves(track: Track, number: number, scales: Scales, time: Time) {
  const { colour } = trackLook(number);
  const of = (values: Values, axis: Axis) => places(track, values, axis, scales, time);
  const [own, foot] = [of("loss", scales.loss), of("planeLoss", scales.loss)];
  const away = of("distance", scales.away);
  const line = (points: Pair[], values: Record<string, string | number>) =>
    draw("path", { d: path(points), stroke: colour, "stroke-width": 1.8, ...values });
  return draw(
    "g",
    { fill: "none", "stroke-linejoin": "round" },
    draw("title", {}, track.name),
    draw("path", { d: area(away, scales.away), fill: colour, "fill-opacity": 0.13 }),
    line(away, { "stroke-width": 1.3 }),
    line(foot, { "stroke-width": 1.4, "stroke-dasharray": "4 3" }),
    line(own, {}),
    ...beads(own, number),
  );
}

function grid({ left, right }: Scales, { ticks, at }: Axis): SVGElement[] {
  return ticks.flatMap((tick) => {
    const y = at(tick);
    return [
      draw("path", { d: `M${left},${y.toFixed(1)}H${right}`, stroke: "var(--rule)" }),
      write(short(tick), [left - 8, y + 3.6], { ...SMALL, anchor: "end" }),
    ];
  });
}

function axes(scales: Scales, time: Time): SVGElement {
  const { left, right, away, loss, x, ticks } = scales;
  const base = away.bottom;
  const below = ticks.map((tick) => {
    const text = short(time.bySteps ? tick : tick + 1);
    return write(text, [x(tick), base + 15], { ...SMALL, anchor: "middle" });
  });
  const title = told(time.bySteps ? WORDS.step : WORDS.checkpoint);
  const middle = (left + right) / 2;
  return draw(
    "g",
    { "shape-rendering": "crispEdges" },
    ...grid(scales, loss),
    ...grid(scales, away),
    draw("path", { d: `M${left},${base}H${right}`, stroke: "var(--faint)" }),
    ...below,
    write(title, [middle, base + 29], { ...SMALL, size: 11.5, anchor: "middle" }),
    write(told(WORDS.away), [left, away.top - 7], SMALL),
  );
}

function heading({ left, width, log }: Scales): SVGElement[] {
  const title = told(WORDS.title);
  const from = left + widthOf(title, HEADING) + 10;
  const about = log ? told(WORDS.logarithmic) : "";
  const [shown = ""] = fitted(about, Math.max(20, width - from), 1, SMALL);
  return [write(title, [left, 18], HEADING), write(shown, [from, 18], SMALL)];
}

function items({ tracks }: Plane): Item[] {
  const sample = (dash: string): SVGElement =>
    draw("path", {
      d: "M-11,0H11",
      stroke: "var(--ink)",
      "stroke-width": 1.6,
      "stroke-dasharray": dash,
    });
  const named = tracks.map((track, number): Item => {
    const look = trackLook(number);
    const line = { d: "M-11,0H11", stroke: look.colour, "stroke-width": 2 };
    return {
      sign: draw("g", {}, draw("path", line), bead(look, 3.4)),
      text: track.name,
    };
  });
  return [
    ...named,
    { sign: sample("none"), text: told(WORDS.own) },
    { sign: sample("4 3"), text: told(WORDS.foot) },
  ];
}

export interface Drawn {
  parts: SVGElement[];
  height: number;
}

export function curvesOf(plane: Plane, time: Time, scales: Scales): Drawn {
  const key = draw("g");
  const room = { left: scales.left, right: scales.width, top: scales.height + 14 };
  const last = flow(key, items(plane), room);
  return {
    parts: [
      axes(scales, time),
      ...plane.tracks.map((track, i) => curves(track, i, scales, time)),
      ...heading(scales),
      key,
    ],
    height: last + 12,
  };
}
