// Light or dark: the system's choice until the reader presses the button.

const CHOICE = "theodolite-theme";

// Some browsers forbid storage to pages opened from a file.
function remembered(): string | null {
  try {
    return localStorage.getItem(CHOICE);
  } catch {
    return null;
  }
}

function remember(theme: string): void {
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
  const current = () => root.dataset["theme"] ?? (system.matches ? "dark" : "light");
  const label = () => {
    const other = current() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Show the page in ${other} colours`);
    button.title = `Show the page in ${other} colours`;
  };
  const kept = remembered();
  if (kept === "light" || kept === "dark") root.dataset["theme"] = kept;
  button.addEventListener("click", () => {
    root.dataset["theme"] = current() === "dark" ? "light" : "dark";
    remember(current());
    label();
  });
  system.addEventListener("change", label);
  label();
  button.hidden = false;
}
