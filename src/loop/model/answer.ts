import type { Failure } from '../../errors.ts';
import { ToolError } from '../../errors.ts';
import { countsOf, totalOf } from '../../journal/fold/spent.ts';
import { fits, NotJson, plainJson } from '../../json.ts';
import type { Model, ModelResponse, Part } from '../../ports/model.ts';
import type { Crossing, LoopScope } from '../types.ts';
import { costOf, type Estimate, modelKey } from './estimate.ts';

/** The result of one model call. */
export type Thought =
  | { ok: true; response: ModelResponse; model: Model; attempts: number; ms: number }
  | ({ ok: false } & Crossing)
  | { ok: false; error: Failure };

/** An answer that has arrived. A halt does not drop it, unless another process has the run. */
export type Answered = Thought & { ok: true };

/** What a model is asked for: the next step of its agent, or a summary of its conversation. */
export interface Asking {
  of: 'model' | 'summary';
  /** As declared: it names the answer where none of `models` was asked. */
  model: Model;
  /** Those to ask in its place, in order: more than one for a `fallback()`. */
  models: readonly Model[];
  /** The most that the call can use. */
  bound(): Estimate;
  /** Where wrappers may make several calls: what all of them need that is neither in the sums nor reserved. */
  needed?(): Estimate;
}

const STOPS: ReadonlySet<unknown> = new Set(['end', 'tools', 'length', 'context', 'blocked']);

/**
 * A model's answer for the journal: a copy of the known fields, each checked for its type. An adapter may pass on data of a provider, so
 * no field is trusted.
 * @throws ToolError `MODEL_FAILED` that names the adapter, for an invalid answer.
 */
export function answerOf(response: unknown, model: string): ModelResponse {
  const { content, stop, usage, model: named, id } = (response ?? {}) as Partial<ModelResponse>;
  const wrong = (what: string) =>
    new ToolError('MODEL_FAILED', `the model adapter ${model} did not answer { content: [...], stop }: ${what}.`);
  if (!Array.isArray(content)) throw wrong('content is not a list');
  if (!STOPS.has(stop)) throw wrong(`stop is ${JSON.stringify(stop) ?? 'missing'}`);
  const parts: Part[] = [];
  for (const part of content as readonly (Part & { vendor?: unknown })[]) {
    const known = partOf(part);
    const copy = known && part.vendor !== undefined ? withVendor(known, part.vendor) : known;
    if (!copy) throw wrong(`part ${parts.length} is not a text, reasoning, image, document or toolCall`);
    parts.push(copy);
  }
  const answer: ModelResponse = { content: parts, stop: stop as ModelResponse['stop'] };
  const counted = countsOf(usage);
  if (counted) answer.usage = counted;
  if (typeof named === 'string' && named !== '') answer.model = named;
  if (typeof id === 'string' && id !== '') answer.id = id;
  return answer;
}

/** The known fields of a part, without `vendor`; undefined for a malformed one. */
function partOf(part: Part | null | undefined): Part | undefined {
  switch (part?.type) {
    case 'text':
    case 'reasoning':
      return typeof part.text === 'string' ? { type: part.type, text: part.text } : undefined;
    case 'toolCall':
      if (typeof part.name !== 'string' || typeof part.id !== 'string') return undefined;
      return { type: 'toolCall', id: part.id, name: part.name, input: inputOf(part.input) };
    case 'image':
    case 'document': {
      const { type, mediaType, data, name } = part;
      if (typeof mediaType !== 'string' || typeof data !== 'string') return undefined;
      return typeof name === 'string' ? { type, mediaType, data, name } : { type, mediaType, data };
    }
    default:
      return undefined;
  }
}

/** Limits on the arguments of one call: above any real use, and far below the size of a journal. */
const LARGEST = { values: 4_000_000, chars: 4_000_000 };

/** Arguments that are not JSON, or nested too deeply, become text. No schema accepts it, so the model gets an error and may correct them. */
function inputOf(input: unknown) {
  try {
    const json = plainJson(input) ?? null;
    return fits(json, LARGEST) ? json : '(these arguments were left out: they are too large)';
  } catch (error) {
    if (error instanceof NotJson) return `(these arguments were left out: ${error.message})`;
    throw error;
  }
}

function withVendor<P extends Part>(copy: P, vendor: unknown): P | undefined {
  try {
    return { ...copy, vendor: plainJson(vendor) ?? null };
  } catch {
    return undefined;
  }
}

/** What an answer cost. Without a usage it counts at the most that it can have used. */
export function costOfAnswer(scope: LoopScope, { bound }: Asking, { response, model }: Answered): Estimate {
  const { usage } = response;
  return usage ? { tokens: totalOf(usage), usd: costOf(scope, model, response) } : bound();
}

/** Charges an answer that is not used, as a failed attempt. */
export async function chargeUnused(
  scope: LoopScope,
  asking: Asking,
  answer: Answered,
  why: { code: string; message: string },
): Promise<void> {
  const { tokens, usd } = costOfAnswer(scope, asking, answer);
  const { attempts: attempt, model } = answer;
  const step = scope.frame.step + 1;
  await scope.append(() => [
    { type: 'attempt.failed', of: asking.of, step, attempt, ...why, model: modelKey(model), lost: { tokens, usd } },
  ]);
}
