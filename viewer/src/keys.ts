// The arrow keys step through a chart's points, as the pointer would.

import type { Chart, Stop } from "./chart";

// A list has its scale in a drawing of its own; its points lie in the other one.
function drawingOf(plate: HTMLElement): SVGSVGElement | null {
  return plate.querySelector<SVGSVGElement>(":scope > svg, .list > svg");
}

function pointAt(plate: HTMLElement, stop: Stop): void {
  const drawing = drawingOf(plate);
  const list = plate.querySelector(".list");
  if (list) list.scrollTop = stop.y - list.clientHeight / 2;
  const toScreen = drawing?.getScreenCTM();
  if (!drawing || !toScreen) return;
  const { x, y } = new DOMPoint(stop.x, stop.y).matrixTransform(toScreen);
  const options = { clientX: x, clientY: y, bubbles: true, pointerType: "mouse" };
  drawing.dispatchEvent(new PointerEvent("pointermove", options));
}

function leave(plate: HTMLElement): void {
  drawingOf(plate)?.dispatchEvent(new PointerEvent("pointerleave"));
}

// Up and down go from row to row, where there are rows.
function stepOf(key: string, columns: number): number | undefined {
  const steps = new Map([
    ["ArrowRight", 1],
    ["ArrowLeft", -1],
    ["ArrowDown", columns],
    ["ArrowUp", -columns],
  ]);
  return steps.get(key);
}

const followed = new WeakSet<HTMLElement>();

export function followKeys(
  plate: HTMLElement,
  figure: HTMLElement,
  chart: () => Chart | null,
): void {
  if (followed.has(plate) || !chart()?.stops.length) return;
  followed.add(plate);
  const spoken = document.createElement("output");
  spoken.className = "spoken";
  figure.append(spoken);
  plate.tabIndex = 0;
  plate.setAttribute("role", "group");
  plate.setAttribute("aria-label", "Chart. The arrow keys read its points.");
  let at = -1;
  plate.addEventListener("keydown", (event) => {
    const points = chart()?.stops ?? [];
    const step = stepOf(event.key, chart()?.columns ?? 1);
    if (step === undefined || points.length === 0) return;
    event.preventDefault();
    const next = at < 0 ? 0 : at + step;
    if (points[next]) at = next;
    at = Math.min(at, points.length - 1);
    const stop = points[at];
    if (!stop) return;
    pointAt(plate, stop);
    spoken.textContent = stop.text;
  });
  plate.addEventListener("blur", () => leave(plate));
}
