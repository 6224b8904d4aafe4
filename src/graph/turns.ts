/** Agents of other frameworks at work, by the contract in ports/foreign.ts: one turn at a time. */

import { type Failure, RondoError } from '../errors.ts';
import { assertBound, request } from '../hitl/approvals.ts';
import { sha256 } from '../journal/canonical.ts';
import type { CallId, Draft, Reached } from '../journal/entries.ts';
import type { Call, Frame, RunFold } from '../journal/fold.ts';
import { type Json, plainJson } from '../json.ts';
import { crossing } from '../loop/budget.ts';
import { levelOf } from '../loop/delegation.ts';
import { idempotencyKey } from '../loop/execute.ts';
import { held } from '../loop/held.ts';
import { settleLate } from '../loop/late.ts';
import type { Scope, Settlement } from '../loop/types.ts';

import type { Turn, TurnContext, TurnResult } from '../ports/foreign.ts';
import type { Prompt } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, Decision, Effect } from '../ports/tool.ts';
import { cost } from '../pricing/cost.ts';
import type { Price } from '../pricing/price.ts';
import { messageOf } from '../reliability/classify.ts';
import { guard } from '../reliability/envelope.ts';
import type { resolvePolicy } from '../reliability/policy.ts';
import type { AttemptContext } from '../reliability/timeout.ts';
import { Secrets } from '../secrets.ts';
import { type Checked, checked, masked } from './turn-result.ts';

/** The name of the node that a turn is; what is asked of people has the names of its own. */
const TURN = '';

/** What is behind a foreign agent, as it was declared. */
export interface Foreign {
  turn(turn: Turn, ctx: TurnContext): Promise<TurnResult<unknown>>;
  cancel: ((state: Json, ctx: TurnContext) => Promise<void>) | undefined;
  policy: ReturnType<typeof resolvePolicy>;
  effect: Effect;
  price: Price | undefined;
}

/** Of a foreign agent's frame: what it gave when it paused, and which of its asks each call of ours is. */
interface State {
  readonly [key: string]: Json;
  state: Json;
  asks: { [call: CallId]: string };
}

/** Drives a foreign agent's part of a run to its next end. */
export async function drive(scope: Scope, own: Foreign): Promise<Settlement | undefined> {
  const { frame } = scope;
  if (!frame.tasks)
    await scope.append(() => [{ type: 'frame.began', kind: 'foreign', state: { state: null, asks: {} }, next: [{ node: TURN }] }]);
  for (;;) {
    if (scope.run.cancelled) scope.halt = { why: 'cancel' };
    if (scope.drive.draining) scope.halt = { why: 'close' };
    if (scope.halt) return undefined;
    await scope.drive.log.adopt();
    const { asks } = frame.state as State;
    const calls = [...(frame.tasks?.values() ?? [])];
    const turn = calls.find((call) => asks[call.id] === undefined);
    if (!turn) {
      const answered = answers(scope, calls, asks, await scope.host.now());
      if (!answered) return { status: 'paused' };
      await scope.append(() => answered);
      continue;
    }
    const end = await take(scope, own, turn);
    if (end !== 'paused') return end;
  }
}

/** The entries that close the asks and open the next turn; undefined while one waits. */
function answers(scope: Scope, calls: readonly Call[], asks: State['asks'], now: number): readonly Draft[] | undefined {
  const given: { id: string; decision: Decision; by?: Principal }[] = [];
  for (const call of calls) {
    assertBound(scope.run.runId, call);
    const { decision = expired(call, now), by } = call.approval?.decided ?? {};
    if (!decision) return undefined;
    given.push({ id: asks[call.id] as string, decision, ...(by && { by }) });
  }
  const next: readonly Reached[] = [{ node: TURN, input: plainJson(given) as Json }];
  return calls.map((call, i) => ({
    type: 'call.finished',
    call: call.id,
    ok: true,
    attempts: 0,
    ms: 0,
    ...(i === calls.length - 1 && { next }),
  }));
}

/** What the agent is told of an approval that nobody decided in time. */
function expired({ approval }: Call, now: number): Decision | undefined {
  const { id, expiresAt } = approval?.asked ?? {};
  if (id === undefined || expiresAt === undefined || now < expiresAt) return undefined;
  return { approval: id, type: 'reject', reason: 'Nobody decided in time.' };
}

