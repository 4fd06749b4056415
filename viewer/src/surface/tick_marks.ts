// How ticks look, on all axes.

import type { Inks } from "./inks";
import type { Eye } from "./orbit";
import type { Pair, Stroke } from "./strokes";

export const NARROW = 420;

export const smallSize = ({ width }: Eye): number => (width < NARROW ? 10 : 11);

export const tickStroke = (from: Pair, to: Pair, { faint }: Inks): Stroke => ({
  kind: "line",
  points: [from, to],
  colour: faint,
  width: 0.75,
});
