// Words on the page, told anew when the reader chooses another language.

import { onLanguage, told, type Told } from "../language";
import type { State } from "./state";
import type { Store } from "./store";

type Place = "text" | "aria-label" | "title";

// Draws now, and whenever one of the keys or the language changes.
export function keep(store: Store, keys: (keyof State)[], draw: () => void): void {
  draw();
  store.on(keys, draw);
  onLanguage(draw);
}

function put(element: Element, place: Place, words: string): void {
  if (place === "text") element.textContent = words;
  else element.setAttribute(place, words);
}

export function tell<E extends Element>(
  element: E,
  words: Told,
  ...places: Place[]
): E {
  const wanted: Place[] = places.length > 0 ? places : ["text"];
  const say = () => wanted.forEach((place) => put(element, place, told(words)));
  say();
  if (typeof words !== "string") onLanguage(say);
  return element;
}
