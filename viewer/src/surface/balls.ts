// Balls that race down the land, and the trails that they leave on it.

import { Group } from "three";
import type { Race } from "../ball/race";
import { type Bead, bead } from "./bead";
import type { Spot } from "./box";
import type { Inks } from "./inks";
import { type Ribbon, ribbon, segments, type Vertex } from "./lines";
import type { Eye } from "./orbit";
import type { Land } from "./sight";

const LIFT = 0.006;
const STRIDE = 0.012;
const MOST = 6000;
const RADIUS = 7;

export interface Balls {
  group: Group;
  // Before each frame: the step at which they are, which may lie between two.
  pose(step: number, eye: Eye): void;
  sharpen(ratio: number): void;
  dispose(): void;
}

interface Path {
  spots: Spot[];
  // Which of the spots each step ends at.
  ends: number[];
}

// A step is drawn over the land, from where it begins to where it ends.
function draped(race: Race, { box, ground }: Land): Path {
  const path: Path = { spots: [], ends: [] };
  for (let step = 0; step < race.x.length; step++) {
    const [x, y] = [race.x[step] ?? 0, race.y[step] ?? 0];
    const [px, py] = [race.x[step - 1] ?? x, race.y[step - 1] ?? y];
    const [from, to] = [box.spot(px, py, 0), box.spot(x, y, 0)];
    const length = Math.hypot(to[0] - from[0], to[2] - from[2]);
    const pieces = Math.min(80, Math.max(1, Math.ceil(length / STRIDE)));
    for (let k = step === 0 ? pieces : 1; k <= pieces; k++) {
      const part = k / pieces;
      const [at, up] = [px + part * (x - px), py + part * (y - py)];
      const height = ground.height(at, up);
      if (Number.isNaN(height)) continue;
      const [bx, by, bz] = box.spot(at, up, height);
      path.spots.push([bx, by + LIFT, bz]);
    }
    path.ends.push(path.spots.length - 1);
    if (path.spots.length > MOST) break;
  }
  return path;
}

// Where along the path's spots a step lies.
function along({ ends }: Path, step: number): number {
  const whole = Math.min(ends.length - 1, Math.max(0, Math.floor(step)));
  const [here = 0, next = here] = [ends[whole], ends[whole + 1]];
  return here + Math.min(1, Math.max(0, step - whole)) * (next - here);
}

function between({ spots }: Path, place: number): Spot | undefined {
  const from = spots[Math.floor(place)];
  const to = spots[Math.ceil(place)] ?? from;
  const part = place - Math.floor(place);
  if (!from || !to) return undefined;
  const mix = (k: 0 | 1 | 2) => from[k] + part * (to[k] - from[k]);
  return [mix(0), mix(1), mix(2)];
}

export function ballsOf(races: Race[], land: Land, inks: Inks): Balls {
  const group = new Group();
  const running: { path: Path; trail: Ribbon; ball: Bead }[] = [];
  for (const race of races) {
    const path = draped(race, land);
    const colour = inks.method(race.method);
    const vertices: Vertex[] = path.spots.map((spot) => ({ spot, colour }));
    const trail = ribbon(segments(vertices), {
      width: 2.4,
      casing: inks.plate,
      ghost: 0.25,
    });
    const ball = bead(colour);
    running.push({ path, trail, ball });
    group.add(trail.group, ball.group);
  }
  return {
    group,
    pose(step, eye) {
      for (const { path, trail, ball } of running) {
        const place = along(path, step);
        trail.show(Math.ceil(place));
        const spot = between(path, place);
        ball.group.visible = spot !== undefined;
        if (!spot) continue;
        const radius = RADIUS * eye.pixel(spot);
        ball.place([spot[0], spot[1] - LIFT + radius * 0.9, spot[2]], radius);
      }
    },
    sharpen: (ratio) => running.forEach(({ trail }) => trail.sharpen(ratio)),
    dispose() {
      for (const { trail, ball } of running) {
        trail.dispose();
        ball.dispose();
      }
    },
  };
}
