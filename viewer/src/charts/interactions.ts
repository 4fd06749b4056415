// How strongly each two layers bend each other: the Hessian, a square a block.

import {
  axisX,
  axisY,
  cell,
  dot,
  plot,
  pointer,
  text,
  tip,
  type Plot,
} from "@observablehq/plot";
import { type Chart, FAINT, INK, PAPER, RULE, TIP, UP, isPhone, look } from "../chart";
import { amount, short } from "../numbers";
import type { Interactions, Survey } from "../survey";
import { longestOf, shorten } from "./names";

// Decades of the share of ‖H‖_F that are told apart.
const DECADES = 3;
const LARGEST = 64;
const LETTER = 7.2;
// Pixels below which a square holds no number, and an axis not every name.
const WRITTEN = 40;
const NAMED = 12;

interface Square {
  row: number;
  column: number;
  share: number;
  told: string;
  open: boolean;
  text: string;
}

function squareAt(value: Interactions, row: number, column: number): Square {
  const norm = value.norms[row]?.[column] ?? Number.NaN;
  const error = value.errors[row]?.[column] ?? Number.NaN;
  const share = value.norm > 0 ? norm / value.norm : Number.NaN;
  const names = [row, column].map((at) => shorten(String(value.names[at]), 40));
  const between = row === column ? `${names[0]} by itself` : names.join(" and ");
  const words = `${between}\nFrobenius norm of the block ${amount(norm, error)}`;
  return {
    row,
    column,
    share,
    told: Number.isFinite(share) ? short(100 * share, 2) : "",
    open: norm <= 2 * error,
    text: `${words}\n${short(100 * share)} % of the whole`,
  };
}

function squares(value: Interactions): Square[] {
  const all = value.names.map((_, place) => place);
  return all.flatMap((row) => all.map((column) => squareAt(value, row, column)));
}

const depth = ({ share }: Square): number => {
  if (!(share > 0)) return 0;
  return Math.min(1, Math.max(0, 1 + Math.log10(share) / DECADES));
};

interface Sheet {
  width: number;
  size: number;
  left: number;
  top: number;
  ticks: number[];
  name: (place: number, most: number) => string;
  most: number;
}

function sheet({ names }: Interactions, width: number): Sheet {
  const plain = names.map(String);
  const wanted = longestOf(plain) * LETTER + 14;
  const left = Math.min(wanted, isPhone(width) ? 84 : 180);
  const size = Math.min(LARGEST, (width - left - 2) / names.length);
  const stride = Math.max(1, Math.ceil(NAMED / size));
  return {
    width,
    size,
    left,
    top: Math.min(wanted, 120) + 4,
    ticks: plain.map((_, place) => place).filter((place) => place % stride === 0),
    name: (place, most) => shorten(plain[place] ?? "", most),
    most: Math.floor((left - 12) / LETTER),
  };
}

function names({ ticks, name, most, size, top }: Sheet) {
  const fontSize = Math.min(12, Math.max(9, size - 1));
  const shared = { tickSize: 0, label: null, fill: FAINT, fontSize };
  return [
    axisY(ticks, { ...shared, tickFormat: (place: number) => name(place, most) }),
    axisX(ticks, {
      ...shared,
      anchor: "top",
      tickRotate: -90,
      tickFormat: (place: number) => name(place, Math.floor((top - 10) / LETTER)),
    }),
  ];
}

function matrix(all: Square[], page: Sheet, count: number) {
  const places = { x: "column", y: "row" } as const;
  const known = all.filter(({ share }) => Number.isFinite(share));
  const unknown = all.filter(({ share }) => !Number.isFinite(share));
  const written = page.size >= WRITTEN ? known.filter(({ open }) => !open) : [];
  return [
    cell(all, { ...places, fill: PAPER, stroke: RULE, strokeWidth: 0.5, inset: 0.25 }),
    cell(known, { ...places, fill: UP, fillOpacity: depth, inset: 0.5 }),
    text(unknown, { ...places, text: () => "?", fill: FAINT }),
    dot(
      known.filter(({ open }) => open),
      { ...places, r: Math.min(3, page.size / 5), stroke: FAINT, strokeWidth: 1.2 },
    ),
    text(written, {
      ...places,
      text: "told",
      fill: (square: Square) => (depth(square) > 0.6 ? PAPER : INK),
      fontSize: 11.5,
    }),
    tip(
      all,
      pointer({ ...places, title: "text", maxRadius: count * page.size, ...TIP }),
    ),
  ];
}

// Squares of the scale, darkest first, and what they stand for.
function scale(): HTMLUListElement {
  const list = document.createElement("ul");
  list.className = "legend";
  const steps = Array.from({ length: DECADES + 1 }, (_, size) => size);
  for (const size of steps) {
    const item = document.createElement("li");
    const box = document.createElement("span");
    box.className = "shade";
    box.style.setProperty("--depth", String(Math.max(0.03, 1 - size / DECADES)));
    item.append(box, `${short(100 / 10 ** size)} %`);
    list.append(item);
  }
  const open = document.createElement("li");
  open.textContent = "○ cannot be told from zero";
  list.append(open);
  return list;
}

function stops(all: Square[], drawing: Plot & Element) {
  const across = drawing.scale("x");
  const up = drawing.scale("y");
  const middle = (across?.bandwidth ?? 0) / 2;
  return all.map((square) => ({
    x: Number(across?.apply(square.column)) + middle,
    y: Number(up?.apply(square.row)) + middle,
    text: square.text.replaceAll("\n", ", "),
  }));
}

export function interactions(survey: Survey, width: number): Chart | null {
  const value = survey.measurements.interactions?.value;
  const count = value?.names.length ?? 0;
  if (!value || count < 2 || !(value.norm > 0)) return null;
  const all = squares(value);
  const page = sheet(value, width);
  const side = page.size * count;
  const domain = value.names.map((_, place) => place);
  const drawing = plot({
    ...look(page.left + side + 2),
    height: page.top + side + 2,
    marginLeft: page.left,
    marginTop: page.top,
    marginRight: 2,
    marginBottom: 2,
    x: { type: "band", domain, padding: 0 },
    y: { type: "band", domain, padding: 0 },
    marks: [...names(page), ...matrix(all, page, count)],
  });
  return { drawing, stops: stops(all, drawing), legend: scale(), columns: count };
}
