import { invalid, ToolError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { checkModel } from '../ports/check-model.ts';
import type { Model, ModelResponse } from '../ports/model.ts';
import { bounded, classify } from './classify.ts';

/** The property of a {@link fallback} model with its candidates and the codes that it switches on. */
export const CANDIDATES: unique symbol = Symbol.for('rondo.candidates');

interface Candidates {
  readonly models: readonly Model[];
  /** Undefined: all. */
  readonly on: readonly string[] | undefined;
}
type FallbackModel = Model & { readonly [CANDIDATES]: Candidates };

/** Failures of stand-ins in tests. Another model would hide what is wrong with the test. */
const OF_TESTS: ReadonlySet<string> = new Set(['RECORDING_MISMATCH', 'RECORDING_FAILED', 'SCRIPT_ENDED']);
const DEFAULT_OUTPUT = 4_096;

/**
 * A model that asks the next candidate if one fails, whatever the reason: an outage, a revoked key, a retired model, a request that it does
 * not take. `on`: only for failures with these codes. An answer that is cut off or `blocked` is not a failure.
 *
 * Its name, for prices and spans, is that of the first candidate. The engine calls each candidate with its own timeouts, retries and
 * breaker, and records each switch. Where something else asks it (a memory that extracts facts, a fallback around one with its own `on`),
 * `generate` tries the candidates in order, once each. Deltas of a candidate that fails midway have been emitted already; the attempt number
 * of an event distinguishes them.
 * @throws RondoError `CONFIG_INVALID` without models.
 */
export function fallback(models: readonly [Model, ...Model[]], o?: { on?: readonly string[] }): Model {
  if (!Array.isArray(models) || models.length === 0)
    throw invalid('fallback() takes a list of at least one model, such as fallback([bedrock(a), bedrock(b)]).');
  for (const [i, given] of models.entries()) checkModel(given, `fallback(): model ${i + 1}`);
  if (o !== undefined) checkOptions(o, { on: "on: ['THROTTLING', 'SERVICE_UNAVAILABLE']" }, 'fallback()', { on: 'list' });
  // a nested fallback without `on` is flattened
  const all = models.flatMap((m) => (candidatesOf(m)?.on ? [m] : candidates(m)));
  const first = all[0] as Model;
  const bounds = all.map((m) => m.maxOutput);
  const model: FallbackModel = {
    provider: first.provider,
    id: first.id,
    ...(bounds.some((b) => b !== undefined) && { maxOutput: Math.max(...bounds.map((b) => b ?? DEFAULT_OUTPUT)) }),
    settings: first.settings,
    ...(all.some((m) => m.standin) && { standin: true }),
    generate: (request, call) => inOrder(model, request, call),
    [CANDIDATES]: { models: all, on: o?.on },
  };
  return model;
}

/** The models to ask in order: those of a fallback, or the model itself. */
export const candidates = (model: Model): readonly Model[] => candidatesOf(model)?.models ?? [model];

/** Whether to ask the next candidate after a failure with this code. False for a model that is not a fallback. */
export function switches(model: Model, code: string): boolean {
  const own = candidatesOf(model);
  return own !== undefined && !OF_TESTS.has(code) && (own.on?.includes(code) ?? true);
}

/** The message of a failure, with those of the candidates before it. */
export function saidByAll(failed: readonly { name: string; code: string; message: string }[]): string {
  const [only] = failed;
  if (only && failed.length === 1) return only.message;
  return bounded(`No model answered. ${failed.map(({ name, code, message }) => `${name}: ${code}, ${message}`).join('; ')}`);
}

const candidatesOf = (model: Model): Candidates | undefined => (model as Partial<FallbackModel>)[CANDIDATES];

async function inOrder(
  model: Model,
  request: Parameters<Model['generate']>[0],
  call: Parameters<Model['generate']>[1],
): Promise<ModelResponse> {
  const all = candidates(model);
  const failed: { name: string; code: string; message: string }[] = [];
  for (const [i, candidate] of all.entries()) {
    call.signal.throwIfAborted();
    const name = `${candidate.provider}/${candidate.id}`;
    try {
      const response = await candidate.generate(request, call);
      return i === 0 || response.model !== undefined ? response : { ...response, model: name };
    } catch (error) {
      // cancelled by the caller: not this candidate's failure
      if (call.signal.aborted) throw error;
      const { code, message, outcome, retryable, retryAfter } = classify(error, 'MODEL_FAILED');
      failed.push({ name, code, message });
      if (i < all.length - 1 && switches(model, code)) continue;
      if (i === 0) throw error;
      throw new ToolError(code, saidByAll(failed), { outcome, retryable, retryAfter, cause: error });
    }
  }
  throw new Error('a fallback without models');
}
