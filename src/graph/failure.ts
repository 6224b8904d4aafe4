import type { Failure } from '../errors.ts';
import type { Call } from '../journal/fold/fold.ts';
import { failureOf } from '../reliability/classify.ts';

/** A thrown value as the failure of a node. The message starts with the node's name, unless the error has a code of its own. */
export const nodeFailure = ({ name }: Call, thrown: unknown): Failure =>
  failureOf(thrown, 'NODE_FAILED', { where: `node "${name}" failed: ` });
