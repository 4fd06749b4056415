// A measured plane as it lies in the page; `maps/page_record.py` writes it.

import type { Told } from "../language";

// Little-endian numbers in base64; infinity and NaN are what they are.
export interface Packed {
  type: "f8" | "f4" | "u1";
  shape: number[];
  data: string;
}

export interface FieldRecord {
  // Where it was measured: the plane's own coordinates, or a coarser grid's.
  x: Packed | null;
  y: Packed | null;
  // (nx, ny), row by row: the first index goes along x.
  values: Packed;
  // 1 where it was measured, 0 where interpolated or missing; null: all measured.
  measured: Packed | null;
  // How far interpolated values are off, in the field's units; 0 without any.
  error: number;
}

export interface AxisRecord {
  kind: string;
  label: Told;
  // Parameter units that one unit of the coordinate moves.
  length: number;
  // vᵀHv / vᵀv at the centre, where it is known.
  curvature: number | null;
}

export interface TrackRecord {
  name: string;
  labels: string[];
  x: Packed;
  y: Packed;
  // From each checkpoint to the plane, in parameter units.
  distance: Packed;
  // At the checkpoint itself, and at its foot on the plane.
  loss: Packed;
  plane_loss: Packed;
}

export type MarkKind = "centre" | "minimum" | "saddle" | "pass" | "checkpoint";

export interface Mark {
  kind: MarkKind;
  x: number;
  y: number;
  value: number;
  text: Told;
}

// How measuring ended: `settled` or not, its name and what there is to say of it.
export interface Outcome {
  name: Told;
  text: Told;
  settled: boolean;
}

// 2/λ_max of all p dimensions at the centre.
export interface Limit {
  eigenvalue: number;
  value: number;
  low: number;
  high: number;
}

export interface PlaneRecord {
  name: string;
  title: Told;
  parameters: number;
  x: Packed;
  y: Packed;
  fields: Record<string, FieldRecord>;
  // D Dᵀ: inner products of both directions, in parameter units.
  metric: [[number, number], [number, number]];
  axes: [AxisRecord, AxisRecord];
  // ‖centre‖, in parameter units.
  scale: number;
  tracks: TrackRecord[];
  marks: Mark[];
  // Number of the basin of each node of the loss, from 1; 0 for none. Or unknown.
  basins: Packed | null;
  limit: Limit | null;
  // D H Dᵀ at the centre, by products with the model's Hessian.
  hessian: [[number, number], [number, number]] | null;
  // Points at which the loss was measured.
  points: number;
  outcome: Outcome;
  notes: Told[];
}