/** One turn, in its envelope. @returns how the agent's part ended, or that it asked. */
async function take(scope: Scope, own: Foreign, call: Call): Promise<Settlement | undefined | 'paused'> {
  const known = outcomeOf(own, call);
  if (known) return 'output' in known ? complete(scope, call, known.output) : end(scope, call, known.error);
  // what a turn will use nobody can say: it is not begun where a limit is used up
  const crossed = crossing(scope);
  if (crossed) return { status: 'stopped', limit: crossed.crossed, at: crossed.at };
  const since = Date.now();
  await scope.append(() => [{ type: 'call.started', call: call.id, effect: own.effect }], own.effect === 'once');
  const span = scope.trace.tool(call.step, {
    call: call.id,
    name: scope.agent.name,
    effect: own.effect,
    description: scope.agent.description,
  });
  const { state } = scope.frame.state as State;
  const turn: Turn =
    call.input === null
      ? { type: 'start', input: promptOf(scope) }
      : { type: 'resume', state, answers: call.input as unknown as Extract<Turn, { type: 'resume' }>['answers'] };
  const talk = { over: false };
  const { epoch } = scope.run;
  const late = (value: Checked) => {
    if (value.status === 'completed') settleLate(scope, call.id, epoch, { output: masked(scope, value).output });
  };
  const result = await guard(
    async (attempt) => {
      const asking = scope.own();
      if (asking) {
        await asking;
        attempt.signal.throwIfAborted();
      }
      return checked(await span.run(() => own.turn(turn, contextOf(scope, call, turn, attempt, span.traceparent, talk))));
    },
    {
      policy: own.policy,
      before: () => scope.own(true),
      circuit: scope.host.breakers.of(own, scope.agent.name, own.policy.breaker),
      cancel: scope.cancel,
      fallbackCode: 'TOOL_FAILED',
      mask: scope.drive.secrets.mask,
      onAttemptFailed: async (failed) => {
        if (failed.retryIn === undefined) return;
        const draft = { type: 'attempt.failed', of: call.id, step: call.step, ...failed } as const;
        span.failedAttempt(draft);
        await scope.append(() => [draft]);
      },
      onLate: (came) => (came.ok ? late(came.value) : undefined),
    },
  );
  talk.over = true;
  if (!result.ok) {
    const halted = result.cancelled && scope.halt;
    if (!halted || halted.why === 'cancel') span.end({ error: result.error, attempts: result.error.attempts });
    if (halted) return cutOff(scope, call, result.error);
    return end(scope, call, result.error);
  }
  const { attempts } = result;
  const value = masked(scope, result.value);
  const finished: Draft = { type: 'call.finished', call: call.id, ok: true, attempts, ms: Date.now() - since };
  if (value.usage) finished.usage = value.usage;
  const usd = value.costUsd ?? cost(value.usage, own.price);
  if (usd !== undefined) finished.usd = usd;
  if (value.unmetered) finished.unmetered = true;
  span.end({ attempts });
  try {
    if (value.status === 'completed') return await complete(scope, call, value.output, finished);
    await pause(scope, finished, value);
    return 'paused';
  } catch (error) {
    if (RondoError.is(error, 'RUN_BUSY')) late(value);
    throw error;
  }
}

/** A turn that the run's halt ended: it is no failure of the agent, the run ends as it was halted. */
async function cutOff(scope: Scope, call: Call, error: Failure): Promise<undefined> {
  // it is over for good, and what is known of the turn is written down
  if (scope.halt?.why === 'cancel') await end(scope, call, error);
  // it did not begin, so the next claim may take it; of any other, that claim finds out, or says that nobody knows
  else if (error.outcome === 'not-run' && scope.halt?.why !== 'lost')
    await held(scope, () => [{ type: 'outcome.settled', call: call.id, source: 'late', outcome: 'not-run' }]);
  return undefined;
}

async function complete(scope: Scope, call: Call, output: Json, last?: Draft): Promise<Settlement> {
  const finished: Draft = last ?? { type: 'call.finished', call: call.id, ok: true, attempts: 1, ms: 0 };
  const closing = scope.closing({ ok: true, output });
  await held(scope, (seq) => [{ ...finished }, ...closing(seq + 1)]);
  return { status: 'completed', output, committed: true };
}

/** Writes down what is asked, and the state to go on from. */
async function pause(scope: Scope, finished: Draft, { state, asks }: Extract<Checked, { status: 'paused' }>): Promise<void> {
  const now = await scope.host.now();
  const next: readonly Reached[] = asks.map((ask) =>
    ask.kind === 'tool' ? { node: ask.tool, input: ask.input } : { node: scope.agent.name, input: plainJson(ask) as Json },
  );
  await held(scope, (seq) => {
    const named: State['asks'] = {};
    asks.forEach((ask, i) => {
      named[`${seq}.${i}`] = ask.id;
    });
    const requests = asks.map((ask, i): Draft => {
      const { node, input = null } = next[i] as Reached;
      const { reason, allow, roles, expires } = ask;
      const rule: ApprovalRule = {
        ...(reason !== undefined && { reason }),
        ...(allow && { allow }),
        ...(roles && { roles }),
        ...(expires !== undefined && { expires }),
      };
      const call = { id: `${seq}.${i}`, name: node, input, asked: 0 };
      if (ask.kind === 'question')
        return request(
          scope.run.runId,
          call,
          { rule, question: { question: ask.question, ...(ask.answer && { answer: ask.answer }) } },
          now,
        );
      if (ask.kind === 'consent') return request(scope.run.runId, call, { rule, consent: { provider: ask.provider, url: ask.url } }, now);
      return request(scope.run.runId, call, { rule }, now);
    });
    return [{ ...finished, state: { set: { state, asks: named } }, next }, ...requests];
  });
}

