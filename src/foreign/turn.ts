/** One turn of a foreign agent. The journal records it like a tool call, with a started and a finished entry. */
import { type Failure, failedOnce, notRun, RondoError } from '../errors.ts';
import type { Draft, Intent } from '../journal/entries/entries.ts';
import type { Charge, Used } from '../journal/entries/intent.ts';
import type { Call } from '../journal/fold/fold.ts';
import type { Json } from '../json.ts';
import { appendWithRetry } from '../loop/append-with-retry.ts';
import { crossing } from '../loop/budget.ts';
import { failureAllowed, lateAllowed, saidAllowed } from '../loop/call/content.ts';
import { knownOf, perform } from '../loop/call/effects.ts';
import { bare, claimed } from '../loop/call/intent.ts';
import { endedLate } from '../loop/call/late.ts';
import { letOut } from '../loop/conclude.ts';
import type { Scope, Settlement } from '../loop/types.ts';
import type { Turn } from '../ports/foreign.ts';
import type { Judged } from '../ports/guardrail.ts';
import { cost } from '../pricing/cost.ts';
import { pause } from './asks.ts';
import { contextOf, promptOf } from './context.ts';
import { type Checked, checked, masked } from './turn-result.ts';
import type { Foreign, State } from './types.ts';

/** Takes a turn. @returns how the agent's frame ended, `paused` if the agent asked people, undefined if the run was halted. */
export async function take(scope: Scope, own: Foreign, call: Call): Promise<Settlement | undefined | 'paused'> {
  const known = outcomeOf(own, call);
  if (known) return 'output' in known ? complete(scope, call, known.output) : end(scope, call, known.error);
  // the usage of a turn cannot be estimated, so it starts unless a limit is already reached
  const crossed = crossing(scope);
  if (crossed) return { status: 'stopped', limit: crossed.crossed, at: crossed.at };
  const since = Date.now();
  const start = async (found?: Intent) => {
    const intent = found && call.input !== null && own.effect === 'once' ? { ...found, later: true as const } : found;
    await scope.append(() => [{ type: 'call.started', call: call.id, effect: own.effect, intent }], own.effect === 'once');
  };
  const instead = await begun(scope, own, call, start);
  if (instead) return instead;
  const { name, description } = scope.agent;
  const span = scope.trace?.tool(call.step, { call: call.id, name, effect: own.effect, description });
  const { state } = scope.frame.state as State;
  const turn: Turn =
    call.input === null
      ? { type: 'start', input: promptOf(scope) }
      : { type: 'resume', state, answers: call.input as unknown as Extract<Turn, { type: 'resume' }>['answers'] };
  const talk = { over: false };
  // what these attempts use they say late. One that a crash interrupted says nothing more: waited for, it would stop a run with a limit for good
  let running = 0;
  const abandoned = () => running || undefined;
  const { epoch } = scope.run;
  const outputOf = (value: Checked) => (value.status === 'completed' ? masked(scope, value).output : undefined);
  const result = await perform<Checked>(scope, {
    call,
    policy: own.policy,
    owner: own,
    name,
    // as in its span
    target: { tool: name },
    fallbackCode: 'TOOL_FAILED',
    run: async (_, attempt) => {
      const go = () => own.turn(turn, contextOf(scope, call, turn, attempt, span?.traceparent, talk));
      running++;
      try {
        return checked(await (span ? span.run(go) : go()));
      } finally {
        running--;
      }
    },
    charge: (value) => chargeOf(own, value),
    keep: (value) => {
      const output = outputOf(value);
      return output === undefined ? undefined : lateAllowed(scope, name, output);
    },
    failedAttempt: (draft) => span?.failedAttempt(draft),
  });
  talk.over = true;
  if (!result.ok) {
    const { error } = result;
    const halted = result.cancelled && scope.halt;
    if (!halted || halted.why === 'cancel') span?.end({ error, attempts: error.attempts });
    if (!halted) {
      const told = await failureAllowed<Judged & { error: Failure }>(scope, name, { error });
      return end(scope, call, told.error, { verdicts: told.verdicts, abandoned: abandoned() });
    }
    // a halt is not a failure of the agent: the halt decides how the run ends, and the next claim may start a turn that did not run
    if (halted.why === 'cancel') await end(scope, call, error, { abandoned: abandoned() });
    else if (error.outcome === 'not-run' && halted.why !== 'lost')
      await appendWithRetry(scope, () => [{ type: 'outcome.settled', call: call.id, source: 'late', outcome: 'not-run' }]);
    return undefined;
  }
  const { attempts } = result;
  const value = masked(scope, result.value);
  const charge = chargeOf(own, value);
  const finished: Finished = { type: 'call.finished', call: call.id, ok: true, attempts, ms: Date.now() - since, ...charge };
  const left = abandoned();
  if (left) finished.abandoned = left;
  span?.end({ attempts });
  const said = value.status === 'completed' && scope.host.checks.output.held ? await saidAllowed(scope, value.output) : undefined;
  if (said?.verdicts) finished.verdicts = said.verdicts;
  if (said?.ok === false) return withheld(scope, call, finished, said);
  const output = said?.replaced ?? (value.status === 'completed' ? value.output : null);
  if (said && typeof output === 'string')
    scope.drive.emit?.({ type: 'text.delta', text: output, attempt: attempts }, call.step, scope.frame);
  try {
    if (value.status === 'completed') return await complete(scope, call, output, finished);
    await pause(scope, finished, value);
    return 'paused';
  } catch (error) {
    if (RondoError.is(error, 'RUN_BUSY') && value.status === 'completed') endedLate(scope, call.id, epoch, { ...charge, output });
    throw error;
  }
}

