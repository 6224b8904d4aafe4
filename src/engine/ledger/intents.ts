/** What the store knows of intents: their claims, and the calls that hold them. */
import { accessProblem } from '../../hitl/policy.ts';
import type { Holder } from '../../journal/claims.ts';
import type { EntryOf } from '../../journal/entries/entries.ts';
import { Log } from '../../journal/log.ts';
import type { Journal } from '../../journal/port.ts';
import type { HeldCall, Host, Intents } from '../../loop/types.ts';
import { aboutStart } from '../about.ts';
import { followRun, loadRun } from '../drive/history.ts';
import { isDriven } from '../drive/owner.ts';
import { wakeFor } from '../drive/wake.ts';
import { findHead } from '../read/lookup.ts';
import { argumentsIn } from './did.ts';

/** @param opened the log of a run that this engine drives. */
export function intents(
  journal: Journal,
  { policy, now }: Pick<Host, 'policy' | 'now'>,
  opened: (runId: string) => Promise<Log | undefined>,
): Intents {
  return {
    kept: journal.claim !== undefined,
    find: (key) => journal.claim?.(key),
    async stateOf(runId) {
      const head = await findHead(journal, runId);
      if (head?.status === 'paused') return 'waits';
      return isDriven(head, await now()) ? 'live' : 'gone';
    },
    async read(holder, by) {
      const call = await heldCall(journal, holder);
      if (!call) return undefined;
      const { started, ...rest } = call;
      const about = aboutStart(holder.run, started);
      return (await accessProblem(policy, { point: 'inspect', by, ...about })) === undefined ? rest : { hidden: true };
    },
    async changed(runId, ms, cancel) {
      const wake = await wakeFor(journal, runId);
      try {
        await wake.next(AbortSignal.any([cancel.signal, AbortSignal.timeout(Math.ceil(ms))]));
      } finally {
        wake.close();
      }
    },
    async settle({ run: runId, call }, found) {
      const own = await opened(runId);
      const run = own ? undefined : await loadRun(journal, runId);
      const log = own ?? (run && new Log(journal, run, undefined, undefined, true));
      await log?.append(() => (log.run.unknowns.has(call) ? [{ type: 'outcome.settled', call, source: 'check', ...found }] : []));
    },
  };
}

/** What a call was called with, and what became of it, by the entries of its run. */
async function heldCall(journal: Journal, holder: Holder): Promise<(HeldCall & { started: EntryOf<'run.started'> }) | undefined> {
  const call: { -readonly [F in keyof HeldCall]: HeldCall[F] } = {};
  const run = await followRun(journal, holder.run, (run, entry) => {
    if (!('call' in entry) || entry.call !== holder.call) return;
    if (entry.type === 'call.started') call.input = argumentsIn(run, entry);
    else if (entry.type === 'call.finished' && entry.ok) {
      call.output = entry.output ?? null;
      call.content = entry.content;
      call.cut = entry.cut;
    } else if (entry.type === 'outcome.settled' && entry.outcome === 'done') call.output ??= entry.output;
  });
  return run && { ...call, started: run.started };
}
