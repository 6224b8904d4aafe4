import { invalid } from '../../errors.ts';
import { ruleProblem } from '../../hitl/rules.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import { declaredSchema, schemaOf } from '../../json-schema.ts';
import { checkOptions, type Kinds } from '../../options.ts';
import type { CredentialRequest } from '../../ports/identity.ts';
import type { Kept } from '../../ports/kept.ts';
import type { ToolSpec } from '../../ports/model.ts';
import type { OutputOf, Question, Tool, ToolContext, ToolOptions } from '../../ports/tool.ts';
import { checkReliability } from '../../reliability/policy.ts';
import type { JsonSchema, Out, Schema, SchemaLike } from '../../schema.ts';
import { checkCost } from '../call/charge.ts';
import type { Door } from '../call/passage.ts';
import type { AnyToolOptions, Delegate, ToolDefinition, Waits } from '../types.ts';
import { checkAmount, checkIntent, INTENT } from './keyed.ts';

/** The body of a tool as the engine calls it, with arguments that its schema has parsed. */
export type Execute = (input: unknown, ctx: ToolContext) => unknown;

/** Marks what `tool()` made, also by another copy of the package. */
const MADE = Symbol.for('rondo.tool');

/** Names with a meaning in the engine, which tools of a server may not use. */
export const RESERVED_NAME = /^(ask_human$|handoff_to_|rondo_)/i;

/** The tool names that models accept. */
export const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/**
 * Declares a tool. Its schema is converted once, here.
 * @throws RondoError `CONFIG_INVALID` for a bad name, a schema that is not an object or cannot describe itself, or a bad number.
 */
export function tool<
  const Name extends string,
  const S extends SchemaLike,
  O,
  const C extends SchemaLike = Schema<unknown>,
  K extends string = never,
>(options: ToolOptions<Name, S, C, K, O> & Kept<O>): Tool<Name, Out<S>, OutputOf<O>, Out<C>> {
  return define(options as unknown as AnyToolOptions) as unknown as Tool<Name, Out<S>, OutputOf<O>, Out<C>>;
}

/** A tool without a body: the engine asks a person, and the answer is its output. */
export function questionTool(
  options: Pick<AnyToolOptions, 'name' | 'description' | 'input'> & { approval: AnyToolOptions['approval'] },
  ask: (input: Json) => Question,
): Tool {
  return define({ ...options, effect: 'read', execute: () => undefined }, ask);
}

/** A tool without a body: its calls wait without a process. */
export const waitingTool = (options: Pick<AnyToolOptions, 'name' | 'description' | 'input'>, waits: Waits): Tool =>
  ({ ...define({ ...options, effect: 'read', execute: () => undefined }), waits }) as ToolDefinition;

/** A placeholder for a tool of a source that is held back. The model does not see it, and a call of it fails with the reason. */
export const heldTool = (name: string, why: string): ToolDefinition => ({
  ...define({ name, description: '', input: ANYTHING, effect: 'once', execute: () => undefined }),
  held: why,
  hidden: true,
});

/** Takes any arguments: what a held tool takes is not looked at. */
const ANYTHING: Schema = {
  '~standard': {
    version: 1,
    vendor: 'rondo',
    validate: (value) => ({ value }),
    jsonSchema: { input: () => ({ type: 'object' }), output: () => ({ type: 'object' }) },
  },
};

/** A tool that a sub-agent answers. */
export const delegateTool = (options: Pick<AnyToolOptions, 'name' | 'description' | 'input'>, delegate: Delegate): ToolDefinition => ({
  ...define({ ...options, effect: 'read', execute: () => undefined }),
  delegate,
});

