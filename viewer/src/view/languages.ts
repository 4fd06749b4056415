// English or Chinese: the page's own language until the reader presses a button.

import { language, onLanguage, speak, type Language } from "../language";

const CHOICE = "theodolite-language";

// Some browsers forbid storage to pages opened from a file.
function remembered(): string | null {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

function remember(chosen: Language): void {
  try {
    localStorage.setItem(CHOICE, chosen);
  } catch {
    // The choice then lasts as long as the page.
  }
}

const isLanguage = (name: unknown): name is Language => name === "en" || name === "zh";

// Each `button[data-language="en"]` or `"zh"` of the page chooses that language.
export function offerLanguages(page: Document): void {
  const buttons = [
    ...page.querySelectorAll<HTMLButtonElement>("button[data-language]"),
  ];
  if (buttons.length === 0) return;
  const mark = () => {
    for (const button of buttons) {
      const pressed = button.dataset["language"] === language();
      button.setAttribute("aria-pressed", String(pressed));
    }
  };
  for (const button of buttons) {
    const offered = button.dataset["language"];
    if (!isLanguage(offered)) continue;
    button.lang = offered;
    button.hidden = false;
    button.addEventListener("click", () => {
      remember(offered);
      speak(offered);
    });
  }
  onLanguage(mark);
  const kept = remembered();
  if (isLanguage(kept) && kept !== language()) speak(kept);
  mark();
}
