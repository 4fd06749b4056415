// What of a view can be chosen, kept and taken away.

import "./toolbar.css";
import { told, type Told } from "../language";
import { fieldName } from "../plane/field_name";
import type { Plane } from "../plane/plane";
import { button, choice, menu, select, slider } from "./controls";
import { ICONS, make } from "./element";
import { offers, save, type Format, type Picture } from "./exporting";
import { linkHere, onRefusal } from "./fragment";
import type { Store } from "./store";
import { tell } from "./tell";
import { ADDRESS, SAVING, TOOLBAR } from "./words";

export interface Toolbar {
  element: HTMLElement;
  wide: HTMLButtonElement;
}

interface Asked {
  plane: Plane;
  store: Store;
  pictures: Picture[];
  help: () => void;
}

function quantities({ plane, store }: Asked): HTMLElement[] {
  const names = [...plane.fields.keys()];
  if (names.length < 2) return [];
  const options = names.map((name): [string, Told] => [name, fieldName(name)]);
  return [select(store, TOOLBAR.quantity, "field", options)];
}

function clipping(store: Store): HTMLElement {
  return slider(store, {
    words: TOOLBAR.clip,
    name: TOOLBAR.clipName,
    bounds: [0.02, 1],
    step: 0.01,
    keys: ["clip"],
    read: ({ clip }) => clip,
    write: (clip) => ({ clip }),
    shown: ({ clip }) => `${Math.round(100 * clip)} %`,
  });
}

function status(): [HTMLElement, (...parts: (Node | string)[]) => void] {
  const element = make("p", "status");
  element.setAttribute("role", "status");
  return [element, (...parts) => element.replaceChildren(...parts)];
}

const because = (error: unknown) =>
  error instanceof Error ? error.message : String(error);

type Say = (...parts: (Node | string)[]) => void;

function saveButton(picture: Picture, format: Format, say: Say): HTMLButtonElement {
  const made = make("button", "item");
  made.type = "button";
  made.dataset["save"] = `${picture.kind}-${format}`;
  made.append(tell(make("span"), picture.words), ` ${format.toUpperCase()}`);
  made.addEventListener("click", () => {
    save(picture, format).then(
      (name) => say(told(SAVING.saved), name),
      (error: unknown) => say(told(SAVING.failed), because(error)),
    );
    made.closest("details")?.removeAttribute("open");
  });
  return made;
}

function saving({ pictures }: Asked, say: Say): HTMLElement {
  const formats: Format[] = ["png", "svg"];
  const items = pictures.flatMap((picture) =>
    formats
      .filter((format) => offers(picture, format))
      .map((format) => saveButton(picture, format, say)),
  );
  return menu(TOOLBAR.save, ICONS.save, ...items);
}

// Where the clipboard is closed to the page, the reader copies.
async function copyLink(say: Say): Promise<void> {
  const link = linkHere();
  try {
    await navigator.clipboard.writeText(link);
    say(told(TOOLBAR.copied));
  } catch {
    const shown = make("input", "link");
    shown.value = link;
    shown.readOnly = true;
    shown.setAttribute("aria-label", told(TOOLBAR.copyThis));
    say(told(TOOLBAR.copyThis), " ", shown);
    shown.select();
  }
}

// Everything but the ball, which has its own way back.
export function resetView(store: Store): void {
  const { camera, log, clip, field, colours } = store.first;
  store.set({ camera, log, clip, field, colours, probe: null });
}

export function toolbar(asked: Asked): Toolbar {
  const { store } = asked;
  const [line, say] = status();
  onRefusal((reason) => say(told(ADDRESS.fixed), reason));
  const wide = button(TOOLBAR.wide, ICONS.wide, () => undefined);
  const help = button(TOOLBAR.help, "", asked.help);
  help.replaceChildren("?");
  const left = make(
    "div",
    "chosen",
    ...quantities(asked),
    choice(store, TOOLBAR.height, "log", [
      [false, TOOLBAR.linear],
      [true, TOOLBAR.log],
    ]),
    clipping(store),
    select(store, TOOLBAR.colours, "colours", [
      ["viridis", TOOLBAR.viridis],
      ["cividis", TOOLBAR.cividis],
      ["grey", TOOLBAR.grey],
    ]),
  );
  const right = make(
    "div",
    "taken",
    button(TOOLBAR.reset, ICONS.turn, () => resetView(store)),
    button(TOOLBAR.link, ICONS.link, () => void copyLink(say)),
    saving(asked, say),
    wide,
    help,
  );
  const element = make("div", "toolbar", left, right, line);
  element.setAttribute("role", "group");
  return { element: tell(element, TOOLBAR.name, "aria-label"), wide };
}
