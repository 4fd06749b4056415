// The survey as it lies in the page.

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

export interface Interactions {
  names: string[];
  // ‖H[i, j]‖_F of the block between two layers, and its standard error.
  norms: number[][];
  errors: number[][];
  // ‖H‖_F of all layers.
  norm: number;
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
    interactions?: Measurement<Interactions>;
  };
}
