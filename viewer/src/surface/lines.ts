// Fat lines in space, which land hides or lets through faintly.

import { GreaterDepth, Group, LessEqualDepth } from "three";
import { LineMaterial } from "three/addons/lines/LineMaterial.js";
import { LineSegments2 } from "three/addons/lines/LineSegments2.js";
import { LineSegmentsGeometry } from "three/addons/lines/LineSegmentsGeometry.js";
import type { Spot } from "./box";
import type { Rgb } from "./inks";

export interface Vertex {
  spot: Spot;
  colour: Rgb;
}

export interface Ribbon {
  group: Group;
  // How many of the segments are drawn.
  show(segments: number): void;
  // Pixels of the picture that one pixel of the page takes.
  sharpen(ratio: number): void;
  dispose(): void;
}

export interface RibbonLook {
  width: number;
  // What lies around the line, as around roads on a map.
  casing?: Rgb;
  opacity?: number;
  // How much of the line is seen through land.
  ghost?: number;
}

type Layer = { material: LineMaterial; width: number };

// `pairs`: both ends of each segment after another.
export function ribbon(pairs: Vertex[], look: RibbonLook): Ribbon {
  const geometry = new LineSegmentsGeometry();
  geometry.setPositions(pairs.flatMap(({ spot }) => spot));
  geometry.setColors(pairs.flatMap(({ colour }) => colour));
  const cased = new LineSegmentsGeometry();
  cased.setPositions(pairs.flatMap(({ spot }) => spot));
  cased.setColors(pairs.flatMap(() => look.casing ?? [1, 1, 1]));
  const layers: Layer[] = [];
  const group = new Group();
  const add = (
    of: LineSegmentsGeometry,
    width: number,
    opacity: number,
    behind: boolean,
  ) => {
    const material = new LineMaterial({
      vertexColors: true,
      transparent: true,
      opacity,
      depthWrite: false,
      depthFunc: behind ? GreaterDepth : LessEqualDepth,
    });
    const lines = new LineSegments2(of, material);
    lines.frustumCulled = false;
    lines.renderOrder = layers.length + 1;
    group.add(lines);
    layers.push({ material, width });
  };
  const { width, opacity = 1 } = look;
  if (look.ghost) add(geometry, width * 0.8, look.ghost, true);
  if (look.casing) add(cased, width + 2.2, 0.75, false);
  add(geometry, width, opacity, false);
  return {
    group,
    show(segments) {
      geometry.instanceCount = cased.instanceCount = Math.max(0, segments);
    },
    sharpen(ratio) {
      for (const layer of layers) layer.material.linewidth = layer.width * ratio;
    },
    dispose() {
      geometry.dispose();
      cased.dispose();
      for (const { material } of layers) material.dispose();
    },
  };
}

export const known = (spot: Spot): boolean => spot.every(Number.isFinite);

// Both ends of each segment of a path, without those that lead into a hole.
export function segments(path: Vertex[]): Vertex[] {
  return path.slice(1).flatMap((vertex, i) => {
    const before = path[i];
    return before && known(before.spot) && known(vertex.spot) ? [before, vertex] : [];
  });
}
