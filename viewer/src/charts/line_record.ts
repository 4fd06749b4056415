// A line as the report writes it, and its points.

import type { Told } from "../language";

export interface LineField {
  name: string;
  values: number[];
  measured: boolean[];
  // How far interpolated values are off.
  error: number;
  // So many steps of t lie between two values.
  every: number;
}

export interface LineRecord {
  name: string;
  title: Told;
  t: number[];
  fields: Record<string, LineField>;
  // Those that are drawn; all where it is not said.
  shown?: string[];
  barrier: number;
  // What lies at 0 and at 1.
  ends: [string, string] | null;
}

export interface LinePoint {
  t: number;
  value: number;
  measured: boolean;
  error: number;
}

// Coarser quantities are measured at every so-manieth point, counted from the centre.
function places(t: number[], every: number): number[] {
  const sizes = t.map(Math.abs);
  const centre = sizes.indexOf(Math.min(...sizes));
  return t.filter((_, place) => place % every === centre % every);
}

export function pointsOf(record: LineRecord, field: LineField): LinePoint[] {
  return places(record.t, Math.max(1, field.every)).map((t, place) => {
    const measured = field.measured[place] ?? true;
    const value = field.values[place] ?? Number.NaN;
    return { t, value, measured, error: measured ? 0 : field.error };
  });
}
