import type { Json } from '../../json.ts';
import type { Part } from '../../ports/model.ts';

/** A tool's result as the journal has it: see `observed()`. */
export type Observed = {
  output: Json;
  content?: readonly Part[];
  cut?: number;
};
