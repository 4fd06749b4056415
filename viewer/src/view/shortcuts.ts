// Single keys that work while the focus is inside an instrument.

import { METHODS } from "../ball/race";
import { toggleMethod } from "./ball_panel";
import { move, pause, play, type Walker } from "./playback";
import { faster } from "./rate_slider";
import { rewind } from "./transport";

export interface Commands {
  help: () => void;
  wide: () => void;
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLSelectElement ||
  (target instanceof HTMLInputElement && target.type === "text");

function actions(
  walkers: Walker[],
  walker: Walker,
  { help, wide }: Commands,
): Map<string, () => void> {
  const { store } = walker;
  const methods = METHODS.map((method, number): [string, () => void] => [
    String(number + 1),
    () => toggleMethod(store, method),
  ]);
  return new Map<string, () => void>([
    ["p", () => (store.state.playing ? pause(store) : play(walker))],
    [".", () => move(walkers, 1)],
    [",", () => move(walkers, -1)],
    ["r", () => rewind(walker)],
    ["]", () => faster(store, 1)],
    ["[", () => faster(store, -1)],
    ["l", () => store.set({ log: !store.state.log })],
    ["f", wide],
    ["?", help],
    ...methods,
  ]);
}

export function listen(host: HTMLElement, walkers: Walker[], commands: Commands): void {
  const [leader] = walkers;
  if (!leader) return;
  const known = actions(walkers, leader, commands);
  host.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event.target)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = known.get(event.key.toLowerCase());
    if (!act) return;
    event.preventDefault();
    act();
  });
}
