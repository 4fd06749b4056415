// Small signs: minima, passes, the centre; and what tells trajectories apart.

import type { MarkKind } from "../plane/record";
import { draw } from "./drawn";

// As on the surface: Okabe and Ito's colours that stand out on all palettes.
const TRACKS = ["#d55e00", "#cc79a7", "#0072b2", "#e69f00", "#009e73", "#56b4e9"];
const DASHES = ["", "7 3", "2.5 2.5", "9 3 2 3"];
const BEADS = ["circle", "square", "triangle", "diamond"] as const;

const PLATE = "var(--plate)";

export interface TrackLook {
  colour: string;
  dash: string;
  bead: (typeof BEADS)[number];
}

const of = <T>(all: readonly T[], number: number): T => all[number % all.length] as T;

export const trackLook = (number: number): TrackLook => ({
  colour: `var(--track-${(number % TRACKS.length) + 1}, ${of(TRACKS, number)})`,
  dash: of(DASHES, number),
  bead: of(BEADS, number),
});

const SHAPES: Record<(typeof BEADS)[number], (size: number) => string> = {
  circle: (r) => `M${-r},0a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0Z`,
  square: (r) => `M${-r * 0.9},${-r * 0.9}h${1.8 * r}v${1.8 * r}h${-1.8 * r}Z`,
  triangle: (r) => `M0,${-1.2 * r}L${1.15 * r},${0.8 * r}H${-1.15 * r}Z`,
  diamond: (r) => `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0Z`,
};

export function bead({ colour, bead: shape }: TrackLook, size: number): SVGPathElement {
  return draw("path", {
    d: SHAPES[shape](size),
    fill: colour,
    stroke: PLATE,
    "stroke-width": 1.2,
  });
}

// The sign of a mark, around the origin.
export function sign(kind: MarkKind): SVGGElement {
  if (kind === "centre") {
    const cross = "M-5,0H5M0,-5V5";
    return draw(
      "g",
      { fill: "none", "stroke-linecap": "round" },
      draw("path", { d: cross, stroke: PLATE, "stroke-width": 4 }),
      draw("path", { d: cross, stroke: "var(--ink)", "stroke-width": 1.6 }),
    );
  }
  const pass = kind === "pass" || kind === "saddle";
  const colour = pass ? "var(--down)" : "var(--ink)";
  const square = kind === "checkpoint" ? "M-4,-4H4V4H-4Z" : "M-5,-4H5L0,4.8Z";
  const shape = pass ? "M0,-5L5,0L0,5L-5,0Z" : square;
  return draw(
    "g",
    { "stroke-linejoin": "round" },
    draw("path", { d: shape, fill: PLATE, stroke: PLATE, "stroke-width": 4 }),
    draw("path", { d: shape, fill: PLATE, stroke: colour, "stroke-width": 1.4 }),
  );
}

export function moved<E extends SVGElement>(made: E, [x, y]: [number, number]): E {
  made.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
  return made;
}