const TOOL = {
  name: "name: 'refund'",
  description: "description: 'Refund an order'",
  input: 'input: z.object({ orderId: z.string() })',
  context: 'context: z.object({ tenant: z.string() })',
  credentials: "credentials: { key: { provider: 'pay' } }",
  effect: "effect: 'idempotent'",
  approval: 'approval: true',
  ...INTENT,
  units: "units: ['usd']",
  timeout: 'timeout: 30_000',
  deadline: 'deadline: 120_000',
  retry: 'retry: { attempts: 3 }',
  breaker: 'breaker: { failures: 5 }',
  cache: 'cache: { ttl: 60_000 }',
  maxBytes: 'maxBytes: 16_384',
  execute: 'execute: ({ orderId }) => refund(orderId)',
  check: "check: async ({ idempotencyKey }) => ({ outcome: 'unknown' })",
  toModel: 'toModel: (output) => output.summary',
} satisfies Record<keyof AnyToolOptions, string>;

/** Checks a declaration, and converts its schema. @param ask for a tool whose calls a person answers. @throws RondoError `CONFIG_INVALID`. */
function define(options: AnyToolOptions, ask?: (input: Json) => Question): ToolDefinition {
  // unknown options are refused: a misspelt `approval` would let anyone call the tool
  checkOptions(options, TOOL, typeof options?.name === 'string' ? `tool "${options.name}"` : 'tool()');
  const { name, description } = options;
  if (typeof options.execute !== 'function') throw invalid(`tool "${name}" has no execute function: ${TOOL.execute}.`);
  if (name === undefined) throw invalid(`a tool needs a name: tool({ ${TOOL.name}, ... }).`);
  if (typeof name !== 'string' || !TOOL_NAME.test(name))
    throw invalid(`"${name}" is not a tool name: models take 1 to 64 letters, digits, "_" and "-".`);
  if (typeof description !== 'string')
    throw invalid(`tool "${name}" needs a description, which is all that a model knows of it: ${TOOL.description}.`);
  if (options.effect !== undefined && !['read', 'idempotent', 'once'].includes(options.effect))
    throw invalid(`tool "${name}": effect is "${options.effect}"; it is one of "read", "idempotent", "once".`);
  checkReliability({ ...options, name: `tool "${name}"` });
  checkIntent(options, `tool "${name}"`, TOOL);
  checkAmount(options, `tool "${name}"`);
  for (const field of ['check', 'toModel'] as const)
    if (options[field] !== undefined && typeof options[field] !== 'function')
      throw invalid(`tool "${name}": ${field} is a function: ${TOOL[field]}.`);
  if (options.check !== undefined && (options.effect ?? 'once') !== 'once')
    throw invalid(
      `tool "${name}": check is for a tool that must not be called twice, and one with effect: '${options.effect}' is simply called again. Leave out check, or declare effect: 'once'.`,
    );
  checkCost(options.cost, `tool "${name}"`);
  for (const field of ['timeout', 'deadline', 'maxBytes'] as const) {
    const value = options[field];
    if (value !== undefined && !(typeof value === 'number' && value > 0))
      throw invalid(`tool "${name}": ${field} is ${value}; it must be a number above 0.`);
  }
  checkCache(options);
  if (options.approval !== undefined && !['boolean', 'function'].includes(typeof options.approval)) {
    const wrong = ruleProblem(options.approval);
    if (wrong) throw invalid(`the approval of tool "${name}": ${wrong}.`);
  }
  checkCredentials(options.credentials, `tool "${name}"`);
  const { schema, json } = declaredSchema(options.input, `the input of tool "${name}"`);
  const input = objectSchema(json, name);
  const spec: ToolSpec = { name, description, input };
  const made = {
    [MADE]: true,
    name,
    description,
    effect: options.effect ?? 'once',
    options: {
      ...options,
      input: schema,
      context: options.context && schemaOf(options.context, `the context of tool "${name}"`),
    },
    spec,
    hash: hashOf(spec),
    ask,
  };
  return made;
}

const hashOf = (spec: ToolSpec) => sha256(JSON.stringify(spec)).slice(0, 16);

/**
 * The same tool under another name, for a source that is made of sources.
 * @param o.full its full name: the intent of its keys, unless it declares one, and its name for the door.
 * @param o.changed options in place of its own.
 * @param o.door what the source asks about its calls, in addition to those that are.
 */
