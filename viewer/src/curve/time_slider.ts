// The slider that moves the checkpoint through all views, and a button that lets it run.

import { told } from "../language";
import { icon, ICONS, make } from "../view/element";
import type { Store } from "../view/store";
import { keep } from "../view/tell";
import { player } from "./play";
import type { Time } from "./time";
import { named, position, WORDS } from "./words";

function spelled(time: Time, checkpoint: number | null): string {
  if (checkpoint === null) return told(WORDS.none);
  const i = Math.min(Math.round(checkpoint), time.count - 1);
  const step = told(named(time.track.labels[i] ?? ""));
  const where = told(position(i + 1, time.count));
  return step ? `${where}, ${step}` : where;
}

export interface TimeSlider {
  element: HTMLElement;
  // What else moves the checkpoint by hand, stops it.
  stop(): void;
}

export function timeSlider(time: Time, store: Store): TimeSlider {
  const input = make("input");
  [input.type, input.min, input.step] = ["range", "0", "1"];
  input.max = String(Math.max(1, time.count - 1));
  input.disabled = time.count < 2;
  const words = make("output", "curve-words");
  const button = make("button", "curve-play");
  button.type = "button";
  button.disabled = time.count < 2;
  const slider = make("div", "slider curve-slider", input);
  const element = make("div", "curve-time", button, slider, words);

  const show = () => {
    const { playing } = motion;
    const name = told(playing ? WORDS.pause : WORDS.play);
    button.replaceChildren(icon(playing ? ICONS.pause : ICONS.play));
    button.setAttribute("aria-label", name);
    button.title = name;
  };
  const motion = player(store, time.count, element, show);
  button.addEventListener("click", motion.toggle);
  input.addEventListener("input", () => {
    motion.stop();
    store.set({ checkpoint: Number(input.value) });
  });
  keep(store, ["checkpoint"], () => {
    const { checkpoint } = store.state;
    input.value = String(checkpoint ?? 0);
    words.textContent = spelled(time, checkpoint);
    input.setAttribute("aria-label", told(WORDS.checkpoint));
    input.setAttribute("aria-valuetext", words.textContent);
    show();
  });
  return { element, stop: motion.stop };
}
