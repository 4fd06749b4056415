// Nodes of a drawing, made short; and how wide words are.

const SVG = "http://www.w3.org/2000/svg";

type Values = Record<string, string | number>;

const plain = (value: string | number): string =>
  typeof value === "number" ? String(Math.round(value * 100) / 100) : value;

export function draw<K extends keyof SVGElementTagNameMap>(
  tag: K,
  values: Values = {},
  ...parts: (Node | string)[]
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(values)) {
    made.setAttribute(name, plain(value));
  }
  made.append(...parts);
  return made;
}

export type Pair = [x: number, y: number];

// A line through points in pixels. What lies closer than half a pixel adds nothing.
export function through(points: readonly Pair[], closed = false): string {
  let path = "";
  let [x0, y0] = [Number.NaN, Number.NaN];
  points.forEach(([x, y], i) => {
    const near = Math.abs(x - x0) + Math.abs(y - y0) < 0.5;
    if (near && i < points.length - 1) return;
    path += `${path ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`;
    [x0, y0] = [x, y];
  });
  return closed && path ? `${path}Z` : path;
}

export const SANS = "var(--sans, sans-serif)";
export const SERIF = "var(--serif, serif)";

export interface Type {
  size: number;
  fill?: string;
  family?: string;
  italic?: boolean;
  anchor?: "start" | "middle" | "end";
  // What shines around the letters.
  halo?: string;
  weight?: number;
}

export function write(text: string, [x, y]: Pair, type: Type): SVGTextElement {
  const made = draw(
    "text",
    {
      x,
      y,
      "font-size": type.size,
      "text-anchor": type.anchor ?? "start",
      fill: type.fill ?? "var(--faint)",
    },
    text,
  );
  if (type.family) made.setAttribute("font-family", type.family);
  if (type.italic) made.setAttribute("font-style", "italic");
  if (type.weight) made.setAttribute("font-weight", String(type.weight));
  if (!type.halo) return made;
  made.setAttribute("stroke", type.halo);
  made.setAttribute("stroke-width", "3.2");
  made.setAttribute("stroke-linejoin", "round");
  made.setAttribute("paint-order", "stroke");
  return made;
}

let pen: CanvasRenderingContext2D | null | undefined;

function family(name: string): string {
  const found = /^var\((--\w+)/.exec(name)?.[1];
  if (!found) return name;
  const root = getComputedStyle(document.documentElement);
  return root.getPropertyValue(found).trim() || "sans-serif";
}

export function widthOf(text: string, type: Type): number {
  pen ??= document.createElement("canvas").getContext("2d");
  if (!pen) return text.length * type.size * 0.56;
  const slant = type.italic ? "italic " : "";
  pen.font = `${slant}${type.weight ?? 400} ${type.size}px ${family(type.family ?? SANS)}`;
  return pen.measureText(text).width;
}

// Where a line may end: at a space, and after any Chinese character.
const BREAKS = /\s+|(?<=[\p{Script=Han}，。；：])/gu;

function cutShort(text: string, fits: (line: string) => boolean): string {
  if (fits(text)) return text;
  let shown = text;
  while (shown.length > 1 && !fits(`${shown}…`)) shown = shown.slice(0, -1);
  return `${shown.trimEnd()}…`;
}

// Words in as many lines as they need; what is longer than the last one is cut short.
export function lines(text: string, width: number, most: number, type: Type): string[] {
  const fits = (line: string) => widthOf(line, type) <= width;
  const made: string[] = [];
  let rest = text.trim();
  while (rest && !fits(rest) && made.length < most - 1) {
    const ends = [...rest.matchAll(BREAKS)].map(({ index }) => index);
    const at = ends.findLast((end) => end > 0 && fits(rest.slice(0, end)));
    if (at === undefined) break;
    made.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return rest ? [...made, cutShort(rest, fits)] : made;
}
