// The measured plane as a printed map.

import { fieldName } from "../plane/field_name";
import "./map.css";
import { onLanguage, told } from "../language";
import { short } from "../numbers";
import type { Field, Plane } from "../plane/plane";
import { onTheme, readInks } from "../surface/inks";
import { make } from "../view/element";
import { racesOf } from "../view/races";
import type { State } from "../view/state";
import type { Store } from "../view/store";
import { tell } from "../view/tell";
import type { MakeView, View } from "../view/view";
import { Balls } from "./balls";
import { draw, SANS } from "./drawn";
import { hands } from "./hands";
import { asPng, asSvg } from "./pictures";
import { probe } from "./probe";
import { readAt } from "./reading";
import { type Sheet, sheetOf } from "./sheet";
import { chosen } from "./trails";
import { described, WORDS } from "./words";

// Pixels of the colours along each of the page's.
const KEPT = 2;
// So many milliseconds after the last picture, the next one need not be sharp.
const HURRY = 220;
const FALLBACK = 560;
let maps = 0;

const fieldOf = (plane: Plane, { field }: Readonly<State>): Field =>
  plane.fields.get(field) ?? plane.loss;

interface Parts {
  element: HTMLElement;
  plate: HTMLElement;
  canvas: HTMLCanvasElement;
  svg: SVGSVGElement;
  spoken: HTMLOutputElement;
}

function partsOf(): Parts {
  maps += 1;
  const canvas = make("canvas", "map-relief");
  const svg = draw("svg", { class: "map-lines", "aria-hidden": "true" });
  const help = tell(make("p", "map-spoken"), WORDS.help);
  help.id = `map-help-${maps}`;
  const plate = make("div", "map-plate", canvas);
  plate.append(svg);
  plate.tabIndex = 0;
  plate.setAttribute("role", "group");
  plate.setAttribute("aria-describedby", help.id);
  const spoken = make("output", "map-spoken");
  return {
    element: make("div", "map", plate, help, spoken),
    plate,
    canvas,
    svg,
    spoken,
  };
}

class ContourMap implements View {
  readonly #parts = partsOf();
  readonly #plane: Plane;
  readonly #store: Store;
  readonly #stale = new Set<"sheet" | "checkpoint" | "balls" | "probe">(["sheet"]);
  readonly #balls = new Balls();
  readonly #checkpoint = draw("g");
  readonly #probe = draw("g", { "pointer-events": "none" });
  #sheet: Sheet | null = null;
  #painted = Number.NEGATIVE_INFINITY;
  #later: ReturnType<typeof setTimeout> | undefined;
  #visible = false;
  #asked = false;

  constructor(plane: Plane, store: Store) {
    [this.#plane, this.#store] = [plane, store];
    this.#listen();
  }

  get element(): HTMLElement {
    return this.#parts.element;
  }

  #listen() {
    const { plate, element } = this.#parts;
    const spoils = (what: "sheet" | "checkpoint" | "balls" | "probe") => () =>
      this.#spoil(what);
    const store = this.#store;
    store.on(["field", "log", "clip", "colours"], spoils("sheet"));
    store.on(["checkpoint"], spoils("checkpoint"));
    store.on(
      ["start", "rate", "momentum", "noise", "methods", "step"],
      spoils("balls"),
    );
    store.on(["probe"], spoils("probe"));
    onTheme(spoils("sheet"));
    onLanguage(spoils("sheet"));
    let width = 0;
    new ResizeObserver(() => {
      if (plate.clientWidth === width) return;
      width = plate.clientWidth;
      this.#spoil("sheet");
    }).observe(plate);
    new IntersectionObserver(
      (seen) => {
        this.#visible = seen.at(-1)?.isIntersecting ?? true;
        this.#ask();
      },
      { rootMargin: "240px" },
    ).observe(element);
    addEventListener("beforeprint", () => this.#draw());
    hands(
      plate,
      this.#plane,
      store,
      () => this.#sheet?.layout ?? null,
      () => this.#speak(),
    );
  }

  #spoil(what: "sheet" | "checkpoint" | "balls" | "probe") {
    this.#stale.add(what);
    this.#ask();
  }

