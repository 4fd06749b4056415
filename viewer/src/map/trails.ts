// Trajectories seen from above: pale where they are off the plane.

import { told } from "../language";
import { short } from "../numbers";
import { farthest, type Plane, type Track } from "../plane/plane";
import { draw, type Pair, through } from "./drawn";
import type { Layout } from "./layout";
import { bead, moved, trackLook } from "./signs";
import { WORDS } from "./words";

const SHADES = 6;
const PALEST = 0.42;
// So many checkpoints of a track carry its sign.
const BEADS = 9;

// How strong a checkpoint is drawn, by its distance off the plane.
function strength(distance: number, most: number): number {
  if (!(most > 0)) return 1;
  const share = Math.min(1, Math.max(0, distance / most));
  const step = Math.round((1 - (Number.isNaN(share) ? 1 : share)) * SHADES) / SHADES;
  return PALEST + (1 - PALEST) * step;
}

const known = ([x, y]: Pair): boolean => Number.isFinite(x) && Number.isFinite(y);

const places = (track: Track, layout: Layout): Pair[] =>
  Array.from(track.x, (x, i) => layout.to([x, track.y[i] ?? Number.NaN]));

interface Piece {
  points: Pair[];
  opacity: number;
  // How long the track is before it, so that dashes go on.
  before: number;
}

function pieces(track: Track, layout: Layout, most: number): Piece[] {
  const found: Piece[] = [];
  const at = places(track, layout);
  let length = 0;
  at.forEach((to, i) => {
    const from = at[i - 1];
    if (!from || !known(from) || !known(to)) return;
    const ends = [track.distance[i - 1] ?? 0, track.distance[i] ?? 0];
    const opacity = strength(Math.max(...ends), most);
    const last = found.at(-1);
    if (last?.opacity === opacity && last.points.at(-1) === from) last.points.push(to);
    else found.push({ points: [from, to], opacity, before: length });
    length += Math.hypot(to[0] - from[0], to[1] - from[1]);
  });
  return found;
}

function line({ points, opacity, before }: Piece, colour: string, dash: string) {
  return draw("path", {
    d: through(points),
    stroke: colour,
    "stroke-opacity": opacity,
    "stroke-dasharray": dash || "none",
    "stroke-dashoffset": before,
  });
}

function trail(track: Track, number: number, layout: Layout, most: number) {
  const look = trackLook(number);
  const all = pieces(track, layout, most);
  const every = Math.max(1, Math.ceil((track.x.length - 1) / BEADS));
  const beads = places(track, layout).flatMap((at, i) => {
    const ends = i === 0 || i === track.x.length - 1;
    if (!known(at) || (i % every > 0 && !ends)) return [];
    const made = moved(bead(look, ends ? 3.6 : 2.6), at);
    made.setAttribute("opacity", strength(track.distance[i] ?? 0, most).toFixed(2));
    return [made];
  });
  const casing = all.map(({ points, opacity }) =>
    draw("path", {
      d: through(points),
      stroke: "var(--plate)",
      "stroke-width": 4,
      "stroke-opacity": 0.7 * opacity,
    }),
  );
  return draw(
    "g",
    {},
    draw("title", {}, track.name),
    draw("g", { "stroke-linecap": "butt" }, ...casing),
    draw(
      "g",
      { "stroke-width": 2 },
      ...all.map((piece) => line(piece, look.colour, look.dash)),
    ),
    ...beads,
  );
}

export function trails({ tracks }: Plane, layout: Layout): SVGGElement {
  const most = farthest(tracks);
  const drawn = tracks.map((track, i) => trail(track, i, layout, most));
  return draw("g", { fill: "none", "stroke-linejoin": "round" }, ...drawn);
}

// The chosen checkpoint of each track, and around it how far off the plane it is.
export function chosen(
  plane: Plane,
  layout: Layout,
  checkpoint: number | null,
): SVGGElement {
  const group = draw("g");
  if (checkpoint === null) return group;
  const i = Math.round(checkpoint);
  plane.tracks.forEach((track, number) => {
    const at = layout.to([track.x[i] ?? Number.NaN, track.y[i] ?? Number.NaN]);
    if (!known(at)) return;
    const look = trackLook(number);
    const far = track.distance[i] ?? 0;
    const [rx, ry] = layout.unit.map(
      (u, k) => (u * far) / (plane.axes[k]?.length ?? 1),
    );
    const ring = { cx: at[0], cy: at[1], rx: rx ?? 0, ry: ry ?? 0, fill: "none" };
    if (Math.min(rx ?? 0, ry ?? 0) > 8) {
      const title = `${short(far)} ${told(WORDS.offPlane)}. ${told(WORDS.ring)}`;
      group.append(
        draw("ellipse", {
          ...ring,
          stroke: "var(--plate)",
          "stroke-width": 2.6,
          "stroke-opacity": 0.6,
        }),
        draw(
          "ellipse",
          {
            ...ring,
            stroke: look.colour,
            "stroke-width": 1.2,
            "stroke-dasharray": "3 3",
          },
          draw("title", {}, title),
        ),
      );
    }
    const made = moved(bead(look, 6), at);
    made.setAttribute("stroke-width", "1.8");
    group.append(made);
  });
  return group;
}
