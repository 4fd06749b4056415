// Play, step, and where along its walk the ball is shown.

import "./transport.css";
import { told } from "../language";
import { button } from "./controls";
import { icon, ICONS, make } from "./element";
import { lastOf, move, pause, play, type Walker } from "./playback";
import { STEPS } from "./races";
import { LIMITS } from "./spelling";
import { keep, tell } from "./tell";
import { BALL } from "./words";

function playButton(walker: Walker): HTMLButtonElement {
  const { store } = walker;
  const word = make("span");
  const made = make("button", "play");
  made.type = "button";
  made.addEventListener("click", () =>
    store.state.playing ? pause(store) : play(walker),
  );
  keep(store, ["playing"], () => {
    const { playing } = store.state;
    word.textContent = told(playing ? BALL.pause : BALL.play);
    made.replaceChildren(icon(playing ? ICONS.pause : ICONS.play), word);
    made.dataset["playing"] = String(playing);
  });
  return made;
}

// The walk from its first step to its last, to be dragged along.
function scrubber(walkers: Walker[], { store }: Walker): HTMLLabelElement {
  const input = make("input");
  input.type = "range";
  input.min = "0";
  const value = make("output", "value");
  const draw = () => {
    const end = lastOf(walkers);
    const step = Math.min(Math.floor(store.state.step), end);
    input.max = String(Math.max(end, 1));
    input.value = String(step);
    input.disabled = end === 0;
    value.textContent = `${step} / ${end || STEPS}`;
    input.setAttribute("aria-valuetext", value.textContent);
  };
  input.addEventListener("input", () =>
    store.set({ step: Number(input.value), playing: false }),
  );
  keep(store, ["step", "start", "rate", "momentum", "noise", "methods"], draw);
  const label = make("label", "slider scrub", tell(make("span", "label"), BALL.step));
  label.append(input, value);
  return label;
}

function speed({ store }: Walker): HTMLLabelElement {
  const input = make("input");
  input.type = "range";
  const [low, high] = LIMITS.speed;
  [input.min, input.max, input.step] = ["0", "1", "0.01"];
  const value = make("output", "value");
  const scale = Math.log(high / low);
  input.addEventListener("input", () =>
    store.set({ speed: Math.round(low * Math.exp(scale * Number(input.value))) }),
  );
  keep(store, ["speed"], () => {
    input.value = String(Math.log(store.state.speed / low) / scale);
    value.textContent = `${Number(store.state.speed.toPrecision(2))} ${told(BALL.speedUnit)}`;
    input.setAttribute("aria-valuetext", value.textContent);
  });
  const label = make("label", "slider pace", tell(make("span", "label"), BALL.speed));
  label.append(input, value);
  return label;
}

export const rewind = ({ store }: Walker): void =>
  store.set({ step: 0, playing: false });

export function transport(walkers: Walker[]): HTMLElement {
  const [leader] = walkers;
  if (!leader) return make("div");
  const keys = make(
    "div",
    "keys",
    button(BALL.rewind, ICONS.rewind, () => rewind(leader)),
    button(BALL.back, ICONS.back, () => move(walkers, -1)),
    playButton(leader),
    button(BALL.forward, ICONS.forward, () => move(walkers, 1)),
  );
  return make("div", "transport", keys, scrubber(walkers, leader), speed(leader));
}