function chargeOf({ price }: Foreign, { usage, costUsd, unmetered }: Checked): Charge & Used {
  const usd = costUsd ?? (unmetered ? undefined : cost(usage, price));
  return { ...(usage && { usage }), ...(usd !== undefined && { usd }), ...(unmetered && { unmetered }) };
}

/** Starts a turn. @returns how the frame ended instead, where the agent's intent was done or is being done. */
async function begun(scope: Scope, own: Foreign, call: Call, start: (intent?: Intent) => Promise<void>): Promise<Settlement | undefined> {
  const { frame } = scope;
  const meant = frame.claim?.intent ?? own.meant(frame.input);
  if (!meant) return void (await start());
  const { name } = scope.agent;
  if (typeof meant === 'string')
    return end(scope, call, notRun('INTENT_KEY_INVALID', `the key of ${name} cannot be used, so it was not run: ${meant}.`));
  const instead = await claimed(scope, { name, effect: own.effect, options: {} }, call, bare(meant), frame.input ?? null, start);
  if (!instead) return undefined;
  if (instead.go === 'refuse') return end(scope, call, instead.error);
  return complete(scope, call, instead.output, {
    type: 'call.finished',
    call: call.id,
    ok: true,
    attempts: 0,
    ms: 0,
    repeated: instead.repeated,
  });
}

/** The journaled outcome of a turn; undefined if the turn must run, for the first time or again. */
function outcomeOf({ effect }: Foreign, call: Call): { output: Json } | { error: Failure } | undefined {
  const { finished, settled } = call;
  // the process crashed after the turn failed and before the frame ended
  if (finished?.error && !settled) return { error: finished.error };
  const known = knownOf(call, effect);
  if (known.outcome === 'done') return { output: known.output };
  if (known.outcome === 'failed') return { error: failedOnce('TOOL_FAILED', known.message) };
  if (known.outcome === 'open') return undefined;
  const message = 'The process stopped while this agent worked. What it did is unknown: find out first.';
  return { error: failedOnce('OUTCOME_UNKNOWN', message, 'unknown') };
}

type Refusal = Extract<Awaited<ReturnType<typeof saidAllowed>>, { ok: false }>;
type Finished = Extract<Draft, { type: 'call.finished' }>;

async function complete(scope: Scope, call: Call, output: Json, last?: Finished): Promise<Settlement> {
  const finished: Finished = last ?? { type: 'call.finished', call: call.id, ok: true, attempts: 1, ms: 0 };
  // the receipt of its intent
  if (call.intent) finished.output = output;
  const closing = (await letOut(scope, output))();
  await appendWithRetry(scope, (seq) => [{ ...finished }, ...closing(seq + 1)]);
  return { status: 'completed', output, committed: true };
}

/** What the agent did is done, and only its answer is refused: where it has an intent, an operator says what became of that. */
async function withheld(scope: Scope, call: Call, finished: Finished, { reason, code }: Refusal): Promise<Settlement> {
  const message = `a guardrail refused what the agent said: ${reason}`;
  const error = failedOnce(code ?? 'OUTPUT_REFUSED', message, call.intent ? 'unknown' : 'failed');
  await appendWithRetry(scope, () => [{ ...finished, ok: false, error }]);
  return { status: 'failed', error };
}

async function end(scope: Scope, call: Call, ended: Failure, more: Pick<Finished, 'verdicts' | 'abandoned'> = {}): Promise<Settlement> {
  // what the turns before it did is not undone, so an operator says whether the agent may begin once more
  const error: Failure = call.intent?.later && ended.outcome === 'not-run' ? { ...ended, outcome: 'unknown', retryable: false } : ended;
  // after a crash the failure may be in the journal already
  if (call.status !== 'finished')
    await appendWithRetry(scope, () => [
      { type: 'call.finished', call: call.id, ok: false, error, attempts: error.attempts, ms: 0, ...more },
    ]);
  return { status: 'failed', error };
}
