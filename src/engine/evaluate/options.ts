import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { Grader } from './check.ts';

export interface EvaluateOptions {
  /** At least one. Asked one after the other, once a run has completed, failed or stopped. */
  graders: readonly Grader[];
  /** The share of the runs that is scored, from 0 to 1. Default 1. */
  sample?: number;
  /** Most US dollars that one grader may spend on one run. */
  costUsd?: number;
}

const OPTIONS = {
  graders: 'graders: [grounded({ model })]',
  sample: 'sample: 0.1',
  costUsd: 'costUsd: 0.01',
} satisfies Record<keyof EvaluateOptions, string>;

/** @throws RondoError `CONFIG_INVALID`. */
export function checkEvaluate(o: EvaluateOptions): EvaluateOptions {
  checkOptions(o, OPTIONS, 'evaluate');
  const { graders, sample = 1, costUsd } = o;
  if (
    !Array.isArray(graders) ||
    graders.length === 0 ||
    !graders.every((one) => typeof one?.grade === 'function' && typeof one.name === 'string')
  )
    throw invalid(`evaluate needs graders, of rondo/bench or your own { name, grade }: ${OPTIONS.graders}.`);
  if (typeof sample !== 'number' || !(sample >= 0 && sample <= 1))
    throw invalid(`evaluate: sample is ${sample}; it is a share from 0 to 1.`);
  if (costUsd !== undefined && !(typeof costUsd === 'number' && costUsd >= 0))
    throw invalid(`evaluate: costUsd is ${costUsd}; it is in US dollars, 0 or more.`);
  return o;
}
