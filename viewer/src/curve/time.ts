// Where checkpoints lie in time: by their steps where they are numbered, else in order.

import type { Plane, Track } from "../plane/plane";

export interface Time {
  // Of the longest track, along which all views choose.
  track: Track;
  count: number;
  bySteps: boolean;
  low: number;
  high: number;
  of(track: Track, i: number): number;
  // The checkpoint of the longest track nearest to a time.
  nearest(time: number): number;
}

const stepOf = (label: string | undefined): number =>
  label === undefined || label.trim() === "" ? Number.NaN : Number(label);

// Steps that grow from one checkpoint to the next.
function counts({ labels }: Track): boolean {
  const steps = labels.map(stepOf);
  return steps.every(
    (step, i) => Number.isFinite(step) && (i === 0 || step > (steps[i - 1] ?? step)),
  );
}

// Null where there are no checkpoints.
export function timeOf({ tracks }: Plane): Time | null {
  const filled = tracks.filter(({ x }) => x.length > 0);
  const [first, ...others] = filled;
  if (!first) return null;
  const track = others.reduce((m, t) => (t.x.length > m.x.length ? t : m), first);
  const bySteps = filled.every(counts);
  const of = ({ labels }: Track, i: number) => (bySteps ? stepOf(labels[i]) : i);
  const times = filled.flatMap((each) => Array.from(each.x, (_, i) => of(each, i)));
  const own = Array.from(track.x, (_, i) => of(track, i));
  const ends = times.reduce(
    ([low, high], time) => [Math.min(low, time), Math.max(high, time)] as const,
    [Infinity, -Infinity] as readonly [number, number],
  );
  const [low, high] = ends[0] < ends[1] ? ends : [ends[0] - 0.5, ends[0] + 0.5];
  return {
    track,
    count: track.x.length,
    bySteps,
    low,
    high,
    of,
    nearest: (time) =>
      own.reduce(
        (best, at, i) =>
          Math.abs(at - time) < Math.abs((own[best] ?? Infinity) - time) ? i : best,
        0,
      ),
  };
}
