// Hang one chart in its figure: name it, redraw it when its width changes.

import type { Chart, Draw } from "./chart";
import { followKeys } from "./keys";

const NARROWEST = 240;

function label(chart: Chart, figure: HTMLElement): void {
  const name = figure.dataset["label"] ?? "Chart";
  chart.drawing.setAttribute("role", "img");
  chart.drawing.setAttribute("aria-label", name);
}

// What one record lacks must not keep the others from being drawn.
function drawn<Record>(draw: Draw<Record>, record: Record, width: number) {
  try {
    return draw(record, width) ?? "There was nothing here that can be drawn.";
  } catch (error) {
    return `This could not be drawn: ${String(error)}.`;
  }
}

export function hang<Record>(
  figure: HTMLElement,
  draw: Draw<Record>,
  record: Record,
): void {
  const plate = figure.querySelector<HTMLElement>(".drawing");
  if (!plate) return;
  let chart: Chart | null = null;
  let drawnAt = 0;
  const redraw = () => {
    // Nothing is drawn in a closed part until it is opened.
    if (plate.clientWidth === 0) return;
    const width = Math.max(NARROWEST, Math.floor(plate.clientWidth));
    if (width === drawnAt) return;
    drawnAt = width;
    const found = drawn(draw, record, width);
    if (typeof found === "string") {
      chart = null;
      plate.replaceChildren(found);
      return;
    }
    chart = found;
    label(found, figure);
    plate.replaceChildren(...(found.legend ? [found.legend] : []), found.drawing);
    followKeys(plate, figure, () => chart);
  };
  redraw();
  new ResizeObserver(redraw).observe(plate);
}
