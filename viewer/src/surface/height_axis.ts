// The axis of height, along the upright edge that stands farthest to the left.

import { fieldName } from "../plane/field_name";
import { told } from "../language";
import { short } from "../numbers";
import { HEIGHT } from "./box";
import { cornerSpot, uprights } from "./corners";
import type { Placing } from "./placing";
import type { Scale } from "./scale";
import type { Sight } from "./sight";
import type { Pair, Words } from "./strokes";
import { smallSize, tickStroke } from "./tick_marks";
import { WORDS } from "./words";

const SHORTEST = 44;
const TICK = 5;

export interface HeightTick {
  value: number;
  share: number;
}

export function ticksOf({ heights }: Scale, count: number): HeightTick[] {
  return heights
    .ticks(count)
    .map((value) => ({ value, share: heights.at(value) }))
    .filter(({ share }) => Number.isFinite(share));
}

export const heightTicks = ({ scale, eye }: Sight): HeightTick[] =>
  ticksOf(scale, eye.height < 300 ? 3 : 5);

export function heightAxis(sight: Sight, placing: Placing): void {
  const { eye } = sight;
  const [left] = uprights(sight);
  const seen = (share: number) => eye.seen(cornerSpot(sight, left, share * HEIGHT));
  const [foot, top] = [seen(0), seen(1)];
  const stands = foot[1] - top[1] > SHORTEST;
  if (stands)
    for (const { value, share } of heightTicks(sight))
      mark(sight, placing, seen(share), short(value));
  title(sight, placing, stands ? top : null);
}

function mark({ eye, inks }: Sight, placing: Placing, base: Pair, text: string) {
  const written = placing.write({
    kind: "words",
    text,
    at: [base[0] - TICK - 4, base[1]],
    font: inks.sans,
    size: smallSize(eye),
    colour: inks.faint,
    anchor: "end",
  });
  if (written) placing.draw(tickStroke(base, [base[0] - TICK, base[1]], inks));
}

// What is measured, and what the height keeps back of it: on top of the axis, or in the
// sheet's corner where the axis is seen from above.
function title(sight: Sight, placing: Placing, top: Pair | null) {
  const { eye, inks, scale, field, state } = sight;
  const about = [
    ...(scale.heights.log ? [told(WORDS.logarithmic)] : []),
    ...(state.clip < 1 ? [`${told(WORDS.cut)} > ${short(scale.heights.high)}`] : []),
  ];
  const size = smallSize(eye);
  const x = Math.max(8, (top?.[0] ?? 0) - 40);
  const y = Math.max(13, (top?.[1] ?? 0) - (about.length > 0 ? 40 : 22));
  const words: Words = {
    kind: "words",
    text: told(fieldName(field.name)),
    at: [x, y],
    font: inks.serif,
    size: size + 3,
    italic: true,
    colour: inks.ink,
    anchor: "start",
  };
  placing.write(words, 1);
  if (about.length === 0) return;
  const [text, font] = [about.join(" · "), inks.sans];
  const small: Words = { ...words, text, font, at: [x, y + 18], size: size - 0.5 };
  placing.write({ ...small, italic: false, colour: inks.faint }, 1);
}