export function renamedTool(
  { spec: { description, input }, ...made }: ToolDefinition,
  name: string,
  { full, changed, door }: { full: string; changed?: Partial<ToolDefinition['options']>; door?: Omit<Door, 'tool'> | undefined },
): ToolDefinition {
  const spec: ToolSpec = { name, description, input };
  const own = made.options.key && made.options.intent === undefined;
  return {
    ...made,
    name,
    options: { ...made.options, ...changed, name, ...(own && { intent: full }) },
    spec,
    hash: hashOf(spec),
    ...((door?.policy || door?.passage) && { doors: [{ ...door, tool: full }, ...(made.doors ?? [])] }),
  };
}

const CREDENTIAL = {
  provider: "provider: 'github'",
  scopes: "scopes: ['repo']",
  flow: "flow: 'user'",
  resources: "resources: ['https://api.example.com']",
  audiences: "audiences: ['billing']",
  force: 'force: true',
} satisfies Record<keyof CredentialRequest, string>;
const CREDENTIAL_KINDS: Kinds = {
  provider: 'text',
  scopes: 'list',
  flow: ['api-key', 'client', 'user', 'exchange'] satisfies CredentialRequest['flow'][],
  resources: 'list',
  audiences: 'list',
  force: 'flag',
};

function checkCredentials(credentials: unknown, where: string): void {
  if (credentials === undefined) return;
  if (typeof credentials !== 'object' || credentials === null || Array.isArray(credentials))
    throw invalid(`${where}: credentials is an object of what its calls need, by name: { ${TOOL.credentials} }.`);
  for (const [name, request] of Object.entries(credentials)) {
    const about = `${where}: the credential "${name}"`;
    checkOptions(request, CREDENTIAL, about, CREDENTIAL_KINDS);
    if (request.provider === undefined) throw invalid(`${about} needs its provider: { ${CREDENTIAL.provider} }.`);
  }
}

const CACHE = { ttl: 'ttl: 60_000', shared: 'shared: true' };

function checkCache({ name, effect, cache, credentials }: AnyToolOptions): void {
  if (cache === undefined) return;
  const where = `the cache of tool "${name}"`;
  checkOptions(cache, CACHE, where);
  if (effect !== 'read') throw invalid(`${where}: only results of a tool with effect: 'read' may be given again.`);
  if (!(typeof cache.ttl === 'number' && cache.ttl > 0)) throw invalid(`${where}: ttl is ${cache.ttl}; it is milliseconds, above 0.`);
  if (cache.shared !== undefined && typeof cache.shared !== 'boolean') throw invalid(`${where}: shared is true or false.`);
  if (cache.shared && credentials)
    throw invalid(`${where}: results that were got with the credentials of one user cannot be shared with others. Leave out shared.`);
}

function objectSchema(schema: JsonSchema, name: string): JsonSchema {
  if (schema.type === 'object') return schema;
  if (schema.type === undefined && (schema.properties || Object.keys(schema).length === 0)) return { type: 'object', ...schema };
  throw invalid(`the input of tool "${name}" must be an object schema: models name their arguments. Wrap it: z.object({ value: ... }).`);
}

/** @throws RondoError `CONFIG_INVALID` if the value was not made by `tool()`. */
export function definition(value: Tool): ToolDefinition {
  if (isTool(value)) return value;
  throw invalid('a tool was not made by tool(). Write tool({ name, description, input, execute }).');
}

/** The body of a tool whose types are not known. @throws RondoError `CONFIG_INVALID` if the value was not made by `tool()`. */
export const executeOf = (value: Tool): Execute => definition(value).options.execute as Execute;

/** The same tool with another body. */
export const withExecute = (made: ToolDefinition, execute: Execute): ToolDefinition => ({
  ...made,
  options: { ...made.options, execute },
});

/** Whether `tool()` made the value, also that of another copy of the package. */
export const isTool = (value: unknown): value is ToolDefinition => typeof value === 'object' && value !== null && MADE in value;
