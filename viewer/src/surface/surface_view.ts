// The measured plane as a block of land that can be turned.

import { fieldName } from "../plane/field_name";
import "./surface.css";
import { onLanguage, told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import type { Point } from "../view/state";
import type { Store } from "../view/store";
import type { MakeView } from "../view/view";
import { backdrop } from "./backdrop";
import { gestures } from "./gestures";
import { type Inks, onTheme, readInks } from "./inks";
import { makeModel } from "./model";
import { ticksOf } from "./height_axis";
import { eyeOf } from "./orbit";
import { type Pace, pace } from "./pace";
import { asPng, asSvg, blank } from "./pictures";
import { hitOf } from "./ray";
import { makeSheet } from "./sheet";
import { type Land, landOf, type Sight } from "./sight";
import { type Stage, stage } from "./stage";
import { paint } from "./strokes";
import { described, WORDS } from "./words";
import { writing } from "./writing";

// What has to be done anew; each contains those before it.
enum Stale {
  Nothing,
  Words,
  Picture,
  Colours,
  Land,
}

// Pictures to keep are at least this sharp.
const KEPT = 2;
// What stands still is drawn with so many pixels along each of the shown ones.
const FINER = 2;
const MOST_PIXELS = 9e6;

class Surface {
  readonly #plane: Plane;
  readonly #store: Store;
  readonly #stage: Stage;
  readonly #sheet = makeSheet();
  readonly #model = makeModel();
  readonly #pace: Pace;
  #land: Land | null = null;
  #inks: Inks | null = null;
  #stale = Stale.Land;
  #visible = false;
  #asked = false;

  constructor(plane: Plane, store: Store, theatre: Stage) {
    this.#plane = plane;
    this.#store = store;
    this.#stage = theatre;
    this.#pace = pace(theatre.software, () => this.#spoil(Stale.Picture));
    this.#listen();
  }

  get element(): HTMLElement {
    return this.#sheet.element;
  }

  #listen() {
    const { frame } = this.#sheet;
    const spoils = (stale: Stale) => () => this.#spoil(stale);
    this.#store.on(["field", "log", "clip"], spoils(Stale.Land));
    this.#store.on(["colours"], spoils(Stale.Colours));
    this.#store.on(["camera"], () => this.#moved());
    this.#store.on(["step", "checkpoint"], () => this.#moved());
    this.#store.on(
      ["start", "rate", "momentum", "noise", "methods"],
      spoils(Stale.Picture),
    );
    this.#store.on(["probe"], spoils(Stale.Words));
    onTheme(spoils(Stale.Colours));
    onLanguage(spoils(Stale.Words));
    this.#stage.onRestored(spoils(Stale.Picture));
    new ResizeObserver(spoils(Stale.Picture)).observe(frame);
    new IntersectionObserver(
      (seen) => {
        this.#visible = seen.at(-1)?.isIntersecting ?? true;
        this.#spoil(Stale.Nothing);
      },
      { rootMargin: "160px" },
    ).observe(this.element);
    // paper shows also what was never scrolled to
    addEventListener("beforeprint", () => this.#draw());
    gestures(frame, this.#store, {
      find: (x, y) => this.#find(x, y),
      turned: () => (this.element.dataset["turned"] = ""),
    });
  }

  #moved() {
    this.#pace.moving();
    this.#spoil(Stale.Picture);
  }

  #spoil(stale: Stale) {
    this.#stale = Math.max(this.#stale, stale);
    if (this.#asked || !this.#visible || this.#stale === Stale.Nothing) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      if (this.#visible) this.#draw();
    });
  }

  // What is seen now; nothing where there is no land or no room.
  #sight(): Sight | null {
    this.#prepare();
    const { width, height } = this.#sheet.size();
    if (width < 2 || height < 2) return null;
    const [land, inks] = [this.#land, this.#inks];
    if (!land || !inks || land.ground.empty) return null;
    const { state } = this.#store;
    return { ...land, inks, state, eye: eyeOf(land.box, state.camera, width, height) };
  }

  // Land and colours, where they have changed.
  #prepare() {
    if (this.#stale >= Stale.Land || !this.#land) {
      this.#land = landOf(this.#plane, this.#store.state);
      // Without a graphics card something is shown first, and made sharp then.
      if (this.#stage.software) this.#pace.moving();
      this.#sheet.say(this.#land.ground.empty ? WORDS.noGround : null);
      if (!this.#land.ground.empty) {
        const { scale } = this.#land;
        this.#model.raise(
          this.#land,
          ticksOf(scale, 5).map(({ share }) => share),
        );
      }
    }
    if (this.#stale >= Stale.Colours || !this.#inks) {
      this.#inks = readInks(this.element);
      if (!this.#land.ground.empty)
        this.#model.recolour(this.#land, this.#store.state.colours, this.#inks);
    }
    this.#stale = Math.min(this.#stale, Stale.Picture);
  }

  #draw() {
    const stale = this.#stale;
    const sight = this.#sight();
    this.#describe();
    if (!sight) return;
    if (stale >= Stale.Picture) this.#drawPicture(sight);
    this.#drawWords(sight);
    this.#stale = Stale.Nothing;
  }

  #drawPicture(sight: Sight) {
    const { picture } = this.#sheet;
    const { ratio } = this.#sheet.size();
    const pen = cleared(picture, sight, ratio);
    if (!pen) return;
    paint(pen, backdrop(sight));
    const sharpness = this.#pace.sharpness();
    this.#drawLand(sight, pen, ratio * sharpness, sharpness < 1);
  }

  #drawLand(
    sight: Sight,
    pen: CanvasRenderingContext2D,
    wanted: number,
    coarse = false,
  ) {
    const { width, height, camera } = sight.eye;
    const most = Math.sqrt(MOST_PIXELS / (width * height));
    const ratio = Math.min(wanted, most);
    const size: [number, number] = [
      Math.round(width * ratio),
      Math.round(height * ratio),
    ];
    this.#model.pose(sight, ratio, coarse);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    this.#stage.draw(this.#model.scene, camera, size, pen);
  }

  #drawWords(sight: Sight) {
    const pen = cleared(this.#sheet.writing, sight, this.#sheet.size().ratio);
    if (pen) paint(pen, writing(sight));
  }

  #describe() {
    const field = this.#land?.field ?? this.#plane.loss;
    const ends: [string, string] = [short(field.low), short(field.high)];
    const title = told(this.#plane.title);
    this.#sheet.retell(described(told(fieldName(field.name)), title, ends));
  }

  #find(x: number, y: number): Point | null {
    const sight = this.#sight();
    if (!sight) return null;
    const hit = hitOf(sight.ground, sight.box, sight.eye.at, sight.eye.towards(x, y));
    return hit && !hit.wall ? [hit.x, hit.y] : null;
  }

  async png(): Promise<Blob> {
    const sight = this.#required();
    const ratio = Math.max(KEPT, this.#sheet.size().ratio);
    const canvas = blank(1, 1);
    const pen = cleared(canvas, sight, ratio);
    if (!pen) throw new Error("This browser gives no canvas to draw on.");
    paint(pen, backdrop(sight));
    this.#drawLand(sight, pen, ratio * FINER);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(pen, writing(sight));
    return asPng(canvas, sight.inks);
  }

  svg(): string {
    const sight = this.#required();
    const ratio = Math.max(KEPT, this.#sheet.size().ratio);
    const raster = blank(1, 1);
    const pen = cleared(raster, sight, ratio);
    if (pen) this.#drawLand(sight, pen, ratio * FINER);
    return asSvg(raster, { below: backdrop(sight), above: writing(sight) }, sight);
  }

  #required(): Sight {
    const sight = this.#sight();
    if (!sight) throw new Error("There is no surface to make a picture of.");
    return sight;
  }
}

// A canvas as large as the sheet and empty, and a pen in CSS pixels.
function cleared(canvas: HTMLCanvasElement, { eye }: Sight, ratio: number) {
  const [width, height] = [
    Math.round(eye.width * ratio),
    Math.round(eye.height * ratio),
  ];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  // Where a processor draws, a canvas that lies in its own memory is twice as fast.
  const inMemory = stage()?.software ?? false;
  const pen = canvas.getContext("2d", { willReadFrequently: inMemory });
  pen?.setTransform(1, 0, 0, 1, 0, 0);
  pen?.clearRect(0, 0, width, height);
  pen?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

export const surfaceView: MakeView = (plane, store) => {
  const theatre = stage();
  if (theatre) {
    const surface = new Surface(plane, store, theatre);
    return {
      element: surface.element,
      png: () => surface.png(),
      svg: () => surface.svg(),
    };
  }
  const sheet = makeSheet();
  sheet.say(WORDS.noStage);
  onLanguage(() => sheet.say(WORDS.noStage));
  return { element: sheet.element };
};
