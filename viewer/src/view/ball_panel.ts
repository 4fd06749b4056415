// The ball: how it walks, what it meets, and what its walk does not say.

import "./ball_panel.css";
import { METHODS, type Method } from "../ball/race";
import { onLanguage, told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import { slider, toggle } from "./controls";
import { make } from "./element";
import type { Walker } from "./playback";
import { racesOf } from "./races";
import { rateSlider } from "./rate_slider";
import { readouts } from "./readouts";
import { LIMITS } from "./spelling";
import type { Store } from "./store";
import { symbol } from "./symbols";
import { keep, tell } from "./tell";
import { transport } from "./transport";
import { BALL, BOUND, METHOD } from "./words";

type Range = readonly [number, number];

// One stays, as a race needs a runner.
export function toggleMethod(store: Store, method: Method): void {
  const { methods } = store.state;
  const chosen = METHODS.filter(
    (other) => methods.includes(other) !== (other === method),
  );
  if (chosen.length > 0) store.set({ methods: chosen });
}

function methodChips(store: Store): HTMLElement {
  const chips = METHODS.map((method) => {
    const chip = toggle(
      store,
      ["methods"],
      METHOD[method],
      ({ methods }) => methods.includes(method),
      () => toggleMethod(store, method),
    );
    chip.dataset["method"] = method;
    return chip;
  });
  const group = make("div", "methods", ...chips);
  group.setAttribute("role", "group");
  return tell(group, BALL.methods, "aria-label");
}

// Shown while a method that heeds it runs.
function heeded(store: Store, key: "momentum" | "noise"): HTMLElement {
  const method = key === "momentum" ? "momentum" : "noisy";
  const made = slider(store, {
    words: BALL[key],
    ...(key === "noise" ? { name: BALL.noiseName } : {}),
    bounds: key === "momentum" ? [0, 0.99] : LIMITS.noise,
    step: 0.01,
    keys: [key],
    read: (state) => state[key],
    write: (value) => ({ [key]: value }),
    shown: (state) => state[key].toFixed(2),
  });
  keep(store, ["methods"], () => {
    made.hidden = !store.state.methods.includes(method);
  });
  return made;
}

// Why each walk is judged as it is.
function reasons(plane: Plane, store: Store): HTMLElement {
  const list = make("ul", "reasons");
  keep(store, ["start", "rate", "momentum", "noise", "methods"], () => {
    const races = racesOf(plane, store.state);
    const lines = races.map(({ method, why }) => {
      const item = make("li", "", make("span", "dot"), told(why));
      item.dataset["method"] = method;
      return item;
    });
    list.replaceChildren(...lines);
    list.hidden = races.length === 0;
  });
  return list;
}

// Said as long as there is something to be told about the ball.
function hint(plane: Plane, store: Store): HTMLElement {
  const made = make("p", "hint");
  keep(store, ["start", "field"], () => {
    const { start, field } = store.state;
    const lost = start !== null && racesOf(plane, store.state).length === 0;
    const said = [
      ...(start ? [] : [BALL.drop]),
      ...(lost ? [BALL.offMap] : []),
      ...(field === "loss" ? [] : [BALL.otherField]),
    ];
    made.textContent = said.map(told).join(" ");
    made.hidden = said.length === 0;
  });
  return made;
}

function bound({ parameters, limit }: Plane): HTMLElement {
  const made = make("p", "bound");
  const draw = () => {
    const count = parameters.toLocaleString("en-US");
    const said = [
      parameters <= 2 ? BOUND.whole : BOUND.plane(count),
      limit ? BOUND.limit(short(limit.value, 4)) : BOUND.noLimit,
    ];
    made.replaceChildren(symbol(said.map(told).join(" ")));
  };
  draw();
  onLanguage(draw);
  return made;
}

// Whether there is a surface to roll on.
const rolls = (plane: Plane): boolean => Boolean(plane.surface("loss")?.lowest());

function section(...parts: HTMLElement[]): HTMLElement {
  const made = make("section", "ball", ...parts);
  return tell(made, BALL.title, "aria-label");
}

// How the balls walk: on one plane, or on all that are linked.
function controls(walkers: Walker[], { plane, store }: Walker): HTMLElement[] {
  const runners = make("div", "runners", methodChips(store));
  runners.append(heeded(store, "momentum"), heeded(store, "noise"));
  return [
    make("div", "ball-head", tell(make("h4"), BALL.title), hint(plane, store)),
    transport(walkers),
    runners,
  ];
}

// What they meet.
function readings({ plane, store }: Walker, range: Range): HTMLElement[] {
  return [
    rateSlider(plane, store, range),
    make("div", "scroll", readouts(plane, store)),
    reasons(plane, store),
    bound(plane),
  ];
}

const nothing = () => tell(make("p", "hint"), BALL.noSurface);

export function ballPanel(walker: Walker, range: Range): HTMLElement {
  if (!rolls(walker.plane)) return section(nothing());
  return section(...controls([walker], walker), ...readings(walker, range));
}

export function ballReadings(walker: Walker, range: Range): HTMLElement {
  return section(...(rolls(walker.plane) ? readings(walker, range) : [nothing()]));
}

// One strip for planes that are linked.
export function ballControls(walkers: Walker[]): HTMLElement {
  const leader = walkers.find(({ plane }) => rolls(plane));
  return section(...(leader ? controls(walkers, leader) : []));
}
