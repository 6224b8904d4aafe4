import type { CallId } from '../journal/entries.ts';
import type { Wait } from '../journal/fold.ts';

/** A call or a node that waits without a process. Times are epoch milliseconds by the store's clock. */
export interface Waiting {
  callId: CallId;
  /** The agents from the run's top agent down to the one that waits. */
  path: readonly string[];
  /** The name of the tool or the node. */
  name: string;
  since: number;
  until: number;
}

/** The public form of a wait. */
export const waitingView = ({ began, call, frame }: Wait): Waiting => ({
  callId: call.id,
  path: frame.path,
  name: call.name,
  since: began.at,
  until: began.until,
});
