// At which learning rates gradient descent on a quadratic changes its ways.

export type Kind = "crawl" | "converge" | "oscillate" | "diverge";

// What "there" means: the distance that is left of the one at the start.
export const REDUCTION = 0.1;

// A step multiplies the distance along a direction of curvature λ by 1 − ηλ: it changes
// sign above 1/λ and grows above 2/λ. With momentum β, sign changes begin at
// (1 − √β)²/λ and growth at 2(1 + β)/λ.
export class Rates {
  constructor(
    readonly largest: number,
    // NaN where it is not known.
    readonly smallest = NaN,
    // Within which the distance along the flattest direction comes down to a tenth.
    readonly steps = 200,
    readonly momentum = 0,
  ) {}

  // A smaller rate needs more than `steps`; NaN where λ_min is not positive.
  get crawlsBelow(): number {
    if (!(this.smallest > 0)) return NaN;
    const shrinks = REDUCTION ** (1 / this.steps);
    // the momentum itself dies out too slowly
    if (shrinks <= Math.sqrt(this.momentum)) return Infinity;
    return ((1 - shrinks) * (1 - this.momentum / shrinks)) / this.smallest;
  }

  // Above, steps change sign along the steepest direction: 1/λ_max.
  get oscillatesAbove(): number {
    return this.#over((1 - Math.sqrt(this.momentum)) ** 2);
  }

  // Above, they grow along it: 2/λ_max.
  get divergesAbove(): number {
    return this.#over(2 * (1 + this.momentum));
  }

  // The graver first; both where it hangs on a λ_min that is not known.
  verdict(rate: number): Kind | "crawl or converge" {
    if (rate > this.divergesAbove) return "diverge";
    if (rate > this.oscillatesAbove) return "oscillate";
    if (!(this.smallest > 0)) return "crawl or converge";
    return rate < this.crawlsBelow ? "crawl" : "converge";
  }

  #over(numerator: number): number {
    return this.largest > 0 ? numerator / this.largest : Infinity;
  }
}
