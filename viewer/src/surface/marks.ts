// Minima, passes, saddles and the centre: small signs on poles that stand in the land,
// tall enough to be seen over what lies before them.

import { short } from "../numbers";
import type { Mark } from "../plane/record";
import type { Spot } from "./box";
import type { Inks, Rgb } from "./inks";
import type { Placing } from "./placing";
import { hidden } from "./ray";
import type { Sight } from "./sight";
import type { Pair, Stroke } from "./strokes";
import { NARROW } from "./tick_marks";

const SIGN = 4.2;
const LIFT = 0.004;
// Heights of poles in pixels, the first that is seen.
const POLES = [15, 30, 48, 70, 95];
// Pixels by unit of height below which there are no poles.
const FLAT = 130;
// So many minima are told apart by their values; more would cover the land.
const NUMBERED = 8;
const FEW = 3;

const around = ([x, y]: Pair, half: number): Pair[] => [
  [x, y - half],
  [x + half, y],
  [x, y + half],
  [x - half, y],
];

function sign(kind: Mark["kind"], at: Pair, colour: Rgb, fill: Rgb): Stroke[] {
  const [x, y] = at;
  if (kind === "centre") {
    const arms: [Pair, Pair][] = [
      [
        [x - SIGN, y],
        [x + SIGN, y],
      ],
      [
        [x, y - SIGN],
        [x, y + SIGN],
      ],
    ];
    return [fill, colour].flatMap((paint, i) =>
      arms.map((points): Stroke => ({
        kind: "line",
        points,
        colour: paint,
        width: i === 0 ? 3.4 : 1.5,
        opacity: i === 0 ? 0.6 : 1,
      })),
    );
  }
  const triangle: Pair[] = [
    [x - SIGN, y - SIGN * 0.8],
    [x + SIGN, y - SIGN * 0.8],
    [x, y + SIGN],
  ];
  const square: Pair[] = [
    [x - SIGN, y - SIGN],
    [x + SIGN, y - SIGN],
    [x + SIGN, y + SIGN],
    [x - SIGN, y + SIGN],
  ];
  const shapes = { minimum: triangle, checkpoint: square };
  const other = around(at, SIGN);
  const points = kind === "minimum" || kind === "checkpoint" ? shapes[kind] : other;
  return [{ kind: "shape", points, fill, stroke: colour, width: 1.3 }];
}

interface Standing {
  mark: Mark;
  foot: Pair;
  top: Pair;
  buried: boolean;
}

function marksOf({ plane, field }: Sight): Mark[] {
  if (field.name !== "loss") return [];
  if (plane.marks.some(({ kind }) => kind === "centre")) return plane.marks;
  const centre: Mark = { kind: "centre", x: 0, y: 0, value: Number.NaN, text: "" };
  return [...plane.marks, centre];
}

// Where a mark stands; nothing where its land is a hole or no pole is tall enough.
function standing(sight: Sight, mark: Mark): Standing[] {
  const { eye, box, ground } = sight;
  const height = ground.height(mark.x, mark.y);
  if (Number.isNaN(height)) return [];
  const [x, y, z] = box.spot(mark.x, mark.y, height);
  const spot: Spot = [x, y + LIFT, z];
  const foot = eye.seen(spot);
  const buried = hidden(ground, box, eye.at, spot);
  const scale = upwards(sight, spot);
  // From high above poles would lie down: the sign then lies in the land itself.
  if (mark.kind === "centre" || scale < FLAT)
    return buried ? [] : [{ mark, foot, top: foot, buried }];
  for (const pole of buried ? POLES : POLES.slice(0, 1)) {
    const chin: Spot = [x, y + (pole - SIGN) / scale, z];
    if (!buried || !hidden(ground, box, eye.at, chin))
      return [{ mark, foot, top: eye.seen([x, y + pole / scale, z]), buried }];
  }
  return [];
}

// Pixels on the sheet that a unit of height takes.
function upwards({ eye }: Sight, [x, y, z]: Spot): number {
  const step = 0.05;
  return (eye.seen([x, y, z])[1] - eye.seen([x, y + step, z])[1]) / step;
}

function colourOf({ kind }: Mark, { ink, down }: Inks): Rgb {
  return kind === "pass" || kind === "saddle" ? down : ink;
}

function plant(
  { inks }: Sight,
  placing: Placing,
  { mark, foot, top, buried }: Standing,
) {
  const colour = colourOf(mark, inks);
  const pole: Pair[] = [foot, [top[0], top[1] + SIGN]];
  if (top !== foot)
    placing.draw(
      { kind: "line", points: pole, colour: inks.plate, width: 2.6, opacity: 0.5 },
      {
        kind: "line",
        points: pole,
        colour,
        width: 1,
        ...(buried ? { dash: [1.5, 3] } : {}),
      },
    );
  placing.draw(...sign(mark.kind, top, colour, inks.plate));
  placing.take(around(top, SIGN + 3));
}

export function marks(sight: Sight, placing: Placing): void {
  const { inks, eye } = sight;
  const all = marksOf(sight).flatMap((mark) => standing(sight, mark));
  for (const each of all) plant(sight, placing, each);
  const minima = all.filter(({ mark }) => mark.kind === "minimum");
  minima.sort((one, other) => one.mark.value - other.mark.value);
  for (const { mark, top } of minima.slice(
    0,
    minima.length > NUMBERED ? FEW : NUMBERED,
  ))
    placing.write(
      {
        kind: "words",
        text: short(mark.value),
        at: [top[0], top[1] - 15],
        font: inks.sans,
        size: eye.width < NARROW ? 9.5 : 10.5,
        colour: inks.ink,
        anchor: "middle",
        halo: inks.plate,
      },
      1,
    );
}
