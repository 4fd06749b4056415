// The map's colours, pixel by pixel: heights, a soft light on them, holes and what is
// cut off.

import type { Rgb } from "../surface/inks";
import type { Layout } from "./layout";
import { BROKEN, OPEN, type Sampled, UNMEASURED } from "./sampled";
import type { Scale } from "./scale";
import type { Tints } from "./tints";

// From the upper left, as maps have it; and how much it does.
const LIGHT: [number, number] = [-Math.SQRT1_2, Math.SQRT1_2];
const STRENGTH = 0.13;
const RELIEF = 0.55;
const LAST = 255;

interface Place {
  // The sample before a pixel, and how far it is beyond that.
  index: Int32Array;
  share: Float64Array;
}

function places(nodes: Float64Array, from: number, step: number, count: number): Place {
  const [index, share] = [new Int32Array(count).fill(-1), new Float64Array(count)];
  const last = nodes.length - 2;
  let i = 0;
  for (let k = 0; k < count; k++) {
    const at = from + (k + 0.5) * step;
    while (i < last && (nodes[i + 1] ?? 0) <= at) i++;
    const [low, high] = [nodes[i] ?? 0, nodes[i + 1] ?? 0];
    const beyond = (at - low) / (high - low);
    // A grid may end before the map does.
    if (beyond < -1e-9 || beyond > 1 + 1e-9) continue;
    index[k] = i;
    share[k] = Math.min(1, Math.max(0, beyond));
  }
  return { index, share };
}

// Light on each sample by the slope of the shares, over the map's width.
function shading({ x, y }: Sampled, shares: Float64Array, width: number, high: number) {
  const ny = y.length;
  const found = new Float64Array(shares.length);
  const slope = (a: number, b: number, span: number) => {
    const rise = ((shares[b] ?? 0) - (shares[a] ?? 0)) / span;
    return Number.isFinite(rise) ? rise : 0;
  };
  for (let i = 0; i < x.length; i++) {
    const [i0, i1] = [Math.max(0, i - 1), Math.min(x.length - 1, i + 1)];
    const across = ((x[i1] ?? 0) - (x[i0] ?? 0)) / width;
    for (let j = 0; j < ny; j++) {
      const [j0, j1] = [Math.max(0, j - 1), Math.min(ny - 1, j + 1)];
      const along = ((y[j1] ?? 0) - (y[j0] ?? 0)) / high;
      const sx = RELIEF * slope(i0 * ny + j, i1 * ny + j, across);
      const sy = RELIEF * slope(i * ny + j0, i * ny + j1, along);
      const lit = (-sx * LIGHT[0] - sy * LIGHT[1]) / Math.sqrt(1 + sx * sx + sy * sy);
      found[i * ny + j] = STRENGTH * lit;
    }
  }
  return found;
}

// How much of a pixel a slanted line covers, of those so far apart.
function slanted(at: number, apart: number, width: number): number {
  const off = Math.abs((((at % apart) + apart) % apart) - apart / 2) * Math.SQRT1_2;
  return Math.min(1, Math.max(0, width / 2 + 0.5 - off));
}

function dotted(px: number, py: number, apart: number, radius: number): number {
  const row = Math.floor(py / apart);
  const shift = row % 2 === 0 ? 0 : apart / 2;
  const [dx, dy] = [((px + shift) % apart) - apart / 2, (py % apart) - apart / 2];
  return Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
}

// How much ink lies on a hole's pixel: nothing measured there, or no number.
function holeInk(kind: number, px: number, py: number, ratio: number): number {
  return kind === UNMEASURED
    ? 0.7 * dotted(px, py, 7 * ratio, 0.8 * ratio)
    : 0.5 * slanted(px + py, 7 * ratio, 0.9 * ratio);
}

const bytes = (colour: Rgb): Rgb => [255 * colour[0], 255 * colour[1], 255 * colour[2]];

export interface Relief {
  sampled: Sampled;
  // Of each sample; above 1 what is cut off.
  shares: Float64Array;
}

export function reliefOf(sampled: Sampled, scale: Scale): Relief {
  return { sampled, shares: sampled.values.map((value) => scale.share(value)) };
}

class Painter {
  readonly #table: Float64Array;
  readonly #cut: Rgb;
  readonly #plate: Rgb;
  readonly #faint: Rgb;

