/** What the store knows of intents: their claims, the calls that hold them, and how a done one is reopened. */
import { invalid, RondoError } from '../errors.ts';
import type { Holder } from '../journal/claims.ts';
import type { CallId, EntryOf, Intent } from '../journal/entries.ts';
import { Log } from '../journal/log.ts';
import type { Journal } from '../journal/port.ts';
import type { Json } from '../json.ts';
import { NO_CLAIMS } from '../loop/intent.ts';
import type { AgentDefinition, HeldCall, Intents } from '../loop/types.ts';
import { type Principal, principal } from '../ports/principal.ts';
import { hasAccess } from './access.ts';
import { loadRun } from './history.ts';
import { findHead } from './lookup.ts';
import { assertPrincipal, logOf } from './outside.ts';
import type { Resources } from './resources.ts';
import { wakeFor } from './wake.ts';

export function intents(resources: Resources): Intents {
  const { journal } = resources;
  return {
    kept: journal.claim !== undefined,
    find: (key) => journal.claim?.(key),
    async stateOf(runId) {
      const head = await findHead(journal, runId);
      if (head?.status === 'paused') return 'waits';
      return head?.status === 'running' && (head.leaseUntil ?? 0) > (await resources.host.now()) ? 'live' : 'gone';
    },
    async read(holder, by) {
      const call = await heldCall(journal, holder);
      if (!call) return undefined;
      const { started, ...rest } = call;
      const may = await hasAccess(resources, 'inspect', by, { runId: holder.run, agent: started.agent, session: started.session });
      return may ? rest : { hidden: true };
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
      const own = await resources.opened(runId);
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
  const call: { -readonly [F in keyof HeldCall]: HeldCall[F] } = {};
  for await (const entry of journal.read(run)) {
    if (entry.type === 'run.started') started = entry;
    else if (entry.type === 'model.responded' && entry.seq === asked) {
      const part = entry.content.filter((p) => p.type === 'toolCall')[index ?? 0];
      if (part?.type === 'toolCall') call.input = part.input;
    } else if (entry.type === 'approval.requested' && entry.call === id && entry.input !== undefined) call.input = entry.input;
    else if (entry.type === 'call.started' && entry.call === id && entry.input !== undefined) call.input = entry.input;
    else if (entry.type === 'call.finished' && entry.call === id && entry.ok) {
      call.output = entry.output ?? null;
      call.content = entry.content;
      call.cut = entry.cut;
    } else if (entry.type === 'outcome.settled' && entry.call === id && entry.outcome === 'done') call.output ??= entry.output as Json;
  }
  return started && { ...call, started };
}

/** @see Engine.reopen */
export async function reopen(resources: Resources, runId: string, callId: CallId, o: { by: Principal; reason: string }): Promise<void> {
  assertPrincipal(o?.by, 'reopening an intent');
  if (typeof o.reason !== 'string' || o.reason.trim() === '')
    throw new RondoError('DECISION_INVALID', 'reopening an intent needs a reason, a text.');
  const log = await logOf(resources, runId, o.by, 'decide');
  let intent: Intent | undefined;
  for await (const entry of resources.journal.read(runId))
    if (entry.type === 'call.started' && entry.call === callId) intent = entry.intent ?? intent;
  const tenant = log.run.started.by?.tenant;
  const claim = intent && (await resources.journal.claim?.({ tenant, intent: intent.name, key: intent.key }));
  if (!intent || claim?.state !== 'done' || claim.holder?.run !== runId || claim.holder.call !== callId)
    throw new RondoError(
      'CALL_NOT_FOUND',
      `run ${runId} has no call ${callId} whose intent is done. Where its outcome is unknown, settle() it.`,
      {
        details: { runId, callId },
      },
    );
  const reopened = intent;
  await log.append(
    () => [
      {
        type: 'intent.reopened',
        call: callId,
        intent: { ...reopened, generation: claim.generation },
        by: principal(o.by),
        reason: o.reason.slice(0, 2_000),
      },
    ],
    true,
  );
}

/** @throws RondoError `CONFIG_INVALID` where a tool of the agent has a key, and the store keeps no claims. */
export function assertClaims({ host }: Resources, agent: AgentDefinition): void {
  if (host.intents.kept) return;
  const tool = [...agent.tools.values()].find(({ options }) => options.key);
  if (tool) throw invalid(`tool "${tool.name}" of agent "${agent.name}" has a key, and ${NO_CLAIMS}.`);
}
