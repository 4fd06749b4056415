// The arrow keys step through a chart's points, as the pointer would.

import type { Stop } from "./chart";

const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowDown", 1],
  ["ArrowLeft", -1],
  ["ArrowUp", -1],
]);

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

export function followKeys(
  plate: HTMLElement,
  figure: HTMLElement,
  stops: () => Stop[],
): void {
  if (stops().length === 0) return;
  const spoken = document.createElement("output");
  spoken.className = "spoken";
  figure.append(spoken);
  plate.tabIndex = 0;
  plate.setAttribute("role", "group");
  plate.setAttribute("aria-label", "Chart. The arrow keys read its points.");
  let at = -1;
  plate.addEventListener("keydown", (event) => {
    const step = STEPS.get(event.key);
    const points = stops();
    if (step === undefined || points.length === 0) return;
    event.preventDefault();
    at = Math.min(points.length - 1, Math.max(0, at + step));
    const stop = points[at];
    if (!stop) return;
    pointAt(plate, stop);
    spoken.textContent = stop.text;
  });
  plate.addEventListener("blur", () => leave(plate));
}
