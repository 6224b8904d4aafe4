import { invalid, ToolError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Model, ModelResponse } from '../ports/model.ts';
import { type Classified, classify } from './classify.ts';

/** The property of a {@link fallback} model with its candidates and the codes that it switches on. */
export const CANDIDATES: unique symbol = Symbol.for('rondo.candidates');

interface Candidates {
  readonly models: readonly Model[];
  readonly on: readonly string[];
}
type FallbackModel = Model & { readonly [CANDIDATES]: Candidates };

/** Codes after which another model may succeed. A wrong or forbidden request would fail there too. */
const SWITCH: ReadonlySet<string> = new Set([
  'THROTTLING',
  'QUOTA_EXCEEDED',
  'SERVICE_UNAVAILABLE',
  'INTERNAL_ERROR',
  'STREAM_ERROR',
  'STREAM_BROKEN',
  'TIMEOUT',
  'NETWORK',
  'TLS_FAILED',
  'TOO_EARLY',
  'CIRCUIT_OPEN',
]);
const DEFAULT_OUTPUT = 4_096;

/**
 * A model that asks the next candidate if one fails with a code that another model may not have (throttled, unavailable, timed out,
 * unreachable, open circuit, over quota), with any retryable error, or with a code named in `on`, such as `ACCESS_DENIED`.
 *
 * Its name, for prices and spans, is that of the first candidate. The engine calls each candidate with its own timeouts, retries and
 * breaker, and records each switch. Where something else asks it (a memory that extracts facts, a fallback around one with its own `on`),
 * `generate` tries the candidates in order, once each. Deltas of a candidate that fails midway have been emitted already; the attempt number
 * of an event distinguishes them.
 * @throws RondoError `CONFIG_INVALID` without models.
 */
export function fallback(models: readonly [Model, ...Model[]], o?: { on?: readonly string[] }): Model {
  if (!Array.isArray(models) || models.length === 0 || !models.every((m) => typeof m?.generate === 'function'))
    throw invalid('fallback() takes a list of at least one model, such as fallback([bedrock(a), bedrock(b)]).');
  if (o !== undefined) checkOptions(o, { on: "on: ['ACCESS_DENIED']" }, 'fallback()', { on: 'list' });
  // a nested fallback without `on` is flattened
  const all = models.flatMap((m) => (candidatesOf(m)?.on.length === 0 ? candidates(m) : [m]));
  const first = all[0] as Model;
  const bounds = all.map((m) => m.maxOutput);
  const model: FallbackModel = {
    provider: first.provider,
    id: first.id,
    ...(bounds.some((b) => b !== undefined) && { maxOutput: Math.max(...bounds.map((b) => b ?? DEFAULT_OUTPUT)) }),
    settings: first.settings,
    ...(all.some((m) => m.standin) && { standin: true }),
    generate: (request, call) => inOrder(model, request, call),
    [CANDIDATES]: { models: all, on: o?.on ?? [] },
  };
  return model;
}

/** The models to ask in order: those of a fallback, or the model itself. */
export const candidates = (model: Model): readonly Model[] => candidatesOf(model)?.models ?? [model];

/** Whether to ask the next candidate after a failure with this code. False for a model that is not a fallback. */
export function switches(model: Model, failure: string | { code: string; retryable: boolean }): boolean {
  const own = candidatesOf(model);
  if (!own) return false;
  const { code, retryable } = typeof failure === 'string' ? { code: failure, retryable: false } : failure;
  return retryable || SWITCH.has(code) || own.on.includes(code);
}

const candidatesOf = (model: Model): Candidates | undefined => (model as Partial<FallbackModel>)[CANDIDATES];

async function inOrder(
  model: Model,
  request: Parameters<Model['generate']>[0],
  call: Parameters<Model['generate']>[1],
): Promise<ModelResponse> {
  const all = candidates(model);
  const failed: { name: string; failure: Classified; error: unknown }[] = [];
  for (const candidate of all) {
    call.signal.throwIfAborted();
    const name = `${candidate.provider}/${candidate.id}`;
    try {
      const response = await candidate.generate(request, call);
      return candidate === all[0] || response.model !== undefined ? response : { ...response, model: name };
    } catch (error) {
      // cancelled by the caller: not this candidate's failure
      if (call.signal.aborted) throw error;
      const failure = classify(error, 'MODEL_FAILED');
      failed.push({ name, failure, error });
      if (!switches(model, failure)) break;
    }
  }
  const last = failed.at(-1) as (typeof failed)[number];
  if (failed.length === 1) throw last.error;
  const each = failed.map((f) => `${f.name}: ${f.failure.code}, ${f.failure.message}`).join('; ');
  const { code, outcome, retryable, retryAfter } = last.failure;
  throw new ToolError(code, `No model answered. ${each}`, {
    outcome,
    retryable,
    retryAfter,
    cause: last.error,
  });
}
