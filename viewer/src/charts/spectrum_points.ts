// A smoothed spectrum as points that can be drawn.

import { short } from "../numbers";

export interface Smoothed {
  grid: number[];
  density: number[];
  low: number[];
  high: number[];
}

export interface Point {
  x: number;
  y: number;
  low: number;
  high: number;
  text: string;
}

export function points(
  { grid, density: heights, low, high }: Smoothed,
  floor: number,
): Point[] {
  const raised = (value: number | undefined) => Math.max(floor, value || floor);
  const all = grid.map((x, i) => {
    const y = raised(heights[i]);
    const words = `eigenvalue ${short(x)}: density ${short(heights[i] ?? Number.NaN)}`;
    return { x, y, low: raised(low[i] ?? y), high: raised(high[i] ?? y), text: words };
  });
  return all.filter(({ x }) => Number.isFinite(x));
}

// The width around zero that is drawn to a linear scale: a few of the finest steps.
export function linearWidth(all: Point[]): number {
  const steps = all.slice(1).map((point, i) => point.x - (all[i]?.x ?? 0));
  const finest = Math.min(...steps.filter((step) => step > 0));
  const reach = Math.max(...all.map(({ x }) => Math.abs(x)));
  return (
    10 ** Math.floor(Math.log10(Math.min(reach, Math.max(4 * finest, reach * 1e-5))))
  );
}
