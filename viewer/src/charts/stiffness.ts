// Gradient descent at rate 1/λ_max, direction by direction: what is left after t steps.

import {
  axisX,
  axisY,
  dot,
  gridX,
  line,
  plot,
  ruleY,
  text,
  tip,
  pointer,
} from "@observablehq/plot";
import { type Chart, FAINT, INK, PAPER, TIP, UP, isPhone, look } from "../chart";
import { decades } from "../decades";
import { decade, short } from "../numbers";
import { stopsOf } from "../stops";
import type { Stiffness, Survey } from "../survey";

const POINTS = 120;
const HALF = 0.5;

interface Direction {
  ratio: number;
  steps: number;
  left: number;
  text: string;
}

// Directions one decade of curvature apart, and the flattest one that was resolved.
function ratios(condition: number): number[] {
  const last = Math.log10(condition);
  const whole = Array.from({ length: Math.floor(last) + 1 }, (_, size) => 10 ** size);
  return [...whole.filter((ratio) => ratio > 1 && ratio < condition / 1.5), condition];
}

const left = (ratio: number, steps: number): number =>
  Math.exp(steps * Math.log1p(-1 / ratio));

function curve(ratio: number, last: number): { steps: number; left: number }[] {
  return Array.from({ length: POINTS }, (_, i) => {
    const steps = last ** (i / (POINTS - 1));
    return { steps, left: left(ratio, steps) };
  });
}

function direction(ratio: number): Direction {
  const steps = Math.log(HALF) / Math.log1p(-1 / ratio);
  const words = `direction ${short(ratio)} times flatter than the steepest:\nhalf is left after ${short(steps)} steps`;
  return { ratio, steps, left: HALF, text: words };
}

function goal({ steps, reduction }: Stiffness) {
  return [
    dot([0], { x: steps, y: reduction, r: 5, stroke: UP, strokeWidth: 2, fill: PAPER }),
    text([`${short(steps)} steps`], {
      y: reduction,
      frameAnchor: "right",
      textAnchor: "end",
      dy: -16,
      fill: INK,
      stroke: PAPER,
      strokeWidth: 5,
      fontWeight: 600,
    }),
  ];
}

export function stiffness(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.stiffness?.value;
  if (!value || !(value.condition > 1.5 && value.condition < Infinity)) return null;
  const last = value.steps * (isPhone(width) ? 12 : 5);
  if (!(last > 10 && last < Infinity)) return null;
  const all = ratios(value.condition);
  const halves = all.map(direction);
  const flattest = value.condition;
  const drawing = plot({
    ...look(width),
    height: 270,
    marginTop: 30,
    marginLeft: 44,
    marginRight: 12,
    marginBottom: 42,
    x: { type: "log", domain: [1, last] },
    y: { domain: [0, 1] },
    marks: [
      gridX(decades(1, last, isPhone(width) ? 4 : 8), {}),
      axisX(decades(1, last, isPhone(width) ? 4 : 8), {
        tickFormat: decade,
        tickSize: 0,
        label: "steps of gradient descent (log)",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      axisY({
        ticks: [0, 0.5, 1],
        tickSize: 0,
        label: "distance left",
        labelArrow: "none",
      }),
      ruleY([0], { stroke: FAINT }),
      ...all.map((ratio) =>
        line(curve(ratio, last), {
          x: "steps",
          y: "left",
          stroke: UP,
          strokeWidth: ratio === flattest ? 2.4 : 1,
          strokeOpacity: ratio === flattest ? 1 : 0.55,
        }),
      ),
      text(halves, {
        x: "steps",
        y: HALF,
        text: ({ ratio }: Direction) =>
          `${ratio === flattest ? short(ratio, 2) : decade(ratio)}`,
        fill: FAINT,
        stroke: PAPER,
        strokeWidth: 6,
      }),
      ...goal(value),
      tip(halves, pointer({ x: "steps", y: "left", title: "text", ...TIP })),
    ],
  });
  return { drawing, stops: stopsOf(drawing, halves, (at) => [at.steps, at.left]) };
}
