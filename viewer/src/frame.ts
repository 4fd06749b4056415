// Hang one chart in its figure: name it, redraw it when its width changes.

import type { Chart, Draw } from "./chart";
import { followKeys } from "./keys";
import type { Survey } from "./survey";

const NARROWEST = 240;

function label(chart: Chart, figure: HTMLElement): void {
  const name = figure.dataset["label"] ?? "Chart";
  chart.drawing.setAttribute("role", "img");
  chart.drawing.setAttribute("aria-label", name);
}

export function hang(figure: HTMLElement, draw: Draw, survey: Survey): void {
  const plate = figure.querySelector<HTMLElement>(".drawing");
  if (!plate) return;
  let stops: Chart["stops"] = [];
  let drawnAt = 0;
  const redraw = () => {
    const width = Math.max(NARROWEST, Math.floor(plate.clientWidth));
    if (width === drawnAt) return;
    drawnAt = width;
    const chart = draw(survey, width);
    stops = chart?.stops ?? [];
    if (chart) label(chart, figure);
    plate.replaceChildren(
      chart?.drawing ?? "There was nothing here that can be drawn.",
    );
  };
  redraw();
  followKeys(plate, figure, () => stops);
  new ResizeObserver(redraw).observe(plate);
}
