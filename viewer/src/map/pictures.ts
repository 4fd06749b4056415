// A drawing as a file of its own: without the page's style sheet, on its paper.

import { draw } from "./drawn";

const SHARP = 2;
const MARGIN = 14;

const sizeOf = (drawing: SVGSVGElement, side: "width" | "height"): number =>
  Number(drawing.getAttribute(side));

// What a style sheet says, as drawings elsewhere can read it.
function resolver(host: Element) {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const style = getComputedStyle(probe);
  const known = new Map<string, string>();
  const one = (whole: string, name: string): string => {
    if (/^--(sans|serif)$/.test(name)) {
      return style.getPropertyValue(name).trim().replaceAll('"', "'") || "sans-serif";
    }
    probe.style.color = "";
    probe.style.color = whole;
    return style.color;
  };
  const resolve = (value: string): string =>
    value.replace(/var\((--[\w-]+)[^)]*\)/g, (whole, name: string) => {
      const found = known.get(whole) ?? one(whole, name);
      known.set(whole, found);
      return found;
    });
  return { resolve, done: () => probe.remove() };
}

// The copy is changed: nothing in it refers to the page any more.
function settle(drawing: SVGElement, host: Element): void {
  const { resolve, done } = resolver(host);
  for (const element of [drawing, ...drawing.querySelectorAll("*")]) {
    for (const { name, value } of [...element.attributes]) {
      if (value.includes("var(")) element.setAttribute(name, resolve(value));
    }
  }
  done();
}

// A copy with a margin of paper around it, which needs nothing of the page.
function alone(drawing: SVGSVGElement, host: Element, title: string): SVGSVGElement {
  const copy = drawing.cloneNode(true) as SVGSVGElement;
  const [width, height] = [sizeOf(copy, "width"), sizeOf(copy, "height")];
  const [wide, high] = [width + 2 * MARGIN, height + 2 * MARGIN];
  const paper = { x: -MARGIN, y: -MARGIN, width: wide, height: high };
  copy.setAttribute("width", String(wide));
  copy.setAttribute("height", String(high));
  copy.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${wide} ${high}`);
  copy.prepend(draw("rect", { ...paper, fill: "var(--paper)" }));
  if (title) copy.prepend(draw("title", {}, title));
  settle(copy, host);
  return copy;
}

const written = (drawing: SVGSVGElement): string =>
  new XMLSerializer().serializeToString(drawing);

export const asSvg = (drawing: SVGSVGElement, host: Element, title: string): string =>
  written(alone(drawing, host, title));

export async function asPng(
  drawing: SVGSVGElement,
  host: Element,
  title: string,
): Promise<Blob> {
  const copy = alone(drawing, host, title);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(written(copy))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(sizeOf(copy, "width") * SHARP);
  canvas.height = Math.round(sizeOf(copy, "height") * SHARP);
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("This browser gives no canvas to draw on.");
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("The browser made no picture of the drawing."));
    }, "image/png");
  });
}
