/** Conclude: an answer without calls ends the agent's frame, unless it does not fit the output schema. */
import { type Failure, failedOnce } from '../errors.ts';
import type { Draft } from '../journal/entries/entries.ts';
import { outputParts } from '../journal/fold/conversation.ts';
import type { Make } from '../journal/log.ts';
import { type Json, plainJson } from '../json.ts';
import type { ModelResponse, Part } from '../ports/model.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { messageOf } from '../reliability/classify.ts';
import { Halted, judged } from '../reliability/patience.ts';
import type { Schema } from '../schema.ts';
import type { Due } from './call/call.ts';
import { outputAllowed } from './call/content.ts';
import { isLoop } from './definition.ts';
import { unfenced } from './model/unfenced.ts';
import type { Responded } from './start.ts';
import type { AgentDefinition, LoopScope, Scope, Settlement } from './types.ts';

/** How often the model may repair a final answer that does not fit the schema, before the run fails. */
const REPAIRS = 2;

/** Appends the answer with the end of the frame, or with a request to repair it. @returns an empty list if the model is asked again. */
export async function conclude(scope: LoopScope, responded: Responded): Promise<readonly Due[] | Settlement> {
  const failed = incomplete(responded.stop);
  const answer = failed ? undefined : await finalAnswer(scope, responded.content).catch(ifHalted);
  if (answer === 'halted') return unchecked(scope, responded);
  if (answer?.ok) {
    const allowed = await outputAllowed(scope, answer.output);
    if (!allowed.ok) return refused(scope, saying(responded, `(withheld: ${allowed.reason})`), allowed.reason);
    if (allowed.replaced === undefined) return end(scope, answer.output, [responded]);
    return end(scope, allowed.replaced, [saying(responded, allowed.replaced)]);
  }
  const repairable = answer && !answer.final && scope.frame.repairs < REPAIRS;
  await scope.append(() => [responded, ...(repairable ? [repair(responded, `Your answer does not fit: ${answer.problem}.`)] : [])]);
  if (repairable) return [];
  const unfit = `the final answer does not fit the output schema: ${answer?.ok === false ? answer.problem : ''}.`;
  return { status: 'failed', error: failed ?? failedOnce('OUTPUT_INVALID', unfit) };
}

const repair = ({ step }: Responded, why: string): Draft => ({
  type: 'message.received',
  kind: 'repair',
  step,
  text: `${why} Answer again, with JSON of the schema and nothing else.`,
});

const ifHalted = (error: unknown): 'halted' => {
  if (error instanceof Halted) return 'halted';
  throw error;
};

/** An answer that the schema did not judge before the run was halted. A run that goes on asks for it once more. */
async function unchecked(scope: LoopScope, responded: Responded): Promise<readonly Due[]> {
  const why = scope.halt?.why;
  const over = why === 'cancel';
  if (why !== 'lost') await scope.append(() => [responded, ...(over ? [] : [repair(responded, 'Your answer was not read in time.')])]);
  return [];
}

/** The answer with other content, so that the journal and later runs of the session do not have what the policy removed. */
const saying = (responded: Responded, output: Json): Responded => ({ ...responded, content: outputParts(output) });

/**
 * Lets out the end of a frame that has an output. @returns a function that makes the entries, to be called right before they are appended: a
 * node of a graph above that ends in between would build on entries that are not written.
 */
export async function letOut(scope: Scope, output: Json): Promise<() => Make> {
  const whole = { ok: true, output } as const;
  const told = scope.leaving && (await scope.leaving(whole));
  return () => scope.closing(whole, told);
}

/** Ends the frame, unless a message has arrived. Then the model is asked again, and the result is an empty list. */
async function end(scope: LoopScope, output: Json, before: readonly Draft[]): Promise<readonly Due[] | Settlement> {
  const closing = (await letOut(scope, output))();
  let ended = false;
  const append = scope.append((seq) => {
    ended = scope.frame.waiting.length === 0;
    return ended ? [...before, ...closing(seq + before.length)] : before;
  });
  if (append) await append;
  return ended ? { status: 'completed', output, committed: true } : [];
}

