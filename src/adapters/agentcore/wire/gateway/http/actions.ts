/** What policies decide about at targets of HTTP: `Target___POST:/invocations`, each operation of the schema of a passthrough, and those of a provider of models. */
import type { Json } from '../../../../../json.ts';
import { isObject } from '../../../../../json-schema/keywords.ts';
import { literal } from '../../../../../spellings.ts';
import { readDocument } from '../../../../gateway/openapi/document.ts';
import type { DescribedTool } from '../../../../policy/tools.ts';
import { textOf } from '../documents.ts';
import type { Target } from '../resources.ts';
import { providerOf } from './inference.ts';
import { RUNTIME_ACTIONS } from './runtime.ts';

/** How its errors begin, which are the reasons of a target that has failed. */
const WHERE = 'schema';
const NO_INPUT = { type: 'object' } as const;
const MODEL = { type: 'object', properties: { model: { type: 'string' } }, required: ['model'] } as const;

interface Described {
  /** `POST:/orders/{id}`. */
  readonly action: string;
  readonly input: DescribedTool['input'];
  readonly matches: (action: string) => boolean;
}

/** @throws RondoError `CONFIG_INVALID` for a schema that is not OpenAPI. */
async function describedOf(target: Target): Promise<readonly Described[]> {
  const { operations: asked = [] } = providerOf(target) ?? {};
  const named = (action: string, input: Described['input']): Described => ({ action, input, matches: (other) => other === action });
  if (asked.length > 0) return asked.map(({ path }) => named(`POST:${path}`, MODEL));
  const text = textOf(target);
  const operations = text === '' ? [] : (await readDocument(text, WHERE)).operations;
  const all = operations.map(({ method, path, body }): Described => {
    const schema: Json | undefined = body?.kind === 'json' ? body.schema : undefined;
    const pattern = new RegExp(
      `^${method}:${path
        .split(/\{[^{}]*\}/)
        .map(literal)
        .join('[^/]+')}$`,
    );
    return { action: `${method}:${path}`, input: isObject(schema) ? schema : NO_INPUT, matches: (action) => pattern.test(action) };
  });
  if (!target.settings.targetConfiguration.http?.agentcoreRuntime) return all;
  return Object.values(RUNTIME_ACTIONS).map((action) => all.find((one) => one.action === action) ?? named(action, NO_INPUT));
}

/** What of a target policies can name. @throws RondoError `CONFIG_INVALID`. */
export async function actionsOf(target: Target): Promise<readonly DescribedTool[]> {
  return (await describedOf(target)).map(({ action, input }) => ({ name: `${target.name}___${action}`, input, units: [] }));
}

/** The action of a request: by the template of the path that it fits, one without variables first. */
export async function actionFor(target: Target, method: string, path: string): Promise<string> {
  const asked = `${method}:${path === '' ? '/' : path}`;
  const fitting = (await describedOf(target)).filter(({ matches }) => matches(asked)).map(({ action }) => action);
  return `${target.name}___${fitting.find((action) => action === asked) ?? fitting[0] ?? asked}`;
}

/** The arguments that a policy can ask about: the members of a JSON body. */
export function inputOf(body: Uint8Array): Record<string, Json> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString('utf8'));
    return isObject(value) ? (value as Record<string, Json>) : {};
  } catch {
    return {};
  }
}
