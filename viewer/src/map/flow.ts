// Signs with their words one after the other, in as many rows as they need.

import { draw, type Pair, widthOf, write } from "./drawn";
import { SMALL } from "./layout";
import { moved } from "./signs";

export interface Item {
  // Around the origin, SIGN pixels wide at most.
  sign: SVGElement;
  text: string;
}

export const [ROW, SIGN] = [18, 26];
const [GAP, SPACE] = [16, 5];

export interface Room {
  left: number;
  right: number;
  // The middle of the first row.
  top: number;
}

// Returns the middle of the last row.
export function flow(group: SVGGElement, items: Item[], { left, right, top }: Room) {
  let [x, y] = [left, top];
  for (const { sign, text } of items) {
    const width = SIGN + SPACE + widthOf(text, SMALL);
    if (x > left && x + width > right) [x, y] = [left, y + ROW];
    const at: Pair = [x + SIGN / 2, y];
    group.append(
      moved(draw("g", {}, sign), at),
      write(text, [x + SIGN + SPACE, y + 3.6], SMALL),
    );
    x += width + GAP;
  }
  return y;
}
