// Numbers as they are read: the error decides how many digits are shown.
// `amounts.py` of the report follows the same rules.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const MOST_DIGITS = 6;
// A number stays on one line with its error and its power of ten.
const SPACE = "\u00a0";

function magnitude(value: number): number {
  return value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)));
}

export function power(exponent: number): string {
  const digits = [...String(Math.abs(exponent))];
  const raised = digits.map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${raised}`;
}

function fixed(value: number, decimals: number): string {
  const shown = value.toLocaleString("en-US", {
    minimumFractionDigits: Math.max(0, decimals),
    maximumFractionDigits: Math.max(0, decimals),
  });
  return shown.replace("-", "−");
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return "not a number";
  if (value === Infinity) return "∞";
  return value === -Infinity ? "−∞" : null;
}

const trimmed = (shown: string): string =>
  shown.includes(".") ? shown.replace(/\.?0+$/, "") : shown;

const pair = (value: string, error: string): string =>
  `${value}${SPACE}±${SPACE}${error}`;

const times = (shown: string, size: number): string =>
  `${shown}${SPACE}×${SPACE}${power(size)}`;

export function short(value: number, digits = 3): string {
  const named = special(value);
  if (named !== null) return named;
  const rounded = Number(value.toPrecision(digits));
  const size = magnitude(rounded);
  if (size >= -3 && size < 6) return trimmed(fixed(rounded, digits - 1 - size));
  return times(trimmed(fixed(rounded / 10 ** size, digits - 1)), size);
}

export function amount(value: number, error: number): string {
  if (special(value) !== null || !(error > 0) || error === Infinity) {
    return short(value);
  }
  const unit = Math.max(magnitude(error), magnitude(value) - MOST_DIGITS + 1);
  if (magnitude(error) < unit) return pair(short(value, MOST_DIGITS), short(error, 1));
  const size = Math.max(magnitude(value), magnitude(error));
  if (size >= -3 && size < 6) return pair(fixed(value, -unit), fixed(error, -unit));
  const decimals = size - unit;
  const scaled = [value, error].map((part) => fixed(part / 10 ** size, decimals));
  return times(`(${pair(scaled[0] ?? "", scaled[1] ?? "")})`, size);
}

// A decade on an axis: 0.01, 1, 100 in digits, what lies further out as a power.
export function decade(value: number): string {
  if (value === 0) return "0";
  const size = Math.round(Math.log10(Math.abs(value)));
  const sign = value < 0 ? "−" : "";
  if (size < -3 || size > 3) return sign + power(size);
  return sign + fixed(Math.abs(value), Math.max(0, -size));
}

export function ordinal(rank: number): string {
  const teens = [11, 12, 13].includes(rank % 100);
  const ending = teens ? undefined : ["th", "st", "nd", "rd"][rank % 10];
  return `${rank}${ending ?? "th"}`;
}
