/** Targets of inference: one address for the models of several providers. Which of them is asked says the model in the body of a request. */
import type { JsonObject } from '../../../../../json.ts';
import { isObject } from '../../../../../json-schema/keywords.ts';
import { overLimit } from '../../../../../json-text.ts';
import { AwsError } from '../../codec/error.ts';
import { isLike } from '../glob.ts';
import { json } from '../refusal.ts';
import type { Target } from '../resources.ts';
import type { InferenceProvider } from '../target-configuration.ts';

/** The first segment of their paths. */
export const INFERENCE = 'inference';
const LIST = '/v1/models';
/** Characters, as in the list of a target. */
const LONGEST = 256;

export interface ForModel {
  readonly target: Target;
  /** The path of the operation at the provider. */
  readonly providerPath: string;
  readonly endpoint: string;
  /** With the model by the name that the provider has for it. */
  readonly body: Uint8Array;
}

export const providerOf = ({ settings }: Target): InferenceProvider | undefined => settings.targetConfiguration.inference?.provider;

/** An error that clients of models read, by its member `error`. */
export function inferenceError(name: string, type: string, message: string): AwsError {
  return new AwsError(name, message, { error: { type, message } });
}

/** The models of all targets, as OpenAI lists them; undefined for another request. Those that only a pattern names are not in it. */
export function listed(method: string, path: string, targets: readonly Target[]) {
  if (method !== 'GET' || path !== LIST) return undefined;
  const data = targets.flatMap((target) => {
    const { operations = [], modelMapping } = providerOf(target) ?? {};
    const ids = operations.flatMap(({ models = [] }) => models.map(({ model }) => model)).filter((id) => !/[*?]/.test(id));
    return [...new Set(ids)].map((id) => ({ id: prefixOf(id, modelMapping)?.rest ?? id, object: 'model', owned_by: target.name }));
  });
  return json(200, { object: 'list', data });
}

/** @throws AwsError for a request that names no model, or one that no target has. */
export function forModel(targets: readonly Target[], { method, path, body }: { method: string; path: string; body: Uint8Array }): ForModel {
  if (method !== 'POST')
    throw inferenceError('UnknownOperationException', 'not_found_error', `Models are asked by POST, and listed by GET ${LIST}.`);
  const asked = askedIn(body);
  const model = asked.model as string;
  let best: { rank: number; found: Omit<ForModel, 'body'> & { id: string } } | undefined;
  for (const target of targets) {
    const provider = providerOf(target) as InferenceProvider;
    const own = model.startsWith(`${target.name}/`) ? model.slice(target.name.length + 1) : undefined;
    for (const operation of provider.operations ?? [{ path }]) {
      if (operation.path !== path) continue;
      const fits = [
        ...(own === undefined ? [] : [fitOf(own, operation.models, provider.modelMapping)].map((fit) => fit && { ...fit, rank: -1 })),
        fitOf(model, operation.models, provider.modelMapping),
      ];
      for (const fit of fits) {
        if (!fit || (best && best.rank <= fit.rank)) continue;
        const providerPath = operation.providerPath ?? path;
        best = { rank: fit.rank, found: { target, providerPath, endpoint: provider.endpoint, id: fit.id } };
      }
    }
  }
  if (!best)
    throw inferenceError(
      'ResourceNotFoundException',
      'not_found_error',
      `No target has the model ${JSON.stringify(model.slice(0, 200))} at ${path}.`,
    );
  const { id, ...found } = best.found;
  // a body that need not change is sent as it came
  return { ...found, body: id === model ? body : Buffer.from(JSON.stringify({ ...asked, model: id })) };
}

function askedIn(body: Uint8Array): JsonObject {
  const text = Buffer.from(body).toString('utf8');
  const wrong = (message: string) => inferenceError('ValidationException', 'invalid_request_error', message);
  if (overLimit(text) !== undefined) throw wrong('The body has too many levels or values.');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('The body is not JSON.');
  }
  if (!isObject(value) || typeof value.model !== 'string' || value.model === '' || value.model.length > LONGEST)
    throw wrong(`The body is an object with a model of at most ${LONGEST} characters: { "model": "gpt-5" }.`);
  return value as JsonObject;
}

/** How well a model fits an operation, 0 the best, and what the provider calls it. Without a list any model does. */
function fitOf(
  model: string,
  models: readonly { model: string }[] | undefined,
  mapping: InferenceProvider['modelMapping'],
): { rank: number; id: string } | undefined {
  if (!models) return { rank: 3, id: model };
  // wildcards do not match line breaks
  const isOneLine = !/[\n\r\u2028\u2029]/.test(model);
  const fits = models.flatMap(({ model: entry }) => {
    const short = prefixOf(entry, mapping);
    if (entry === model) return [{ rank: 0, id: model }];
    if (short?.rest === model) return [{ rank: 1, id: entry }];
    if (isOneLine && isLike(model, entry)) return [{ rank: 2, id: model }];
    return isOneLine && short && isLike(model, short.rest) ? [{ rank: 2, id: short.prefix + model }] : [];
  });
  return fits.sort((a, b) => a.rank - b.rank)[0];
}

/** The name of a provider before that of a model, where clients may leave it out. */
function prefixOf(id: string, mapping: InferenceProvider['modelMapping']): { prefix: string; rest: string } | undefined {
  const { strip = false, separator = '.' } = mapping?.providerPrefix ?? {};
  const at = id.indexOf(separator);
  return strip && at > 0 && at < id.length - 1 ? { prefix: id.slice(0, at + 1), rest: id.slice(at + 1) } : undefined;
}
