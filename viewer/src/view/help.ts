// The keys, and the small window that lists them.

import "./help.css";
import { make } from "./element";
import { tell } from "./tell";
import { HELP, KEYS } from "./words";

export function helpWindow(): HTMLDialogElement {
  const list = make("dl");
  for (const [keys, does] of KEYS) {
    const caps = keys.split(" ").map((key) => make("kbd", "", key));
    list.append(make("div", "", make("dt", "", ...caps), tell(make("dd"), does)));
  }
  const close = tell(make("button", "close"), HELP.close);
  close.type = "button";
  const made = make("dialog", "help", tell(make("h4"), HELP.title));
  made.append(tell(make("p"), HELP.where), list, close);
  tell(made, HELP.title, "aria-label");
  close.addEventListener("click", () => made.close());
  // Beside the window is outside of it.
  made.addEventListener("click", ({ target }) => {
    if (target === made) made.close();
  });
  return made;
}
