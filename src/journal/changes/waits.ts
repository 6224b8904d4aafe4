/** The changes of waits for events that a run's entries stand for. */
import type { Entry } from '../entries/entries.ts';
import { openWaits } from '../fold/frame.ts';
import type { RunFold, Wait } from '../fold/state.ts';
import type { WaitChange } from '../inbox.ts';

/** @param run before the entries. @param ahead with them applied. @param clock the store's. Undefined for none, as of nearly all appends. */
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
  const before = listening(run);
  const after = listening(ahead);
  for (const [call] of before) if (!after.has(call)) changes.push({ call, to: 'closed', now });
  for (const [call, { began }] of after) {
    const { event, until, for: ms = 0 } = began;
    if (!before.has(call) && event)
      changes.push({ call, to: 'open', tenant: ahead.started.by?.tenant, event: event.name, key: event.key, now: until - ms });
  }
  return changes.length > 0 ? changes : undefined;
}

const listening = (run: RunFold): ReadonlyMap<string, Wait> =>
  new Map(openWaits(run).flatMap((wait) => (wait.began.event ? [[wait.call.id, wait]] : [])));
