// The balls where they are now, and the way they came.

import { told } from "../language";
import type { Plane } from "../plane/plane";
import { ballAt, racesOf } from "../view/races";
import type { State } from "../view/state";
import { METHOD } from "../view/words";
import type { Race } from "../ball/race";
import { draw, type Pair, through } from "./drawn";
import type { Layout } from "./layout";
import { moved } from "./signs";
import { WORDS } from "./words";

const PLATE = "var(--plate)";
// Steps that are still seen one by one.
const STEPS = 80;

const COLOURS: Record<Race["method"], string> = {
  descent: "#d55e00",
  momentum: "#0072b2",
  newton: "#b0478a",
  noisy: "#1d2831",
};

export const methodColour = (method: Race["method"]): string =>
  `var(--method-${method}, ${COLOURS[method]})`;

// Far off the map is as good as infinitely far, and drawings bear less.
const FAR = 1e5;
const bounded = ([x, y]: Pair): Pair => [
  Math.min(FAR, Math.max(-FAR, x)),
  Math.min(FAR, Math.max(-FAR, y)),
];

const known = ([x, y]: Pair): boolean => !Number.isNaN(x) && !Number.isNaN(y);

// One ball with its trail, made once and moved with each step.
class Ball {
  readonly trail = draw("g");
  readonly bead = draw("g");
  readonly #casing = draw("path", { "stroke-width": 4, "stroke-opacity": 0.65 });
  readonly #line = draw("path", { "stroke-width": 1.8 });
  readonly #steps = draw("path", { "stroke-width": 4.4, "stroke-linecap": "round" });

  constructor(readonly method: Race["method"]) {
    const colour = methodColour(method);
    this.#casing.setAttribute("stroke", PLATE);
    for (const part of [this.#line, this.#steps]) part.setAttribute("stroke", colour);
    this.trail.append(this.#casing, this.#line, this.#steps);
    this.bead.append(
      draw("title", {}, told(METHOD[method])),
      draw("circle", { r: 6.5, fill: colour, stroke: PLATE, "stroke-width": 1.8 }),
      draw("circle", { cx: -2, cy: -2.2, r: 1.7, fill: "#fff", "fill-opacity": 0.6 }),
    );
  }

  move(race: Race, step: number, layout: Layout) {
    const { x, y, step: whole } = ballAt(race, step);
    const to = (px: number, py: number) => bounded(layout.to([px, py]));
    const passed = Array.from({ length: whole + 1 }, (_, i) =>
      to(race.x[i] ?? Number.NaN, race.y[i] ?? Number.NaN),
    ).filter(known);
    const here = to(x, y);
    const path = through(known(here) ? [...passed, here] : passed);
    this.#casing.setAttribute("d", path);
    this.#line.setAttribute("d", path);
    const dots = passed.map(([px, py]) => `M${px.toFixed(1)},${py.toFixed(1)}h0`);
    this.#steps.setAttribute("d", dots.length <= STEPS ? dots.join("") : "");
    this.bead.style.display = known(here) ? "" : "none";
    if (known(here)) moved(this.bead, here);
  }
}

function startSign(): SVGGElement {
  return draw(
    "g",
    { fill: "none" },
    draw("title", {}, told(WORDS.dropped)),
    draw("circle", { r: 5, stroke: PLATE, "stroke-width": 3.6 }),
    draw("circle", { r: 5, stroke: "var(--ink)", "stroke-width": 1.4 }),
  );
}

export class Balls {
  readonly group = draw("g", { fill: "none", "stroke-linejoin": "round" });
  #balls: Ball[] = [];
  #start: SVGGElement | null = null;

  // Cheap where only the step has changed.
  show(plane: Plane, state: Readonly<State>, layout: Layout) {
    const races = racesOf(plane, state);
    const same =
      races.length === this.#balls.length &&
      races.every(({ method }, i) => method === this.#balls[i]?.method);
    if (!same || (state.start === null) !== (this.#start === null)) {
      this.#balls = races.map(({ method }) => new Ball(method));
      this.#start = state.start && startSign();
      this.group.replaceChildren(
        ...this.#balls.map(({ trail }) => trail),
        ...(this.#start ? [this.#start] : []),
        ...this.#balls.map(({ bead }) => bead).reverse(),
      );
    }
    if (state.start && this.#start) moved(this.#start, layout.to(state.start));
    races.forEach((race, i) => this.#balls[i]?.move(race, state.step, layout));
  }

  retell() {
    this.#balls = [];
    this.#start = null;
    this.group.replaceChildren();
  }
}
