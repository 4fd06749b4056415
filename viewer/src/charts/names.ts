// Names cut to the room there is for them.

const SHORT = 20;

// Both ends of a long name tell more than its beginning alone, the last one most;
// where there is little room, it stands for itself.
export function shorten(name: string, most: number): string {
  const letters = [...name];
  if (letters.length <= most) return name;
  const first = most < SHORT ? 0 : Math.floor((most - 1) / 4);
  const last = letters.length - (most - 1 - first);
  return `${letters.slice(0, first).join("")}…${letters.slice(last).join("")}`;
}

export const longestOf = (names: string[]): number =>
  Math.max(0, ...names.map((name) => [...name].length));
