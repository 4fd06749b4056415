// A contour plate of the bend around the model: its steepest direction across, its
// lowest one upward. Schematic: the ratio of the two is drawn as its cube root.

import { contour, frame, plot, text } from "@observablehq/plot";
import {
  type Chart,
  DOWN,
  DOWN_TINT,
  FAINT,
  INK,
  PAPER,
  RULE,
  UP,
  UP_TINT,
  look,
} from "../chart";
import { short } from "../numbers";
import type { Place, Survey } from "../survey";

const HIGHEST = 0.5;
const LEVELS = 16;
const LARGEST = 420;

type Surface = (x: number, y: number) => number;

function surface({ highest, lowest }: Place): Surface {
  const size = Math.max(Math.abs(highest.value), Math.abs(lowest.value));
  const across = Math.cbrt(highest.value / size) / 2;
  const along = Math.cbrt(lowest.value / size) / 2;
  return (x, y) => across * x * x + along * y * y;
}

// Spaced so that the lines do not crowd outward, as they would at even heights.
const HEIGHTS = Array.from(
  { length: LEVELS },
  (_, i) => HIGHEST * ((i + 1) / LEVELS) ** 1.6,
);

// Each contour lays one more tint on all that lies beyond it.
function relief(height: Surface, stroke: string, fill: string) {
  const every = (index: boolean) => HEIGHTS.filter((_, i) => (i % 4 === 3) === index);
  // Drawn beyond the frame and clipped, for a contour closes along its border.
  const shared = {
    value: height,
    stroke,
    pixelSize: 2,
    x1: -1.1,
    x2: 1.1,
    y1: -1.1,
    y2: 1.1,
  };
  const tint = { ...shared, fill, fillOpacity: 0.13, clip: true };
  return [
    contour({ ...tint, thresholds: every(false), strokeWidth: 0.8 }),
    contour({ ...tint, thresholds: every(true), strokeWidth: 1.8 }),
  ];
}

// The surveyor's mark for a station: a triangle with a point in it.
function station() {
  const at = { x: [0], y: [0], fill: INK };
  return [
    text([0], {
      ...at,
      text: ["△"],
      fontSize: 26,
      dy: -2,
      stroke: PAPER,
      strokeWidth: 4,
    }),
    text([0], { ...at, text: ["•"], fontSize: 11, dy: 2 }),
  ];
}

export function place(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.place?.value;
  if (!value) return null;
  const { highest, lowest } = value;
  const reach = Math.max(Math.abs(highest.value), Math.abs(lowest.value));
  if (!(reach > 0 && reach < Infinity)) return null;
  const height = surface(value);
  const side = Math.min(width, LARGEST);
  const drawing = plot({
    ...look(side),
    height: side - 4,
    margin: 28,
    marginTop: 8,
    marginRight: 8,
    x: { axis: null, domain: [-1, 1] },
    y: { axis: null, domain: [-1, 1] },
    marks: [
      frame({ fill: PAPER, stroke: "none" }),
      ...relief(height, UP, UP_TINT),
      ...relief((x, y) => -height(x, y), DOWN, DOWN_TINT),
      frame({ stroke: RULE }),
      ...station(),
      text([`steepest direction, λ = ${short(highest.value)} →`], {
        frameAnchor: "bottom",
        dy: 20,
        fill: FAINT,
      }),
      text([`lowest direction, λ = ${short(lowest.value)} →`], {
        frameAnchor: "left",
        textAnchor: "middle",
        rotate: -90,
        dx: -16,
        fill: FAINT,
      }),
    ],
  });
  return { drawing, stops: [] };
}
