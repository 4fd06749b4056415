// The learning rate on a logarithmic slider, with the marks that decide its fate.

import "./rate_slider.css";
import { onLanguage, told, type Told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import { make } from "./element";
import { prediction } from "./prediction";
import {
  bands,
  modelMarks,
  momentumMarks,
  planeMarks,
  type Boundary,
} from "./rate_marks";
import { RATES } from "./spelling";
import type { Store } from "./store";
import { keep, tell } from "./tell";
import { symbol } from "./symbols";
import { BALL, BANDS, MARKS } from "./words";

const STOPS = 1000;
// A slider that is dragged stays on a mark for so many stops.
const STICKY = 7;
const FACTOR = 10 ** 0.05;

type Range = readonly [number, number];

const tidy = (rate: number) => Number(rate.toPrecision(3));

// Between 0 and 1 along the slider.
function share(rate: number, [low, high]: Range): number {
  const at = Math.log(rate / low) / Math.log(high / low);
  return Math.min(Math.max(at, 0), 1);
}

const rateAt = (at: number, [low, high]: Range) => low * (high / low) ** at;

const percent = (at: number) => `${(100 * at).toFixed(3)}%`;

export const bounded = (rate: number): number =>
  Math.min(Math.max(rate, RATES[0]), RATES[1]);

export const faster = (store: Store, times: 1 | -1): void =>
  store.set({ rate: bounded(tidy(store.state.rate * FACTOR ** times)) });

function mark(store: Store, range: Range, { rate, sign }: Boundary, kind: string) {
  const made = make("button", "mark", symbol(sign));
  made.type = "button";
  made.dataset["mark"] = kind;
  made.dataset["rate"] = String(rate);
  made.style.left = percent(share(rate, range));
  made.title = `${sign} = ${short(rate)}`;
  made.setAttribute("aria-label", `${told(MARKS.set)}${sign} = ${short(rate)}`);
  made.addEventListener("click", () => store.set({ rate: bounded(rate) }));
  return made;
}

function markRow(words: Told, kind: string) {
  const scale = make("div", "scale");
  const row = make("div", "marks", tell(make("span", "of"), words), scale);
  row.dataset["of"] = kind;
  return {
    row,
    show(store: Store, range: Range, found: Boundary[]) {
      row.hidden = found.length === 0;
      scale.replaceChildren(...found.map((one) => mark(store, range, one, kind)));
    },
  };
}

function track(plane: Plane, range: Range): HTMLElement {
  const drawn = bands(plane, range).map(({ kind, from, to }) => {
    const band = make("span", "band");
    band.dataset["band"] = kind;
    const [left, right] = [share(from, range), share(to, range)];
    band.style.left = percent(left);
    band.style.width = percent(right - left);
    if (right - left > 0.09) band.append(tell(make("span"), BANDS[kind]));
    return band;
  });
  const made = make("div", "track", ...drawn);
  made.setAttribute("aria-hidden", "true");
  return made;
}

function rangeInput(store: Store, range: Range, marks: Boundary[]): HTMLInputElement {
  const input = make("input", "rate");
  input.type = "range";
  [input.min, input.max, input.step] = ["0", String(STOPS), "1"];
  tell(input, BALL.rateName, "aria-label");
  let dragged = false;
  input.addEventListener("pointerdown", () => (dragged = true));
  input.addEventListener("keydown", () => (dragged = false));
  input.addEventListener("input", () => {
    const at = Number(input.value);
    const near = (rate: number) => Math.abs(share(rate, range) * STOPS - at) < STICKY;
    const snapped = dragged ? marks.find(({ rate }) => near(rate)) : undefined;
    store.set({ rate: snapped?.rate ?? tidy(rateAt(at / STOPS, range)) });
  });
  keep(store, ["rate"], () => {
    input.value = String(share(store.state.rate, range) * STOPS);
    input.setAttribute("aria-valuetext", short(store.state.rate));
  });
  return input;
}

function numberInput(store: Store): HTMLInputElement {
  const input = make("input", "number");
  input.type = "text";
  input.inputMode = "decimal";
  input.autocomplete = "off";
  tell(input, BALL.rateNumber, "aria-label");
  const draw = () => {
    input.removeAttribute("aria-invalid");
    input.value = String(Number(store.state.rate.toPrecision(4)));
  };
  const commit = () => {
    const rate = Number(input.value.trim().replace(",", "."));
    if (rate > 0 && Number.isFinite(rate)) store.set({ rate: bounded(rate) });
    draw();
  };
  input.addEventListener("change", commit);
  input.addEventListener("input", () => {
    input.setAttribute("aria-invalid", String(!(Number(input.value) > 0)));
  });
  input.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") draw();
    if (key === "ArrowUp" || key === "ArrowDown") {
      faster(store, key === "ArrowUp" ? 1 : -1);
    }
  });
  keep(store, ["rate"], draw);
  return input;
}

export function rateSlider(plane: Plane, store: Store, range: Range): HTMLElement {
  const fixed = [...planeMarks(plane), ...modelMarks(plane)];
  const own = markRow(MARKS.plane, "plane");
  const heavy = markRow(MARKS.momentum, "momentum");
  const model = markRow(MARKS.model(plane.parameters.toLocaleString("en-US")), "model");
  const label = make("label", "rate-number");
  label.append(tell(make("span", "label"), BALL.rate), numberInput(store));
  const draw = () => {
    own.show(store, range, planeMarks(plane));
    model.show(store, range, modelMarks(plane));
    heavy.show(store, range, momentumMarks(plane, store.state));
  };
  draw();
  store.on(["methods", "momentum"], () =>
    heavy.show(store, range, momentumMarks(plane, store.state)),
  );
  onLanguage(draw);
  const rail = make("div", "rail", track(plane, range));
  rail.append(rangeInput(store, range, fixed));
  const head = make("div", "head", label, prediction(plane, store));
  return make("div", "rates", head, heavy.row, own.row, rail, model.row);
}
