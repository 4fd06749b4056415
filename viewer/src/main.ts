// Bring the page to life: charts, instruments, themes, languages, and the address.

import { hangCharts } from "./charts/hang";
import { type PageData, readPage } from "./page";
import { type Plane, readPlane } from "./plane/plane";
import { offerThemes } from "./theme";
import { followFragment } from "./view/fragment";
import { mountInstrument } from "./view/instrument";
import { offerLanguages } from "./view/languages";
import { mountComparison } from "./view/linking";
import type { State } from "./view/state";

function planesOf(page: PageData, numbers: string): Plane[] {
  const records = numbers.split(" ").map((number) => page.planes[Number(number)]);
  return records.flatMap((record) => (record ? [readPlane(record)] : []));
}

// What a lesson opens with.
const opening = (host: HTMLElement): Partial<State> =>
  JSON.parse(host.dataset["start"] ?? "{}") as Partial<State>;

function mountAll(page: PageData): void {
  for (const host of document.querySelectorAll<HTMLElement>(".instrument")) {
    const [plane] = planesOf(page, host.dataset["plane"] ?? "");
    if (plane) mountInstrument(host, plane, host.id, opening(host));
  }
  for (const host of document.querySelectorAll<HTMLElement>(".comparison")) {
    const planes = planesOf(page, host.dataset["planes"] ?? "");
    const ids = planes.map((_, number) => `${host.id}${number + 1}`);
    if (planes.length > 0) mountComparison(host, planes, ids, opening(host));
  }
}

function start(): void {
  const page = readPage(document);
  offerLanguages(document);
  hangCharts(page);
  mountAll(page);
  offerThemes(document);
  followFragment();
}

start();
