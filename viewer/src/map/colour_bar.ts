// Which colour is which height, and how sure the heights are.

import { told } from "../language";
import { short } from "../numbers";
import type { Field } from "../plane/plane";
import { css } from "../surface/inks";
import { draw, type Pair, widthOf, write } from "./drawn";
import { type Layout, SMALL } from "./layout";
import type { Scale } from "./scale";
import type { Tints } from "./tints";
import { WORDS } from "./words";

const WIDE = 11;
const STOPS = 32;
const CUT = 9;

const ticksOf = (scale: Scale, count: number): number[] =>
  scale.flat ? [scale.heights.low].filter(Number.isFinite) : scale.heights.ticks(count);

const told4 = (value: number): string => short(value, 4);

export const errorOf = ({ error }: Field): string =>
  error > 0 ? `±\u00a0${short(error, 2)}` : "";

// How wide its numbers are.
export function barWords(scale: Scale, field: Field): number {
  const texts = [...ticksOf(scale, 7).map(told4), errorOf(field)];
  return Math.ceil(Math.max(16, ...texts.map((text) => widthOf(text, SMALL))));
}

interface Bar {
  // Along the bar: where a share of the height lies.
  at(share: number): Pair;
  rect(from: number, to: number): Record<string, number>;
  upright: boolean;
  count: number;
  end: Pair;
}

function barOf({ bar }: Layout, cut: boolean): Bar {
  const { x, y, upright } = bar;
  const length = bar.length - (cut ? CUT : 0);
  const from = upright ? y + bar.length : x;
  const sign = upright ? -1 : 1;
  const place = (share: number) => from + sign * share * length;
  return {
    at: (share) => (upright ? [x, place(share)] : [place(share), y]),
    rect(one, other) {
      const [low, high] = [place(one), place(other)];
      const [start, size] = [Math.min(low, high), Math.abs(high - low)];
      return upright
        ? { x, y: start, width: WIDE, height: size }
        : { x: start, y, width: size, height: WIDE };
    },
    upright,
    count: upright ? Math.min(7, length / 26) : Math.max(3, Math.floor(length / 60)),
    end: upright ? [x, y + bar.length] : [x + bar.length, y],
  };
}

function ramp(bar: Bar, tints: Tints, flat: boolean, id: string): SVGElement[] {
  const stops = Array.from({ length: STOPS + 1 }, (_, i) =>
    draw("stop", {
      offset: `${((100 * i) / STOPS).toFixed(2)}%`,
      "stop-color": css(tints.at(flat ? 0 : i / STOPS)),
    }),
  );
  const along = bar.upright ? { x1: 0, y1: 1, x2: 0, y2: 0 } : {};
  return [
    draw("linearGradient", { id, ...along }, ...stops),
    draw("rect", { ...bar.rect(0, 1), fill: `url(#${id})` }),
  ];
}

function numbers(bar: Bar, scale: Scale, tints: Tints): SVGElement[] {
  return ticksOf(scale, bar.count).flatMap((tick) => {
    const share = scale.flat ? 0.5 : scale.share(tick);
    if (!(share >= -1e-9 && share <= 1 + 1e-9)) return [];
    const [x, y] = bar.at(share);
    const line = bar.upright
      ? `M${x},${y.toFixed(1)}h${WIDE}`
      : `M${x.toFixed(1)},${y}v${WIDE}`;
    const at: Pair = bar.upright ? [x + WIDE + 5, y + 3.6] : [x, y + WIDE + 13];
    const mark = draw("path", {
      d: line,
      stroke: tints.line(scale.flat ? 0 : share),
      "stroke-width": 0.8,
      "stroke-opacity": 0.8,
    });
    const anchor = bar.upright ? "start" : "middle";
    return [mark, write(told4(tick), at, { ...SMALL, anchor })];
  });
}

function cutOff(bar: Bar, layout: Layout, tints: Tints): SVGElement {
  const over = 1 + CUT / (layout.bar.length - CUT);
  const made = draw("rect", { ...bar.rect(1, over), fill: css(tints.cut) });
  made.append(draw("title", {}, told(WORDS.cutAway)));
  return made;
}

function doubt(bar: Bar, field: Field): SVGElement[] {
  const text = errorOf(field);
  if (!text) return [];
  const [x, y] = bar.end;
  const at: Pair = bar.upright ? [x, y + 17] : [x, y - 4];
  const made = write(text, at, { ...SMALL, anchor: bar.upright ? "start" : "end" });
  made.append(draw("title", {}, told(WORDS.error)));
  return [made];
}

let bars = 0;

export function colourBar(
  layout: Layout,
  scale: Scale,
  field: Field,
  tints: Tints,
): SVGGElement {
  const bar = barOf(layout, scale.cut);
  bars += 1;
  const over = 1 + (scale.cut ? CUT / (layout.bar.length - CUT) : 0);
  const edge = draw("rect", {
    ...bar.rect(0, over),
    fill: "none",
    stroke: "var(--ink)",
    "stroke-opacity": 0.5,
    "stroke-width": 0.75,
  });
  return draw(
    "g",
    {},
    ...ramp(bar, tints, scale.flat, `map-ramp-${bars}`),
    ...(scale.cut ? [cutOff(bar, layout, tints)] : []),
    ...numbers(bar, scale, tints),
    edge,
    ...doubt(bar, field),
  );
}
