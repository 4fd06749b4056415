// One line of what was measured, and how it went.

import { onLanguage, told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import { make } from "./element";
import { FACTS } from "./words";

// Where all that is drawn was measured, the outcome says so.
function said(plane: Plane): string[] {
  const { error } = plane.loss;
  const count = plane.points.toLocaleString("en-US");
  return [
    ...(error > 0 ? [told(FACTS.points(count))] : []),
    ...(error > 0 ? [told(FACTS.error(short(error, 2)))] : []),
    told(plane.outcome.text),
    ...plane.notes.map(told),
  ];
}

export function facts(plane: Plane): HTMLElement {
  const made = make("p", "facts");
  const { name, settled } = plane.outcome;
  const draw = () => {
    const mark = make("span", settled ? "state" : "state open", told(name));
    made.replaceChildren(mark, ` ${said(plane).join(" · ")}`);
  };
  draw();
  onLanguage(draw);
  return made;
}
