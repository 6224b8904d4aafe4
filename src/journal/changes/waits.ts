/** The changes of waits for events that a run's entries stand for. */
import type { CallId, Entry } from '../entries/entries.ts';
import { callIn, callsBelow, frameOf, isOver, openWaits } from '../fold/frame.ts';
import type { Call, RunFold, Wait } from '../fold/state.ts';
import type { WaitChange } from '../inbox.ts';

/**
 * Looks only at the calls that the entries name, since a run may have thousands that wait.
 * @param run before the entries. @param ahead with them applied. @param clock the store's. Undefined for none, as of nearly all appends.
 */
export function waitChanges(
  run: RunFold,
  ahead: RunFold,
  entries: readonly Entry[],
  clock: () => number | Promise<number>,
): readonly WaitChange[] | undefined {
  if (!ahead.listens) return undefined;
  const told = clock();
  // events are kept for days, so the clock of this process will do
  const now = typeof told === 'number' ? told : Date.now();
  const changes: WaitChange[] = [];
  for (const entry of entries) {
    // a fork begins with entries of another run, which has taken the events
    if (entry.seq <= ahead.inherited) continue;
    if (entry.type === 'call.finished' && entry.event) changes.push({ call: entry.call, to: 'taken', id: entry.event.id });
    else if (entry.type === 'event.rejected') changes.push({ call: entry.call, to: 'rejected', id: entry.id, problem: entry.problem, now });
  }
  const { before, after } = listening(run, ahead, entries);
  for (const call of before.keys()) if (!after.has(call)) changes.push({ call, to: 'closed', now });
  for (const [call, { began }] of after) {
    const { event, until, for: ms = 0 } = began;
    if (!before.has(call) && event)
      changes.push({ call, to: 'open', tenant: ahead.started.by?.tenant, event: event.name, key: event.key, now: until - ms });
  }
  return changes.length > 0 ? changes : undefined;
}

type Waits = Map<CallId, Wait>;

/** The calls that wait for events before and after the entries, as far as the entries may have changed that. */
function listening(run: RunFold, ahead: RunFold, entries: readonly Entry[]): { before: Waits; after: Waits } {
  const before: Waits = new Map();
  const after: Waits = new Map();
  const note = (waits: Waits, { id, status, wait }: Call) => void (status === 'open' && wait?.began.event && waits.set(id, wait));
  for (const entry of entries) {
    if (entry.type === 'run.started' || entry.type === 'run.claimed' || entry.type === 'run.settled') {
      for (const { call } of openWaits(run)) note(before, call);
      for (const { call } of openWaits(ahead)) note(after, call);
    } else if ('call' in entry) {
      const was = isOver(run) ? undefined : callAt(run, entry);
      const is = isOver(ahead) ? undefined : callAt(ahead, entry);
      if (was) note(before, was);
      // with a sub-agent end all that is below it
      for (const call of entry.type === 'call.finished' && was?.frame ? callsBelow(was.frame) : []) note(before, call);
      if (is) note(after, is);
    }
  }
  return { before, after };
}

function callAt(run: RunFold, entry: { frame?: string | undefined; call: CallId }): Call | undefined {
  const frame = frameOf(run, entry);
  return frame && callIn(frame, entry.call);
}
