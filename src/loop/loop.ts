/**
 * The loop: observe, think, act, until the model answers without a call.
 *
 * I1. A step is in the journal before its effects start: the model's answer and the starts of its calls are one append.
 * I2. The model is asked again only when every call of its last answer has ended.
 * I3. A model call is made only if the most that it can cost fits every limit (`budget.ts`).
 * I4. An answer that arrived is journaled and charged, even if the run is halted right after it. One that a wrapper still works on is charged.
 *     Only if another process has taken the run it is dropped: the claim of that process has charged the most that it could cost.
 */
import type { Failure } from '../errors.ts';
import type { Asked } from '../hitl/gate.ts';
import { meant } from '../journal/fold/through.ts';
import type { ModelRequest, Part } from '../ports/model.ts';
import { unlessHalted } from '../reliability/patience.ts';
import type { Secrets } from '../secrets.ts';
import { act } from './act.ts';
import { type Reservation, reserveModelCall } from './budget.ts';
import type { Due } from './call/call.ts';
import { conclude, handedOver, incomplete } from './conclude.ts';
import { compact, compactRefused, mayCompact, unfit } from './context/compact.ts';
import { chargeUnused, type Thought } from './model/answer.ts';
import { costOf, modelKey } from './model/estimate.ts';
import { reshape } from './model/reshape.ts';
import { checkedAnswer, release, type Said } from './model/said.ts';
import { nextStep, think } from './model/think.ts';
import { assemble, observe } from './observe.ts';
import { repetition } from './repetition.ts';
import { answered, type Responded } from './start.ts';
import { finds } from './tools/finding.ts';
import type { LoopScope, Settlement } from './types.ts';

/** @returns how the frame ended; only `completed` is in the journal already. Undefined if it was halted (`scope.halt`). */
export async function loop(scope: LoopScope): Promise<Settlement | undefined> {
  const { frame } = scope;
  let due: readonly Due[] = [];
  for (;;) {
    // after a halt, started calls are still handled: they end as not run
    if (scope.halt && (due.length === 0 || scope.halt.why === 'lost')) return undefined;
    if (frame.unfinished > 0) {
      const blocked = await act(scope, due);
      due = [];
      if (scope.halt) return undefined;
      if (blocked) return 'waiting' in blocked ? { status: 'paused' } : { status: 'stopped', limit: blocked.crossed, at: blocked.at };
    }
    const handed = scope.agent.agents.length > 0 && (await handedOver(scope));
    if (handed && 'status' in handed) return handed;
    if (scope.stopsHere()) return undefined;
    const stuck = scope.limitedBy.repeats && repetition(scope, scope.limitedBy.repeats);
    if (stuck) return { status: 'stopped', limit: stuck.crossed, at: stuck.at };

    const seen = observe(scope);
    let observed = seen instanceof Promise ? await unlessHalted(seen, scope.cancel) : seen;
    if (scope.plan.compact.length > 0) {
      // it may ask a model, whose answer is journaled even if the run is halted meanwhile
      await compact(scope);
      if (scope.stopsHere()) return undefined;
      observed = scope.request ?? assemble(scope);
    }
    const request = scope.plan.stepWrappers.length > 0 ? await reshape(scope, observed) : observed;
    const asking = reserveModelCall(scope);
    const reserved = asking instanceof Promise ? await asking : asking;
    if ('crossed' in reserved) return { status: 'stopped', limit: reserved.crossed, at: reserved.at };
    const next = await turn(scope, request, reserved);
    if (!Array.isArray(next)) {
      const settlement = next as Settlement | undefined;
      if (settlement?.status !== 'failed' || scope.halt || !mayCompact(scope, settlement.error)) return settlement;
      if (!(await compactRefused(scope))) return scope.halt ? undefined : { status: 'failed', error: unfit(settlement.error) };
      due = [];
      continue;
    }
    due = next;
  }
}

const TOO_LONG = { code: 'CONTEXT_TOO_LONG', message: "the answer was cut off, because the conversation fills the model's context" };

