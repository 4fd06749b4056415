// Where the reader's arrow keys stop: the drawn points, in pixels of the drawing.

import type { Plot } from "@observablehq/plot";
import type { Stop } from "./chart";

type Position = [x: number, y: number | string];

export function stopsOf<Datum extends { text: string }>(
  drawing: Plot & Element,
  data: Datum[],
  position: (datum: Datum) => Position,
): Stop[] {
  const across = drawing.scale("x");
  const up = drawing.scale("y");
  if (!across || !up) return [];
  return data.map((datum) => {
    const [x, y] = position(datum);
    return { x: across.apply(x) as number, y: up.apply(y) as number, text: datum.text };
  });
}
