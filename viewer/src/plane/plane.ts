// A measured plane, ready to be drawn and walked on.

import type { Told } from "../language";
import { Bicubic } from "./bicubic";
import { flags, unpacked } from "./packed";
import type {
  AxisRecord,
  FieldRecord,
  Limit,
  Mark,
  Outcome,
  PlaneRecord,
  TrackRecord,
} from "./record";

export type Matrix = [[number, number], [number, number]];

export interface Field {
  name: string;
  x: Float64Array;
  y: Float64Array;
  // values[i * y.length + j] belongs to (x[i], y[j])
  values: Float64Array;
  measured: Uint8Array;
  error: number;
  // The smallest and largest finite value; NaN where there is none.
  low: number;
  high: number;
}

export interface Track {
  name: string;
  labels: string[];
  x: Float64Array;
  y: Float64Array;
  distance: Float64Array;
  loss: Float64Array;
  planeLoss: Float64Array;
}

export interface Plane {
  name: string;
  title: Told;
  parameters: number;
  x: Float64Array;
  y: Float64Array;
  fields: Map<string, Field>;
  loss: Field;
  metric: Matrix;
  axes: [AxisRecord, AxisRecord];
  scale: number;
  tracks: Track[];
  marks: Mark[];
  basins: Float64Array | null;
  limit: Limit | null;
  hessian: Matrix | null;
  points: number;
  outcome: Outcome;
  notes: Told[];
  // The smooth surface through a field's points; null where it has too few.
  surface(name: string): Bicubic | null;
}

function ends(values: Float64Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [Number.NaN, Number.NaN];
}

function readField(name: string, record: FieldRecord, plane: PlaneRecord): Field {
  const values = unpacked(record.values);
  const [low, high] = ends(values);
  return {
    name,
    x: unpacked(record.x ?? plane.x),
    y: unpacked(record.y ?? plane.y),
    values,
    measured: record.measured
      ? flags(record.measured)
      : new Uint8Array(values.length).fill(1),
    error: record.error,
    low,
    high,
  };
}

function readTrack(record: TrackRecord): Track {
  return {
    name: record.name,
    labels: record.labels,
    x: unpacked(record.x),
    y: unpacked(record.y),
    distance: unpacked(record.distance),
    loss: unpacked(record.loss),
    planeLoss: unpacked(record.plane_loss),
  };
}

function surfaces(fields: Map<string, Field>): (name: string) => Bicubic | null {
  const made = new Map<string, Bicubic | null>();
  return (name) => {
    const field = fields.get(name);
    if (!made.has(name)) {
      const wide = field !== undefined && field.x.length > 1 && field.y.length > 1;
      made.set(name, wide ? new Bicubic(field.x, field.y, field.values) : null);
    }
    return made.get(name) ?? null;
  };
}

export function readPlane(record: PlaneRecord): Plane {
  const fields = new Map(
    Object.entries(record.fields).map(([name, field]) => [
      name,
      readField(name, field, record),
    ]),
  );
  const loss = fields.get("loss");
  if (!loss) throw new Error("A plane without its loss.");
  return {
    ...record,
    x: unpacked(record.x),
    y: unpacked(record.y),
    fields,
    loss,
    tracks: record.tracks.map(readTrack),
    basins: record.basins ? unpacked(record.basins) : null,
    surface: surfaces(fields),
  };
}

// How far off the plane the farthest checkpoint is.
export function farthest(tracks: Track[]): number {
  const all = tracks.flatMap(({ distance }) => [...distance].filter(Number.isFinite));
  return all.reduce((most, one) => Math.max(most, one), 0);
}