async function refused(scope: LoopScope, entry: Responded, reason: string): Promise<readonly Due[] | Settlement> {
  await scope.append(() => [entry]);
  if (scope.halt) return [];
  return { status: 'failed', error: failedOnce('OUTPUT_REFUSED', `the policy refused the final answer: ${reason}`) };
}

/**
 * The failure of an answer that is not whole: `OUTPUT_TRUNCATED` for `length`, `CONTEXT_TOO_LONG` for `context`, `MODEL_BLOCKED` for
 * `blocked`; undefined for any other stop.
 */
export function incomplete(stop: ModelResponse['stop']): Failure | undefined {
  if (stop === 'length')
    return failedOnce(
      'OUTPUT_TRUNCATED',
      "the model's answer was cut off at its output limit. Raise the model's maxTokens, or ask for less.",
    );
  if (stop === 'context')
    return failedOnce(
      'CONTEXT_TOO_LONG',
      "the conversation fills the model's context, so its answer was cut off. Keep it small with compact: [clearToolResults(), summarise()], begin a new session, bound what tools return (maxBytes), or use a model with a larger context.",
    );
  if (stop === 'blocked')
    return failedOnce('MODEL_BLOCKED', 'the provider blocked the answer (a guardrail or content filter). See the step in the journal.');
  return undefined;
}

/** `final`: another answer of the model would not help. */
export type Answer = { ok: true; output: Json } | { ok: false; problem: string; final?: true };

/** @throws Halted */
async function finalAnswer({ agent, cancel }: LoopScope, content: readonly Part[]): Promise<Answer> {
  let text = '';
  for (const part of content) if (part.type === 'text') text += part.text;
  if (!agent.output) return { ok: true, output: text };
  let json: unknown;
  try {
    json = JSON.parse(unfenced(text));
  } catch (error) {
    return { ok: false, problem: `it is not JSON (${(error as Error).message})` };
  }
  return answerOf(agent.output.schema, json, cancel);
}

/** The output is what the schema makes of an answer (with defaults, dates and so on), serialised as JSON. @throws Halted */
async function answerOf(schema: Schema, output: unknown, cancel: CancelSource): Promise<Answer> {
  const valid = await judged(schema, output, cancel);
  if (!valid.ok) return valid;
  try {
    return { ok: true, output: plainJson(valid.value) ?? null };
  } catch (error) {
    return { ok: false, problem: `what the output schema makes of it is not JSON (${messageOf(error)})`, final: true };
  }
}

/**
 * After a handoff the sub-agent's answer ends this frame too, and the model is not asked again, unless a message waits.
 * @returns undefined without a handoff, and an empty list if a message arrived in the last moment.
 */
export function handedOver(scope: LoopScope): Promise<readonly Due[] | Settlement> | undefined {
  const { frame, tools } = scope;
  if (frame.waiting.length > 0) return undefined;
  const call = frame.calls.find((c) => c.finished?.ok && tools.get(c.name)?.delegate?.handoff);
  return call && handOver(scope, call.finished?.output ?? null, tools.get(call.name)?.delegate?.agent);
}

async function handOver(scope: LoopScope, output: Json, by: AgentDefinition | undefined): Promise<readonly Due[] | Settlement> {
  const { output: wanted } = scope.agent;
  // a schema need not take what it has made
  const made = !wanted || (by && isLoop(by) && by.output?.schema === wanted.schema);
  const answer = made ? ({ ok: true, output } as const) : await answerOf(wanted.schema, output, scope.cancel);
  if (answer.ok) return end(scope, answer.output, []);
  const message = `the agent that took the conversation over gave an answer that does not fit the output schema: ${answer.problem}.`;
  return { status: 'failed', error: failedOnce('OUTPUT_INVALID', message) };
}
