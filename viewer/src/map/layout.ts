// Where everything lies on the sheet, in pixels.

import { told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import type { AxisRecord } from "../plane/record";
import { roundTicks } from "../surface/ticks";
import type { Point } from "../view/state";
import { lines, type Pair, type Type, widthOf } from "./drawn";
import { curved, moves, WORDS } from "./words";

// What is longer than this many times the other side is squeezed.
const SLENDER = 3;
const TALLEST = 1.12;
const PHONE = 440;
const HEAD = 30;
const LINE = 14;
const TICK = 5;

export const SMALL: Type = { size: 10.5 };
export const LABEL: Type = { size: 11.5 };

export interface Extent {
  x: Pair;
  y: Pair;
}

export interface Axis {
  ticks: number[];
  lines: string[];
  // How the coordinate relates to the parameters.
  note: string;
  // Along the axis, rather than above the map.
  along: boolean;
}

export interface Layout {
  width: number;
  // Down to where the key begins.
  height: number;
  phone: boolean;
  left: number;
  right: number;
  top: number;
  bottom: number;
  // Where the heading's line is.
  head: number;
  extent: Extent;
  x: Axis;
  y: Axis;
  // The colour bar: upright beside the map, or lying below it.
  bar: { x: number; y: number; length: number; upright: boolean };
  // Pixels that one unit of a coordinate takes.
  unit: Pair;
  to(point: Point): Pair;
  // Null beside the map.
  from(at: Pair): Point | null;
}

function ends(nodes: Float64Array): Pair {
  const [low, high] = [nodes[0] ?? 0, nodes[nodes.length - 1] ?? 0];
  if (high > low) return [low, high];
  const room = Math.abs(low) / 2 || 1;
  return [low - room, low + room];
}

export const extentOf = (plane: Plane): Extent => ({
  x: ends(plane.x),
  y: ends(plane.y),
});

const isOne = (length: number): boolean => Math.abs(length - 1) < 1e-3;

function noteOf({ length, curvature, kind }: AxisRecord): string {
  const unit = isOne(length)
    ? told(WORDS.parameterUnits)
    : told(moves(short(length, 3)));
  const said = curvature === null || kind === "eigenvector";
  return said ? unit : `${unit}, ${told(curved(short(curvature)))}`;
}

// Round coordinates, as many as have room.
function ticksOf(span: Pair, pixels: number, apart: number): number[] {
  return roundTicks(...span, Math.max(2, Math.floor(pixels / apart)));
}

function wordsOf(axis: AxisRecord, room: number, most: number) {
  const [label, note] = [told(axis.label), noteOf(axis)];
  const whole = `${label} (${note})`;
  const fits = widthOf(whole, LABEL) <= room;
  return { note, lines: fits ? [whole] : lines(label, room, most, LABEL) };
}

function acrossAxis(axis: AxisRecord, span: Pair, pixels: number): Axis {
  const words = wordsOf(axis, pixels + 20, 2);
  return { ...words, ticks: ticksOf(span, pixels, 62), along: true };
}

// What does not fit beside the map stands above it.
function upAxis(axis: AxisRecord, span: Pair, pixels: number, width: number): Axis {
  const ticks = ticksOf(span, pixels, 40);
  const beside = widthOf(told(axis.label), LABEL) <= pixels + 20;
  if (beside) return { ...wordsOf(axis, pixels + 20, 1), ticks, along: true };
  const above = { ...axis, label: `↑ ${told(axis.label)}` };
  return { ...wordsOf(above, width - 8, 2), ticks, along: false };
}

// Height over width, by what the axes move.
function slenderness(plane: Plane, { x, y }: Extent): number {
  const wide = (x[1] - x[0]) * plane.axes[0].length;
  const high = (y[1] - y[0]) * plane.axes[1].length;
  const ratio = high / wide;
  return ratio > 0 && ratio < Infinity
    ? Math.min(SLENDER, Math.max(1 / SLENDER, ratio))
    : 1;
}

// How high the map will be is guessed from how wide the sheet is; the few pixels between
// do not matter.
function margins(plane: Plane, extent: Extent, width: number, barWords: number) {
  const phone = width < PHONE;
  const right = phone ? 10 : 34 + barWords;
  const ratio = slenderness(plane, extent);
  const rough = (width - right - 56) * Math.min(TALLEST, ratio);
  const y = upAxis(plane.axes[1], extent.y, rough, width);
  const numbers = Math.max(...y.ticks.map((tick) => widthOf(short(tick), SMALL)), 8);
  const left = Math.ceil(numbers) + TICK + 8 + (y.along ? LINE : 0);
  const head = HEAD + (y.along ? 0 : y.lines.length * LINE + 2);
  return { phone, right, left, y, head };
}

export function layoutOf(plane: Plane, width: number, barWords: number): Layout {
  const extent = extentOf(plane);
  const {
    phone,
    left,
    right: margin,
    y,
    head,
  } = margins(plane, extent, width, barWords);
  const ratio = slenderness(plane, extent);
  const most = width - left - margin;
  const wide = Math.max(40, Math.min(most, (most * TALLEST) / ratio));
  const high = Math.max(40, wide * ratio);
  const [top, right, bottom] = [head, left + wide, head + high];
  const x = acrossAxis(plane.axes[0], extent.x, wide);
  const below = bottom + TICK + 16 + x.lines.length * LINE + 4;
  const unit: Pair = [
    wide / (extent.x[1] - extent.x[0]),
    high / (extent.y[1] - extent.y[0]),
  ];
  return {
    width,
    height: below + (phone ? 46 : 6),
    phone,
    left,
    right,
    top,
    bottom,
    head: HEAD - 10,
    extent,
    x,
    y,
    bar: phone
      ? { x: left, y: below + 13, length: wide, upright: false }
      : { x: right + 14, y: top, length: high, upright: true },
    unit,
    to: ([px, py]) => [
      left + (px - extent.x[0]) * unit[0],
      bottom - (py - extent.y[0]) * unit[1],
    ],
    from([sx, sy]) {
      if (!(sx >= left && sx <= right && sy >= top && sy <= bottom)) return null;
      return [
        extent.x[0] + (sx - left) / unit[0],
        extent.y[0] + (bottom - sy) / unit[1],
      ];
    },
  };
}
