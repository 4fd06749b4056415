// The block of land as triangles: its surface, and the faces where it is cut.

import { BufferAttribute, BufferGeometry } from "three";
import { BASE, type Box, HEIGHT } from "./box";
import type { Ground } from "./ground";
import { skies } from "./skies";

// A surface, and its corners again with a quarter of the triangles, for slow machines.
export interface Relief {
  geometry: BufferGeometry;
  fine: BufferAttribute;
  coarse: BufferAttribute;
  // Whether something rises above the ceiling.
  cut: boolean;
}

// What rises higher is as good as infinite.
const SKY = 60;

// Heights in the box; what rises above the ceiling is cut off there by the shader.
const drawn = ({ shares }: Ground): Float32Array =>
  shares.map((share) => Math.min(SKY, share) * HEIGHT);

const known = (height: number | undefined, otherwise: number): number =>
  height === undefined || Number.isNaN(height) ? otherwise : height;

// Shade only comes from what is seen.
const flat = (heights: Float32Array): Float32Array =>
  heights.map((height) => Math.min(HEIGHT, known(height, 0)));

const across = ({ x }: Ground, box: Box) =>
  Float64Array.from(x, (px) => box.spot(px, 0, 0)[0]);
const back = ({ y }: Ground, box: Box) =>
  Float64Array.from(y, (py) => box.spot(0, py, 0)[2]);

// Slopes along one axis of the grid at each node, from the neighbours on both sides.
function slopes(heights: Float32Array, at: Float64Array, stride: number): Float32Array {
  const count = at.length;
  return heights.map((here, k) => {
    const i = Math.floor(k / stride) % count;
    const [before, after] = [Math.max(0, i - 1), Math.min(count - 1, i + 1)];
    const rise =
      known(heights[k + (after - i) * stride], here) -
      known(heights[k + (before - i) * stride], here);
    return rise / ((at[after] ?? 1) - (at[before] ?? 0));
  });
}

export function reliefOf(ground: Ground, box: Box): Relief {
  const [xs, zs] = [across(ground, box), back(ground, box)];
  const [nx, ny] = [xs.length, zs.length];
  const heights = drawn(ground);
  const sky = skies(flat(heights), nx, ny, Math.max(box.width / nx, box.depth / ny));
  const [byX, byZ] = [slopes(heights, xs, ny), slopes(heights, zs, 1)];
  const positions = new Float32Array(nx * ny * 3);
  const normals = new Float32Array(nx * ny * 3);
  const looks = new Float32Array(nx * ny * 2);
  for (let k = 0; k < nx * ny; k++) {
    const [dx, dz] = [byX[k] ?? 0, byZ[k] ?? 0];
    const length = Math.sqrt(1 + dx * dx + dz * dz);
    positions[3 * k] = xs[Math.floor(k / ny)] ?? 0;
    positions[3 * k + 1] = known(heights[k], 0);
    positions[3 * k + 2] = zs[k % ny] ?? 0;
    normals[3 * k] = -dx / length;
    normals[3 * k + 1] = 1 / length;
    normals[3 * k + 2] = -dz / length;
    looks[2 * k] = known(heights[k], 0) / HEIGHT;
    looks[2 * k + 1] = sky[k] ?? 1;
  }
  const fine = new BufferAttribute(triangles(ground, 1), 1);
  const coarse = new BufferAttribute(triangles(ground, 2), 1);
  const cut = ground.shares.some((share) => share > 1);
  return { geometry: geometryOf(positions, normals, looks, fine), fine, coarse, cut };
}

// Two triangles for each block of cells; blocks beside holes fall apart into cells.
function triangles({ x, y, cells }: Ground, block: number): Uint32Array {
  const [nx, ny] = [x.length, y.length];
  const corners = new Uint32Array(cells.length * 6);
  let count = 0;
  const square = (i: number, j: number, di: number, dj: number) => {
    const [a, b] = [i * ny + j, (i + di) * ny + j];
    corners[count++] = a;
    corners[count++] = b;
    corners[count++] = b + dj;
    corners[count++] = a;
    corners[count++] = b + dj;
    corners[count++] = a + dj;
  };
  for (let i = 0; i + 1 < nx; i += block)
    for (let j = 0; j + 1 < ny; j += block) {
      const [di, dj] = [Math.min(block, nx - 1 - i), Math.min(block, ny - 1 - j)];
      let known = 0;
      for (let a = i; a < i + di; a++)
        for (let b = j; b < j + dj; b++) known += cells[a * (ny - 1) + b] ?? 0;
      if (known === di * dj) square(i, j, di, dj);
      else
        for (let a = i; a < i + di; a++)
          for (let b = j; b < j + dj; b++)
            if (cells[a * (ny - 1) + b] === 1) square(a, b, 1, 1);
    }
  return corners.slice(0, count);
}

function geometryOf(
  positions: Float32Array,
  normals: Float32Array,
  looks: Float32Array,
  corners: BufferAttribute,
): BufferGeometry {
  const made = new BufferGeometry();
  made.setAttribute("position", new BufferAttribute(positions, 3));
  made.setAttribute("normal", new BufferAttribute(normals, 3));
  made.setAttribute("look", new BufferAttribute(looks, 2));
  return made.setIndex(corners);
}

type Node = [i: number, j: number];

// Walls from the surface down to the base, wherever a cell has no neighbour.
export function wallsOf(ground: Ground, box: Box): BufferGeometry {
  const { x, y, cells } = ground;
  const [xs, zs] = [across(ground, box), back(ground, box)];
  const [nx, ny] = [x.length, y.length];
  const heights = drawn(ground);
  const foot = -BASE * HEIGHT;
  const [positions, normals, looks, corners]: number[][] = [[], [], [], []];
  if (!positions || !normals || !looks || !corners) return new BufferGeometry();
  const wall = (ends: [Node, Node], towards: [number, number]) => {
    const first = positions.length / 3;
    for (const [i, j] of ends) {
      const [px, pz] = [xs[i] ?? 0, zs[j] ?? 0];
      positions.push(px, heights[i * ny + j] ?? 0, pz, px, foot, pz);
      normals.push(towards[0], 0, towards[1], towards[0], 0, towards[1]);
      looks.push((heights[i * ny + j] ?? 0) / HEIGHT, 1, -BASE, 1);
    }
    corners.push(first, first + 1, first + 3, first, first + 3, first + 2);
  };
  const open = (i: number, j: number) =>
    i < 0 || j < 0 || i + 1 >= nx || j + 1 >= ny || cells[i * (ny - 1) + j] !== 1;
  for (let i = 0; i + 1 < nx; i++)
    for (let j = 0; j + 1 < ny; j++) {
      if (open(i, j)) continue;
      const [a, b, c, d]: Node[] = [
        [i, j],
        [i + 1, j],
        [i + 1, j + 1],
        [i, j + 1],
      ];
      if (!a || !b || !c || !d) continue;
      if (open(i - 1, j)) wall([a, d], [-1, 0]);
      if (open(i + 1, j)) wall([b, c], [1, 0]);
      if (open(i, j - 1)) wall([a, b], [0, 1]);
      if (open(i, j + 1)) wall([d, c], [0, -1]);
    }
  return geometryOf(
    Float32Array.from(positions),
    Float32Array.from(normals),
    Float32Array.from(looks),
    new BufferAttribute(Uint32Array.from(corners), 1),
  );
}