/** What is known of a turn that began before; undefined where it is made, or made again. An operator's word stands. */
function outcomeOf({ effect }: Foreign, { status, settled, finished }: Call): { output: Json } | { error: Failure } | undefined {
  const base = { retryable: false, attempts: 1 };
  switch (settled?.outcome) {
    case 'done':
      return { output: settled.output ?? null };
    case 'failed':
      return { error: { ...base, code: 'TOOL_FAILED', message: settled.note ?? 'It failed.', outcome: 'failed' } };
    case 'not-run':
      return undefined;
    default:
  }
  // a crash came between a failure and the end of this part
  if (finished?.error) return { error: finished.error };
  if (status !== 'started' || effect !== 'once') return undefined;
  const message = 'The process stopped while this agent worked. Nobody knows what it did: find out first.';
  return { error: { ...base, code: 'OUTCOME_UNKNOWN', message, outcome: 'unknown' } };
}

async function end(scope: Scope, call: Call, error: Failure): Promise<Settlement> {
  // said before, and nothing has become known since
  if (call.status !== 'finished')
    await held(scope, () => [{ type: 'call.finished', call: call.id, ok: false, error, attempts: error.attempts, ms: 0 }]);
  return { status: 'failed', error };
}

/** What the agent was given, with what it may see of its parent's conversation before it. */
function promptOf({ frame }: Scope): Prompt {
  const { messages, inherited } = frame;
  const task = messages.at(-1)?.content ?? [];
  if (inherited === 0) return task.length === 1 && task[0]?.type === 'text' ? task[0].text : task;
  const before = messages.slice(0, inherited).flatMap(({ role, content }) => [{ type: 'text' as const, text: `${role}:` }, ...content]);
  return [...before, { type: 'text', text: 'user:' }, ...task];
}

/** Getters, so that the signal is made only where it is looked at. */
function contextOf(
  scope: Scope,
  call: Call,
  turn: Turn,
  attempt: AttemptContext,
  traceparent: string | undefined,
  talk: { over: boolean },
): TurnContext {
  const { run, frame } = scope;
  const step = call.step;
  return {
    get signal() {
      return attempt.signal;
    },
    get idempotencyKey() {
      return idempotencyKey(scope, call);
    },
    get thread() {
      return threadOf(run, frame);
    },
    attempt: attempt.attempt,
    runId: run.runId,
    session: run.started.session,
    by: run.started.by,
    decidedBy: deciderOf(turn),
    context: run.started.context ?? {},
    depth: levelOf(scope),
    traceparent,
    alive: () => attempt.alive(),
    secrets: scope.drive.secrets,
    get emit(): TurnContext['emit'] {
      if (!scope.emit) return undefined;
      return ({ type, text }) => {
        // one that was given up may go on talking
        if (talk.over || attempt.signal.aborted) return;
        attempt.alive();
        scope.emit?.(
          {
            type: type === 'text' ? 'text.delta' : 'reasoning.delta',
            text: scope.drive.secrets.mask(messageText(text)),
            attempt: attempt.attempt,
          },
          step,
        );
      };
    },
  };
}

/** Who gave the answers of a turn, where it was one person. */
function deciderOf(turn: Turn): Principal | undefined {
  if (turn.type === 'start') return undefined;
  const [first, ...others] = turn.answers.map(({ by }) => by);
  return first && others.every((by) => by?.id === first.id && by.tenant === first.tenant) ? first : undefined;
}

const messageText = (text: unknown) => (typeof text === 'string' ? text : messageOf(text));

const threadOf = (run: RunFold, frame: Frame) => sha256(JSON.stringify([run.runId, frame.position])).slice(0, 32);

/** ms that an agent has to close what it left open. */
const LETTING_GO = 10_000;

/** How an agent that waits for people is told that its run was cancelled. Nobody waits for what it does then. */
export function letGo({ cancel }: Foreign, run: RunFold, frame: Frame): (() => void) | undefined {
  const { state, asks } = (frame.state ?? {}) as Partial<State>;
  if (!cancel || frame.ended || !asks || Object.keys(asks).length === 0) return undefined;
  const thread = threadOf(run, frame);
  const ctx = (): TurnContext => ({
    signal: AbortSignal.timeout(LETTING_GO),
    idempotencyKey: sha256(JSON.stringify([thread, 'cancel'])),
    thread,
    attempt: 1,
    runId: run.runId,
    session: run.started.session,
    by: run.started.by,
    decidedBy: undefined,
    context: run.started.context ?? {},
    depth: levelOf({ run, frame }),
    traceparent: run.trace,
    alive: () => {},
    secrets: new Secrets(),
    emit: undefined,
  });
  return () => void new Promise<void>((resolve) => resolve(cancel(state ?? null, ctx()))).catch(() => undefined);
}
