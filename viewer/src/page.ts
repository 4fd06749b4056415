// All data of a page, and how it is read.

import type { PlaneRecord } from "./plane/record";
import type { Survey } from "./survey";

export interface PageData {
  surveys: Survey[];
  planes: PlaneRecord[];
  // Whatever else a chart draws, by the chart's name.
  charts: Record<string, unknown[]>;
}

const SPELLED = new Map<unknown, number>([
  ["nan", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
]);
// A layer may well be named "inf".
const WORDS = new Set(["name", "title", "label", "text"]);

// JSON has no NaN, so such floats come spelled.
function revive(key: string, value: unknown): unknown {
  return WORDS.has(key) ? value : (SPELLED.get(value) ?? value);
}

export function readPage(page: Document): PageData {
  const text = page.getElementById("page-data")?.textContent ?? "{}";
  const found = JSON.parse(text, revive) as Partial<PageData>;
  return { surveys: [], planes: [], charts: {}, ...found };
}
