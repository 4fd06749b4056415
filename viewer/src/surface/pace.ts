// How sharp a moving picture may be: as sharp as keeps up with the screen.

const SHARPNESS = [0.5, 0.75, 1, 1.5, 2];
const FINEST = SHARPNESS.length - 1;
// Where it begins: software that draws without a graphics card needs less to do.
const FIRST = { card: 2, software: 1 };
// Mean milliseconds between frames: slower is seen, faster leaves room.
const SLOW = 40;
const FAST = 19;
// Of how many frames; more of them before the picture gets sharper again.
const FEW = 4;
const MANY = 24;
const SETTLED = 150;
const FRAMES_STILL = 2.5;

export interface Pace {
  // Of the next frame, by the screen's own pixels: 2 is four drawn for each shown.
  sharpness(): number;
  // Something moves; `settle` is called once it no longer does.
  moving(): void;
}

export function pace(software: boolean, settle: () => void): Pace {
  let level = software ? FIRST.software : FIRST.card;
  let [last, mean, frames, timer] = [Number.NaN, FAST, 0, 0];
  let active = false;
  const choose = (change: number) => {
    level += change;
    [mean, frames] = [FAST + 1, 0];
  };
  const watch = (took: number) => {
    if (Number.isNaN(took)) return;
    mean += (took - mean) / FEW;
    frames += 1;
    if (mean > SLOW && frames >= FEW && level > 0) choose(-1);
    else if (mean < FAST && frames >= MANY && level < FINEST) choose(1);
  };
  const settled = () => {
    active = false;
    last = Number.NaN;
    if (level < FINEST) settle();
  };
  return {
    sharpness() {
      const now = performance.now();
      if (active) watch(now - last);
      last = now;
      return SHARPNESS[active ? level : FINEST] ?? 1;
    },
    moving() {
      if (!active) last = Number.NaN;
      active = true;
      window.clearTimeout(timer);
      // Slow frames are no reason to believe that the hand rests.
      timer = window.setTimeout(settled, Math.max(SETTLED, FRAMES_STILL * mean));
    },
  };
}
