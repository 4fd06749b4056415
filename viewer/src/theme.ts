// Light or dark: the system's choice until the reader presses the button.

import { onLanguage, told, type Told } from "./language";

export type Theme = "light" | "dark";

const CHOICE = "theodolite-theme";

const OFFERS: Record<Theme, Told> = {
  light: { en: "Show the page in light colours", zh: "以浅色显示页面" },
  dark: { en: "Show the page in dark colours", zh: "以深色显示页面" },
};

// Some browsers forbid storage to pages opened from a file.
function remembered(): string | null {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(CHOICE, theme);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export function offerThemes(page: Document): void {
  const button = page.querySelector<HTMLButtonElement>("button[data-theme-toggle]");
  if (!button) return;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = page.documentElement;
  const other = (): Theme => {
    const shown = root.dataset["theme"] ?? (system.matches ? "dark" : "light");
    return shown === "dark" ? "light" : "dark";
  };
  const label = () => {
    const offer = told(OFFERS[other()]);
    button.setAttribute("aria-label", offer);
    button.title = offer;
  };
  const kept = remembered();
  if (kept === "light" || kept === "dark") root.dataset["theme"] = kept;
  button.addEventListener("click", () => {
    const chosen = other();
    root.dataset["theme"] = chosen;
    remember(chosen);
  });
  system.addEventListener("change", label);
  onLanguage(label);
  // The address may choose too.
  new MutationObserver(label).observe(root, { attributeFilter: ["data-theme"] });
  label();
  button.hidden = false;
}
