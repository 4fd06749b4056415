// What the viewer reckons, asked from outside: for the tests, which compare it with
// Python's. No part of the viewer.

import type { Doubt } from "./src/ball/doubt";
import { planeRates, race, type Settings } from "./src/ball/race";
import { Rates } from "./src/ball/rates";
import { normalPairs } from "./src/ball/random";
import { judged } from "./src/ball/verdict";
import { colour, colourTable, type Palette } from "./src/plane/colours";
import { isolines } from "./src/plane/contours";
import { heightsOf } from "./src/plane/heights";
import { curvature, eigen2, gradientNorm, inParameters } from "./src/plane/metric";
import { flags, unpacked } from "./src/plane/packed";
import { readPlane, type Matrix, type Plane } from "./src/plane/plane";
import type { Packed, PlaneRecord } from "./src/plane/record";
import type { Point } from "./src/view/state";

type Case = { ask: string; plane?: PlaneRecord } & Record<string, unknown>;
type Answer = (given: never, plane: Plane) => unknown;

interface Sequence {
  losses: unknown[];
  gradientNorms: unknown[];
  along: unknown[][];
  cosines: unknown[];
  left: boolean;
  unbounded: boolean;
}

// Numbers that JSON has no word for.
const spelled = (value: unknown): unknown => {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, spelled);
  if (Array.isArray(value)) return value.map(spelled);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, spelled(v)]));
};

function timed<T>(act: () => T): [T, number] {
  const began = performance.now();
  const found = act();
  return [found, performance.now() - began];
}

const surfaceOf = (plane: Plane) => {
  const surface = plane.surface("loss");
  if (!surface) throw new Error("No surface.");
  return surface;
};

const ANSWERS: Record<string, Answer> = {
  unpacked: ({ of, as }: { of: Packed; as: string }) =>
    as === "flags" ? flags(of) : unpacked(of),
  plane: (_: never, { x, y, loss, fields, basins }) => ({
    x,
    y,
    low: loss.low,
    high: loss.high,
    measured: loss.measured,
    fields: [...fields.keys()],
    basins,
  }),
  surface: ({ at }: { at: Point[] }, plane) => {
    const surface = surfaceOf(plane);
    return at.map((point) => ({
      patch: surface.at(...point),
      value: surface.value(...point),
    }));
  },
  lowest: (_: never, plane) => surfaceOf(plane).lowest(),
  metric: ({ of, metric, step }: { of: Matrix; metric: Matrix; step: Point }) => ({
    eigen: eigen2(of),
    curvature: curvature(of, metric),
    norm: gradientNorm(step, metric),
    far: inParameters(metric, ...step),
  }),
  isolines: ({ levels }: { levels: number[] }, { x, y, loss }) =>
    levels.map((level) => isolines(x, y, loss.values, level)),
  race: ({ start, settings }: { start: Point; settings: Settings }, plane) =>
    race(plane, start, settings),
  judged: (asked: {
    made: Sequence;
    steps: number;
    momentum: number;
    doubt: Record<keyof Doubt, unknown>;
  }) => {
    const { losses, gradientNorms, along, cosines, ...ends } = asked.made;
    const made = {
      x: [],
      y: [],
      curvatures: [],
      losses: losses.map(Number),
      gradientNorms: gradientNorms.map(Number),
      along: along.map((values) => values.map(Number)),
      cosines: cosines.map(Number),
      ...ends,
    };
    const { resolution, gradient, loss, leak } = asked.doubt;
    return judged(made, asked.steps, asked.momentum, {
      resolution: Number(resolution),
      gradient: Number(gradient),
      loss: Number(loss),
      leak: Number(leak),
    });
  },
  rates: ({ steps, momentum }: { steps: number; momentum: number }, plane) => {
    const rates = planeRates(plane, steps, momentum);
    if (!rates) return null;
    const { largest, smallest, crawlsBelow, oscillatesAbove, divergesAbove } = rates;
    return { largest, smallest, crawlsBelow, oscillatesAbove, divergesAbove };
  },
  predicted: ({
    of,
    rates,
  }: {
    of: ConstructorParameters<typeof Rates>;
    rates: number[];
  }) => rates.map((rate) => new Rates(...of).verdict(rate)),
  heights: (
    asked: {
      log: boolean;
      clip: number;
      of: number[];
      shares: number[];
      count: number;
    },
    { loss },
  ) => {
    const heights = heightsOf(loss, asked.log, asked.clip);
    const { low, high, log, shift } = heights;
    return {
      ends: [low, high],
      log,
      shift,
      at: asked.of.map((value) => heights.at(value)),
      clipped: asked.of.map((value) => heights.clipped(value)),
      values: asked.shares.map((share) => heights.value(share)),
      levels: heights.levels(asked.count),
      ticks: heights.ticks(asked.count),
    };
  },
  colours: ({ of }: { of: Palette }) => ({
    table: colourTable(of),
    ends: [colour(of, -1), colour(of, 2), colour(of, NaN)],
  }),
  random: ({ seed, count }: { seed: number; count: number }) => {
    const draw = normalPairs(seed);
    return Array.from({ length: count }, draw);
  },
  seconds: (_: never, plane) => {
    const [surface, built] = timed(() => surfaceOf(plane));
    const { x, y, loss } = plane;
    const [from, to] = [x[0] ?? 0, x[x.length - 1] ?? 0];
    const count = 1e6;
    const [, values] = timed(() => {
      let sum = 0;
      for (let k = 0; k < count; k++) {
        const place = from + ((k * 0.618034) % 1) * (to - from);
        sum += surface.value(place, from + (k / count) * (to - from));
      }
      return sum;
    });
    const levels = heightsOf(loss, false, 1).levels(10);
    // the fastest, as others may be at work on the same machine
    const drawn = levels.map(
      (level) => timed(() => isolines(x, y, loss.values, level))[1],
    );
    return { built, value: values / count, level: Math.min(...drawn) };
  },
};

export function answer(cases: Case[]): unknown[] {
  return cases.map((asked) => {
    const plane = asked.plane ? readPlane(asked.plane) : undefined;
    return spelled(ANSWERS[asked.ask]?.(asked as never, plane as never));
  });
}
