/** What the store knows of intents: their claims, and the calls that hold them. */
import { accessProblem } from '../../hitl/policy.ts';
import type { Holder } from '../../journal/claims.ts';
import type { EntryOf } from '../../journal/entries.ts';
import { Log } from '../../journal/log.ts';
import type { Journal } from '../../journal/port.ts';
import type { Json } from '../../json.ts';
import type { HeldCall, Host, Intents } from '../../loop/types.ts';
import { loadRun } from '../history.ts';
import { findHead } from '../lookup.ts';
import { isGone } from '../owner.ts';
import { wakeFor } from '../wake.ts';

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
      return head?.status === 'running' && (head.leaseUntil ?? 0) > (await now()) && !isGone(head.owner) ? 'live' : 'gone';
    },
    async read(holder, by) {
      const call = await heldCall(journal, holder);
      if (!call) return undefined;
      const { started, ...rest } = call;
      const about = { runId: holder.run, agent: started.agent, session: started.session };
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
      const log = own ?? (run && new Log(journal, run, undefined, () => undefined, true));
      await log?.append(() => (log.run.unknowns.has(call) ? [{ type: 'outcome.settled', call, source: 'check', ...found }] : []));
    },
  };
}

/** Reads a run as far as it tells what became of a call, and what it was called with. */
async function heldCall(
  journal: Journal,
  { run, call: id }: Holder,
): Promise<(HeldCall & { started: EntryOf<'run.started'> }) | undefined> {
  const [asked, index] = id.split('.').map(Number);
  let started: EntryOf<'run.started'> | undefined;
  let approval: string | undefined;
  const call: { -readonly [F in keyof HeldCall]: HeldCall[F] } = {};
  for await (const entry of journal.read(run)) {
    if (entry.type === 'run.started') started = entry;
    else if (entry.type === 'model.responded' && entry.seq === asked) {
      const part = entry.content.filter((p) => p.type === 'toolCall')[index ?? 0];
      if (part?.type === 'toolCall') call.input = part.input;
    } else if (entry.type === 'approval.requested' && entry.call === id) {
      approval = entry.id;
      call.input = entry.input ?? call.input;
    } else if (entry.type === 'approval.decided' && entry.id === approval && entry.decision.type === 'edit')
      call.input = entry.decision.input;
    else if (entry.type === 'call.started' && entry.call === id && entry.input !== undefined) call.input = entry.input;
    else if (entry.type === 'call.finished' && entry.call === id && entry.ok) {
      call.output = entry.output ?? null;
      call.content = entry.content;
      call.cut = entry.cut;
    } else if (entry.type === 'outcome.settled' && entry.call === id && entry.outcome === 'done') call.output ??= entry.output as Json;
  }
  return started && { ...call, started };
}
