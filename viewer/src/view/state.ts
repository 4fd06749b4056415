// What the reader has chosen of one plane, shared by all its views.

import type { Method } from "../ball/race";

export type Point = [x: number, y: number];

export interface Camera {
  // Radians around the vertical, radians above the horizon, and how near.
  azimuth: number;
  elevation: number;
  zoom: number;
}

export interface State {
  field: string;
  log: boolean;
  // The share of the height's range that is shown; what is higher is cut off.
  clip: number;
  colours: "viridis" | "cividis" | "grey";
  camera: Camera;
  // Under the pointer, on any view.
  probe: Point | null;
  // Where the ball was dropped.
  start: Point | null;
  rate: number;
  momentum: number;
  // Standard deviation of the gradient's noise, by the gradient's norm at the start.
  noise: number;
  methods: Method[];
  // The step at which the balls are shown, which may lie between two.
  step: number;
  playing: boolean;
  // Steps a second.
  speed: number;
  // The checkpoint that is chosen in all views, along the longest track.
  checkpoint: number | null;
}

export const CAMERA: Camera = { azimuth: -0.9, elevation: 0.62, zoom: 1 };
