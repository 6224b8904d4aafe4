/**
 * What a model said, under guardrails of outputs: each answer is checked as a whole before it is journaled or shown, also those that only
 * call tools. Until then listeners hear none of it (`held` in streaming.ts).
 */
import { type Failure, failedOnce } from '../../errors.ts';
import { outputParts } from '../../journal/fold/conversation.ts';
import { type Json, jsonIn } from '../../json.ts';
import type { GuardrailVerdict } from '../../ports/guardrail.ts';
import type { Part } from '../../ports/model.ts';
import { saidAllowed } from '../call/content.ts';
import type { Responded } from '../start.ts';
import type { LoopScope, Scope } from '../types.ts';
import { unfenced } from './unfenced.ts';

/** The answer as the guardrails leave it, with their verdicts. `refused`: why the frame ends. None of its calls is made then. */
export interface Said {
  entry: Responded;
  refused?: Failure;
}

/** Asks about each part of reasoning, then about the whole text. Arguments of calls are not asked about here. */
export async function checkedAnswer(scope: LoopScope, answer: Responded): Promise<Said> {
  const verdicts: GuardrailVerdict[] = [];
  const content: Part[] = [];
  for (const part of answer.content) content.push(part.type === 'reasoning' ? await checkedReasoning(scope, part, verdicts) : part);
  const text = content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  if (text === '') return { entry: { ...answer, content, ...judged(verdicts) } };
  const allowed = await saidAllowed(scope, scope.agent.output ? readAs(text) : text);
  verdicts.push(...(allowed.verdicts ?? []));
  if (allowed.ok) {
    const { replaced } = allowed;
    return { entry: { ...answer, content: replaced === undefined ? content : saying(content, replaced), ...judged(verdicts) } };
  }
  const { through: _, ...rest } = answer;
  const withheld: readonly Part[] = [{ type: 'text', text: `(withheld: ${allowed.reason})` }];
  // without its calls, an answer that asked for some is over
  const stop = answer.stop === 'tools' ? 'end' : answer.stop;
  return {
    entry: { ...rest, stop, content: withheld, ...judged(verdicts) },
    refused: failedOnce(allowed.code ?? 'OUTPUT_REFUSED', `a guardrail refused what the model said: ${allowed.reason}`),
  };
}

const judged = (verdicts: readonly GuardrailVerdict[]) => verdicts.length > 0 && { verdicts };

/** Changed reasoning loses its signature, because the provider would refuse it. Refused reasoning is left out; the answer stands. */
async function checkedReasoning(scope: Scope, part: Part & { type: 'reasoning' }, verdicts: GuardrailVerdict[]): Promise<Part> {
  if (part.text === '') return part;
  const allowed = await saidAllowed(scope, part.text, 'reasoning');
  verdicts.push(...(allowed.verdicts ?? []));
  if (!allowed.ok) return { type: 'reasoning', text: '(withheld)' };
  const { replaced } = allowed;
  if (replaced === undefined) return part;
  return { type: 'reasoning', text: typeof replaced === 'string' ? replaced : JSON.stringify(replaced) };
}

/** The value of an answer that is to fit a schema: in JSON, a text may be written in more than one way. */
function readAs(text: string): Json {
  const value = jsonIn(unfenced(text));
  return value === undefined ? text : value;
}

/** The parts with another text in place of theirs. */
function saying(content: readonly Part[], replaced: Json): readonly Part[] {
  const first = content.findIndex(({ type }) => type === 'text');
  return content.flatMap((part, i) => (part.type !== 'text' ? [part] : i === first ? outputParts(replaced) : []));
}

/** Tells listeners what they would have been told while the model spoke. */
export function release({ drive, frame }: Scope, { content, step, attempts = 1 }: Responded): void {
  const { emit } = drive;
  if (!emit) return;
  for (const part of content) {
    const about = { attempt: attempts };
    if (part.type === 'text' && part.text !== '') emit({ type: 'text.delta', text: part.text, ...about }, step, frame);
    else if (part.type === 'reasoning' && part.text !== '') emit({ type: 'reasoning.delta', text: part.text, ...about }, step, frame);
    else if (part.type === 'toolCall')
      emit({ type: 'tool.delta', id: part.id, tool: part.name, text: JSON.stringify(part.input), ...about }, step, frame);
  }
}
