// The loss along every way between two checkpoints, with the barrier of each.

import {
  axisX,
  axisY,
  dot,
  line,
  plot,
  pointer,
  ruleX,
  text,
  tip,
  type SymbolType,
} from "@observablehq/plot";
import { type Chart, FAINT, INK, PAPER, TIP, isPhone, look } from "../chart";
import { amount, short } from "../numbers";
import { stopsOf } from "../stops";
import { axisOf, gridOf, heightOf } from "./heights";
import { type Meant, legendOf } from "./legend";
import { shorten } from "./names";
import { seriesColour, seriesSign } from "./series";

interface Barrier {
  value: number;
  error: number;
  t: number;
  loss: number;
}

interface Way {
  name: string;
  t: number[];
  distance: number[];
  loss: number[];
  test_loss: number[] | null;
  barrier: Barrier;
  test_barrier: Barrier | null;
}

export interface ProfileRecord {
  // What lies at the beginning and at the end; null where ways differ in that.
  ends: [string, string] | null;
  ways: Way[];
}

interface Point {
  share: number;
  loss: number;
  test: number;
  text: string;
}

interface Drawn {
  way: Way;
  number: number;
  points: Point[];
}

// The share of its length that is covered; its own parameter where there is none.
function shares({ t, distance }: Way): number[] {
  const whole = distance.at(-1) ?? 0;
  return whole > 0 && whole < Infinity ? distance.map((far) => far / whole) : t;
}

const finite = (value: number | undefined): number =>
  value !== undefined && Number.isFinite(value) ? value : Number.NaN;

function drawnOf(way: Way, number: number): Drawn {
  const points = shares(way).map((share, place) => {
    const loss = finite(way.loss[place]);
    const test = finite(way.test_loss?.[place]);
    const words = [way.name, `${short(100 * share)} % of its length`];
    words.push(`training loss ${short(way.loss[place] ?? Number.NaN)}`);
    if (way.test_loss) words.push(`test loss ${short(test)}`);
    return { share, loss, test, text: words.join("\n") };
  });
  return { way, number, points };
}

function curves({ number, points }: Drawn) {
  const stroke = seriesColour(number);
  return [
    line(points, {
      x: "share",
      y: "test",
      stroke,
      strokeWidth: 1.3,
      strokeDasharray: "5 4",
      strokeOpacity: 0.85,
    }),
    line(points, { x: "share", y: "loss", stroke, strokeWidth: 2.1 }),
  ];
}

// The highest point, with one standard error up and down.
function peak({ way, number, points }: Drawn) {
  const place = way.t.indexOf(way.barrier.t);
  const top = points[place];
  if (!top || !(way.barrier.value > 0) || !Number.isFinite(top.loss)) return [];
  const stroke = seriesColour(number);
  const error = way.barrier.error > 0 ? finite(way.barrier.error) : 0;
  return [
    ruleX([top.share], {
      y1: top.loss - (error || 0),
      y2: top.loss + (error || 0),
      stroke,
      strokeWidth: 2.6,
    }),
    dot([top], {
      x: "share",
      y: "loss",
      symbol: seriesSign(number) as SymbolType,
      r: 5,
      fill: PAPER,
      stroke,
      strokeWidth: 2,
    }),
  ];
}

const toldBarrier = ({ value, error }: Barrier): string =>
  value > 0 ? amount(value, error) : "none";

function meant({ way }: Drawn): Meant {
  const test = way.test_barrier ? `, test ${toldBarrier(way.test_barrier)}` : "";
  return { name: way.name, told: `barrier ${toldBarrier(way.barrier)}${test}` };
}

function endNames(ends: [string, string] | null, phone: boolean) {
  if (!ends) return [];
  const most = phone ? 16 : 40;
  return [0, 1].map((place) =>
    text([shorten(String(ends[place as 0 | 1]), most)], {
      x: place,
      frameAnchor: "top",
      dy: -16,
      textAnchor: place === 0 ? "start" : "end",
      fill: INK,
    }),
  );
}

export function profile(record: ProfileRecord, width: number): Chart | null {
  const all = record.ways.map(drawnOf).filter(({ points }) => points.length > 1);
  const points = all.flatMap((one) => one.points);
  const scale = heightOf(
    points.flatMap(({ loss, test }) => [loss, test]),
    6,
  );
  if (!scale) return null;
  const phone = isPhone(width);
  const told = points.filter(({ loss }) => Number.isFinite(loss));
  const drawing = plot({
    ...look(width),
    height: phone ? 300 : Math.min(420, Math.max(260, width * 0.55)),
    marginTop: 34,
    marginLeft: 52,
    marginRight: 14,
    marginBottom: 42,
    x: { domain: [0, 1] },
    y: { type: scale.log ? "log" : "linear", domain: scale.domain },
    marks: [
      gridOf(scale),
      axisY(axisOf(scale, "loss", phone)),
      axisX({
        ticks: phone ? 5 : 10,
        tickFormat: (share: number) => `${short(100 * share)} %`,
        tickSize: 4,
        label: phone ? "share of the way" : "share of the way's length that is covered",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      ruleX([0, 1], { stroke: FAINT, strokeDasharray: "2 3" }),
      ...endNames(record.ends, phone),
      ...all.flatMap(curves),
      ...all.flatMap(peak),
      tip(told, pointer({ x: "share", y: "loss", title: "text", ...TIP })),
    ],
  });
  const chosen = told.filter((_, place) => place % 4 === 0);
  const stops = stopsOf(drawing, chosen, ({ share, loss }) => [share, loss]);
  return { drawing, stops, legend: legendOf(all.map(meant)) };
}
