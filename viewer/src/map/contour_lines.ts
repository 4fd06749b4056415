// Lines of equal height, tone on tone, every so many stronger and with its value.

import { short } from "../numbers";
import { isolines } from "../plane/contours";
import { draw, type Pair, through, widthOf, write } from "./drawn";
import { type Box, meets, turned } from "./boxes";
import { type Layout, SMALL } from "./layout";
import type { Relief } from "./relief";
import type { Level, Scale } from "./scale";
import type { Tints } from "./tints";

const [THIN, STRONG] = [0.55, 1.15];
// Places along a line that are tried for its value, and how many values a map bears.
const STEP = 7;
const MOST = 14;
// The straightest place is taken; this much of a turn is too much.
const BENT = 0.55;

interface Line {
  level: Level;
  points: Pair[];
}

interface Spot {
  at: Pair;
  angle: number;
  bend: number;
}

function linesOf({ sampled, shares }: Relief, level: Level, layout: Layout): Line[] {
  const found = isolines(sampled.x, sampled.y, shares, level.share);
  return found.map((points) => ({ level, points: points.map(layout.to) }));
}

function lengths(points: Pair[]): number[] {
  let total = 0;
  return points.map(([x, y], i) => {
    const [x0, y0] = points[i - 1] ?? [x, y];
    total += Math.hypot(x - x0, y - y0);
    return total;
  });
}

// Where words of this width would lie along a line, and how much it bends there.
function spots(points: Pair[], width: number): Spot[] {
  const along = lengths(points);
  const total = along.at(-1) ?? 0;
  const found: Spot[] = [];
  let [from, to] = [0, 0];
  for (let start = STEP; start + width < total - STEP; start += STEP) {
    while ((along[from] ?? 0) < start) from++;
    while ((along[to] ?? 0) < start + width) to++;
    const [a, b] = [points[from], points[to]];
    const middle = points[(from + to) >> 1];
    if (!a || !b || !middle) continue;
    const chord = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const straight: Pair = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const sag = Math.hypot(middle[0] - straight[0], middle[1] - straight[1]);
    const at: Pair = [(straight[0] + middle[0]) / 2, (straight[1] + middle[1]) / 2];
    const angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    found.push({ at, angle, bend: 1 - chord / width + sag / width });
  }
  return found;
}

// Words stand upright.
const upright = (angle: number): number =>
  angle > Math.PI / 2
    ? angle - Math.PI
    : angle <= -Math.PI / 2
      ? angle + Math.PI
      : angle;

function inside([left, top, right, bottom]: Box, layout: Layout): boolean {
  const room = 3;
  return (
    left > layout.left + room &&
    right < layout.right - room &&
    top > layout.top + room &&
    bottom < layout.bottom - room
  );
}

function valued(line: Line, taken: Box[], layout: Layout, tints: Tints) {
  const text = short(line.level.value, 4);
  const width = widthOf(text, SMALL) + 6;
  const good = spots(line.points, width)
    .filter(({ bend }) => bend < BENT)
    .sort((one, other) => one.bend - other.bend);
  for (const { at, angle } of good) {
    const box = turned(at, width, 13, upright(angle));
    if (!inside(box, layout) || taken.some((other) => meets(box, other, 4))) continue;
    taken.push(box);
    const words = write(text, [0, 3.6], {
      ...SMALL,
      anchor: "middle",
      fill: tints.line(line.level.share),
      halo: tints.halo(line.level.share),
    });
    words.setAttribute("stroke-width", "4.5");
    const turn = ((upright(angle) * 180) / Math.PI).toFixed(1);
    const [x, y] = at.map((part) => part.toFixed(1));
    words.setAttribute("transform", `translate(${x} ${y}) rotate(${turn})`);
    return words;
  }
  return null;
}

// `taken` are places where no value may stand; those that are written are added.
export function contourLines(
  relief: Relief,
  scale: Scale,
  layout: Layout,
  tints: Tints,
  taken: Box[],
): SVGGElement {
  const group = draw("g", { fill: "none", "stroke-linejoin": "round" });
  const strong: Line[] = [];
  const ends: Level[] = scale.cut
    ? [{ value: scale.heights.high, share: 1, strong: false }]
    : [];
  for (const level of [...scale.levels, ...ends]) {
    const found = linesOf(relief, level, layout);
    if (level.strong) strong.push(...found);
    const path = found.map(({ points }) => through(points)).join("");
    if (!path) continue;
    group.append(
      draw("path", {
        d: path,
        stroke: tints.line(level.share),
        "stroke-width": level.strong ? STRONG : THIN,
        "stroke-opacity": level.strong ? 0.95 : 0.8,
      }),
    );
  }
  const longest = strong
    .map((line) => ({ line, length: lengths(line.points).at(-1) ?? 0 }))
    .sort((one, other) => other.length - one.length)
    .slice(0, MOST);
  const words = longest.map(({ line }) => valued(line, taken, layout, tints));
  group.append(...words.filter((word) => word !== null));
  return group;
}
