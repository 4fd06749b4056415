// Trajectories at their true height, with threads down to their foot on the plane.

import { Group } from "three";
import { farthest, type Track } from "../plane/plane";
import { type Bead, bead } from "./bead";
import { HEIGHT, type Spot } from "./box";
import { type Inks, mixed, type Rgb } from "./inks";
import { known, type Ribbon, ribbon, segments, type Vertex } from "./lines";
import type { Eye } from "./orbit";
import type { Land } from "./sight";

const THREADS = 60;
const LIFT = 0.004;
// How pale the farthest checkpoint off the plane gets.
const PALEST = 0.5;

export interface Tracks {
  group: Group;
  // Before each frame: where the chosen checkpoint is, and how large.
  pose(checkpoint: number | null, eye: Eye): void;
  sharpen(ratio: number): void;
  dispose(): void;
}

interface Trail {
  spots: Spot[];
  bead: Bead;
}

// On other quantities than the loss a track has no height of its own.
export function trueHeight(
  { field, scale, ground }: Land,
  track: Track,
  i: number,
): number {
  const foot = ground.height(track.x[i] ?? Number.NaN, track.y[i] ?? Number.NaN);
  if (field.name !== "loss") return foot;
  const loss = track.loss[i] ?? Number.NaN;
  return Number.isNaN(loss) ? foot : scale.elsewhere(loss);
}

export function spotsOf(land: Land, track: Track): Spot[] {
  return Array.from(track.x, (x, i) => {
    const [px, y, pz] = land.box.spot(x, track.y[i] ?? 0, trueHeight(land, track, i));
    return [px, y + LIFT, pz];
  });
}

function threads(
  land: Land,
  track: Track,
  spots: Spot[],
  shade: (i: number) => Rgb,
): Vertex[] {
  const every = Math.max(1, Math.ceil(spots.length / THREADS));
  return spots.flatMap((spot, i) => {
    if (i % every > 0 && i !== spots.length - 1) return [];
    const foot = land.ground.height(track.x[i] ?? 0, track.y[i] ?? 0);
    if (!known(spot) || Number.isNaN(foot)) return [];
    const end: Spot = [spot[0], foot * HEIGHT + LIFT / 2, spot[2]];
    if (Math.abs(end[1] - spot[1]) < 2 * LIFT) return [];
    return [
      { spot, colour: shade(i) },
      { spot: end, colour: shade(i) },
    ];
  });
}

export function tracksOf(land: Land, inks: Inks): Tracks {
  const group = new Group();
  const ribbons: Ribbon[] = [];
  const trails: Trail[] = [];
  const most = farthest(land.plane.tracks);
  land.plane.tracks.forEach((track, number) => {
    const spots = spotsOf(land, track);
    const colour = inks.track(number);
    const shade = (i: number): Rgb =>
      mixed(
        colour,
        inks.plate,
        most > 0 ? (PALEST * (track.distance[i] ?? 0)) / most : 0,
      );
    const pairs = segments(spots.map((spot, i) => ({ spot, colour: shade(i) })));
    const made = [
      ribbon(threads(land, track, spots, shade), { width: 1, opacity: 0.75 }),
      ribbon(pairs, { width: 2.6, casing: inks.plate, ghost: 0.28 }),
    ];
    const marker = bead(colour);
    ribbons.push(...made);
    trails.push({ spots, bead: marker });
    group.add(...made.map((each) => each.group), marker.group);
  });
  return {
    group,
    pose(checkpoint, eye) {
      for (const { spots, bead: marker } of trails) {
        const spot = checkpoint === null ? undefined : spots[Math.round(checkpoint)];
        marker.group.visible = spot !== undefined && known(spot);
        if (spot && known(spot)) marker.place(spot, 6.5 * eye.pixel(spot));
      }
    },
    sharpen: (ratio) => ribbons.forEach((each) => each.sharpen(ratio)),
    dispose() {
      for (const each of [...ribbons, ...trails.map((trail) => trail.bead)])
        each.dispose();
    },
  };
}
