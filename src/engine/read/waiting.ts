import type { CallId } from '../../journal/entries/entries.ts';
import { openWaits, type RunFold, type Wait } from '../../journal/fold/fold.ts';

/** A call or a node that waits without a process. Times are epoch milliseconds by the store's clock. */
export type Waiting = {
  callId: CallId;
  /** The agents from the run's top agent down to the one that waits. */
  path: readonly string[];
  /** The name of the tool or the node. */
  name: string;
  /** When the wait began. */
  since: number;
  /** The latest time that it waits. */
  until: number;
  /** The event that it waits for. Absent for a time alone. */
  event?: string;
  /** The key that the event must have. Set with `event`. */
  key?: string;
};

/** The public form of a wait. */
export const waitingView = ({ began, call, frame }: Wait): Waiting => ({
  callId: call.id,
  path: frame.path,
  name: call.name,
  since: began.at,
  until: began.until,
  ...(began.event && { event: began.event.name, key: began.event.key }),
});

/** The open wait of a call. */
export const waitOf = (run: RunFold, callId: CallId): Wait | undefined => openWaits(run).find(({ call }) => call.id === callId);
