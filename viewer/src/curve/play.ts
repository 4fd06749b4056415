// Time that passes by itself: from checkpoint to checkpoint.

import type { Store } from "../view/store";

// All of a training in so many seconds, at most so many checkpoints a second.
const [WHOLE, MOST, LEAST] = [9, 40, 3];
// With reduced motion: few pictures, with time to look at each.
const [CALM, PICTURES] = [1, 24];

const reduced = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

export interface Player {
  readonly playing: boolean;
  toggle(): void;
  stop(): void;
}

export function player(
  store: Store,
  count: number,
  host: Element,
  changed: () => void,
): Player {
  let playing = false;
  let [before, at] = [0, 0];

  const pace = (): [perSecond: number, stride: number] =>
    reduced()
      ? [CALM, Math.ceil(count / PICTURES)]
      : [Math.min(MOST, Math.max(LEAST, count / WHOLE)), 1];

  const tick = (time: number) => {
    if (!playing) return;
    if (!host.isConnected) return stop();
    const [perSecond, stride] = pace();
    // A page that was hidden goes on where it was.
    at += Math.min(0.5, (time - before) / 1000) * perSecond;
    before = time;
    const whole = Math.floor(at);
    if (whole > 0) {
      at -= whole;
      const next = (store.state.checkpoint ?? 0) + whole * stride;
      store.set({ checkpoint: Math.min(count - 1, next) });
      if (next >= count - 1) return stop();
    }
    requestAnimationFrame(tick);
  };

  const stop = () => {
    if (!playing) return;
    playing = false;
    changed();
  };

  const start = () => {
    if (count < 2) return;
    playing = true;
    const { checkpoint } = store.state;
    if (checkpoint === null || checkpoint >= count - 1) store.set({ checkpoint: 0 });
    [before, at] = [performance.now(), 0];
    changed();
    requestAnimationFrame(tick);
  };

  return {
    get playing() {
      return playing;
    },
    toggle: () => (playing ? stop() : start()),
    stop,
  };
}
