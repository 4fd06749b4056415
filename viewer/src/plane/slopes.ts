// Derivatives at the nodes of a grid, of the polynomials through the nearest ones.

// Nodes that a slope is taken from: exact for polynomials of fourth degree.
const STENCIL = 5;

interface Stencils {
  width: number;
  // The first node of each stencil, and `width` weights for each.
  starts: Int32Array;
  weights: Float64Array;
}

// What a node's value adds to the slope at another: Lagrange's polynomial, derived.
function weight(nodes: Float64Array, at: number, of: number, from: number, to: number) {
  const here = nodes[at] as number;
  const there = nodes[of] as number;
  let product = 1 / (there - here);
  for (let m = from; m < to; m++) {
    if (m === at || m === of) continue;
    const node = nodes[m] as number;
    product *= (here - node) / (there - node);
  }
  return product;
}

function stencilsOf(nodes: Float64Array): Stencils {
  const count = nodes.length;
  const width = Math.min(STENCIL, count);
  const starts = new Int32Array(count);
  const weights = new Float64Array(count * width);
  for (let at = 0; at < count; at++) {
    const from = Math.min(Math.max(at - Math.floor(width / 2), 0), count - width);
    starts[at] = from;
    let own = 0;
    for (let k = 0; k < width; k++) {
      if (from + k === at) continue;
      const found = weight(nodes, at, from + k, from, from + width);
      weights[at * width + k] = found;
      own -= found;
    }
    weights[at * width + (at - from)] = own;
  }
  return { width, starts, weights };
}

// Numbers of a grid by (x, y): slopes along x.
export function slopesDown(nodes: Float64Array, values: Float64Array): Float64Array {
  const { width, starts, weights } = stencilsOf(nodes);
  const columns = values.length / nodes.length;
  const found = new Float64Array(values.length);
  for (let i = 0; i < nodes.length; i++) {
    for (let k = 0; k < width; k++) {
      const share = weights[i * width + k] as number;
      const row = ((starts[i] as number) + k) * columns;
      for (let j = 0; j < columns; j++) {
        // what is no number times nothing is still none
        (found[i * columns + j] as number) += share * (values[row + j] as number);
      }
    }
  }
  return found;
}

// Slopes along y.
export function slopesAcross(nodes: Float64Array, values: Float64Array): Float64Array {
  const { width, starts, weights } = stencilsOf(nodes);
  const columns = nodes.length;
  const found = new Float64Array(values.length);
  for (let row = 0; row < values.length; row += columns) {
    for (let j = 0; j < columns; j++) {
      const start = row + (starts[j] as number);
      let total = 0;
      for (let k = 0; k < width; k++) {
        total += (weights[j * width + k] as number) * (values[start + k] as number);
      }
      found[row + j] = total;
    }
  }
  return found;
}
