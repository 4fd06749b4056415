// The eye that goes around the box, and what it sees on the sheet.

import { PerspectiveCamera, Vector3 } from "three";
import type { Camera } from "../view/state";
import { BASE, type Box, HEIGHT, type Spot } from "./box";

export const LOWEST = 0.06;
export const HIGHEST = 1.5;
export const [FARTHEST, NEAREST] = [0.5, 5];
const VIEW = (22 * Math.PI) / 180;
const MIDDLE = (HEIGHT * (1 - BASE)) / 2;

export interface Eye {
  camera: PerspectiveCamera;
  width: number;
  height: number;
  // On the sheet, in CSS pixels.
  seen(spot: Spot): [number, number];
  // How large one pixel is at a spot, in the box's units.
  pixel(spot: Spot): number;
  // Where the eye stands, and which way a point of the sheet looks.
  at: Spot;
  towards(px: number, py: number): Spot;
}

interface Frame {
  width: number;
  height: number;
  // What the axes' labels need, in pixels.
  side: number;
  top: number;
  bottom: number;
}

function frameOf(width: number, height: number): Frame {
  const narrow = width < 420;
  return {
    width,
    height,
    side: narrow ? 30 : 44,
    top: narrow ? 30 : 34,
    bottom: Math.min(44, height * 0.14),
  };
}

const within = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, Number.isFinite(value) ? value : low));

// How far away the eye has to stand for the box to fit in the frame, however it is
// turned: turning does not seem to zoom. And how far up it then stands, in pixels.
function standing(
  box: Box,
  elevation: number,
  frame: Frame,
): [far: number, up: number] {
  const radius = Math.hypot(box.width, box.depth) / 2;
  const [sine, cosine] = [Math.sin(elevation), Math.cos(elevation)];
  const focus = frame.height / 2 / Math.tan(VIEW / 2);
  // Offsets from the middle in the eye's own frame: rightwards, upwards, towards it.
  const rim = [-1, -0.5, 0, 0.5, 1].flatMap((part) => {
    const towards = part * radius;
    const right = Math.sqrt(1 - part * part) * radius;
    return [-BASE * HEIGHT - MIDDLE, HEIGHT - MIDDLE].map((y) => [
      right,
      y * cosine - towards * sine,
      y * sine + towards * cosine,
    ]);
  });
  const [roomAcross, roomUp] = [
    frame.width / 2 - frame.side,
    frame.height - frame.top - frame.bottom,
  ];
  const ends = (far: number): [low: number, high: number, across: number] => {
    let [low, high, across] = [Infinity, -Infinity, 0];
    for (const [right = 0, up = 0, near = 0] of rim) {
      const size = focus / (far - near);
      low = Math.min(low, up * size);
      high = Math.max(high, up * size);
      across = Math.max(across, right * size);
    }
    return [low, high, across];
  };
  let [close, far] = [radius * 1.5, 60];
  for (let i = 0; i < 24; i++) {
    const between = (close + far) / 2;
    const [low, high, across] = ends(between);
    if (high - low > roomUp || across > roomAcross) close = between;
    else far = between;
  }
  const [low, high] = ends(far);
  return [far, (frame.top - frame.bottom) / 2 + (high + low) / 2];
}

export function eyeOf(box: Box, chosen: Camera, width: number, height: number): Eye {
  const elevation = within(chosen.elevation, LOWEST, HIGHEST);
  const azimuth = Number.isFinite(chosen.azimuth) ? chosen.azimuth : 0;
  const [fitting, up] = standing(box, elevation, frameOf(width, height));
  const far = fitting / within(chosen.zoom, FARTHEST, NEAREST);
  const degrees = (VIEW * 180) / Math.PI;
  const camera = new PerspectiveCamera(degrees, width / height, far - 1.2, far + 1.8);
  const at: Spot = [
    far * Math.sin(azimuth) * Math.cos(elevation),
    MIDDLE + far * Math.sin(elevation),
    far * Math.cos(azimuth) * Math.cos(elevation),
  ];
  camera.near = Math.max(0.02, camera.near);
  camera.position.set(...at);
  camera.lookAt(0, MIDDLE, 0);
  camera.setViewOffset(width, height, 0, -up, width, height);
  camera.updateMatrixWorld();
  const vector = new Vector3();
  return {
    camera,
    width,
    height,
    at,
    seen(spot) {
      vector.set(...spot).project(camera);
      return [((vector.x + 1) / 2) * width, ((1 - vector.y) / 2) * height];
    },
    pixel: (spot) => (2 * Math.tan(VIEW / 2) * distance(spot, at)) / height,
    towards(px, py) {
      vector.set((px / width) * 2 - 1, 1 - (py / height) * 2, 0.5).unproject(camera);
      const end: Spot = [vector.x, vector.y, vector.z];
      const length = distance(end, at);
      return [
        (end[0] - at[0]) / length,
        (end[1] - at[1]) / length,
        (end[2] - at[2]) / length,
      ];
    },
  };
}

const distance = (one: Spot, other: Spot): number =>
  Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);

// Light falls in from the upper left of whoever looks, as on printed relief maps.
export function sunOf(eye: Eye): Spot {
  const level = Math.hypot(eye.at[0], eye.at[2]) || 1;
  const away: [number, number] = [-eye.at[0] / level, -eye.at[2] / level];
  const right: [number, number] = [-away[1], away[0]];
  const [x, z] = [away[0] * 0.3 - right[0] * 0.62, away[1] * 0.3 - right[1] * 0.62];
  const length = Math.hypot(x, 0.72, z);
  return [x / length, 0.72 / length, z / length];
}
