import type { Failure } from '../errors.ts';
import type { Call } from '../journal/fold.ts';
import { failureOf } from '../reliability/classify.ts';

/** What a node threw, as the agent above is told of it: with the node's name where the error has no code of its own. */
export const nodeFailure = ({ name }: Call, thrown: unknown): Failure =>
  failureOf(thrown, 'NODE_FAILED', { where: `node "${name}" failed: ` });
