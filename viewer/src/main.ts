// Draw every figure of the page, and let the reader choose light or dark.

import type { Draw } from "./chart";
import { density } from "./charts/density";
import { eigenvalues } from "./charts/eigenvalues";
import { layers } from "./charts/layers";
import { place } from "./charts/place";
import { rise } from "./charts/rise";
import { speedLimit } from "./charts/speed_limit";
import { stiffness } from "./charts/stiffness";
import { hang } from "./frame";
import { readSurvey } from "./survey";
import { offerThemes } from "./theme";

const DRAWINGS: Record<string, Draw> = {
  density,
  eigenvalues,
  layers,
  place,
  rise,
  speed_limit: speedLimit,
  stiffness,
};

function start(): void {
  const survey = readSurvey(document);
  for (const figure of document.querySelectorAll<HTMLElement>("figure[data-chart]")) {
    const draw = DRAWINGS[figure.dataset["chart"] ?? ""];
    if (draw) hang(figure, draw, survey);
  }
  offerThemes(document);
}

start();
