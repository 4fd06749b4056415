// Where times, losses and distances lie on the sheet, in pixels.

import { short } from "../numbers";
import { heightsOf } from "../plane/heights";
import type { Plane } from "../plane/plane";
import { roundTicks } from "../surface/ticks";
import { type Pair, widthOf } from "../map/drawn";
import { SMALL } from "../map/layout";
import type { Time } from "./time";

const [HEAD, LOSS, GAP, AWAY] = [34, 170, 26, 46];
const AXIS = 36;

export interface Axis {
  top: number;
  bottom: number;
  ticks: number[];
  // NaN for what is no number.
  at(value: number): number;
}

export interface Scales {
  width: number;
  // Down to where the key begins.
  height: number;
  left: number;
  right: number;
  x(time: number): number;
  time(px: number): number;
  ticks: number[];
  loss: Axis;
  log: boolean;
  away: Axis;
}

function ends(numbers: number[]): Pair | null {
  let [low, high] = [Infinity, -Infinity];
  for (const value of numbers) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

function lossAxis({ tracks, loss }: Plane, wanted: boolean): Axis & { log: boolean } {
  const all = tracks.flatMap((track) => [...track.loss, ...track.planeLoss]);
  const [low, high] = ends(all) ?? [0, 1];
  const log = wanted && low > 0 && high > low;
  const room = log ? (high / low) ** 0.05 : (high - low) * 0.05 || Math.abs(low) || 1;
  const [from, to] = log ? [low / room, high * room] : [low - room, high + room];
  const heights = heightsOf({ ...loss, low: from, high: to }, log, 1);
  const bottom = HEAD + LOSS;
  return {
    top: HEAD,
    bottom,
    log,
    ticks: heights.ticks(5),
    at(value) {
      if (Number.isNaN(value)) return Number.NaN;
      if (value === Infinity) return HEAD;
      return bottom - heights.at(value) * LOSS;
    },
  };
}

function awayAxis({ tracks }: Plane): Axis {
  const far = ends(tracks.flatMap(({ distance }) => [...distance])) ?? [0, 1];
  const top = HEAD + LOSS + GAP;
  const most = far[1] || 1;
  return {
    top,
    bottom: top + AWAY,
    ticks: [0, ...roundTicks(0, most, 2).slice(-1)],
    at: (value) => top + AWAY - (Math.min(value, most) / most) * AWAY,
  };
}

export function scalesOf(
  plane: Plane,
  time: Time,
  width: number,
  wantsLog: boolean,
): Scales {
  const { log, ...loss } = lossAxis(plane, wantsLog);
  const away = awayAxis(plane);
  const texts = [...loss.ticks, ...away.ticks].map((tick) => short(tick));
  const numbers = Math.max(30, ...texts.map((text) => widthOf(text, SMALL)));
  const [left, right] = [Math.ceil(numbers) + 14, width - 40];
  const wide = Math.max(20, right - left);
  const span = time.high - time.low;
  const ticks = roundTicks(time.low, time.high, Math.max(2, Math.floor(wide / 80)));
  return {
    width,
    height: away.bottom + AXIS,
    left,
    right: left + wide,
    x: (at) => left + ((at - time.low) / span) * wide,
    time: (px) => time.low + ((px - left) / wide) * span,
    ticks: ticks.filter(Number.isInteger),
    loss,
    log,
    away,
  };
}