  constructor(
    readonly data: Uint8ClampedArray,
    readonly width: number,
    readonly ratio: number,
    tints: Tints,
  ) {
    this.#table = Float64Array.from(
      { length: 3 * (LAST + 1) },
      (_, k) => 255 * (tints.at(Math.floor(k / 3) / LAST)[k % 3] ?? 0),
    );
    this.#cut = bytes(tints.cut);
    this.#plate = bytes(tints.plate);
    this.#faint = bytes(tints.faint);
  }

  #mixed(at: number, below: Rgb, above: Rgb, cover: number) {
    this.data[at] = below[0] + (above[0] - below[0]) * cover;
    this.data[at + 1] = below[1] + (above[1] - below[1]) * cover;
    this.data[at + 2] = below[2] + (above[2] - below[2]) * cover;
    this.data[at + 3] = 255;
  }

  height(px: number, py: number, share: number, lit: number) {
    const at = 4 * (py * this.width + px);
    if (share > 1) {
      const cover = 0.3 * slanted(px - py, 6 * this.ratio, 0.9 * this.ratio);
      return this.#mixed(at, this.#cut, this.#faint, cover);
    }
    const shade = 3 * Math.round(Math.max(0, share) * LAST);
    this.data[at] = (this.#table[shade] ?? 0) * lit;
    this.data[at + 1] = (this.#table[shade + 1] ?? 0) * lit;
    this.data[at + 2] = (this.#table[shade + 2] ?? 0) * lit;
    this.data[at + 3] = 255;
  }

  hole(px: number, py: number, kind: number) {
    const cover = holeInk(kind, px, py, this.ratio);
    this.#mixed(4 * (py * this.width + px), this.#plate, this.#faint, cover);
  }
}

const of = (numbers: Float64Array, at: number): number => numbers[at] as number;

// One row of pixels, between two lines of samples along x.
function paintRow(
  painter: Painter,
  { sampled, shares }: Relief,
  light: Float64Array,
  columns: Place,
  [py, j, t]: [number, number, number],
) {
  const { cells, each, y } = sampled;
  const [ny, cellColumns] = [y.length, cells.y.length - 1];
  const cellRow = Math.floor(j / each[1]);
  for (let px = 0; px < painter.width; px++) {
    const i = columns.index[px] as number;
    if (i < 0) continue;
    const s = of(columns.share, px);
    const [a, b] = [i * ny + j, (i + 1) * ny + j];
    const [wa, wb, wc, wd] = [(1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t];
    const share =
      of(shares, a) * wa +
      of(shares, b) * wb +
      of(shares, a + 1) * wc +
      of(shares, b + 1) * wd;
    const cell = Math.floor(i / each[0]) * cellColumns + cellRow;
    const kind = cells.holes ? (cells.kinds[cell] ?? OPEN) : OPEN;
    if (kind !== OPEN || Number.isNaN(share)) {
      painter.hole(px, py, kind === OPEN ? BROKEN : kind);
      continue;
    }
    const lit =
      of(light, a) * wa +
      of(light, b) * wb +
      of(light, a + 1) * wc +
      of(light, b + 1) * wd;
    painter.height(px, py, share, 1 + lit);
  }
}

export function paintRelief(
  canvas: HTMLCanvasElement,
  relief: Relief,
  layout: Layout,
  tints: Tints,
  ratio: number,
): void {
  const { extent, left, right, top, bottom } = layout;
  const width = Math.max(1, Math.round((right - left) * ratio));
  const height = Math.max(1, Math.round((bottom - top) * ratio));
  [canvas.width, canvas.height] = [width, height];
  // written pixel by pixel
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) return;
  const [wide, high] = [extent.x[1] - extent.x[0], extent.y[1] - extent.y[0]];
  const { sampled, shares } = relief;
  const light = shading(sampled, shares, wide, high);
  const columns = places(sampled.x, extent.x[0], wide / width, width);
  const rows = places(sampled.y, extent.y[0], high / height, height);
  const image = pen.createImageData(width, height);
  const painter = new Painter(image.data, width, ratio, tints);
  for (let py = 0; py < height; py++) {
    // Rows of pixels run down, those of the plane up.
    const row = height - 1 - py;
    const j = rows.index[row] as number;
    if (j >= 0) paintRow(painter, relief, light, columns, [py, j, of(rows.share, row)]);
  }
  pen.putImageData(image, 0, 0);
}
