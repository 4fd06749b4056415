// An instrument that fills the screen: the whole one where the page may, else the page.

import { onLanguage, told } from "../language";
import { TOOLBAR } from "./words";

export interface Projector {
  toggle(): void;
}

export function projector(host: HTMLElement, button: HTMLButtonElement): Projector {
  const isWide = () => host.dataset["projector"] === "true";
  const label = () => {
    const said = told(isWide() ? TOOLBAR.narrow : TOOLBAR.wide);
    button.setAttribute("aria-label", said);
    button.title = said;
    button.setAttribute("aria-pressed", String(isWide()));
  };
  const show = (wide: boolean) => {
    if (wide) host.dataset["projector"] = "true";
    else delete host.dataset["projector"];
    document.documentElement.classList.toggle("projecting", wide);
    label();
  };
  const toggle = () => {
    const wide = !isWide();
    show(wide);
    if (!wide) {
      if (document.fullscreenElement === host) void document.exitFullscreen();
      return;
    }
    // Refused inside many frames: the instrument then fills the page.
    if (document.fullscreenEnabled) host.requestFullscreen().catch(() => undefined);
    else host.scrollIntoView();
  };
  document.addEventListener("fullscreenchange", () => {
    if (isWide() && document.fullscreenElement === null) show(false);
  });
  host.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !isWide()) return;
    if (document.fullscreenElement === null) show(false);
  });
  onLanguage(label);
  label();
  return { toggle };
}
