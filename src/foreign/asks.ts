/** The questions of a foreign agent to people: the approvals it waits for, and the answers that its next turn gets. */
import { assertBound, request } from '../hitl/approvals.ts';
import type { Draft, Reached } from '../journal/entries/entries.ts';
import type { Call } from '../journal/fold/fold.ts';
import { type Json, plainJson } from '../json.ts';
import { appendWithRetry } from '../loop/append-with-retry.ts';
import type { Scope } from '../loop/types.ts';
import type { Ask } from '../ports/foreign.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, Decision } from '../ports/tool.ts';
import type { Checked } from './turn-result.ts';
import { type State, TURN } from './types.ts';

/** Appends the end of a turn that paused: its state, and an approval request for each ask. */
export async function pause(scope: Scope, finished: Draft, { state, asks }: Extract<Checked, { status: 'paused' }>): Promise<void> {
  const now = await scope.host.now();
  const next: readonly Reached[] = asks.map((ask) =>
    ask.kind === 'tool' ? { node: ask.tool, input: ask.input } : { node: scope.agent.name, input: plainJson(ask) as Json },
  );
  await appendWithRetry(scope, (seq) => {
    const named: State['asks'] = {};
    const requests = asks.map((ask, i) => {
      const id = `${seq}.${i}`;
      const { node, input = null } = next[i] as Reached;
      named[id] = ask.id;
      return request(scope.run.runId, { id, name: node, input, asked: 0 }, requestOf(ask), now);
    });
    return [{ ...finished, state: { set: { state, asks: named } }, next }, ...requests];
  });
}

function requestOf(ask: Ask): Parameters<typeof request>[2] {
  const { reason, allow, roles, expires } = ask;
  const rule: ApprovalRule = {
    reason,
    allow,
    roles,
    expires,
  };
  switch (ask.kind) {
    case 'question':
      return { rule, question: { question: ask.question, answer: ask.answer } };
    case 'consent':
      return { rule, consent: { provider: ask.provider, url: ask.url } };
    default:
      return { rule };
  }
}

/** The entries that finish the asks and open the next turn; undefined while an ask has no decision. */
export function answers(scope: Scope, calls: readonly Call[], asks: State['asks'], now: number): readonly Draft[] | undefined {
  const given: { id: string; decision: Decision; by?: Principal }[] = [];
  for (const call of calls) {
    assertBound(scope.run.runId, call);
    const { decision = expired(call, now), by } = call.approval?.decided ?? {};
    if (!decision) return undefined;
    given.push({ id: asks[call.id] as string, decision, by });
  }
  const next: readonly Reached[] = [{ node: TURN, input: plainJson(given) as Json }];
  return calls.map((call, i) => ({
    type: 'call.finished',
    call: call.id,
    ok: true,
    attempts: 0,
    ms: 0,
    next: i === calls.length - 1 ? next : undefined,
  }));
}

/** The rejection that the agent gets for an approval that expired; undefined if it has not expired. */
function expired({ approval }: Call, now: number): Decision | undefined {
  const { id, expiresAt } = approval?.asked ?? {};
  if (id === undefined || expiresAt === undefined || now < expiresAt) return undefined;
  return { approval: id, type: 'reject', reason: 'No one decided in time.' };
}
