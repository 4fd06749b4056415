// All that is written above the land.

import { groundAxes } from "./ground_axes";
import { heightAxis } from "./height_axis";
import { marks } from "./marks";
import { Placing } from "./placing";
import type { Sight } from "./sight";
import { layered, type Pair, type Stroke } from "./strokes";
import { trackNames } from "./track_names";
import { checkpointTip, needle } from "./tip";

// Lines are given a little width, for labels to keep off them.
function hull(points: Pair[]): Pair[] {
  const [from, to] = points;
  if (points.length > 2 || !from || !to) return points;
  const air = 4;
  return [
    [from[0] - air, from[1] + air],
    [from[0] + air, from[1] + air],
    [to[0] + air, to[1] - air],
    [to[0] - air, to[1] - air],
  ];
}

export function writing(sight: Sight): Stroke[] {
  const placing = new Placing(sight.eye.width, sight.eye.height);
  const tips = [...checkpointTip(sight), ...needle(sight)];
  for (const tip of tips)
    if (tip.kind === "shape" || tip.kind === "line") placing.take(hull(tip.points));
  heightAxis(sight, placing);
  groundAxes(sight, placing);
  marks(sight, placing);
  trackNames(sight, placing);
  return [...layered(placing.strokes), ...tips];
}
