// Colours of heights: maps whose lightness rises steadily, told apart without hue.

import { interpolateCividis, interpolateViridis } from "d3-scale-chromatic";

export type Palette = "viridis" | "cividis" | "grey";

export const PALETTES: Palette[] = ["viridis", "cividis", "grey"];

const SIZE = 256;
// Neither ink nor paper: both stay free for what is drawn on the map.
const [DARK, LIGHT] = [45, 240];

const grey = (share: number): string => {
  const level = Math.round(DARK + (LIGHT - DARK) * share);
  return `rgb(${level}, ${level}, ${level})`;
};

const MAPS: Record<Palette, (share: number) => string> = {
  viridis: interpolateViridis,
  cividis: interpolateCividis,
  grey,
};

const bounded = (share: number): number => Math.min(1, Math.max(0, share));

// "#rrggbb" and "rgb(r, g, b)"
function channels(text: string): number[] {
  if (text.startsWith("#")) {
    return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
  }
  return (text.match(/\d+/g) ?? []).map(Number);
}

const tables = new Map<Palette, Uint8ClampedArray>();

// 256 colours from the lowest to the highest, red, green and blue each.
export function colourTable(palette: Palette): Uint8ClampedArray {
  const known = tables.get(palette);
  if (known) return known;
  const table = new Uint8ClampedArray(3 * SIZE);
  for (let i = 0; i < SIZE; i++) {
    table.set(channels(MAPS[palette](i / (SIZE - 1))), 3 * i);
  }
  tables.set(palette, table);
  return table;
}

// For a style; "none" for what is no number.
export const colour = (palette: Palette, share: number): string =>
  Number.isNaN(share) ? "none" : MAPS[palette](bounded(share));
