/** Errors for unknown options, and warnings for renamed ones. */
import { invalid } from './errors.ts';
import { type Json, plainJson } from './json.ts';

/** Options by name, each with an example. */
export type Examples = { readonly [option: string]: string };

/** What the value of an option is: of a type, or one of some texts. */
export type Kind = keyof typeof KINDS | readonly string[];
/** What some options are, by name. */
export type Kinds = { readonly [option: string]: Kind };

const KINDS = {
  function: ['a function', (value: unknown) => typeof value === 'function'],
  list: ['a list', (value: unknown) => Array.isArray(value)],
  object: ['an object', isObject],
  text: ['a text that is not empty', (value: unknown) => typeof value === 'string' && value !== ''],
  flag: ['true or false', (value: unknown) => typeof value === 'boolean'],
  seq: ['the seq of an entry, a whole number', (value: unknown) => Number.isInteger(value)],
  signal: ['an AbortSignal', (value: unknown) => typeof (value as AbortSignal | null)?.addEventListener === 'function'],
} as const satisfies Record<string, readonly [string, (value: unknown) => boolean]>;

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks the names of options, and what some of them are. An option whose value is undefined is ignored.
 * @param where the owner of the options in messages, such as `tool "refund"`.
 * @throws RondoError `CONFIG_INVALID` for a value that is not an object, an unknown option, and another kind of value. The message names the
 *   option that was meant, with its example, or all there are.
 */
export function checkOptions(given: unknown, examples: Examples, where: string, kinds: Kinds = {}): void {
  if (!isObject(given)) throw invalid(`${where} takes its options as an object: { ${Object.values(examples)[0]} }.`);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(examples, name)) {
      const meant = meantBy(name, Object.keys(examples));
      throw invalid(
        `${where} has no option "${name}". ${meant ? `Did you mean "${meant}"? For example: { ${examples[meant]} }.` : `There are ${Object.keys(examples).join(', ')}.`}`,
      );
    }
    const kind = kinds[name];
    const fits = kind === undefined || (typeof kind === 'string' ? KINDS[kind][1](value) : kind.includes(value as string));
    if (fits) continue;
    const what = typeof kind === 'string' ? KINDS[kind][0] : kind.map((one) => `'${one}'`).join(' or ');
    throw invalid(`${where}: ${name} is ${what}, not ${shown(value)}. For example: { ${examples[name]} }.`);
  }
}

/** A value in a message: short, and without what it holds. */
export const shown = (value: unknown): string =>
  value === null || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : typeof value === 'string'
      ? JSON.stringify(value.slice(0, 50))
      : Array.isArray(value)
        ? 'a list'
        : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;

/**
 * Checks something that users may implement. Whatever else it has is free, except for a function whose name is nearly that of a missing one.
 * @param what in messages, such as `new Engine(): memory`.
 * @param example what to pass, such as `memory: sqliteMemory('memory.db')`.
 * @throws RondoError `CONFIG_INVALID` for a value without these functions, and where the name of an optional one has another value.
 */
export function checkPort(port: unknown, { needs, may = [] }: Functions, what: string, example: string): void {
  const list = needs.length > 0 ? `the function${needs.length === 1 ? '' : 's'} ${needs.join(', ')}` : `a function ${may.join(' or ')}`;
  const wrong = (why: string) => invalid(`${what} is an object with ${list}${why} For example: { ${example} }.`);
  if (typeof (port as { then?: unknown } | null)?.then === 'function') throw wrong(', not a promise. Await it first.');
  if (!isObject(port)) throw wrong(`, not ${shown(port)}.`);
  const has = (name: string) => (port as Readonly<Record<string, unknown>>)[name];
  const all = [...needs, ...may];
  const missing = all.filter((name) => has(name) === undefined);
  const slip = misspelt(missing, () => functionsOf(port).filter((name) => !all.includes(name)));
  if (slip) throw wrong(`. It has "${slip.name}". Did you mean "${slip.meant}"?`);
  const odd = all.find((name) => typeof has(name) !== 'function' && (needs.includes(name) || has(name) !== undefined));
  if (odd !== undefined) throw wrong(has(odd) === undefined ? `, and has no ${odd}.` : `. Its ${odd} is ${shown(has(odd))}.`);
  if (missing.length === all.length) throw wrong(', and this has none.');
}

