// Behind the land: the lines of height on the two walls at the back.

import { HEIGHT } from "./box";
import { type Corner, cornerSpot, FOOT, uprights } from "./corners";
import { heightTicks } from "./height_axis";
import type { Sight } from "./sight";
import type { Pair, Stroke } from "./strokes";

export function backdrop(sight: Sight): Stroke[] {
  const { inks, eye } = sight;
  const corners = uprights(sight);
  const line = (points: Pair[]): Stroke => ({
    kind: "line",
    points,
    colour: inks.faint,
    width: 0.75,
    opacity: inks.dark ? 0.34 : 0.3,
  });
  const level = (share: number) =>
    line(corners.map((corner) => eye.seen(cornerSpot(sight, corner, share * HEIGHT))));
  const upright = (corner: Corner) =>
    line([FOOT, HEIGHT].map((y) => eye.seen(cornerSpot(sight, corner, y))));
  return [
    ...heightTicks(sight).map((tick) => level(tick.share)),
    ...corners.map(upright),
  ];
}
