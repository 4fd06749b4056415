// The surface as a picture to keep, on the page's paper.

import { css, type Inks } from "./inks";
import type { Sight } from "./sight";
import { asVectors, type Stroke } from "./strokes";

export interface Layers {
  below: Stroke[];
  above: Stroke[];
}

export function blank(width: number, height: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// The canvas on the page's paper.
export function asPng(drawn: HTMLCanvasElement, inks: Inks): Promise<Blob> {
  const sheet = blank(drawn.width, drawn.height);
  const pen = sheet.getContext("2d");
  if (!pen)
    return Promise.reject(new Error("This browser gives no canvas to draw on."));
  pen.fillStyle = css(inks.paper);
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.drawImage(drawn, 0, 0);
  return new Promise((resolve, reject) => {
    sheet.toBlob((blob) => {
      if (blob) resolve(blob);
      else reject(new Error("The browser made no picture of the canvas."));
    }, "image/png");
  });
}

// The land is a raster inside, what is written and drawn around it stays lines.
export function asSvg(
  raster: HTMLCanvasElement,
  { below, above }: Layers,
  { eye: { width, height }, inks }: Sight,
): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<rect width="${width}" height="${height}" fill="${css(inks.paper)}"/>
${asVectors(below)}
<image href="${raster.toDataURL("image/png")}" width="${width}" height="${height}"/>
${asVectors(above)}
</svg>`;
}
