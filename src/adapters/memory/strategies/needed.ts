import { ToolError } from '../../../errors.ts';
import type { Model } from '../../../ports/model.ts';

/** The model of a strategy that cannot do without. @throws ToolError `MODEL_MISSING` */
export function needed(model: Model | undefined): Model {
  if (!model)
    throw new ToolError('MODEL_MISSING', 'this strategy needs a model: give the memory or the strategy one.', { outcome: 'not-run' });
  return model;
}

/** An answer of the right shape that means nothing. It is asked for again. */
export const unfit = (what: string) => new ToolError('EXTRACTION_INVALID', what, { retryable: true });