/** Names of functions that an object must have, and may have. */
export interface Functions {
  readonly needs: readonly string[];
  readonly may?: readonly string[];
}

/** The names of an object's functions, and of the methods of its class. */
export function functionsOf(port: object): string[] {
  const names: string[] = [];
  for (let one = port; one && one !== Object.prototype; one = Object.getPrototypeOf(one)) names.push(...Object.getOwnPropertyNames(one));
  return names.filter((name) => name !== 'constructor' && typeof port[name as keyof typeof port] === 'function');
}

/** A copy as plain JSON, so that later changes by the caller have no effect. @throws RondoError `CONFIG_INVALID` if JSON cannot hold it. */
export function plain(value: unknown, what: string): Json {
  if (typeof value === 'string') return value;
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    throw invalid(`${what} must be plain JSON: ${(error as Error).message}.`);
  }
}

/** A suggestion for an unknown name. */
export function hint(name: string, names: readonly string[]): string {
  const meant = meantBy(name, names);
  return meant ? `Did you mean "${meant}"?` : `There are ${names.join(', ')}.`;
}

/**
 * The first name that was meant as another, where names are free: one of those that are missing.
 * @param there the names that may be misspelt; asked for only if any is missing.
 */
export function misspelt(missing: readonly string[], there: () => readonly string[]): { name: string; meant: string } | undefined {
  if (missing.length === 0) return undefined;
  for (const name of there()) {
    const meant = meantBy(name, missing);
    if (meant) return { name, meant };
  }
  return undefined;
}

/** What other libraries call an option that is called this here. */
const ELSEWHERE: { readonly [name: string]: string } = {
  instructions: 'system systemPrompt prompt systemMessage',
  steps: 'maxSteps maxTurns maxIterations',
  limits: 'maxSteps maxTurns maxIterations budget',
  costUsd: 'cost maxCost usd budget',
  tokens: 'maxTokens',
  roles: 'role groups',
  tenant: 'tenantId org orgId organization',
  // before id, which is that of the run where both are options
  by: 'user userId principal actor owner tenant tenantId',
  id: 'userId sub runId',
  input: 'schema parameters inputSchema args',
  output: 'outputSchema outputType responseFormat',
  execute: 'handler run fn func call callback',
  key: 'idempotencyKey dedupeKey',
  effect: 'idempotent sideEffects readOnly',
  approval: 'needsApproval requireApproval requiresApproval confirm',
  retry: 'retries maxRetries maxAttempts',
  attempts: 'retries maxRetries maxAttempts',
  journal: 'store storage checkpointer db database',
  use: 'middleware middlewares hooks',
  agents: 'subagents subAgents handoffs',
  tools: 'functions',
  session: 'sessionId threadId thread thread_id conversation conversationId',
  signal: 'abortSignal',
  tags: 'metadata labels',
  timeout: 'timeoutMs ms',
  auth: 'authenticate authentication authorization',
  path: 'prefix basePath',
  host: 'hostname',
  model: 'llm modelId',
  reason: 'why message comment',
  telemetry: 'tracer meter',
  prices: 'pricing costs',
  onEvent: 'callbacks listeners logger',
};

/** The name that was meant by an unknown one: what other libraries call so, or else the most similar. */
function meantBy(name: string, names: readonly string[]): string | undefined {
  const here = Object.keys(ELSEWHERE).find((one) => names.includes(one) && ELSEWHERE[one]?.split(' ').includes(name));
  return here ?? nearest(name, names);
}

/** The most similar name, if at most a third of its letters differ. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of names) {
    const far = distance(name.toLowerCase(), candidate.toLowerCase());
    if (far < least && far <= Math.max(1, Math.floor(candidate.length / 3))) {
      best = candidate;
      least = far;
    }
  }
  return best;
}

/** How many letters must be changed, added, left out or swapped with the next one; infinite if the lengths differ by more than 20. */
export function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 20) return Number.POSITIVE_INFINITY;
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] as number;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const least = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(swapped ? Math.min(least, at(i - 2, j - 2) + 1) : least);
    }
  }
  return at(a.length, b.length);
}

const told = new Set<string>();

/** Warns once per process that a name is deprecated. The old name still works. */
export function renamed(old: string, now: string): void {
  if (told.has(old)) return;
  told.add(old);
  process.emitWarning(`${old} is called ${now} now. The old name works, and will be removed.`, 'DeprecationWarning');
}
