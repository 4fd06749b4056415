// What each ball meets at the step that is shown, and how its whole walk is judged.

import "./readouts.css";
import type { Method, Race } from "../ball/race";
import { onLanguage, told, type Told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import { make } from "./element";
import { ballAt, racesOf } from "./races";
import type { State } from "./state";
import type { Store } from "./store";
import { symbol } from "./symbols";
import { METHOD, READOUTS, verdictWords } from "./words";

const COLUMNS = [
  "step",
  "loss",
  "gradient",
  "curvature",
  "sharpness",
  "predicted",
  "observed",
] as const;
type Column = (typeof COLUMNS)[number];

const NOTHING = "–";
// Down to this share of where it began, a swinging gradient has come to rest.
const RESTED = 0.1;

const number = (value: number | undefined) =>
  value === undefined || Number.isNaN(value) ? NOTHING : short(value, 4);

// Where a rate multiplies no gradient, there is nothing to compare with its limit.
const usesRate = (method: Method) => method !== "newton";

const limitOf = (method: Method, { momentum }: Readonly<State>) =>
  method === "momentum" ? 2 * (1 + momentum) : 2;

// Without a gradient nothing rolls, whatever is said of its pace.
const STILL = 1e-13;

// "oscillate" says that steps change sign, not whether they shrink.
function seen({ verdict, gradientNorm, loss }: Race): string {
  if ((gradientNorm[0] ?? 0) <= STILL * (1 + Math.abs(loss[0] ?? 0))) {
    return "lies still";
  }
  if (verdict !== "oscillate") return verdict;
  const last = gradientNorm[gradientNorm.length - 1] ?? 0;
  return last <= RESTED * (gradientNorm[0] ?? 0) ? verdict : "swings on";
}

function cellsOf(race: Race, state: Readonly<State>): Record<Column, string> {
  const { step } = ballAt(race, state.step);
  const curvature = race.curvature[step];
  const product = curvature === undefined ? undefined : state.rate * curvature;
  const predicted = usesRate(race.method) ? race.predicted : "";
  return {
    step: String(step),
    loss: number(race.loss[step]),
    gradient: number(race.gradientNorm[step]),
    curvature: number(curvature),
    sharpness: usesRate(race.method) ? number(product) : NOTHING,
    predicted: predicted ? told(verdictWords(predicted)) : NOTHING,
    observed: told(verdictWords(seen(race))),
  };
}

function isOver(race: Race, state: Readonly<State>): boolean {
  const { step } = ballAt(race, state.step);
  const product = state.rate * (race.curvature[step] ?? 0);
  return usesRate(race.method) && product > limitOf(race.method, state);
}

interface Row {
  element: HTMLTableRowElement;
  show(race: Race, state: Readonly<State>): void;
}

function rowOf(method: Method): Row {
  const name = make("span", "", told(METHOD[method]));
  const head = make("th", "", make("span", "dot"), name);
  head.scope = "row";
  const cells = new Map(COLUMNS.map((column) => [column, make("td")]));
  const element = make("tr", "", head, ...cells.values());
  element.dataset["method"] = method;
  for (const [column, cell] of cells) {
    cell.dataset["column"] = column;
    cell.dataset["label"] = told(READOUTS[column]).replace("λ_max", "λ");
  }
  return {
    element,
    show(race, state) {
      const texts = cellsOf(race, state);
      for (const [column, cell] of cells) {
        if (cell.textContent !== texts[column]) cell.textContent = texts[column];
      }
      element.dataset["verdict"] = race.verdict;
      element.dataset["over"] = String(isOver(race, state));
      const observed = cells.get("observed");
      if (observed) observed.title = told(race.why);
    },
  };
}

const heading = (words: Told, column = "") => {
  const made = make("th", "", symbol(told(words)));
  made.scope = "col";
  if (column) made.dataset["column"] = column;
  return made;
};

export function readouts(plane: Plane, store: Store): HTMLElement {
  const body = make("tbody");
  const headings = make("tr");
  const caption = make("caption", "spoken");
  const table = make("table", "readouts", caption, make("thead", "", headings), body);
  let rows = new Map<Method, Row>();

  const move = () => {
    const races = racesOf(plane, store.state);
    for (const race of races) rows.get(race.method)?.show(race, store.state);
  };
  const draw = () => {
    const races = racesOf(plane, store.state);
    rows = new Map(races.map(({ method }) => [method, rowOf(method)]));
    body.replaceChildren(...[...rows.values()].map(({ element }) => element));
    caption.textContent = told(READOUTS.caption);
    headings.replaceChildren(
      heading(READOUTS.method),
      ...COLUMNS.map((column) => heading(READOUTS[column], column)),
    );
    table.hidden = races.length === 0;
    move();
  };
  draw();
  store.on(["start", "methods"], draw);
  store.on(["rate", "momentum", "noise", "step"], move);
  onLanguage(draw);
  return table;
}
