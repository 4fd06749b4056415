// The sheet of paper that the block stands on, and the soft shadow that it casts on the
// page. Hatching on it shows through where the land has holes.

import { Mesh, PlaneGeometry, ShaderMaterial, Vector2, Vector3 } from "three";
import type { Box } from "./box";
import { FOOT, SHEET } from "./corners";
import type { Inks } from "./inks";
import type { Eye } from "./orbit";

const SOFT = 0.075;
const SHIFT = 0.014;

const VERTEX = `
varying vec2 vSpot;
void main() {
  vec4 spot = modelMatrix * vec4(position, 1.0);
  vSpot = spot.xz;
  gl_Position = projectionMatrix * viewMatrix * spot;
}`;
const FRAGMENT = `
uniform vec2 block, shift;
uniform vec3 plate, rule, faint, shade;
uniform float depth, width;
varying vec2 vSpot;

// How far from the block's outline, negative inside.
float beyond(vec2 spot) {
  vec2 far = abs(spot) - block;
  return max(far.x, far.y);
}

// How much of the pixel a line covers that runs where a distance is 0.
float line(float far, float thin) {
  return clamp(thin * width + 0.5 - abs(far) / max(fwidth(far), 1e-6), 0.0, 1.0);
}

void main() {
  float far = beyond(vSpot);
  float along = (vSpot.x + vSpot.y) * 26.0;
  float hatch = line(fract(along) - 0.5, 0.3) * step(far, 0.0);
  float edge = max(line(far - ${SHEET}, 0.4), 0.5 * line(far, 0.3));
  vec3 paper = mix(plate, faint, 0.3 * hatch);
  paper = mix(paper, rule, edge);
  vec2 away = max(abs(vSpot - shift) - block - ${SHEET}, 0.0);
  float fade = clamp(1.0 - (length(away) - 0.01) / ${SOFT}, 0.0, 1.0);
  bool outside = far > ${SHEET};
  gl_FragColor = outside ? vec4(shade, depth * fade * fade) : vec4(paper, 1.0);
}`;

export interface Base {
  mesh: Mesh;
  lay(box: Box): void;
  recolour(inks: Inks): void;
  // The shadow falls towards the eye. `ratio`: pixels for each of the page's.
  pose(eye: Eye, ratio: number): void;
}

export function makeBase(): Base {
  const colour = () => ({ value: new Vector3() });
  const uniforms = {
    block: { value: new Vector2() },
    shift: { value: new Vector2() },
    plate: colour(),
    rule: colour(),
    faint: colour(),
    shade: colour(),
    depth: { value: 0 },
    width: { value: 1 },
  };
  const material = new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    uniforms,
    transparent: true,
    depthWrite: false,
  });
  const mesh = new Mesh(new PlaneGeometry(1, 1).rotateX(-Math.PI / 2), material);
  mesh.position.y = FOOT;
  mesh.renderOrder = -1;
  return {
    mesh,
    lay({ width, depth }) {
      uniforms.block.value.set(width / 2, depth / 2);
      const reach = 2 * (SHEET + SOFT + SHIFT);
      mesh.scale.set(width + reach, 1, depth + reach);
    },
    recolour({ dark, plate, rule, faint }) {
      uniforms.plate.value.set(...plate);
      uniforms.rule.value.set(...rule);
      uniforms.faint.value.set(...faint);
      uniforms.depth.value = dark ? 0.5 : 0.17;
      if (dark) uniforms.shade.value.set(0, 0, 0);
      else uniforms.shade.value.set(0.2, 0.16, 0.08);
    },
    pose({ at }, ratio) {
      const level = Math.hypot(at[0], at[2]) || 1;
      uniforms.shift.value.set((SHIFT * at[0]) / level, (SHIFT * at[2]) / level);
      uniforms.width.value = ratio;
    },
  };
}
