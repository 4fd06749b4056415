// The field's symbols as they are set in print.

import { make } from "./element";

const SYMBOL = /((?:[12]\/|η·)?λ_max)/;

// λ_max in a run of text becomes λ with a small max below the line, unbroken.
export function symbol(text: string): HTMLSpanElement {
  const made = make("span", "symbol");
  for (const part of text.split(SYMBOL)) {
    const sign = SYMBOL.test(part) ? part.replace("_max", "") : "";
    if (sign) made.append(make("span", "sign", sign, make("sub", "", "max")));
    else if (part) made.append(part);
  }
  return made;
}
