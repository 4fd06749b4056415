// A field as finely as a map is drawn: refined between its nodes, or thinned out.

import type { Field, Plane } from "../plane/plane";

export const OPEN = 0;
export const UNMEASURED = 1;
export const BROKEN = 2;

// Nodes along an axis that lines look smooth with.
const FINE = 240;

// The cells between nodes, and which of them hold nothing.
export interface Cells {
  x: Float64Array;
  y: Float64Array;
  // Of (x[i], y[j]) and the next ones: kinds[i * (y.length - 1) + j].
  kinds: Uint8Array;
  holes: boolean;
}

export interface Sampled {
  x: Float64Array;
  y: Float64Array;
  // NaN inside holes.
  values: Float64Array;
  cells: Cells;
  // Samples along each cell.
  each: [number, number];
}

const get = (all: ArrayLike<number>, i: number): number => all[i] ?? Number.NaN;

// Of so many nodes along an axis, those that are kept.
export function thin(nodes: number): number[] {
  const stride = Math.max(1, Math.floor((nodes - 1) / FINE));
  const kept = Array.from(
    { length: Math.ceil((nodes - 1) / stride) },
    (_, i) => i * stride,
  );
  return nodes > 0 ? [...kept, nodes - 1] : [];
}

function kindOf(field: Field, [i0, i1]: number[], [j0, j1]: number[]): number {
  let kind = OPEN;
  for (let i = i0 ?? 0; i <= (i1 ?? 0); i++) {
    for (let j = j0 ?? 0; j <= (j1 ?? 0); j++) {
      const at = i * field.y.length + j;
      if (Number.isFinite(field.values[at])) continue;
      if (field.measured[at]) return BROKEN;
      kind = UNMEASURED;
    }
  }
  return kind;
}

function cellsOf(field: Field, rows: number[], columns: number[]): Cells {
  const [nx, ny] = [Math.max(0, rows.length - 1), Math.max(0, columns.length - 1)];
  const kinds = new Uint8Array(nx * ny);
  for (let i = 0; i < nx; i++) {
    for (let j = 0; j < ny; j++) {
      kinds[i * ny + j] = kindOf(field, rows.slice(i, i + 2), columns.slice(j, j + 2));
    }
  }
  return {
    x: Float64Array.from(rows, (i) => get(field.x, i)),
    y: Float64Array.from(columns, (j) => get(field.y, j)),
    kinds,
    holes: kinds.some((kind) => kind !== OPEN),
  };
}

function refined(nodes: Float64Array, each: number): Float64Array {
  if (each === 1 || nodes.length < 2) return nodes;
  return Float64Array.from({ length: (nodes.length - 1) * each + 1 }, (_, i) => {
    const [from, share] = [Math.floor(i / each), (i % each) / each];
    const [a, b] = [get(nodes, from), get(nodes, Math.min(from + 1, nodes.length - 1))];
    return share === 0 ? a : a + share * (b - a);
  });
}

// Along one axis: the cell before a sample and the one after it.
function sides(sample: number, each: number, cells: number): [number, number] {
  const after = Math.min(Math.floor(sample / each), cells - 1);
  return [sample % each === 0 ? Math.max(0, after - 1) : after, after];
}

function openAt(cells: Cells, each: [number, number], i: number, j: number): boolean {
  const ny = cells.y.length - 1;
  const [i0, i1] = sides(i, each[0], cells.x.length - 1);
  const [j0, j1] = sides(j, each[1], ny);
  const open = (a: number, b: number) => cells.kinds[a * ny + b] === OPEN;
  return open(i0, j0) || open(i1, j0) || open(i0, j1) || open(i1, j1);
}

// Beside holes there is no cubic: a straight one between the nodes of the cell.
function straight(field: Field, x: number, y: number): number {
  const place = (nodes: Float64Array, at: number): [number, number] => {
    let i = 0;
    while (i < nodes.length - 2 && at >= get(nodes, i + 1)) i++;
    const [a, b] = [get(nodes, i), get(nodes, i + 1)];
    return [i, (at - a) / (b - a)];
  };
  const [[i, s], [j, t]] = [place(field.x, x), place(field.y, y)];
  const across = (row: number): number => {
    const at = row * field.y.length + j;
    const [a, b] = [get(field.values, at), get(field.values, at + 1)];
    return t === 0 ? a : t === 1 ? b : a + t * (b - a);
  };
  return s === 0
    ? across(i)
    : s === 1
      ? across(i + 1)
      : mixed(across(i), across(i + 1), s);
}

const mixed = (a: number, b: number, share: number): number => a + share * (b - a);

function sample(plane: Plane, field: Field): Sampled {
  const [rows, columns] = [thin(field.x.length), thin(field.y.length)];
  const cells = cellsOf(field, rows, columns);
  const wanted = (nodes: number) => Math.max(1, Math.round(FINE / (nodes - 1)));
  const plain: [number, number] = [wanted(rows.length), wanted(columns.length)];
  const least = cells.holes && Math.max(...plain) > 1 ? 2 : 1;
  const each: [number, number] = [Math.max(least, plain[0]), Math.max(least, plain[1])];
  const [x, y] = [refined(cells.x, each[0]), refined(cells.y, each[1])];
  const values = new Float64Array(x.length * y.length).fill(Number.NaN);
  const fine = Math.max(...each) > 1;
  const surface = fine ? plane.surface(field.name) : null;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < y.length; j++) {
      if (cells.holes && !openAt(cells, each, i, j)) continue;
      const [px, py] = [get(x, i), get(y, j)];
      const at = (rows[i] ?? 0) * field.y.length + (columns[j] ?? 0);
      let value = fine ? (surface?.value(px, py) ?? Number.NaN) : get(field.values, at);
      if (fine && Number.isNaN(value)) value = straight(field, px, py);
      values[i * y.length + j] = Number.isFinite(value) ? value : Number.NaN;
    }
  }
  return { x, y, values, cells, each };
}

const known = new WeakMap<Field, Sampled>();

// Null where there is no cell to draw.
export function sampledOf(plane: Plane, field: Field): Sampled | null {
  if (field.x.length < 2 || field.y.length < 2) return null;
  const found = known.get(field) ?? sample(plane, field);
  known.set(field, found);
  return found;
}

// The outline of all cells of one kind, as segments in coordinates.
export function edgesOf({ x, y, kinds }: Cells): [number, number, number, number][] {
  const [nx, ny] = [x.length - 1, y.length - 1];
  const kind = (i: number, j: number): number =>
    i < 0 || j < 0 || i >= nx || j >= ny ? -1 : (kinds[i * ny + j] ?? -1);
  const found: [number, number, number, number][] = [];
  const differ = (a: number, b: number) => a !== b && a >= 0 && b >= 0;
  for (let i = 0; i < nx; i++) {
    for (let j = 0; j < ny; j++) {
      const [x0, x1, y0, y1] = [get(x, i), get(x, i + 1), get(y, j), get(y, j + 1)];
      if (differ(kind(i, j), kind(i - 1, j))) found.push([x0, y0, x0, y1]);
      if (differ(kind(i, j), kind(i, j - 1))) found.push([x0, y0, x1, y0]);
    }
  }
  return found;
}
