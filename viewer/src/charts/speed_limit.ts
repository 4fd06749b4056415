// What one step of gradient descent does along the steepest direction: it multiplies
// the distance by |1 − ηλ|, which grows beyond one at the speed limit 2/λ.

import {
  axisX,
  axisY,
  line,
  plot,
  pointerX,
  rect,
  ruleX,
  ruleY,
  text,
  tip,
} from "@observablehq/plot";
import {
  type Chart,
  DOWN_TINT,
  FAINT,
  INK,
  TIP,
  UP_TINT,
  isPhone,
  look,
} from "../chart";
import { short } from "../numbers";
import { stopsOf } from "../stops";
import type { SpeedLimit, Survey } from "../survey";

const REACH = 1.4;
const POINTS = 57;
const STRIDE = 4;

interface Rate {
  rate: number;
  factor: number;
  text: string;
}

function rates({ value }: SpeedLimit): Rate[] {
  return Array.from({ length: POINTS }, (_, i) => {
    const share = (REACH * i) / (POINTS - 1);
    const factor = Math.abs(1 - 2 * share);
    const words = `learning rate ${short(share * value)}: distance × ${short(factor)} per step`;
    return { rate: share * value, factor, text: words };
  });
}

interface Zone {
  from: number;
  to: number;
  fill: string;
  opacity: number;
  name: string;
}

function zones({ value }: SpeedLimit, phone: boolean): Zone[] {
  const [calm, lively] = phone
    ? ["no overshoot", "overshoots"]
    : ["settles without overshoot", "overshoots, then settles"];
  const half = value / 2;
  return [
    { from: 0, to: half, fill: UP_TINT, opacity: 0.85, name: calm ?? "" },
    { from: half, to: value, fill: UP_TINT, opacity: 0.35, name: lively ?? "" },
    { from: value, to: REACH * value, fill: DOWN_TINT, opacity: 0.8, name: "diverges" },
  ];
}

// In the corners that the line leaves free.
function zoneName({ from, to, name }: Zone) {
  const isFirst = from === 0;
  return text([name], {
    x: isFirst ? from : to,
    dx: isFirst ? 8 : -8,
    textAnchor: isFirst ? "start" : "end",
    frameAnchor: "bottom",
    dy: -9,
    fill: FAINT,
    fontStyle: "italic",
  });
}

export function speedLimit(survey: Survey, width: number): Chart | null {
  const limit = survey.measurements.speed_limit?.value;
  if (!limit || !(limit.value > 0 && limit.value < Infinity)) return null;
  const points = rates(limit);
  const bands = zones(limit, isPhone(width));
  const drawing = plot({
    ...look(width),
    height: 240,
    marginTop: 34,
    marginLeft: 44,
    marginRight: 12,
    marginBottom: 42,
    x: { domain: [0, REACH * limit.value] },
    y: { domain: [0, 2 * REACH - 1] },
    marks: [
      rect(bands, {
        x1: "from",
        x2: "to",
        y1: 0,
        y2: 2 * REACH - 1,
        fill: "fill",
        fillOpacity: "opacity",
      }),
      ...bands.map(zoneName),
      axisY({
        ticks: [0, 0.5, 1, 1.5],
        tickSize: 0,
        label: "factor per step",
        labelArrow: "none",
      }),
      axisX({
        ticks: isPhone(width) ? 4 : 7,
        tickSize: 4,
        label: "learning rate η",
        labelAnchor: "center",
        labelArrow: "none",
      }),
      ruleY([1], { stroke: FAINT, strokeDasharray: "2 3" }),
      rect([limit], {
        x1: "low",
        x2: "high",
        y1: 0,
        y2: 2 * REACH - 1,
        fill: INK,
        fillOpacity: 0.25,
      }),
      ruleX([limit.value], { stroke: INK, strokeWidth: 1.5 }),
      line(points, { x: "rate", y: "factor", stroke: INK, strokeWidth: 2 }),
      text([`limit 2/λ = ${short(limit.value)}`], {
        x: limit.value,
        frameAnchor: "top",
        dy: -16,
        fill: INK,
        fontWeight: 600,
      }),
      tip(points, pointerX({ x: "rate", y: "factor", title: "text", ...TIP })),
    ],
  });
  const chosen = points.filter((_, i) => i % STRIDE === 0);
  return {
    drawing,
    stops: stopsOf(drawing, chosen, ({ rate, factor }) => [rate, factor]),
  };
}
