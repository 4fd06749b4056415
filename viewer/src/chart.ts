// What every chart is: a drawing, the points a reader may step through, and its look.

import type { PlotOptions } from "@observablehq/plot";

export interface Stop {
  x: number;
  y: number;
  text: string;
}

export interface Chart {
  drawing: Element;
  stops: Stop[];
  // What the colours stand for, above the drawing.
  legend?: Element;
  // How many stops make a row, where they lie in rows.
  columns?: number;
}

// Null where the record lacks what is drawn, or holds nothing that can be drawn.
export type Draw<Record> = (record: Record, width: number) => Chart | null;

export const UP = "var(--up)";
export const DOWN = "var(--down)";
export const UP_TINT = "var(--up-tint)";
export const DOWN_TINT = "var(--down-tint)";
export const INK = "var(--ink)";
export const FAINT = "var(--faint)";
export const RULE = "var(--rule)";
export const PAPER = "var(--plate)";

export const colour = (eigenvalue: number): string => (eigenvalue < 0 ? DOWN : UP);

export const isPhone = (width: number): boolean => width < 480;

export function look(width: number): PlotOptions {
  return {
    width,
    style: { fontFamily: "inherit", fontSize: "12px", overflow: "visible" },
  };
}

export const TIP = {
  fontSize: 12,
  lineHeight: 1.3,
  stroke: RULE,
  pathFilter: "none",
  textPadding: 9,
} as const;
