// The page speaks one language, or two between which the reader chooses.

export type Language = "en" | "zh";

// What is told: in one language, or in both.
export type Told = string | { en: string; zh: string };

export const language = (): Language =>
  document.documentElement.lang.startsWith("zh") ? "zh" : "en";

export const told = (words: Told): string =>
  typeof words === "string" ? words : words[language()];

const CHANGED = "theodolite-language";

export function speak(chosen: Language): void {
  document.documentElement.lang = chosen;
  document.dispatchEvent(new Event(CHANGED));
}

export function onLanguage(heard: () => void): void {
  document.addEventListener(CHANGED, heard);
}
