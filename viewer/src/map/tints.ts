// The palette as it is printed: a little of the paper in it, and lines tone on tone.

import { colourTable, type Palette } from "../plane/colours";
import { css, type Inks, luminance, mixed, type Rgb } from "../surface/inks";

// How much paper shows through, and through what is cut off.
const [PAPER, CUT] = [0.1, 0.62];
const LAST = 255;

export interface Tints {
  at(share: number): Rgb;
  // Of what is higher than shown.
  cut: Rgb;
  // Lines and letters on what has this share.
  line(share: number): string;
  halo(share: number): string;
  plate: Rgb;
  faint: Rgb;
}

export function tintsOf(palette: Palette, { plate, faint }: Inks): Tints {
  const table = colourTable(palette);
  const shades = Array.from({ length: LAST + 1 }, (_, i): Rgb => {
    const [red = 0, green = 0, blue = 0] = table.subarray(3 * i, 3 * i + 3);
    return mixed([red / 255, green / 255, blue / 255], plate, PAPER);
  });
  const at = (share: number): Rgb =>
    shades[Math.round(Math.min(1, Math.max(0, share)) * LAST)] ?? plate;
  const tone = (share: number): Rgb => {
    const below = at(share);
    const bright = luminance(below) > 0.34;
    return bright
      ? mixed(below, [0.03, 0.08, 0.1], 0.68)
      : mixed(below, [1, 1, 1], 0.72);
  };
  return {
    at,
    cut: mixed(at(1), plate, CUT),
    line: (share) => css(tone(share)),
    halo: (share) => css(at(share)),
    plate,
    faint,
  };
}
