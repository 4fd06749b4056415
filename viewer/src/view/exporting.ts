// The current view as a file: PNG as it is seen, SVG for print.

import { told, type Told } from "../language";
import type { Plane } from "../plane/plane";
import type { View } from "./view";

export type Format = "png" | "svg";

export interface Picture {
  words: Told;
  kind: string;
  plane: Plane;
  view: View;
}

const LONGEST_NAME = 60;
// A file that is being saved must still be there.
const KEPT = 60_000;

// Letters, digits and dashes of any script: a name from elsewhere is no path.
export function fileName(plane: Plane, kind: string, format: Format): string {
  const spelled = `${told(plane.title) || plane.name} ${kind}`;
  const plain = spelled.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  return `theodolite-${plain.slice(0, LONGEST_NAME).toLowerCase()}.${format}`;
}

async function drawn({ view }: Picture, format: Format): Promise<Blob> {
  const png = format === "png" ? await view.png?.() : undefined;
  if (png) return png;
  return new Blob([view.svg?.() ?? ""], { type: "image/svg+xml" });
}

export const offers = ({ view }: Picture, format: Format): boolean =>
  format === "png" ? view.png !== undefined : view.svg !== undefined;

// Returns the name under which the reader finds it.
export async function save(picture: Picture, format: Format): Promise<string> {
  const blob = await drawn(picture, format);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName(picture.plane, picture.kind, format);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT);
  return link.download;
}
