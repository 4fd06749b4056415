// Random numbers that are the same for one seed, on every machine.

// mulberry32: evenly in [0, 1).
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Pairs of independent standard normal numbers, by Box and Muller.
export function normalPairs(seed: number): () => [number, number] {
  const even = uniform(seed);
  return () => {
    // from (0, 1], whose logarithm is finite
    const radius = Math.sqrt(-2 * Math.log(1 - even()));
    const angle = 2 * Math.PI * even();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  };
}
