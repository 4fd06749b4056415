// The survey as it lies in the page, and how it is read.

export interface Outcome {
  name: "converged" | "budget" | "rounding" | "exact" | "interrupted";
  text: string;
}

export interface Measurement<Value> {
  outcome: Outcome;
  value: Value;
}

export interface Eigenvalue {
  value: number;
  residual: number;
  converged: boolean;
}

export interface Place {
  kind: string;
  lowest: Eigenvalue;
  highest: Eigenvalue;
}

export interface Eigenvalues {
  top: Eigenvalue[];
  bottom: Eigenvalue[];
}

export interface SpeedLimit {
  value: number;
  low: number;
  high: number;
  eigenvalue: number;
}

export interface Layer {
  name: string;
  size: number;
  eigenvalue: number;
  residual: number;
  converged: boolean;
  learning_rate: number;
}

export interface Density {
  grid: number[];
  density: number[];
  low: number[];
  high: number[];
  outliers: number[];
}

export interface Estimate {
  value: number;
  error: number;
}

export interface RiseRow {
  sigma: number;
  predicted: Estimate;
  measured: Estimate;
}

export interface Rise {
  rows: RiseRow[];
  loss: number;
  holds_up_to: number | null;
}

export interface Stiffness {
  condition: number;
  condition_is_lower_bound: boolean;
  steps: number;
  reduction: number;
}

export interface Survey {
  measurements: {
    place?: Measurement<Place>;
    eigenvalues?: Measurement<Eigenvalues>;
    speed_limit?: Measurement<SpeedLimit>;
    layers?: Measurement<{ rows: Layer[] }>;
    rise?: Measurement<Rise>;
    density?: Measurement<Density>;
    stiffness?: Measurement<Stiffness>;
  };
}

const SPELLED = new Map<unknown, number>([
  ["nan", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
]);

// JSON has no NaN, so such floats come spelled; a layer may well be named "inf".
function revive(key: string, value: unknown): unknown {
  return key === "name" ? value : (SPELLED.get(value) ?? value);
}

export function readSurvey(page: Document): Survey {
  const text = page.getElementById("survey")?.textContent ?? "{}";
  return { measurements: {}, ...(JSON.parse(text, revive) as Partial<Survey>) };
}
