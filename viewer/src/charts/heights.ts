// The scale of a loss: linear, or a logarithm where it goes over decades.

import { gridY } from "@observablehq/plot";
import { decades } from "../decades";
import { decade } from "../numbers";

// So many times the lowest is far above it.
const FAR = 300;

export interface Height {
  log: boolean;
  domain: [number, number];
  ticks: number[];
  // What a value is drawn at.
  at: (value: number) => number;
}

export function heightOf(values: number[], most: number): Height | null {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return null;
  const low = Math.min(...finite);
  const high = Math.max(...finite);
  const log = low > 0 && high > FAR * low;
  const pad = 0.08 * (high - low || Math.abs(high) || 1);
  const domain: [number, number] = log
    ? [low / 1.5, high * 1.8]
    : [low >= 0 ? Math.max(0, low - pad) : low - pad, high + pad];
  return {
    log,
    domain,
    ticks: log ? decades(domain[0], domain[1], most) : [],
    at: (value) => Math.min(domain[1], Math.max(domain[0], value)),
  };
}

// Options of the axis that goes with it.
export function axisOf({ log, ticks }: Height, label: string, phone: boolean) {
  const shared = { tickSize: 0, labelArrow: "none", label } as const;
  if (!log) return { ...shared, ticks: phone ? 4 : 6 };
  return { ...shared, ticks, tickFormat: decade, label: `${label} (log)` };
}

export const gridOf = ({ log, ticks }: Height) =>
  log ? gridY(ticks, {}) : gridY({ ticks: 6 });
