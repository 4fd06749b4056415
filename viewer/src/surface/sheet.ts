// The element: a canvas with the surface, and one above it with what is written.

import { type Told, told } from "../language";
import { WORDS } from "./words";

export interface Sheet {
  element: HTMLElement;
  // Takes pointers and keys.
  frame: HTMLElement;
  picture: HTMLCanvasElement;
  writing: HTMLCanvasElement;
  // In CSS pixels, and device pixels for each of them.
  size(): { width: number; height: number; ratio: number };
  // A sentence in place of the picture.
  say(words: Told | null): void;
  retell(description: Told): void;
}

function made<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  className: string,
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  element.className = className;
  return element;
}

let count = 0;

export function makeSheet(): Sheet {
  const element = made("div", "surface");
  const frame = made("div", "surface-frame");
  const [picture, writing] = [
    made("canvas", "surface-picture"),
    made("canvas", "surface-words"),
  ];
  const hint = made("p", "surface-hint");
  const help = made("p", "surface-help");
  const absent = made("p", "surface-absent");
  const touch = matchMedia("(pointer: coarse)");
  count += 1;
  help.id = `surface-help-${count}`;
  frame.tabIndex = 0;
  frame.setAttribute("role", "img");
  frame.setAttribute("aria-describedby", help.id);
  hint.setAttribute("aria-hidden", "true");
  absent.hidden = true;
  frame.append(picture, writing);
  element.append(frame, hint, help, absent);
  let sentence: Told | null = null;
  return {
    element,
    frame,
    picture,
    writing,
    size() {
      const ratio = Math.min(2, window.devicePixelRatio || 1);
      return { width: frame.clientWidth, height: frame.clientHeight, ratio };
    },
    say(words) {
      sentence = words;
      absent.hidden = words === null;
      absent.textContent = words === null ? "" : told(words);
      frame.hidden = hint.hidden = words !== null;
    },
    retell(description) {
      const spoken = told(description);
      if (frame.getAttribute("aria-label") === spoken) return;
      frame.setAttribute("aria-label", spoken);
      hint.textContent = told(touch.matches ? WORDS.hintTouch : WORDS.hint);
      help.textContent = told(WORDS.help);
      if (sentence) absent.textContent = told(sentence);
    },
  };
}
