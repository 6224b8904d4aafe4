import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { type Json, plainJson } from '../json.ts';
import type { ModelRequest, ModelResponse, Part, ToolCallPart } from '../ports/model.ts';
import { messageOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { validate } from '../schema.ts';
import type { ChatTrace } from '../telemetry/trace.ts';
import { act } from './act.ts';
import { admit, type Seat, Starts } from './admit.ts';
import type { Thought } from './answer.ts';
import type { Due, Staged } from './call.ts';
import { handedOver } from './handoff.ts';
import { costOf, crossing, modelKey } from './limits.ts';
import { observe } from './observe.ts';
import { needsPower, stage, stagedEntry } from './stage.ts';
import { think } from './think.ts';
import type { Halt, LoopScope, Scope, Settlement } from './types.ts';

/** How often the model is told that its final answer does not fit the schema, before the run fails. */
const REPAIRS = 2;

/**
 * The loop: observe, think, act, until the model answers without a call.
 * @returns how it ended, which only a completed run has in its journal already; undefined where it was halted (`scope.halt`).
 */
export async function loop(scope: LoopScope): Promise<Settlement | undefined> {
  const { frame } = scope;
  let due: readonly Due[] = [];
  for (;;) {
    if (scope.run.cancelled) scope.halt ??= { why: 'cancel' };
    // calls whose intent is written are seen to even now: they are told that they did not run
    if (scope.halt && (due.length === 0 || scope.halt.why === 'lost')) return undefined;
    if (frame.unfinished > 0) {
      const blocked = await act(scope, due);
      due = [];
      if (scope.halt) return undefined;
      if (blocked) return 'waiting' in blocked ? { status: 'paused' } : { status: 'stopped', limit: blocked.crossed, at: blocked.at };
    }
    const handed = handedOver(scope);
    if (handed) return handed instanceof Promise ? await handed : handed;
    if (scope.drive.draining) scope.halt ??= { why: 'close' };
    if (scope.halt) return undefined;

    const seen = observe(scope);
    const request = seen instanceof Promise ? await unlessHalted(seen, scope.cancel) : seen;
    const admitted = scope.parent ? await admit(scope) : crossing(scope);
    if (admitted && 'crossed' in admitted) return { status: 'stopped', limit: admitted.crossed, at: admitted.at };
    const next = await turn(scope, request, admitted);
    if (!Array.isArray(next)) return next as Settlement | undefined;
    due = next;
  }
}

/** One question to the model, and its answer in the journal. @returns the calls to run, or how it ended. */
async function turn(scope: LoopScope, request: ModelRequest, seat: Seat | undefined): Promise<readonly Due[] | Settlement | undefined> {
  try {
    const span = scope.trace.chat(scope.frame.step + 1, scope.agent.model, request);
    const thought = await think(scope, request, span);
    // an answer that came in time is taken, and paid for, even where the run is halted right after it
    const halt = haltOf(scope);
    if (halt && (!thought.ok || halt.why === 'lost')) return undefined;
    if (!thought.ok) {
      span.end({ error: 'error' in thought ? thought.error : { code: 'LIMIT_REACHED' } });
      return 'error' in thought
        ? { status: 'failed', error: thought.error }
        : { status: 'stopped', limit: thought.crossed, at: thought.at };
    }
    return await take(scope, masked(scope, thought), span);
  } finally {
    seat?.land();
  }
}

/** An answer without secrets. Reasoning that had one loses what its provider would check it by. */
function masked({ secrets }: Scope, thought: Thought & { ok: true }): Thought & { ok: true } {
  if (!secrets) return thought;
  const content = thought.response.content.map((part): Part => {
    const told = secrets.maskJson(part);
    return part.type === 'reasoning' && (told as typeof part).text !== part.text
      ? { type: 'reasoning', text: (told as typeof part).text }
      : told;
  });
  return { ...thought, response: { ...thought.response, content } };
}

/** Set from outside while the loop waits, which the compiler cannot know. */
const haltOf = (scope: Scope): Halt | undefined => scope.halt;

/** The arguments of a call in an answer that was cut off may be a part of what was meant. */
const TRUNCATED: Staged = {
  go: 'refuse',
  error: {
    code: 'OUTPUT_TRUNCATED',
    message: 'Your answer was cut off at the output limit, so this call was not made. Answer in less.',
    retryable: true,
    attempts: 0,
    outcome: 'not-run',
  },
};

/** Takes an answer into the journal, together with the intent of every call that may start, or with the end of the run. */
async function take(scope: LoopScope, thought: Thought & { ok: true }, span: ChatTrace): Promise<readonly Due[] | Settlement> {
  const { response } = thought;
  const responded = respondedEntry(scope, thought);
  const asked = response.content.filter((p): p is ToolCallPart => p.type === 'toolCall');
  if (asked.length === 0 || response.stop === 'blocked' || response.stop === 'context') return conclude(scope, response, responded, span);

  if (scope.halt) {
    await scope.append(() => [responded]);
    return [];
  }
  // calls that nobody was asked about have nothing that could expire
  const pending = response.stop === 'length' ? asked.map(() => TRUNCATED) : stage(scope, asked, 0);
  const staged = pending instanceof Promise ? await unlessAnswered(scope, pending, responded) : pending;
  const now = staged.some((s) => s.go === 'ask') ? await scope.host.now() : 0;
  const { parallel } = scope.agent;
  const starts = new Starts(scope);
  const append = scope.append((seq) => {
    const drafts: Draft[] = [responded];
    let starting = 0;
    starts.clear();
    staged.forEach((s, i) => {
      if (s.go === 'start' && (++starting > parallel || !starts.take())) return;
      const draft = stagedEntry(scope, `${seq}.${i}`, asked[i] as ToolCallPart, s, now);
      if (draft) drafts.push(draft);
    });
    return drafts;
  }, needsPower(staged));
  try {
    if (append) await append;
  } finally {
    starts.clear();
  }
  span.end(responded);
  return startable(scope.frame.calls, staged);
}

/** What the gate says, unless the run is halted first: then the answer is written down, and its calls wait for the next claim. */
async function unlessAnswered(scope: Scope, pending: Promise<readonly Staged[]>, responded: Responded): Promise<readonly Staged[]> {
  try {
    return await unlessHalted(pending, scope.cancel);
  } catch (error) {
    if (error instanceof Halted && scope.halt?.why !== 'lost') await scope.append(() => [responded]);
    throw error;
  }
}

/** The calls that the gate let through; their intents are in the journal, but for those beyond the cap. */
function startable(calls: readonly Call[], staged: readonly Staged[]): readonly Due[] {
  const due: Due[] = [];
  staged.forEach((s, i) => {
    const call = calls[i] as Call;
    if (s.go === 'start') due.push({ call, ready: s, intended: call.status === 'started' });
  });
  return due;
}

type Responded = Extract<Draft, { type: 'model.responded' }>;

function respondedEntry(scope: LoopScope, { response, model, attempts, ms }: Thought & { ok: true }): Responded {
  const { usage, content, stop } = response;
  const key = response.model ? `${model.provider}/${response.model}` : modelKey(model);
  const usd = costOf(scope, model, response);
  const entry: Responded = { type: 'model.responded', step: scope.frame.step + 1, model: key, content, stop, ms };
  if (model.standin) entry.standin = true;
  if (usage) entry.usage = usage;
  if (usd !== undefined) entry.usd = usd;
  if (attempts > 1) entry.attempts = attempts;
  return entry;
}

/** An answer without a call ends the run, unless it does not fit what was asked for. */
async function conclude(
  scope: LoopScope,
  response: ModelResponse,
  responded: Responded,
  span: ChatTrace,
): Promise<readonly Due[] | Settlement> {
  const failed = incomplete(response.stop);
  const answer = failed ? undefined : await finalAnswer(scope, response.content);
  if (answer?.ok) {
    const closing = scope.closing(answer);
    const append = scope.append((seq) => [responded, ...closing(seq + 1)]);
    if (append) await append;
    span.end(responded);
    return { status: 'completed', output: answer.output, committed: true };
  }
  const repairable = answer && !answer.final && scope.frame.repairs < REPAIRS;
  await scope.append(() => [
    responded,
    ...(repairable
      ? [
          {
            type: 'message.received',
            kind: 'repair',
            step: responded.step,
            text: `Your answer does not fit: ${answer.problem}. Answer again, with JSON of the schema and nothing else.`,
          } as const,
        ]
      : []),
  ]);
  span.end(responded);
  if (repairable) return [];
  const error = failed ?? {
    code: 'OUTPUT_INVALID',
    message: `the final answer does not fit the output schema: ${answer?.ok === false ? answer.problem : ''}.`,
  };
  return { status: 'failed', error: { ...error, retryable: false, attempts: 1, outcome: 'failed' } };
}

function incomplete(stop: ModelResponse['stop']): { code: string; message: string } | undefined {
  if (stop === 'length')
    return {
      code: 'OUTPUT_TRUNCATED',
      message: "the model's answer was cut off at its output limit. Raise the model's maxTokens, or ask for less.",
    };
  if (stop === 'context')
    return {
      code: 'CONTEXT_TOO_LONG',
      message:
        "the conversation fills the model's context, so its answer was cut off. Begin a new session, bound what tools return (maxBytes), or use a model with a larger context.",
    };
  if (stop === 'blocked')
    return {
      code: 'MODEL_BLOCKED',
      message: 'the provider blocked the answer (a guardrail or content filter). See the step in the journal.',
    };
  return undefined;
}

/** `final`: nothing the model could say would mend it. */
export type Answer = { ok: true; output: Json } | { ok: false; problem: string; final?: true };

/** Models like to wrap JSON in a fence. */
function unfenced(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('```') || !trimmed.endsWith('```')) return trimmed;
  const inner = trimmed.slice(3, -3);
  return inner.startsWith('json') ? inner.slice(4) : inner;
}

async function finalAnswer({ agent }: LoopScope, content: readonly Part[]): Promise<Answer> {
  let text = '';
  for (const part of content) if (part.type === 'text') text += part.text;
  if (!agent.output) return { ok: true, output: text };
  let json: unknown;
  try {
    json = JSON.parse(unfenced(text));
  } catch (error) {
    return { ok: false, problem: `it is no JSON (${(error as Error).message})` };
  }
  const valid = await validate(agent.output.schema, json);
  // kept as JSON: what the schema makes of it (dates, defaults) is written the way JSON writes it
  if (!valid.ok) return valid;
  try {
    return { ok: true, output: plainJson(valid.value) ?? null };
  } catch (error) {
    return { ok: false, problem: `what the output schema makes of it is no JSON (${messageOf(error)})`, final: true };
  }
}
