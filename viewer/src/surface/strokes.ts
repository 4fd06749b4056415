// What is drawn in two dimensions, below and above the surface: on canvas and in SVG.

import { css, type Rgb } from "./inks";

export type Pair = [x: number, y: number];

interface Line {
  kind: "line";
  points: Pair[];
  colour: Rgb;
  width: number;
  opacity?: number;
  dash?: number[];
}

interface Shape {
  kind: "shape";
  points: Pair[];
  fill: Rgb | null;
  stroke: Rgb | null;
  width?: number;
  opacity?: number;
}

interface Disc {
  kind: "disc";
  at: Pair;
  radius: number;
  fill: Rgb | null;
  stroke: Rgb | null;
  width?: number;
  opacity?: number;
}

export interface Words {
  kind: "words";
  text: string;
  at: Pair;
  font: string;
  size: number;
  colour: Rgb;
  italic?: boolean;
  anchor: "start" | "middle" | "end";
  // Radians; the words stand upright by default.
  turn?: number;
  // What shines around the letters where they stand on the surface.
  halo?: Rgb;
}

export type Stroke = Line | Shape | Disc | Words;
type Pen = CanvasRenderingContext2D;

// Chinese has no italics.
const slanted = ({ italic, text }: Pick<Words, "italic" | "text">): boolean =>
  italic === true && !/\p{Script=Han}/u.test(text);

const fontOf = (words: Words): string =>
  `${slanted(words) ? "italic " : ""}${words.size}px ${words.font}`;

let measuring: Pen | null | undefined;

export function widthOf(
  words: Pick<Words, "text" | "font" | "size" | "italic">,
): number {
  measuring ??= document.createElement("canvas").getContext("2d");
  if (!measuring) return words.text.length * words.size * 0.55;
  measuring.font = fontOf(words as Words);
  return measuring.measureText(words.text).width;
}

function follow(pen: Pen, points: Pair[]) {
  points.forEach(([x, y], i) => (i === 0 ? pen.moveTo(x, y) : pen.lineTo(x, y)));
}

function fillAndStroke(pen: Pen, { fill, stroke, width }: Shape | Disc) {
  if (fill) {
    pen.fillStyle = css(fill);
    pen.fill();
  }
  if (!stroke) return;
  pen.strokeStyle = css(stroke);
  pen.lineWidth = width ?? 1;
  pen.stroke();
}

function write(pen: Pen, words: Words) {
  pen.font = fontOf(words);
  pen.textAlign = words.anchor === "middle" ? "center" : words.anchor;
  pen.textBaseline = "alphabetic";
  pen.translate(...words.at);
  pen.rotate(words.turn ?? 0);
  const drop = words.size * 0.34;
  if (words.halo) {
    pen.strokeStyle = css(words.halo, 0.85);
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeText(words.text, 0, drop);
  }
  pen.fillStyle = css(words.colour);
  pen.fillText(words.text, 0, drop);
}

function drawLines(pen: Pen, lines: Line[]) {
  const [first] = lines;
  if (!first) return;
  const { colour, width, dash, opacity = 1 } = first;
  pen.beginPath();
  for (const { points } of lines) follow(pen, points);
  pen.globalAlpha = opacity;
  pen.setLineDash(dash ?? []);
  pen.strokeStyle = css(colour);
  pen.lineWidth = width;
  pen.lineCap = "round";
  pen.stroke();
}

function drawShape(pen: Pen, shape: Shape | Disc) {
  pen.beginPath();
  pen.globalAlpha = shape.opacity ?? 1;
  if (shape.kind === "disc") pen.arc(...shape.at, shape.radius, 0, 2 * Math.PI);
  else {
    follow(pen, shape.points);
    pen.closePath();
  }
  fillAndStroke(pen, shape);
}

const lookOf = ({ colour, width, dash, opacity }: Line): string =>
  [colour, width, dash, opacity].join(" ");

// Lines that follow one another and look alike are drawn at once, which is faster.
function runs(strokes: Stroke[]): (Stroke | Line[])[] {
  const found: (Stroke | Line[])[] = [];
  for (const stroke of strokes) {
    const last = found.at(-1);
    if (stroke.kind !== "line") found.push(stroke);
    else if (Array.isArray(last) && last[0] && lookOf(last[0]) === lookOf(stroke))
      last.push(stroke);
    else found.push([stroke]);
  }
  return found;
}

export function paint(pen: Pen, strokes: Stroke[]) {
  for (const run of runs(strokes)) {
    pen.save();
    if (Array.isArray(run)) drawLines(pen, run);
    else if (run.kind === "words") write(pen, run);
    else if (run.kind !== "line") drawShape(pen, run);
    pen.restore();
  }
}

// Lines of one look together, below the signs, and words above all.
export function layered(strokes: Stroke[]): Stroke[] {
  const looks = new Map<string, Line[]>();
  for (const stroke of strokes)
    if (stroke.kind === "line") {
      const look = lookOf(stroke);
      looks.set(look, [...(looks.get(look) ?? []), stroke]);
    }
  return [
    ...[...looks.values()].flat(),
    ...strokes.filter(({ kind }) => kind === "shape" || kind === "disc"),
    ...strokes.filter(({ kind }) => kind === "words"),
  ];
}

const plain = (value: number): string => String(Math.round(value * 100) / 100);
const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const pairs = (points: Pair[]): string =>
  points.map(([x, y]) => `${plain(x)},${plain(y)}`).join(" ");

function inked({ fill, stroke, width, opacity }: Shape | Disc): string {
  const outline = stroke ? ` stroke="${css(stroke)}" stroke-width="${width ?? 1}"` : "";
  return `fill="${fill ? css(fill) : "none"}"${outline} opacity="${opacity ?? 1}"`;
}

function wordsAsVector(words: Words): string {
  const [x, y] = words.at.map(plain);
  const turn = ((words.turn ?? 0) * 180) / Math.PI;
  const halo = words.halo
    ? ` stroke="${css(words.halo)}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"`
    : "";
  return (
    `<text transform="translate(${x} ${y}) rotate(${plain(turn)})" dy="${plain(words.size * 0.34)}"` +
    ` text-anchor="${words.anchor}" font-family="${escaped(words.font)}" font-size="${words.size}"` +
    `${slanted(words) ? ' font-style="italic"' : ""} fill="${css(words.colour)}"${halo}>` +
    `${escaped(words.text)}</text>`
  );
}

export function asVectors(strokes: Stroke[]): string {
  const drawn = strokes.map((stroke) => {
    if (stroke.kind === "words") return wordsAsVector(stroke);
    if (stroke.kind === "shape")
      return `<polygon points="${pairs(stroke.points)}" ${inked(stroke)}/>`;
    if (stroke.kind === "disc") {
      const [x, y] = stroke.at.map(plain);
      return `<circle cx="${x}" cy="${y}" r="${plain(stroke.radius)}" ${inked(stroke)}/>`;
    }
    const dash = stroke.dash ? ` stroke-dasharray="${stroke.dash.join(" ")}"` : "";
    return (
      `<polyline points="${pairs(stroke.points)}" fill="none" stroke="${css(stroke.colour)}"` +
      ` stroke-width="${stroke.width}" stroke-linecap="round" opacity="${stroke.opacity ?? 1}"${dash}/>`
    );
  });
  return drawn.join("\n");
}
