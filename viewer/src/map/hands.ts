// Hands on the map: pointers and keys.

import type { Plane } from "../plane/plane";
import type { Point } from "../view/state";
import type { Store } from "../view/store";
import type { Layout } from "./layout";

// Steps of the arrow keys over the map's width, and with Shift.
const [STEPS, LARGE] = [60, 6];
// A finger that has moved further does not drop the ball.
const STILL = 8;

const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

const within = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

type Drop = (start: Point) => void;

function pointers(
  plate: HTMLElement,
  store: Store,
  layout: () => Layout | null,
  drop: Drop,
) {
  let down: Point | null = null;
  const place = (event: PointerEvent): Point => {
    const box = plate.getBoundingClientRect();
    const scale = (layout()?.width ?? box.width) / (box.width || 1);
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  };
  const find = (event: PointerEvent) => layout()?.from(place(event)) ?? null;
  plate.addEventListener("pointermove", (event) => store.set({ probe: find(event) }));
  plate.addEventListener("pointerleave", () => store.set({ probe: null }));
  plate.addEventListener("pointerdown", (event) => {
    if (event.button === 0) down = place(event);
  });
  plate.addEventListener("pointercancel", () => {
    down = null;
  });
  plate.addEventListener("pointerup", (event) => {
    const [x, y] = place(event);
    const moved = down ? Math.hypot(x - down[0], y - down[1]) : Infinity;
    down = null;
    const start = find(event);
    if (start && moved < STILL) drop(start);
  });
}

// Where the arrow keys begin: at the centre, or amid a map that does not show it.
function middle(layout: Layout): Point {
  const { x, y } = layout.extent;
  const centre: Point = [0, 0];
  const shown = layout.from(layout.to(centre)) !== null;
  return shown ? centre : [(x[0] + x[1]) / 2, (y[0] + y[1]) / 2];
}

function moved(from: Point | null, way: Point, times: number, layout: Layout): Point {
  if (!from) return middle(layout);
  const { x, y } = layout.extent;
  const size = Math.min(layout.right - layout.left, layout.bottom - layout.top) / STEPS;
  const [dx, dy] = layout.unit.map((unit) => (size * times) / unit);
  return [
    within(from[0] + way[0] * (dx ?? 0), ...x),
    within(from[1] + way[1] * (dy ?? 0), ...y),
  ];
}

function keys(
  plate: HTMLElement,
  store: Store,
  layout: () => Layout | null,
  drop: Drop,
  say: () => void,
) {
  let byKeys = false;
  const acts: Record<string, () => void> = {
    Enter: () => {
      if (store.state.probe) drop(store.state.probe);
    },
    Escape: () => store.set({ probe: null }),
  };
  plate.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [way, now] = [ARROWS[event.key], layout()];
    const act = acts[event.key];
    if ((!way || !now) && !act) return;
    event.preventDefault();
    if (way && now) {
      const times = event.shiftKey ? LARGE : 1;
      store.set({ probe: moved(store.state.probe, way, times, now) });
      byKeys = true;
      say();
    } else act?.();
  });
  plate.addEventListener("blur", () => {
    if (byKeys) store.set({ probe: null });
    byKeys = false;
  });
}

// `say` is called when a key has moved the point, which is then read aloud.
export function hands(
  plate: HTMLElement,
  plane: Plane,
  store: Store,
  layout: () => Layout | null,
  say: () => void,
): void {
  // A single point has no surface to roll on.
  const rolls = plane.loss.x.length > 1 && plane.loss.y.length > 1;
  const drop = (start: Point) => {
    if (rolls) store.set({ start, step: 0, playing: true });
  };
  pointers(plate, store, layout, drop);
  keys(plate, store, layout, drop, say);
}
