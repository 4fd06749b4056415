// How the land is printed: palette, soft light, fine isolines, hatching where cut off.

import {
  DataTexture,
  DoubleSide,
  GLSL3,
  LinearFilter,
  RGBAFormat,
  ShaderMaterial,
  Vector3,
} from "three";
import { colourTable, type Palette } from "../plane/colours";
import { HEIGHT } from "./box";
import type { Inks } from "./inks";
import { FRAGMENT, type Part, VERTEX } from "./shaders";

const LINES = 32;
const NO_LINE = 9;

function paletteTexture(palette: Palette): DataTexture {
  const table = colourTable(palette);
  const pixels = new Uint8Array(256 * 4);
  for (let i = 0; i < 256; i++)
    pixels.set([...table.slice(i * 3, i * 3 + 3), 255], i * 4);
  const texture = new DataTexture(pixels, 256, 1, RGBAFormat);
  texture.magFilter = texture.minFilter = LinearFilter;
  texture.needsUpdate = true;
  return texture;
}

// Sentinels at both ends let the shader search without looking where it stops.
function padded(levels: number[]): Float32Array {
  const lines = new Float32Array(LINES).fill(NO_LINE);
  lines.set([-NO_LINE, ...levels, 1].slice(0, LINES - 1));
  return lines;
}

function bits(levels: number[], bold: number[]): number {
  const near = (level: number) => bold.some((share) => Math.abs(share - level) < 1e-6);
  return levels.reduce(
    (sum, level, i) => (near(level) ? sum | (1 << (i + 1)) : sum),
    0,
  );
}

export function landMaterial(part: Part): ShaderMaterial {
  return new ShaderMaterial({
    glslVersion: GLSL3,
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    side: DoubleSide,
    polygonOffset: true,
    polygonOffsetFactor: 1,
    polygonOffsetUnits: 1,
    uniforms: {
      palette: { value: null },
      levels: { value: padded([]) },
      bold: { value: 0 },
      plate: { value: new Vector3() },
      ink: { value: new Vector3() },
      sun: { value: new Vector3(0, 1, 0) },
      width: { value: 1 },
      relief: { value: 1 },
      dark: { value: 0 },
      part: { value: part },
      ceilingHeight: { value: HEIGHT },
    },
  });
}

export function setLevels(material: ShaderMaterial, levels: number[], bold: number[]) {
  const { uniforms } = material;
  if (uniforms["levels"]) uniforms["levels"].value = padded(levels);
  if (uniforms["bold"]) uniforms["bold"].value = bits(levels, bold);
}

// Shade reads as depth on grey, so there is little of it.
const relief = (palette: Palette): number => (palette === "grey" ? 0.5 : 1);

export function setPalette(material: ShaderMaterial, palette: Palette) {
  const { uniforms } = material;
  const { palette: kept } = uniforms;
  (kept?.value as DataTexture | null)?.dispose();
  if (kept) kept.value = paletteTexture(palette);
  if (uniforms["relief"]) uniforms["relief"].value = relief(palette);
}

export function setInks(material: ShaderMaterial, inks: Inks) {
  const { uniforms } = material;
  uniforms["plate"]?.value.set(...inks.plate);
  uniforms["ink"]?.value.set(...inks.ink);
  if (uniforms["dark"]) uniforms["dark"].value = inks.dark ? 1 : 0;
}
