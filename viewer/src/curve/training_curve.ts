// The loss over the training, with the slider that moves through it in all views.

import "./curve.css";
import { onLanguage, told } from "../language";
import { draw, SANS } from "../map/drawn";
import { asPng, asSvg } from "../map/pictures";
import type { Plane } from "../plane/plane";
import { make } from "../view/element";
import type { Store } from "../view/store";
import type { MakeView, View } from "../view/view";
import { curvesOf } from "./lines";
import { now } from "./now";
import { type Scales, scalesOf } from "./scales";
import { type Time, timeOf } from "./time";
import { type TimeSlider, timeSlider } from "./time_slider";
import { described } from "./words";

const FALLBACK = 640;

class TrainingCurve implements View {
  readonly element: HTMLElement;
  readonly #plane: Plane;
  readonly #store: Store;
  readonly #time: Time;
  readonly #slider: TimeSlider;
  readonly #svg = draw("svg", { class: "curve-lines", role: "img" });
  readonly #plate = make("div", "curve-plate");
  readonly #now = draw("g", { "pointer-events": "none" });
  #scales: Scales | null = null;
  #whole = true;
  #asked = false;

  constructor(plane: Plane, store: Store, time: Time) {
    [this.#plane, this.#store, this.#time] = [plane, store, time];
    this.#slider = timeSlider(time, store);
    this.#plate.append(this.#svg);
    this.element = make("div", "curve", this.#plate, this.#slider.element);
    this.#listen();
  }

  #listen() {
    const all = () => this.#spoil(true);
    this.#store.on(["log"], all);
    this.#store.on(["checkpoint"], () => this.#spoil(false));
    onLanguage(all);
    let width = 0;
    new ResizeObserver(() => {
      if (this.#plate.clientWidth === width) return;
      width = this.#plate.clientWidth;
      this.#spoil(true);
    }).observe(this.#plate);
    this.#plate.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#plate.setPointerCapture(event.pointerId);
      this.#choose(event);
    });
    this.#plate.addEventListener("pointermove", (event) => {
      if (this.#plate.hasPointerCapture(event.pointerId)) this.#choose(event);
    });
  }

  #choose(event: PointerEvent) {
    const scales = this.#scales;
    if (!scales) return;
    const box = this.#plate.getBoundingClientRect();
    const time = scales.time(event.clientX - box.left);
    this.#slider.stop();
    this.#store.set({ checkpoint: this.#time.nearest(time) });
  }

  #spoil(whole: boolean) {
    this.#whole ||= whole;
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  #draw() {
    const width = this.#plate.clientWidth;
    if (width < 2) return;
    const { checkpoint, log } = this.#store.state;
    if (this.#whole || !this.#scales) {
      this.#scales = scalesOf(this.#plane, this.#time, width, log);
      const { left, right } = this.#scales;
      this.#fill(this.#svg, this.#scales, this.#now);
      this.element.style.setProperty("--curve-left", `${left}px`);
      this.element.style.setProperty("--curve-right", `${width - right}px`);
      this.#whole = false;
    }
    const chosen = now(this.#plane, this.#time, this.#scales, checkpoint);
    this.#now.replaceChildren(...chosen);
  }

  #fill(svg: SVGSVGElement, scales: Scales, above: SVGElement) {
    const { parts, height } = curvesOf(this.#plane, this.#time, scales);
    const { width } = scales;
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(height));
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("font-family", SANS);
    const names = this.#plane.tracks.map(({ name }) => name).join(", ");
    svg.setAttribute("aria-label", told(described(names, this.#time.count)));
    svg.replaceChildren(...parts, above);
  }

  #kept(): SVGSVGElement {
    const { checkpoint, log } = this.#store.state;
    const width = this.#plate.clientWidth || FALLBACK;
    const scales = scalesOf(this.#plane, this.#time, width, log);
    const svg = draw("svg");
    const above = draw("g", {}, ...now(this.#plane, this.#time, scales, checkpoint));
    this.#fill(svg, scales, above);
    return svg;
  }

  svg(): string {
    return asSvg(this.#kept(), this.element, told(this.#plane.title));
  }

  png(): Promise<Blob> {
    return asPng(this.#kept(), this.element, told(this.#plane.title));
  }
}

// Hidden where the plane has no checkpoints.
export const trainingCurve: MakeView = (plane, store) => {
  const time = timeOf(plane);
  if (time) return new TrainingCurve(plane, store, time);
  const element = make("div", "curve");
  element.hidden = true;
  return { element };
};
