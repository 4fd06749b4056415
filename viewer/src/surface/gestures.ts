// Hands on the surface: pointers, fingers, wheel and keys.

import type { Camera, Point } from "../view/state";
import type { Store } from "../view/store";
import { FARTHEST, HIGHEST, LOWEST, NEAREST } from "./orbit";

const TURN = 0.0085;
const TILT = 0.006;
const KEY = 0.09;
const STILL = 5;

export interface Hands {
  // Which point of the plane lies under a point of the sheet.
  find(x: number, y: number): Point | null;
  // The reader has turned the surface.
  turned(): void;
}

const within = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

function turned(camera: Camera, azimuth: number, elevation: number, zoom = 1): Camera {
  const around = camera.azimuth + azimuth;
  return {
    azimuth: Math.atan2(Math.sin(around), Math.cos(around)),
    elevation: within(camera.elevation + elevation, LOWEST, HIGHEST),
    zoom: within(camera.zoom * zoom, FARTHEST, NEAREST),
  };
}

export function gestures(sheet: HTMLElement, store: Store, hands: Hands): void {
  const move = (azimuth: number, elevation: number, zoom = 1) => {
    hands.turned();
    store.set({ camera: turned(store.state.camera, azimuth, elevation, zoom) });
  };
  pointers(sheet, store, hands, move);
  keys(sheet, store, move);
  sheet.addEventListener("touchmove", keepTwoFingers, { passive: false });
  // A plain wheel scrolls the page; with Ctrl, or two fingers on a pad, it zooms.
  sheet.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      move(0, 0, Math.exp(-within(event.deltaY, -80, 80) * 0.006));
    },
    { passive: false },
  );
}

// One finger may scroll the page, two never do.
const keepTwoFingers = (event: TouchEvent) => {
  if (event.touches.length > 1 && event.cancelable) event.preventDefault();
};

type Move = (azimuth: number, elevation: number, zoom?: number) => void;

function drop(store: Store, start: Point) {
  store.set({ start, step: 0, playing: true });
}

function pointers(sheet: HTMLElement, store: Store, hands: Hands, move: Move) {
  const down = new Map<number, Point>();
  let travelled = 0;
  const place = (event: PointerEvent): Point => {
    const box = sheet.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = (): { apart: number; middle: number } => {
    const [one = [0, 0], other = [0, 0]] = [...down.values()];
    return {
      apart: Math.hypot(one[0] - other[0], one[1] - other[1]) || 1,
      middle: (one[1] + other[1]) / 2,
    };
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (down.size === 0) travelled = 0;
    down.set(event.pointerId, place(event));
    sheet.setPointerCapture(event.pointerId);
  });
  sheet.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") store.set({ probe: hands.find(x, y) });
      return;
    }
    const [dx, dy] = [x - before[0], y - before[1]];
    const wide = spread();
    down.set(event.pointerId, [x, y]);
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled < STILL) return;
    sheet.dataset["held"] = "";
    if (store.state.probe) store.set({ probe: null });
    if (down.size > 1) {
      const now = spread();
      move(-dx * TURN * 0.5, (now.middle - wide.middle) * TILT, now.apart / wide.apart);
    } else {
      // A finger that goes up or down scrolls the page.
      move(-dx * TURN, event.pointerType === "touch" ? 0 : dy * TILT);
    }
  });
  const up = (event: PointerEvent) => {
    const known = down.delete(event.pointerId);
    if (down.size > 0 || !known) return;
    delete sheet.dataset["held"];
    if (event.type === "pointercancel" || travelled >= STILL) return;
    const start = hands.find(...place(event));
    if (start) drop(store, start);
  };
  sheet.addEventListener("pointerup", up);
  sheet.addEventListener("pointercancel", up);
  sheet.addEventListener("pointerleave", () => {
    if (down.size === 0) store.set({ probe: null });
  });
}

function keys(sheet: HTMLElement, store: Store, move: Move) {
  const acts: Record<string, () => void> = {
    ArrowLeft: () => move(KEY, 0),
    ArrowRight: () => move(-KEY, 0),
    ArrowUp: () => move(0, KEY),
    ArrowDown: () => move(0, -KEY),
    "+": () => move(0, 0, 1.15),
    "=": () => move(0, 0, 1.15),
    "-": () => move(0, 0, 1 / 1.15),
    "0": () => store.set({ camera: store.first.camera }),
    Enter: () => {
      if (store.state.probe) drop(store, store.state.probe);
    },
    Escape: () => store.set({ probe: null }),
  };
  sheet.addEventListener("keydown", (event) => {
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
}