/** Makes one model call and journals the answer. @returns the calls to run, or how the frame ended. */
async function turn(scope: LoopScope, request: ModelRequest, reserved: Reservation): Promise<readonly Due[] | Settlement | undefined> {
  try {
    const span = scope.trace?.chat(scope.frame.step + 1, scope.agent.model, request);
    const thought = await think(scope, request, span);
    const { halt } = scope;
    if (halt && (!thought.ok || halt.why === 'lost')) return undefined;
    if (!thought.ok) {
      span?.end({ error: 'error' in thought ? thought.error : { code: 'LIMIT_REACHED' } });
      return 'error' in thought
        ? { status: 'failed', error: thought.error }
        : { status: 'stopped', limit: thought.crossed, at: thought.at };
    }
    const told = scope.secrets.active ? masked(scope.secrets, thought) : thought;
    if (told.response.stop === 'context' && mayCompact(scope, TOO_LONG) && !halt) {
      // what was cut off is charged, and is not a part of the conversation that is made smaller
      await chargeUnused(scope, nextStep(scope), thought, TOO_LONG);
      span?.end({ error: TOO_LONG });
      return { status: 'failed', error: incomplete('context') as Failure };
    }
    const answer = respondedEntry(scope, told);
    const said = scope.host.checks.output.held ? await checkedEntry(scope, answer) : undefined;
    const entry = said?.entry ?? answer;
    if (said?.refused) {
      await scope.append(() => [entry]);
      span?.end(entry);
      return scope.halt ? [] : { status: 'failed', error: said.refused };
    }
    const { content, stop } = entry;
    const calls = callsOf(content, entry);
    const ends = calls.length === 0 || stop === 'blocked' || stop === 'context';
    const next = ends ? await conclude(scope, entry) : await answered(scope, { entry, calls, cut: stop === 'length' });
    span?.end(entry);
    return next;
  } finally {
    reserved.release();
  }
}

/** The answer for the journal, checked and then shown where guardrails hold it. */
async function checkedEntry(scope: LoopScope, entry: Responded): Promise<Said> {
  const said = await checkedAnswer(scope, entry);
  if (!said.refused) release(scope, said.entry);
  return said;
}

/** Those made through `call_tool` as calls of the tools that they name. */
function callsOf(content: readonly Part[], { through }: Responded): readonly Asked[] {
  const calls: Asked[] = [];
  for (const part of content) if (part.type === 'toolCall') calls.push((through?.includes(calls.length) && meant(part)) || part);
  return calls;
}

/** Which calls, by their index, are made through `call_tool`. */
function through(content: readonly Part[]): readonly number[] {
  return content.filter((p) => p.type === 'toolCall').flatMap((call, i) => (meant(call) ? [i] : []));
}

/** The answer with secrets masked. Masked reasoning loses its signature, because the provider would refuse it. */
function masked(secrets: Secrets, thought: Thought & { ok: true }): Thought & { ok: true } {
  const content = thought.response.content.map((part): Part => {
    const told = secrets.maskJson(part);
    return part.type === 'reasoning' && (told as typeof part).text !== part.text
      ? { type: 'reasoning', text: (told as typeof part).text }
      : told;
  });
  return { ...thought, response: { ...thought.response, content } };
}

function respondedEntry(scope: LoopScope, { response, model, attempts, ms }: Thought & { ok: true }): Responded {
  const { usage, content, stop } = response;
  const key = response.model ? `${model.provider}/${response.model}` : modelKey(model);
  const usd = costOf(scope, model, response);
  const entry: Responded = { type: 'model.responded', step: scope.frame.step + 1, model: key, content, stop, ms };
  if (model.standin) entry.standin = true;
  if (usage) entry.usage = usage;
  if (usd !== undefined) entry.usd = usd;
  if (attempts > 1) entry.attempts = attempts;
  const found = scope.agent.sources.length > 0 && finds(scope) ? through(content) : [];
  if (found.length > 0) entry.through = found;
  return entry;
}
