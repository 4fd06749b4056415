// What the colours of a drawing stand for.

import { plot, dot, ruleY, type SymbolType } from "@observablehq/plot";
import { PAPER } from "../chart";
import { seriesColour, seriesSign } from "./series";

export interface Meant {
  name: string;
  // Numbers beside the name.
  told?: string;
}

function swatch(number: number): Element {
  const stroke = seriesColour(number);
  return plot({
    width: 30,
    height: 14,
    margin: 0,
    x: { domain: [0, 1], axis: null },
    y: { domain: [0, 1], axis: null },
    marks: [
      ruleY([0.5], { stroke, strokeWidth: 2.2 }),
      dot([0.5], {
        x: 0.5,
        y: 0.5,
        symbol: seriesSign(number) as SymbolType,
        r: 4,
        fill: PAPER,
        stroke,
        strokeWidth: 1.8,
      }),
    ],
  });
}

function entry({ name, told }: Meant, number: number): HTMLLIElement {
  const item = document.createElement("li");
  const words = document.createElement("span");
  const numbers = document.createElement("small");
  const sign = swatch(number);
  sign.setAttribute("aria-hidden", "true");
  words.className = "meant";
  words.textContent = `${name} `;
  numbers.textContent = told ?? "";
  words.append(numbers);
  item.append(sign, words);
  return item;
}

export function legendOf(all: Meant[]): HTMLUListElement {
  const list = document.createElement("ul");
  list.className = "legend";
  list.append(...all.map(entry));
  return list;
}
