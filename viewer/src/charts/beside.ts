// One quantity of several things side by side: a row each, dots with their errors.

import {
  axisX,
  axisY,
  dot,
  gridX,
  plot,
  pointer,
  ruleX,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import { type Chart, FAINT, INK, TIP, look } from "../chart";
import { decades, signedDecades } from "../decades";
import { amount, decade, short } from "../numbers";
import { stopsOf } from "../stops";
import { longestOf, shorten } from "./names";
import { seriesColour } from "./series";

const ROW = 26;
const LETTER = 7.2;
// So many times the smallest is drawn as a logarithm.
const FAR = 30;

interface Given {
  name: string;
  value: number;
  low: number;
  high: number;
}

export interface BesideRecord {
  title: string;
  points: Given[];
}

interface Dot extends Given {
  stroke: string;
  text: string;
}

function dotsOf({ points }: BesideRecord): Dot[] {
  const names = [...new Set(points.map(({ name }) => name))];
  return points.map((point) => {
    const half = (point.high - point.low) / 2;
    const bound = point.high === Infinity;
    const value = bound ? `at least ${short(point.value)}` : amount(point.value, half);
    const stroke = seriesColour(names.indexOf(point.name));
    return { ...point, stroke, text: `${point.name}\n${value}` };
  });
}

interface Scale {
  type: "linear" | "log" | "symlog";
  domain: [number, number];
  ticks: number[] | number;
  constant?: number;
}

// What goes over decades is drawn as a logarithm, on both sides of zero if need be.
function scaleOf(values: number[], most: number): Scale {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  const far = Math.max(...sizes) > FAR * Math.min(...sizes);
  if (low > 0 && far) {
    const domain: [number, number] = [low / 1.6, high * 1.6];
    return { type: "log", domain, ticks: decades(domain[0], domain[1], most) };
  }
  if (low < 0 && far) {
    const constant = 10 ** Math.floor(Math.log10(Math.max(-low, high)) - 2);
    const domain: [number, number] = [low * 1.6, Math.max(high * 1.6, -low * 0.1)];
    const ticks = signedDecades(domain[0], domain[1], constant, most > 4 ? 2 : 1);
    return { type: "symlog", domain, ticks, constant };
  }
  // What differs by less than a half is drawn apart from zero.
  const whole = low >= 0 && low < high / 2;
  const pad = whole ? 0.04 * high : 0.4 * (high - low || Math.abs(high) || 1);
  return {
    type: "linear",
    domain: [whole ? 0 : low - pad, high + pad],
    ticks: most,
  };
}

// An interval belongs into sight, unless it is far wider than what it is about.
function reachOf({ value, low, high }: Given): number[] {
  const wide = high - low > 4 * Math.abs(value);
  return [value, ...(wide ? [] : [low, high].filter(Number.isFinite))];
}

function dots(all: Dot[], { domain }: Scale) {
  const end = (value: number) => Math.min(domain[1], Math.max(domain[0], value));
  const bounded = all.filter(({ high }) => high === Infinity);
  const ranged = all.filter(({ low, high }) => high > low && high < Infinity);
  return [
    ruleY(ranged, {
      x1: ({ low }: Dot) => end(low),
      x2: ({ high }: Dot) => end(high),
      y: "name",
      stroke: "stroke",
      strokeWidth: 2.6,
    }),
    dot(all, {
      x: "value",
      y: "name",
      r: 4.2,
      fill: "stroke",
      fillOpacity: 0.85,
      stroke: "stroke",
    }),
    text(bounded, { x: "value", y: "name", dx: 12, text: () => "→", fill: FAINT }),
  ];
}

export function beside(record: BesideRecord, width: number): Chart | null {
  const all = dotsOf(record).filter(({ value }) => Number.isFinite(value));
  if (all.length === 0) return null;
  const names = [...new Set(all.map(({ name }) => name))];
  const marginLeft = Math.min(width * 0.42, longestOf(names) * LETTER + 16);
  const most = Math.floor((marginLeft - 14) / LETTER);
  const scale = scaleOf(
    all.flatMap(reachOf),
    Math.max(2, Math.floor((width - marginLeft) / 62)),
  );
  const { ticks, ...x } = scale;
  const isDecade = Array.isArray(ticks);
  const tickFormat = isDecade ? decade : (value: number) => short(value, 4);
  const options = isDecade ? { tickFormat } : { ticks, tickFormat };
  const drawing = plot({
    ...look(width),
    height: ROW * names.length + 34,
    marginTop: 6,
    marginLeft,
    marginRight: 16,
    marginBottom: 26,
    x,
    y: { type: "point", domain: names, padding: 0.6 },
    marks: [
      isDecade ? gridX(ticks, {}) : gridX({ ticks }),
      isDecade
        ? axisX(ticks, { ...options, tickSize: 0, label: null })
        : axisX({ ...options, tickSize: 0, label: null }),
      axisY({
        tickSize: 0,
        label: null,
        fill: INK,
        tickFormat: (name: string) => shorten(name, most),
      }),
      ...(scale.domain[0] < 0 && scale.domain[1] > 0
        ? [ruleX([0], { stroke: FAINT })]
        : []),
      ...dots(all, scale),
      tip(all, pointer({ x: "value", y: "name", title: "text", ...TIP })),
    ],
  });
  return { drawing, stops: stopsOf(drawing, all, ({ value, name }) => [value, name]) };
}
