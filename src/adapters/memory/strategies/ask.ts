/** Asks a model for JSON of a schema. What it answers is untrusted: it is bounded, validated, and asked for again twice. */
import { ToolError } from '../../../errors.ts';
import { jsonSchema } from '../../../json-schema.ts';
import { unfenced } from '../../../loop/model/unfenced.ts';
import type { Message, Model, ModelResponse } from '../../../ports/model.ts';
import { type JsonSchema, validate } from '../../../schema.ts';

/** How often a model may repair an answer. */
const REPAIRS = 2;
/** Most characters of an answer. */
const LONGEST = 200_000;

export interface Question {
  readonly instructions: string;
  /** The data that the instructions are about. */
  readonly about: string;
  readonly schema: JsonSchema;
}

/**
 * The JSON that a model answers.
 * @throws ToolError `EXTRACTION_INVALID` for an answer that does not fit, `MODEL_BLOCKED` and `OUTPUT_TRUNCATED` for one that is none; what the model throws.
 * No message of it has any of the conversation.
 */
export async function ask<T>(model: Model, question: Question, signal: AbortSignal): Promise<T> {
  const { instructions, about, schema } = question;
  const messages: Message[] = [said('user', about)];
  for (let repairs = 0; ; repairs++) {
    const response = await model.generate({ instructions, messages: [...messages], tools: [], output: schema }, { signal });
    const text = answerOf(response);
    const problem = text.length > LONGEST ? `it has more than ${LONGEST} characters` : await fits<T>(schema, text);
    if (typeof problem !== 'string') return problem.value;
    if (repairs === REPAIRS)
      throw new ToolError('EXTRACTION_INVALID', `the model's answer does not fit, ${REPAIRS + 1} times.`, { retryable: true });
    messages.push(
      said('assistant', text.slice(0, LONGEST)),
      said('user', `Your answer does not fit: ${problem}. Answer with JSON of the schema and nothing else.`),
    );
  }
}

const said = (role: 'user' | 'assistant', text: string): Message => ({ role, content: [{ type: 'text', text }] });

function answerOf({ content, stop }: ModelResponse): string {
  if (stop === 'blocked') throw new ToolError('MODEL_BLOCKED', 'the provider blocked the answer (a guardrail or content filter).');
  if (stop === 'length' || stop === 'context')
    throw new ToolError('OUTPUT_TRUNCATED', "the model's answer was cut off. Raise the model's maxTokens.", {
      retryable: stop === 'length',
    });
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('');
}

/** The value; else what is wrong, in words for the model. */
async function fits<T>(schema: JsonSchema, text: string): Promise<{ value: T } | string> {
  let json: unknown;
  try {
    json = JSON.parse(unfenced(text));
  } catch {
    return 'it is not JSON';
  }
  const valid = await validate(jsonSchema<T>(schema), json);
  return valid.ok ? { value: valid.value } : valid.problem;
}
