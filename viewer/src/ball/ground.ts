// The surface that a ball rolls on, in the metric of the parameters.

import type { Bicubic, Patch } from "../plane/bicubic";
import {
  cholesky,
  eigen2,
  forward,
  whitened,
  type Eigen,
  type Pair,
} from "../plane/metric";
import type { Matrix, Plane } from "../plane/plane";

export interface Ground {
  surface: Bicubic;
  // L with L Lᵀ = D Dᵀ: in coordinates z = Lᵀc distances are those of the parameters.
  root: Matrix;
  // The plane's own curvatures at its lowest point; NaN where they are not known, the
  // smallest also where it is not above rounding.
  largest: number;
  smallest: number;
  // The steepest direction there, and behind it the flattest where its λ is known.
  compass: Pair[];
  // The least distance between nodes along the first direction.
  spacing: number;
  gradient(patch: Patch): Pair;
  curvatures(patch: Patch): Pair;
}

type Bends = Pick<Ground, "largest" | "smallest" | "compass">;

const UNKNOWN: Bends = { largest: NaN, smallest: NaN, compass: [[1, 0]] };

function bendsOf({ values, vectors }: Eigen): Bends {
  const [smallest, largest] = values;
  const size = Math.max(Math.abs(smallest), Math.abs(largest));
  const known = smallest > 16 * Number.EPSILON * size;
  return {
    largest,
    smallest: known ? smallest : NaN,
    compass: known ? [vectors[1], vectors[0]] : [vectors[1]],
  };
}

const grounds = new WeakMap<Plane, Ground | null>();

// Null where the plane has too few points, none that is a number, or is none.
export function groundOf(plane: Plane): Ground | null {
  const known = grounds.get(plane);
  if (known !== undefined) return known;
  const made = makeGround(plane);
  grounds.set(plane, made);
  return made;
}

function makeGround(plane: Plane): Ground | null {
  const surface = plane.surface("loss");
  const lowest = surface?.lowest();
  const root = cholesky(plane.metric);
  if (!surface || !lowest || !root) return null;
  const bottom = surface.at(...lowest);
  const { x } = plane.loss;
  let spacing = Infinity;
  for (let i = 1; i < x.length; i++) {
    spacing = Math.min(spacing, (x[i] as number) - (x[i - 1] as number));
  }
  return {
    surface,
    root,
    spacing: spacing * root[0][0],
    ...(bottom ? bendsOf(eigen2(whitened(root, bottom.hessian))) : UNKNOWN),
    gradient: (patch) => forward(root, patch.gradient),
    curvatures: (patch) => eigen2(whitened(root, patch.hessian)).values,
  };
}