  #ask() {
    if (this.#asked || !this.#visible || this.#stale.size === 0) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      if (this.#visible) this.#draw();
    });
  }

  #draw() {
    const { plate } = this.#parts;
    if (plate.clientWidth < 2) return;
    const [plane, { state }] = [this.#plane, this.#store];
    const field = fieldOf(plane, state);
    const whole = this.#stale.delete("sheet") || !this.#sheet;
    if (whole) this.#lay(field);
    const layout = this.#sheet?.layout;
    if (!layout) return;
    const due = (what: "checkpoint" | "balls" | "probe") =>
      this.#stale.delete(what) || whole;
    if (due("checkpoint")) {
      this.#checkpoint.replaceChildren(chosen(plane, layout, state.checkpoint));
      this.#sheet?.read(state.checkpoint);
    }
    if (due("balls")) this.#balls.show(plane, state, layout);
    if (due("probe")) {
      this.#probe.replaceChildren(...probe(plane, field, state, layout));
    }
  }

  // Everything that stays while balls roll.
  #lay(field: Field) {
    const { plate, canvas, svg, element } = this.#parts;
    const inks = readInks(element);
    const { state } = this.#store;
    const sheet = sheetOf(this.#plane, state, plate.clientWidth, inks);
    this.#sheet = sheet;
    const { layout } = sheet;
    this.#paint(sheet);
    canvas.style.left = `${layout.left}px`;
    canvas.style.top = `${layout.top}px`;
    canvas.style.width = `${layout.right - layout.left}px`;
    canvas.style.height = `${layout.bottom - layout.top}px`;
    this.#balls.retell();
    sheet.moving.append(this.#checkpoint, this.#balls.group);
    fit(svg, sheet);
    svg.replaceChildren(...sheet.drawn, this.#probe);
    this.#describe(field);
  }

  // Coarse while a slider is dragged, and sharp a moment after.
  #paint(sheet: Sheet) {
    const { canvas } = this.#parts;
    const now = performance.now();
    const hurried = now - this.#painted < HURRY;
    sheet.paint(canvas, hurried ? 1 : Math.min(KEPT, devicePixelRatio || 1));
    this.#painted = performance.now();
    clearTimeout(this.#later);
    if (hurried) this.#later = setTimeout(() => this.#paint(sheet), HURRY);
  }

  #describe(field: Field) {
    const name = told(fieldName(field.name));
    const ends: [string, string] = [short(field.low), short(field.high)];
    const words = described(name, told(this.#plane.title), ...ends);
    this.#parts.plate.setAttribute("aria-label", told(words));
  }

  #speak() {
    const { state } = this.#store;
    const field = fieldOf(this.#plane, state);
    this.#parts.spoken.textContent = state.probe
      ? readAt(this.#plane, field, state.probe).join(", ")
      : "";
  }

  // The same sheet, drawn for itself: with its own colours and the balls in its key.
  #kept(): SVGSVGElement {
    const { state } = this.#store;
    const plane = this.#plane;
    const width = this.#parts.plate.clientWidth || FALLBACK;
    const races = racesOf(plane, state);
    const sheet = sheetOf(plane, state, width, readInks(this.element), races);
    const { layout } = sheet;
    sheet.read(state.checkpoint);
    const canvas = document.createElement("canvas");
    sheet.paint(canvas, KEPT);
    const balls = new Balls();
    balls.show(plane, state, layout);
    sheet.moving.append(chosen(plane, layout, state.checkpoint), balls.group);
    const svg = draw("svg");
    fit(svg, sheet);
    const relief = draw("image", {
      x: layout.left,
      y: layout.top,
      width: layout.right - layout.left,
      height: layout.bottom - layout.top,
      preserveAspectRatio: "none",
      href: canvas.toDataURL("image/png"),
    });
    const field = fieldOf(plane, state);
    svg.append(relief, ...sheet.drawn, ...probe(plane, field, state, layout));
    return svg;
  }

  svg(): string {
    return asSvg(this.#kept(), this.element, told(this.#plane.title));
  }

  png(): Promise<Blob> {
    return asPng(this.#kept(), this.element, told(this.#plane.title));
  }
}

function fit(svg: SVGSVGElement, { layout: { width }, height }: Sheet) {
  svg.setAttribute("width", String(width));
  svg.setAttribute("height", String(Math.ceil(height)));
  svg.setAttribute("viewBox", `0 0 ${width} ${Math.ceil(height)}`);
  svg.setAttribute("font-family", SANS);
}

export const mapView: MakeView = (plane, store) => new ContourMap(plane, store);
