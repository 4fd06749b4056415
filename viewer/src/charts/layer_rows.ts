// The layers as rows of a list: their names cut to size, their words, their extent.

import { amount, short } from "../numbers";
import type { Layer } from "../survey";
import { longestOf, shorten } from "./names";

export interface Row extends Layer {
  at: number;
  shown: string;
  text: string;
}

function describe(layer: Layer): string {
  const state = layer.converged ? "" : " (not converged)";
  return [
    shorten(layer.name, 60),
    `largest eigenvalue ${amount(layer.eigenvalue, layer.residual)}${state}`,
    `learning rate ${short(layer.learning_rate)}`,
    `${layer.size.toLocaleString("en-US")} parameters`,
  ].join("\n");
}

export function longest(layers: Layer[]): number {
  return longestOf(layers.map(({ name }) => name));
}

export function layerRows(layers: Layer[], most: number): Row[] {
  return layers.map((layer, at) => ({
    ...layer,
    at,
    shown: shorten(layer.name, most),
    text: describe(layer),
  }));
}

export const isDrawable = (layer: Layer): boolean =>
  layer.eigenvalue > 0 && layer.eigenvalue < Infinity;

export function whyNot({ eigenvalue }: Layer): string {
  return eigenvalue <= 0 ? `${short(eigenvalue)}: not above zero` : short(eigenvalue);
}

// From a whole decade below the smallest to a little above the largest.
export function extent(layers: Layer[]): [number, number] {
  const values = layers.filter(isDrawable).map((layer) => layer.eigenvalue);
  if (values.length === 0) return [0.1, 1];
  const low = 10 ** Math.floor(Math.log10(Math.min(...values) / 1.5));
  return [low, Math.max(...values) * 1.3];
}
