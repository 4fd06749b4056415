// One plane with all its views: surface, map, training curve, and the ball.

import "./instrument.css";
import { trainingCurve } from "../curve/training_curve";
import { mapView } from "../map/map_view";
import type { Plane } from "../plane/plane";
import { surfaceView } from "../surface/surface_view";
import { ballPanel } from "./ball_panel";
import { make } from "./element";
import type { Picture } from "./exporting";
import { facts } from "./facts";
import { firstState } from "./first_state";
import { follow } from "./fragment";
import { helpWindow } from "./help";
import { keepTime } from "./playback";
import { projector } from "./projector";
import { rateRange } from "./rate_marks";
import { listen } from "./shortcuts";
import type { State } from "./state";
import { Store } from "./store";
import { tell } from "./tell";
import { toolbar } from "./toolbar";
import { FACTS, SAVING } from "./words";

export interface Parts {
  views: HTMLElement;
  curve: HTMLElement;
  pictures: Picture[];
}

export function partsOf(plane: Plane, store: Store): Parts {
  const surface = surfaceView(plane, store);
  const map = mapView(plane, store);
  const curve = trainingCurve(plane, store);
  const pictures: Picture[] = [
    { words: SAVING.surface, kind: "surface", plane, view: surface },
    { words: SAVING.map, kind: "map", plane, view: map },
    { words: SAVING.curve, kind: "curve", plane, view: curve },
  ];
  return {
    views: make("div", "views", surface.element, map.element),
    curve: curve.element,
    pictures: pictures.filter(({ view }) => !view.element.hidden),
  };
}

export function titleOf(plane: Plane): HTMLHeadingElement {
  const named = plane.title === "" ? plane.name : plane.title;
  return tell(make("h3", "instrument-title"), named);
}

export function mountInstrument(
  host: HTMLElement,
  plane: Plane,
  id: string,
  opening: Partial<State> = {},
): Store {
  const store = new Store(firstState(plane, opening));
  const walker = { plane, store };
  const parts = partsOf(plane, store);
  const panel = ballPanel(walker, rateRange([plane], store.first.rate));
  const help = helpWindow();
  const showHelp = () => help.showModal();
  const { pictures } = parts;
  const bar = toolbar({ plane, store, pictures, help: showHelp });
  const screen = projector(host, bar.wide);
  bar.wide.addEventListener("click", screen.toggle);
  host.classList.add("instrument");
  host.replaceChildren(
    titleOf(plane),
    bar.element,
    parts.views,
    tell(make("p", "instrument-caption"), FACTS.caption),
    parts.curve,
    make("div", "bench", panel),
    facts(plane),
    help,
  );
  listen(host, [walker], { help: showHelp, wide: screen.toggle });
  keepTime([walker]);
  follow(id, plane, store);
  return store;
}
