// Every chart of a page in its figure.

import "./charts.css";
import type { Draw } from "../chart";
import { hang } from "../frame";
import type { PageData } from "../page";
import type { Survey } from "../survey";
import { beside } from "./beside";
import { densities } from "./densities";
import { density } from "./density";
import { eigenvalues } from "./eigenvalues";
import { interactions } from "./interactions";
import { layers } from "./layers";
import { line } from "./line";
import { place } from "./place";
import { profile } from "./profile";
import { rise } from "./rise";
import { speedLimit } from "./speed_limit";
import { stiffness } from "./stiffness";

const OF_SURVEYS = new Map<string, Draw<Survey>>([
  ["place", place],
  ["speed_limit", speedLimit],
  ["eigenvalues", eigenvalues],
  ["density", density],
  ["layers", layers],
  ["interactions", interactions],
  ["rise", rise],
  ["stiffness", stiffness],
]);

// Each record is what its chart expects: the report wrote both.
const OF_RECORDS = new Map<string, Draw<never>>([
  ["line", line],
  ["profile", profile],
  ["densities", densities],
  ["beside", beside],
]);

// A measurement on its own is drawn as a survey's that holds nothing else.
function alone(name: string, value: unknown): Survey {
  return { measurements: { [name]: { value, outcome: { name: "exact", text: "" } } } };
}

function hangOne(figure: HTMLElement, page: PageData): void {
  const name = figure.dataset["chart"] ?? "";
  const number = Number(figure.dataset["of"] ?? 0);
  const record = page.charts[name]?.[number];
  const ofSurvey = OF_SURVEYS.get(name);
  const ofRecord = OF_RECORDS.get(name);
  if (ofRecord && record !== undefined) hang(figure, ofRecord, record as never);
  if (!ofSurvey) return;
  const survey = record === undefined ? page.surveys[number] : alone(name, record);
  if (survey) hang(figure, ofSurvey, survey);
}

// Paper has nothing to open.
function openForPrint(): void {
  const closed = "details.run:not([open])";
  let opened: HTMLDetailsElement[] = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll<HTMLDetailsElement>(closed)];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
}

export function hangCharts(page: PageData): void {
  for (const figure of document.querySelectorAll<HTMLElement>("figure[data-chart]")) {
    hangOne(figure, page);
  }
  openForPrint();
}
