// The page's colours as numbers: what a style sheet says, for WebGL and for canvases.

export type Rgb = [red: number, green: number, blue: number];

export interface Inks {
  dark: boolean;
  paper: Rgb;
  plate: Rgb;
  ink: Rgb;
  faint: Rgb;
  rule: Rgb;
  up: Rgb;
  down: Rgb;
  serif: string;
  sans: string;
  // Of a ball by its method, of a track by its number.
  method(name: string): Rgb;
  track(number: number): Rgb;
}

// Okabe and Ito's colours that stand out on viridis, cividis and grey alike.
const TRACKS = ["#d55e00", "#cc79a7", "#0072b2", "#e69f00", "#009e73", "#56b4e9"];
const BALLS: Record<string, string> = {
  descent: "#d55e00",
  momentum: "#0072b2",
  newton: "#cc79a7",
  noisy: "#e69f00",
};

// Browsers answer "rgb(…)", or "color(srgb …)" for mixed colours.
function parsed(text: string): Rgb {
  const numbers = (text.match(/-?[\d.]+(?:e-?\d+)?/g) ?? []).map(Number);
  const unit = text.startsWith("color(") ? 1 : 255;
  const [red = 0, green = 0, blue = 0] = numbers;
  return [red / unit, green / unit, blue / unit];
}

export function readInks(host: HTMLElement): Inks {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const style = getComputedStyle(probe);
  const colour = (value: string): Rgb => {
    probe.style.color = "";
    probe.style.color = value;
    return parsed(style.color);
  };
  const named = (name: string, otherwise: string) =>
    colour(`var(--${name}, ${otherwise})`);
  const font = (name: string, otherwise: string) =>
    style.getPropertyValue(name).trim() || otherwise;
  const plate = named("plate", "#fdfbf5");
  const methods = Object.entries(BALLS).map(
    ([name, hex]) => [name, named(`method-${name}`, hex)] as const,
  );
  const tracks = TRACKS.map((hex, number) => named(`track-${number + 1}`, hex));
  const inks: Inks = {
    dark: luminance(plate) < 0.4,
    paper: named("paper", "#f6f2e9"),
    plate,
    ink: named("ink", "#1d2831"),
    faint: named("faint", "#5f666d"),
    rule: named("rule", "#dcd4c3"),
    up: named("up", "#1a6598"),
    down: named("down", "#b84e14"),
    serif: font("--serif", "Georgia, serif"),
    sans: font("--sans", "system-ui, sans-serif"),
    method: (name) => methods.find(([key]) => key === name)?.[1] ?? [0.8, 0.4, 0],
    track: (number) => tracks[number % tracks.length] ?? [0.8, 0.4, 0],
  };
  probe.remove();
  return inks;
}

export function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function mixed(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (k: 0 | 1 | 2) => from[k] + (to[k] - from[k]) * share;
  return [part(0), part(1), part(2)];
}

export function css(colour: Rgb, opacity = 1): string {
  const [red, green, blue] = colour.map((part) => Math.round(part * 255));
  return opacity < 1
    ? `rgba(${red},${green},${blue},${opacity})`
    : `rgb(${red},${green},${blue})`;
}

// Themes change by the page's button and by the system.
export function onTheme(heard: () => void): void {
  const watch = new MutationObserver(heard);
  watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", heard);
}
