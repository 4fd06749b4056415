// Each trajectory's name, where it ends.

import { known } from "./lines";
import type { Placing } from "./placing";
import type { Sight } from "./sight";
import { NARROW } from "./tick_marks";
import { spotsOf } from "./tracks";

// Beside the end, right of it where that is free, above and below it otherwise.
const PLACES = [
  [9, -7, "start"],
  [9, 9, "start"],
  [-9, -7, "end"],
  [-9, 9, "end"],
] as const;

export function trackNames(sight: Sight, placing: Placing): void {
  const { plane, eye, inks } = sight;
  for (const track of plane.tracks) {
    const end = spotsOf(sight, track).findLast(known);
    if (!end || track.name === "") continue;
    const [x, y] = eye.seen(end);
    PLACES.some(([right, down, anchor]) =>
      placing.write(
        {
          kind: "words",
          text: track.name,
          at: [x + right, y + down],
          font: inks.sans,
          size: eye.width < NARROW ? 10 : 11,
          colour: inks.ink,
          anchor,
          halo: inks.plate,
        },
        1,
      ),
    );
  }
}
