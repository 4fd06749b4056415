// Elements, made short.

const SVG = "http://www.w3.org/2000/svg";

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  kind = "",
  ...parts: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  made.append(...parts);
  return made;
}

// A drawing of a few strokes beside or instead of a word.
export function icon(path: string): SVGSVGElement {
  const drawn = document.createElementNS(SVG, "svg");
  drawn.setAttribute("viewBox", "0 0 20 20");
  drawn.setAttribute("aria-hidden", "true");
  drawn.classList.add("icon");
  const stroke = document.createElementNS(SVG, "path");
  stroke.setAttribute("d", path);
  drawn.append(stroke);
  return drawn;
}

export const ICONS = {
  play: "M6 3.5v13l10.5-6.5z",
  pause: "M5.5 4h3v12h-3zM11.5 4h3v12h-3z",
  forward: "M4.5 4.5v11l8-5.5zM14 4.5h1.8v11H14z",
  back: "M15.5 4.5v11l-8-5.5zM4.2 4.5H6v11H4.2z",
  rewind: "M16.6 4.5v11l-6.4-5.5zM10 4.5v11L3.6 10zM2 4.5h1.4v11H2z",
  turn: "M4 10a6 6 0 1 0 2-4.5M6.6 2.4 5.7 5.8l3.5.6",
  save: "M10 3v9M6.5 8.8 10 12.3l3.5-3.5M3.5 14v2.5h13V14",
  link: "M8.5 11.5 11.5 8.5M9 6l1.8-1.8a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.8 1.8a3.5 3.5 0 0 1-5-5L6 9",
  wide: "M3.5 7.5v-4h4M16.5 7.5v-4h-4M3.5 12.5v4h4M16.5 12.5v4h-4",
};
