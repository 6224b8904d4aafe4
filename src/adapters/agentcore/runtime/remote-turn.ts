import { setTimeout as sleep } from 'node:timers/promises';
import { ToolError } from '../../../errors.ts';
import { askOf, LIMIT } from '../../../foreign/ask-of.ts';
import { sha256 } from '../../../journal/canonical.ts';
import { countsOf } from '../../../journal/fold/spent.ts';
import type { Json } from '../../../json.ts';
import { cut } from '../../../json-schema/size.ts';
import type { Turn, TurnContext, TurnResult } from '../../../ports/foreign.ts';
import type { Prompt, Usage } from '../../../ports/model.ts';
import { type Reading, type RemoteResult, readAnswer } from './remote-answer.ts';
import { failureOf } from './remote-errors.ts';
import type { RuntimeLine } from './remote-line.ts';

export interface Remote {
  readonly name: string;
  readonly line: RuntimeLine;
  readonly maxBytes: number;
  readonly sessionOf: (ctx: Pick<TurnContext, 'thread'>) => string;
  readonly userOf: ((ctx: TurnContext) => string | undefined) | undefined;
  readonly payload: ((input: Prompt, ctx: TurnContext) => Json) | undefined;
}

/** The state while people decide. */
export type Waiting = { session: string; spent: Spent };
/** The totals of the remote run that were counted before. */
type Spent = { input: number; output: number; usd: number };

const NOTHING: Spent = { input: 0, output: 0, usd: 0 };
/** Milliseconds before a turn that broke off is asked for again: the first, and how often. */
const AGAIN = { first: 200, times: 5 };
/** Milliseconds for the end of a session. */
const STOP = 5_000;

/** 70 characters. A hash, so that the runtime learns nothing about runs and sessions. */
export const sessionOf = (thread: string): string => `rondo-${sha256(thread)}`;

export async function takeTurn(remote: Remote, turn: Turn<Waiting>, ctx: TurnContext): Promise<TurnResult<Json, Waiting>> {
  const { name, line, maxBytes, userOf, payload } = remote;
  const session = turn.type === 'resume' ? turn.state.session : remote.sessionOf(ctx);
  const token = await line.token();
  if (token !== undefined) ctx.secrets.add([['authorization', token]]);
  // the same for each attempt, so that a runtime of ours knows a repeat
  const requestId = ctx.idempotencyKey;
  const body =
    turn.type === 'resume'
      ? { decisions: turn.answers.map(({ id, decision }) => ({ ...decision, approval: id })), requestId }
      : (payload?.(turn.input, ctx) ?? { prompt: turn.input, requestId });
  const asking = { session, payload: JSON.stringify(body), traceparent: ctx.traceparent, user: userOf?.(ctx), signal: ctx.signal };
  const on = { maxBytes, alive: () => ctx.alive(), text: (text: string) => ctx.emit?.({ type: 'text', text }) };
  const known: { runId?: string } = {};
  for (let attempt = 0; ; attempt++) {
    const reading: Reading = { begun: false };
    let read: Awaited<ReturnType<typeof readAnswer>>;
    try {
      const answer = await line.invoke(asking, token);
      // what was said before the break is said again by a repeat
      read = await readAnswer(answer, reading, attempt === 0 ? on : { ...on, text: () => undefined });
    } catch (error) {
      if (reading.runId !== undefined) known.runId = reading.runId;
      const failure = failureOf(error, `agent "${name}"`, reading.begun || known.runId !== undefined, ctx.secrets.mask);
      if (ctx.signal.aborted) await stop(remote, session, ctx);
      else if (known.runId !== undefined && failure.retryable && attempt < AGAIN.times) {
        // an abort ends the wait, and the next attempt at once
        await sleep(AGAIN.first * 2 ** attempt, undefined, { signal: ctx.signal }).catch(() => undefined);
        continue;
      }
      throw failure;
    }
    if ('output' in read) return { status: 'completed', output: read.output };
    return resultOf(remote, session, read.ours, turn.type === 'resume' ? turn.state.spent : NOTHING, ctx);
  }
}

function resultOf({ name }: Remote, session: string, ours: RemoteResult, before: Spent, ctx: TurnContext): TurnResult<Json, Waiting> {
  const { usage, spent, ...counted } = spentSince(before, ours);
  const cost = { ...(usage && { usage }), ...counted };
  const strange = (what: string) =>
    new ToolError('AGENTCORE_BAD_RESPONSE', `agent "${name}" asks for something that makes no sense: ${what}.`, { outcome: 'unknown' });
  switch (ours.status) {
    case 'completed':
      return { status: 'completed', output: ours.output ?? null, ...cost };
    case 'paused': {
      const approvals = Array.isArray(ours.approvals) ? ours.approvals : [];
      if (approvals.length > LIMIT.asks) throw strange(`${approvals.length} approvals`);
      const [first, ...rest] = approvals.map((approval) => askOf(ctx.secrets.maskJson(approval), strange));
      if (first) return { status: 'paused', state: { session, spent }, asks: [first, ...rest], ...cost };
      throw new ToolError('AGENTCORE_WAITS', `the run ${ours.runId} of agent "${name}" waits for a time or an event, and for no person.`, {
        outcome: 'unknown',
      });
    }
    case 'failed': {
      const { code = 'AGENTCORE_RUNTIME_FAILED', message = 'it failed', outcome, retryable } = ours.error ?? {};
      const said = cut(ctx.secrets.mask(String(message)), LIMIT.text);
      // the agent did some work, even if its last step did not run
      throw new ToolError(cut(String(code), 100), `agent "${name}" failed: ${said}`, {
        outcome: outcome === 'unknown' ? 'unknown' : 'failed',
        retryable: retryable === true,
      });
    }
    default:
      throw new ToolError(
        ours.status === 'stopped' ? 'AGENTCORE_LIMIT' : 'AGENTCORE_CANCELLED',
        `the run ${ours.runId} of agent "${name}" was ${ours.status === 'stopped' ? 'stopped by a limit' : 'cancelled'} there.`,
      );
  }
}

/** What the remote run spent since the last turn: it tells totals. */
function spentSince(before: Spent, { usage, costUsd }: RemoteResult): { usage?: Usage; costUsd?: number; spent: Spent } {
  const counts = countsOf(usage);
  if (!counts) return { spent: before };
  const { input, output } = counts;
  const usd = typeof costUsd === 'number' && costUsd >= before.usd ? costUsd : undefined;
  return {
    usage: { input: Math.max(0, input - before.input), output: Math.max(0, output - before.output) },
    ...(usd !== undefined && { costUsd: usd - before.usd }),
    spent: { input, output, usd: usd ?? before.usd },
  };
}

/** Ends the session, best effort: what runs there ends too, and a run of ours can be resumed. */
export async function stop({ line }: Remote, session: string, ctx: Pick<TurnContext, 'idempotencyKey'>): Promise<void> {
  const key = sha256(`stop ${session} ${ctx.idempotencyKey}`);
  try {
    await line.stop(session, key, AbortSignal.timeout(STOP), await line.token());
  } catch {
    // the session may have ended already
  }
}
