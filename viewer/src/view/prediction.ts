// What the learning rate promises, on this plane and in all dimensions.

import { Rates } from "../ball/rates";
import { onLanguage, told, type Told } from "../language";
import { short } from "../numbers";
import type { Plane } from "../plane/plane";
import { make } from "./element";
import { STEPS } from "./races";
import { isWhole, plainRates } from "./rate_marks";
import type { Store } from "./store";
import { symbol } from "./symbols";
import { MARKS, PREDICTED, verdictWords } from "./words";

function line(
  where: Told,
  product: string,
  rates: Rates,
  rate: number,
): HTMLSpanElement {
  const verdict = rates.verdict(rate);
  const said = make("b", "", told(verdictWords(verdict)));
  const shown = make("span", "promise");
  shown.dataset["predicted"] = verdict;
  const value = short(rate * rates.largest);
  shown.append(
    make("span", "of", told(where)),
    symbol(`${product} = ${value}`),
    " → ",
    said,
  );
  return shown;
}

export function prediction(plane: Plane, store: Store): HTMLElement {
  const own = plainRates(plane);
  const { limit } = plane;
  const whole = isWhole(plane) || !limit || !(limit.eigenvalue > 0) ? null : limit;
  const model = whole && new Rates(whole.eigenvalue, Number.NaN, STEPS, 0);
  const made = make("p", "promises");
  made.setAttribute("aria-live", "polite");
  const draw = () => {
    const { rate } = store.state;
    const here = own && own.largest > 0 ? own : null;
    made.replaceChildren(
      here
        ? line(PREDICTED.plane, "η·λ", here, rate)
        : make("span", "of", told(PREDICTED.unknown)),
      ...(model
        ? [
            line(
              MARKS.model(plane.parameters.toLocaleString("en-US")),
              "η·λ_max",
              model,
              rate,
            ),
          ]
        : []),
    );
  };
  draw();
  store.on(["rate"], draw);
  onLanguage(draw);
  return made;
}
