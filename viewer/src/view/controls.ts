// Buttons, sliders and choices, each tied to a part of the state.

import "./controls.css";
import type { Told } from "../language";
import { icon, make } from "./element";
import type { State } from "./state";
import type { Store } from "./store";
import { keep, tell } from "./tell";

let count = 0;
const unique = (kind: string) => `${kind}-${(count += 1)}`;

export function button(words: Told, path: string, press: () => void) {
  const made = make("button", "tool");
  made.type = "button";
  made.append(icon(path));
  made.addEventListener("click", press);
  return tell(made, words, "aria-label", "title");
}

export interface SliderOf {
  words: Told;
  // What is read out loud, where the words beside the slider do not suffice.
  name?: Told;
  bounds: readonly [number, number];
  step: number;
  keys: (keyof State)[];
  read: (state: Readonly<State>) => number;
  write: (value: number) => Partial<State>;
  shown: (state: Readonly<State>) => string;
}

export function slider(store: Store, of: SliderOf): HTMLLabelElement {
  const input = make("input");
  input.type = "range";
  [input.min, input.max] = of.bounds.map(String) as [string, string];
  input.step = String(of.step);
  if (of.name) tell(input, of.name, "aria-label");
  const value = make("output", "value");
  const draw = () => {
    const shown = of.shown(store.state);
    input.value = String(of.read(store.state));
    input.setAttribute("aria-valuetext", shown);
    value.textContent = shown;
  };
  input.addEventListener("input", () => store.set(of.write(Number(input.value))));
  keep(store, of.keys, draw);
  const label = make("label", "slider", tell(make("span", "label"), of.words));
  label.append(input, value);
  return label;
}

// A few words in a row, of which one holds.
export function choice<Key extends "log" | "colours">(
  store: Store,
  words: Told,
  key: Key,
  options: [State[Key], Told][],
): HTMLFieldSetElement {
  const group = make("fieldset", "choice");
  group.append(tell(make("legend", "label"), words));
  const name = unique(key);
  for (const [value, said] of options) {
    const input = make("input");
    input.type = "radio";
    input.name = name;
    input.value = String(value);
    input.addEventListener("change", () =>
      store.set({ [key]: value } as Partial<State>),
    );
    keep(store, [key], () => {
      input.checked = store.state[key] === value;
    });
    group.append(make("label", "", input, tell(make("span"), said)));
  }
  return group;
}

export function select<Key extends "field" | "colours">(
  store: Store,
  words: Told,
  key: Key,
  options: [State[Key], Told][],
): HTMLLabelElement {
  const list = make("select");
  for (const [value, said] of options) {
    const option = tell(make("option"), said);
    option.value = value;
    list.append(option);
  }
  list.addEventListener("change", () =>
    store.set({ [key]: list.value } as Partial<State>),
  );
  keep(store, [key], () => {
    list.value = store.state[key];
  });
  return make("label", "pick", tell(make("span", "label"), words), list);
}

// A button that stays pressed.
export function toggle(
  store: Store,
  keys: (keyof State)[],
  words: Told,
  pressed: (state: Readonly<State>) => boolean,
  press: () => void,
): HTMLButtonElement {
  const made = make("button", "chip", make("span", "dot"), tell(make("span"), words));
  made.type = "button";
  made.addEventListener("click", press);
  keep(store, keys, () => {
    made.setAttribute("aria-pressed", String(pressed(store.state)));
  });
  return made;
}

// Closes itself when the reader presses Escape or goes elsewhere.
export function menu(words: Told, path: string, ...items: HTMLElement[]) {
  const summary = make("summary", "tool", icon(path), tell(make("span"), words));
  const made = make("details", "menu", summary, make("div", "items", ...items));
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    event.stopPropagation();
    made.open = false;
    summary.focus();
  });
  made.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !made.contains(relatedTarget)) {
      made.open = false;
    }
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !made.contains(target)) made.open = false;
  });
  return made;
}
