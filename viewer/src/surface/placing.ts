// Labels that never lie on one another: who comes first keeps the place.

import { type Pair, type Stroke, type Words, widthOf } from "./strokes";

// Corners of the words' box, with a little air around it.
function outline(words: Words, air: number): Pair[] {
  const width = widthOf(words);
  const left = { start: 0, middle: -width / 2, end: -width }[words.anchor];
  const tall = words.size * 0.62;
  const turn = words.turn ?? 0;
  const corners: Pair[] = [
    [left - air, -tall - air / 2],
    [left + width + air, -tall - air / 2],
    [left + width + air, tall + air / 2],
    [left - air, tall + air / 2],
  ];
  return corners.map(([x, y]) => [
    words.at[0] + x * Math.cos(turn) - y * Math.sin(turn),
    words.at[1] + x * Math.sin(turn) + y * Math.cos(turn),
  ]);
}

// Convex outlines are apart where some side of one has the whole other beyond it.
function apart(one: Pair[], other: Pair[]): boolean {
  return one.some((from, i) => {
    const to = one[(i + 1) % one.length] ?? from;
    const normal: Pair = [to[1] - from[1], from[0] - to[0]];
    const along = (points: Pair[]) =>
      points.map(([x, y]) => x * normal[0] + y * normal[1]);
    return Math.min(...along(other)) > Math.max(...along(one));
  });
}

export class Placing {
  readonly strokes: Stroke[] = [];
  readonly #taken: Pair[][] = [];
  readonly #size: Pair;

  constructor(width: number, height: number) {
    this.#size = [width, height];
  }

  // Writes the words, unless they would lie on others or beyond the sheet.
  write(words: Words, air = 3): boolean {
    const box = outline(words, air);
    const [width, height] = this.#size;
    const off = box.some(
      ([x, y]) => x < -air || y < -air || x > width + air || y > height + air,
    );
    if (off || this.#taken.some((other) => !apart(box, other) && !apart(other, box)))
      return false;
    this.#taken.push(box);
    this.strokes.push(words);
    return true;
  }

  take(points: Pair[]) {
    this.#taken.push(points);
  }

  draw(...strokes: Stroke[]) {
    this.strokes.push(...strokes);
  }
}

// As much of a text as fits: up to a comma if that does, with a sign for the rest if not.
export function fitting(words: Words, most: number): Words | null {
  if (widthOf(words) <= most) return words;
  const [head = ""] = words.text.split(/[,，(（]/);
  const short = { ...words, text: head.trimEnd() };
  if (head !== words.text && widthOf(short) <= most) return short;
  // of an eigenvector, its eigenvalue
  const own = { ...words, text: /λ = \S+/.exec(words.text)?.[0] ?? words.text };
  if (widthOf(own) <= most) return own;
  let [kept, gone] = [0, words.text.length];
  while (gone - kept > 1) {
    const middle = (kept + gone) >> 1;
    const text = `${words.text.slice(0, middle).trimEnd()}…`;
    if (widthOf({ ...words, text }) <= most) kept = middle;
    else gone = middle;
  }
  return kept < 3
    ? null
    : { ...words, text: `${words.text.slice(0, kept).trimEnd()}…` };
}
