// The eigenvalues at both ends of the spectrum, in order, with their residuals.

import {
  axisX,
  axisY,
  dot,
  gridX,
  plot,
  pointerY,
  ruleX,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import { type Chart, FAINT, INK, PAPER, TIP, colour, isPhone, look } from "../chart";
import { amount, ordinal, short } from "../numbers";
import { stopsOf } from "../stops";
import type { Eigenvalue, Eigenvalues, Survey } from "../survey";

const ROW_HEIGHT = 24;
const GAP = "⋮";

interface Row extends Eigenvalue {
  rank: string;
  text: string;
}

function row(rank: string, pair: Eigenvalue): Row {
  const state = pair.converged ? "" : " (not converged)";
  return {
    ...pair,
    rank,
    text: `${rank} eigenvalue: ${amount(pair.value, pair.residual)}${state}`,
  };
}

function rows({ top, bottom }: Eigenvalues): Row[] {
  const first = top.map((pair, i) => row(ordinal(i + 1), pair));
  const last = bottom.map((pair, i) =>
    row(i === 0 ? "lowest" : `${ordinal(i + 1)} lowest`, pair),
  );
  return [...first, ...last.reverse()].filter((pair) => Number.isFinite(pair.value));
}

function ranks(all: Row[]): string[] {
  const lowest = all.findIndex((pair) => pair.rank.endsWith("lowest"));
  const names = all.map((pair) => pair.rank);
  if (lowest > 0) names.splice(lowest, 0, GAP);
  return names;
}

function extent(all: Row[]): [number, number] {
  const values = all.map((pair) => pair.value);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const pad = 0.02 * (high - low || 1);
  return [low < 0 ? low - pad : low, high + pad];
}

const residual = (pair: Row): number =>
  pair.residual > 0 && pair.residual < Infinity ? pair.residual : 0;

export function eigenvalues(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.eigenvalues?.value;
  const all = value ? rows(value) : [];
  if (all.length === 0) return null;
  const shade = (pair: Row) => colour(pair.value);
  const drawing = plot({
    ...look(width),
    height: ROW_HEIGHT * (all.length + 1) + 50,
    marginTop: 10,
    marginLeft: 76,
    marginRight: isPhone(width) ? 62 : 84,
    marginBottom: 40,
    x: { domain: extent(all) },
    y: { domain: ranks(all), type: "point", padding: 0.6 },
    marks: [
      gridX({ ticks: isPhone(width) ? 4 : 7 }),
      axisX({
        ticks: isPhone(width) ? 4 : 7,
        tickSize: 0,
        label: "eigenvalue of the Hessian",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      axisY({ tickSize: 0, label: null, fill: FAINT }),
      ruleX([0], { stroke: FAINT }),
      ruleY(all, {
        x1: 0,
        x2: "value",
        y: "rank",
        stroke: shade,
        strokeWidth: 1.5,
        strokeOpacity: 0.45,
      }),
      ruleY(all, {
        x1: (pair: Row) => pair.value - residual(pair),
        x2: (pair: Row) => pair.value + residual(pair),
        y: "rank",
        stroke: shade,
        strokeWidth: 2.5,
      }),
      dot(all, {
        x: "value",
        y: "rank",
        r: 4.5,
        stroke: shade,
        strokeWidth: 1.8,
        fill: (pair: Row) => (pair.converged ? colour(pair.value) : PAPER),
      }),
      text(all, {
        frameAnchor: "right",
        y: "rank",
        dx: isPhone(width) ? 58 : 78,
        textAnchor: "end",
        text: (pair: Row) => short(pair.value),
        fill: INK,
      }),
      tip(all, pointerY({ x: "value", y: "rank", title: "text", ...TIP })),
    ],
  });
  return { drawing, stops: stopsOf(drawing, all, (pair) => [pair.value, pair.rank]) };
}
