import { type Failure, isResumable } from '../errors.ts';
import type { Call } from '../journal/fold/fold.ts';
import { knownOf } from '../loop/call/effects.ts';
import { failureOf } from '../reliability/classify.ts';

/**
 * A thrown value as the failure of a node. The message starts with the node's name, unless the error has a code of its own. Whatever the node
 * threw, it may have had the effect of a step whose outcome is unknown: so it can go on once an operator has settled that.
 */
export function nodeFailure({ name, durable }: Call, thrown: unknown): Failure {
  const failure = failureOf(thrown, 'NODE_FAILED', { where: `node "${name}" failed: ` });
  const doubtful = !isResumable(failure) && [...(durable?.values() ?? [])].some(isUnknown);
  return doubtful ? { ...failure, outcome: 'unknown' } : failure;
}

const isUnknown = (step: Call): boolean => step.effect !== undefined && knownOf(step, step.effect).outcome === 'unknown';
