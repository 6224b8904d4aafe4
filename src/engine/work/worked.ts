import type { Run } from '../run.ts';
import type { Retrying } from './backoff.ts';

/** Why a run needs a process, in the order in which they are served. */
export type WorkKind = 'decision' | 'timer' | 'recovery' | 'queue';

/** A run that the loop has begun to drive. Wrapped in an object, because a promise would await a bare Run. */
export interface Worked {
  runId: string;
  /** Why it needed a process. */
  kind: WorkKind;
  /** It may reject, such as with `RUN_BUSY` where another process was faster. */
  run: Run;
}

/** The state of a loop. Plain JSON. */
export interface WorkState {
  /** Runs that it drives now. */
  driving: number;
  /** Runs that it has driven to an end or a pause. */
  driven: number;
  /** How often a run could not be driven. */
  failed: number;
  /** Runs that are tried again later: after 1 second, doubled with every failure up to 5 minutes. */
  waiting: readonly Retrying[];
  /** Runs that need a process, of agents that this engine does not know. They are left alone. At most 1,000. */
  unknown: readonly { runId: string; agent: string }[];
}
