// Several things in one drawing: each has a colour and a sign of its own.

const COLOURS = 8;
const SIGNS = [
  "circle",
  "triangle",
  "square",
  "diamond",
  "star",
  "wye",
  "cross",
  "hexagon",
] as const;

export type Sign = (typeof SIGNS)[number];

export const seriesColour = (number: number): string =>
  `var(--series-${(number % COLOURS) + 1})`;

// The signs go on where the colours begin again, so that no two are alike.
export const seriesSign = (number: number): Sign =>
  SIGNS[(number + Math.floor(number / COLOURS)) % SIGNS.length] ?? "circle";
