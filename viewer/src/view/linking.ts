// Several planes side by side, with one camera and one clock.

import type { Plane } from "../plane/plane";
import { ballControls, ballReadings } from "./ball_panel";
import { make } from "./element";
import { facts } from "./facts";
import { firstState } from "./first_state";
import { follow } from "./fragment";
import { helpWindow } from "./help";
import { partsOf, titleOf, type Parts } from "./instrument";
import { keepTime } from "./playback";
import { projector } from "./projector";
import { rateRange } from "./rate_marks";
import { link, shared, type Linked } from "./shared_state";
import { listen } from "./shortcuts";
import type { State } from "./state";
import { Store } from "./store";
import { tell } from "./tell";
import { toolbar } from "./toolbar";
import { FACTS } from "./words";

export function mountComparison(
  host: HTMLElement,
  planes: Plane[],
  ids: string[],
  opening: Partial<State> = {},
): Store[] {
  const common = shared(planes.map((plane) => firstState(plane, opening)));
  const all = planes.map((plane): Linked => {
    return { plane, store: new Store(firstState(plane, common)) };
  });
  const [leader] = all;
  if (!leader) return [];
  // Before anything else listens, so that whoever does finds all alike.
  link(all);
  const range = rateRange(planes, leader.store.first.rate);
  const parts = all.map(({ plane, store }) => partsOf(plane, store));
  const help = helpWindow();
  const showHelp = () => help.showModal();
  const pictures = parts.flatMap((part) => part.pictures);
  const bar = toolbar({ ...leader, pictures, help: showHelp });
  const screen = projector(host, bar.wide);
  bar.wide.addEventListener("click", screen.toggle);
  const columns = all.map((one, number) => {
    const { views, curve } = parts[number] as Parts;
    const bench = make("div", "bench", ballReadings(one, range));
    return make(
      "article",
      "",
      titleOf(one.plane),
      views,
      curve,
      bench,
      facts(one.plane),
    );
  });
  host.classList.add("comparison");
  host.replaceChildren(
    bar.element,
    ballControls(all),
    make("div", "columns", ...columns),
    tell(make("p", "instrument-caption"), FACTS.comparison),
    help,
  );
  listen(host, all, { help: showHelp, wide: screen.toggle });
  keepTime(all);
  all.forEach(({ plane, store }, number) => follow(ids[number] ?? "", plane, store));
  return all.map(({ store }) => store);
}
