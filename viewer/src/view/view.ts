// What every view of a plane is.

import type { Plane } from "../plane/plane";
import type { Store } from "./store";

export interface View {
  element: HTMLElement;
  // A picture of what is seen now, on the page's paper.
  png?(): Promise<Blob>;
  svg?(): string;
}

export type MakeView = (plane: Plane, store: Store) => View;
