/**
 * Tools found at run time: the model searches its sources, and each call looks the tool up again by name.
 *
 * I1. The model may call only a tool whose schema a search of the same agent run returned: its name, source and hash are in the journal; the calls
 *     of a `direct` agent are a program's, which may name any. What was only named has to be asked for first. A call that
 *     a person has seen, or that has started, is looked up in any case, and the gate decides what a change means.
 * I2. A name belongs to the source that it was found in. A tool of the same name in another source is never called in its place.
 * I3. Grants apply to found tools as they do to listed ones.
 * I4. Answers of a source are limited in count, size and time, and a failing source does not end the run.
 */
import { ToolError } from '../../errors.ts';
import type { Asked, Missing } from '../../hitl/gate.ts';
import type { FoundTool, NamedTools } from '../../journal/entries/entries.ts';
import type { Call } from '../../journal/fold/fold.ts';
import type { Json } from '../../json.ts';
import type { Tool } from '../../ports/tool.ts';
import { bounded, messageOf } from '../../reliability/classify.ts';
import { Halted, signalled, unlessHalted } from '../../reliability/patience.ts';
import type { AttemptContext } from '../../reliability/timeout.ts';
import { warnOnce } from '../../reliability/warn.ts';
import type { Ready } from '../call/call.ts';
import { isGranted } from '../grants.ts';
import type { Scope, Searchable, ToolDefinition } from '../types.ts';
import { isTool, RESERVED_NAME } from './tool.ts';

/** Limits of one search. `description`, `schema`, `all` and `line` are in characters; `ms` is per source. */
const MOST = { tools: 20, description: 2_000, schema: 16_384, all: 40_000, others: 150, line: 160, ms: 20_000 };
/** A source is asked for this share of its tools, if that is more than are told whole: the answer stays short beside all of them. */
const SHARE = 1 / 12;
/** Milliseconds that a source has to find a tool by name. */
const FIND_TIMEOUT = 20_000;

/** A tool as the model sees it. */
type Told = { name: string; description: string; input: Json };

/** Runs `find_tools`. Sets in `ready` what the journal records. @throws ToolError if every source fails. */
export async function search(scope: Scope, ready: Ready, { query }: { query: string }, attempt: AttemptContext): Promise<Json> {
  const sources = await scope.host.searchable(scope.agent, scope.drive.caller);
  // a source that hangs must not use up the attempt: the answers of the others are still returned
  const ms = Math.min(MOST.ms, Math.max(1, (attempt.deadline - Date.now()) / 2));
  const one = await byName(scope, sources, query.trim(), attempt, ms);
  if (one) {
    ready.found = one.found;
    return { tools: one.tools };
  }
  const lists = await Promise.all(sources.map((source) => asked(source, (own) => listOf(source, query, own), attempt, ms)));
  const failed = lists.flatMap((list, i) =>
    list instanceof Error ? [{ source: (sources[i] as Searchable).name, reason: bounded(messageOf(list)) }] : [],
  );
  if (failed.length === sources.length)
    throw new ToolError('SOURCE_UNAVAILABLE', `No tools could be searched: ${failed.map(({ reason }) => reason).join('; ')}`, {
      outcome: 'not-run',
      retryable: true,
    });
  const { tools, others, more, found, named } = chosen(scope, sources, lists);
  ready.found = found;
  ready.named = named;
  return {
    tools,
    ...(others.length > 0 && { others }),
    ...(tools.length === 0 && { note: 'Nothing was found. Search again with other words, or go on without.' }),
    ...(more && { note: 'There is more than is shown. Search again with words that say more.' }),
    ...(failed.length > 0 && { unavailable: failed }),
  };
}

/** @throws Error for an answer that is not a list. */
async function listOf({ name, opened }: Searchable, query: string, signal: AbortSignal): Promise<readonly unknown[]> {
  const count = Number(await counted(opened)) || 0;
  const limit = Math.min(MOST.tools + MOST.others, Math.max(MOST.tools, Math.ceil(count * SHARE)));
  const list: unknown = await opened.search?.(query, { limit, signal });
  if (!Array.isArray(list)) throw new Error(`the source "${name}" answered no list of tools`);
  return list.slice(0, limit);
}

/** A source that cannot count its tools is asked for as few as one that has no count. */
async function counted(opened: Searchable['opened']): Promise<unknown> {
  try {
    return await opened.count?.();
  } catch {
    return undefined;
  }
}

/** The tool that this is the name of, if a search of this agent run named it; undefined where it cannot be had, so that its words are searched for. */
async function byName(scope: Scope, sources: readonly Searchable[], name: string, attempt: AttemptContext, ms: number) {
  const source = sources.find((one) => one.name === scope.frame.named?.get(name));
  const item = source && (await asked(source, async (signal) => source.opened.find?.(name, { signal }), attempt, ms));
  if (!source || !isTool(item) || item.name !== name) return undefined;
  const one = chosen(
    scope,
    sources,
    sources.map((other) => (other === source ? [item] : [])),
  );
  return one.tools.length > 0 ? one : undefined;
}

/** The answer of one source, or its error. Never throws. */
async function asked<T>(
  { name }: Searchable,
  ask: (signal: AbortSignal) => Promise<T>,
  attempt: AttemptContext,
  ms: number,
): Promise<T | Error> {
  try {
    return await signalled((own) => ask(AbortSignal.any([own, attempt.signal])), ms, `the source "${name}"`);
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error));
  }
}

/**
 * The first result of every source, then the second of every source, and so on: whole until a limit is reached, then by name and first sentence until
 * another is.
 */
function chosen(scope: Scope, sources: readonly Searchable[], lists: readonly (readonly unknown[] | Error)[]) {
  const tools: Told[] = [];
  const others: string[] = [];
  const found: FoundTool[] = [];
  const named = new Map<string, string[]>();
  const answer = (more: boolean) => ({
    tools,
    others,
    found,
    named: [...named].map(([source, names]): NamedTools => ({ source, names })),
    more,
  });
  const seen = new Map<string, string>();
  let whole = true;
  let chars = MOST.all;
  for (let rank = 0; rank < MOST.tools + MOST.others; rank++)
    for (const [i, source] of sources.entries()) {
      const list = lists[i];
      const item = list instanceof Error ? undefined : list?.[rank];
      if (item === undefined) continue;
      const tool = usable(item, source);
      if (!tool || tool.held !== undefined || !isGranted(tool.name, scope.grants) || seen.get(tool.name) === source.name) continue;
      const told = { name: tool.name, description: briefly(tool.description), input: tool.spec.input as Json };
      const schema = JSON.stringify(told.input).length;
      const why = taken(scope, sources, source, tool, seen) ?? (schema > MOST.schema ? 'its input schema is too large' : undefined);
      if (why !== undefined) {
        leftOut(source, tool.name, why);
        continue;
      }
      const line = lineOf(tool);
      const size = schema + told.description.length + told.name.length;
      whole &&= tools.length < MOST.tools && (size <= chars || tools.length === 0);
      if (others.length === MOST.others || (!whole && line.length > chars)) return answer(true);
      chars -= whole ? size : line.length;
      seen.set(tool.name, source.name);
      if (!whole) {
        others.push(line);
        named.set(source.name, [...(named.get(source.name) ?? []), tool.name]);
        continue;
      }
      tools.push(told);
      if (scope.tools.has(tool.name)) continue;
      found.push({ name: tool.name, hash: tool.hash, source: source.name });
      keep(scope, tool, source);
    }
  return answer(false);
}

/** The result as a tool; undefined, with a warning, if a source may not offer it. */
function usable(item: unknown, source: Searchable): ToolDefinition | undefined {
  if (!isTool(item)) return leftOut(source, 'a result', 'it was not made by tool()');
  if (item.delegate || item.finding) return leftOut(source, item.name, 'it stands for an agent');
  if (RESERVED_NAME.test(item.name)) return leftOut(source, item.name, 'its name is reserved for the engine');
  return item;
}

/** Why this source may not use the tool's name; undefined if it may. */
function taken(
  { tools, frame, found }: Scope,
  sources: readonly Searchable[],
  { name: own }: Searchable,
  tool: ToolDefinition,
  seen: ReadonlyMap<string, string>,
): string | undefined {
  const { name } = tool;
  const listed = tools.get(name);
  // a source may return a tool that it also lists
  if (listed) return listed === tool ? undefined : 'the agent has a tool of that name';
  // `found` too: a parallel search may not be in the journal yet
  const other = seen.get(name) ?? frame.found?.get(name)?.source ?? frame.named?.get(name) ?? found?.get(name)?.source;
  if (other === undefined || other === own || !sources.some((s) => s.name === other)) return undefined;
  return `the source "${other}" has a tool of that name: rename one`;
}

/** Warns once per source and reason. */
function leftOut({ opened, name: source }: Searchable, name: string, why: string): undefined {
  const text = `the source "${source}" found a tool that is left out: ${bounded(name)}: ${why}`;
  warnOnce(opened, text, text);
}

function briefly(description: string): string {
  const over = description.length - MOST.description;
  return over > 0 ? `${description.slice(0, MOST.description)} [cut: ${over} characters of this description are not shown]` : description;
}

/** The name and the first sentence of the description. */
function lineOf({ name, description }: ToolDefinition): string {
  const text = description.slice(0, MOST.description).replaceAll(/\s+/g, ' ').trim();
  const line = `${name}: ${/^.*?(?:[.!?](?= \p{Lu}|$)|[。！？])/u.exec(text)?.[0] ?? text}`;
  return line.length > MOST.line ? `${line.slice(0, MOST.line - 1)}…` : line;
}

/** Returns the known object of an unchanged tool: its circuit breaker is keyed by that object. */
function keep(scope: Scope, tool: ToolDefinition, { name: source }: Searchable): ToolDefinition {
  scope.found ??= new Map();
  const before = scope.found.get(tool.name);
  if (before?.source === source && before.tool.hash === tool.hash) return before.tool;
  scope.found.set(tool.name, { tool, source });
  return tool;
}

/** A found tool from the cache, if the journal has the same source and hash. The cache is cleared when a source reports a change. */
export function foundTool({ frame, found }: Scope, name: string): ToolDefinition | undefined {
  const known = found?.get(name);
  const told = known && frame.found?.get(name);
  return told?.source === known?.source && told?.hash === known?.tool.hash ? known?.tool : undefined;
}

/** Looks a tool up by name, in the source that it was found in. @throws Halted */
export async function lookUp(scope: Scope, call: Asked | Call): Promise<ToolDefinition | Missing> {
  const { name } = call;
  const told = scope.frame.found?.get(name);
  // the gate itself checks a call that a person has seen or that has started
  const seen = call.approval !== undefined || ('status' in call && call.status === 'started');
  if ((!told && !seen && !scope.agent.direct) || !isGranted(name, scope.grants))
    return missing(
      scope.frame.named?.has(name) && isGranted(name, scope.grants)
        ? `You have not seen the input schema of "${name}". Get it with find_tools({ query: "${name}" }), and call it then.`
        : `There is no tool "${name}" among those that were found. ${FIND}`,
    );
  const failed: string[] = [];
  try {
    const sources = await unlessHalted(scope.host.searchable(scope.agent, scope.drive.caller), scope.cancel);
    for (const source of sources) {
      if (told && source.name !== told.source) continue;
      const tool = await named(scope, source, name, failed);
      if (!tool) continue;
      if (told && !seen && tool.held === undefined && tool.hash !== told.hash)
        return missing(`"${name}" is not what was found any more. ${FIND}`);
      return tool.held === undefined ? keep(scope, tool, source) : tool;
    }
  } catch (error) {
    if (error instanceof Halted) throw error;
    failed.push(messageOf(error, scope.secrets.mask));
  }
  if (failed.length === 0) return missing(`There is no tool "${name}" any more. ${FIND}`);
  return {
    missing: { code: 'SOURCE_UNAVAILABLE', message: `"${name}" could not be looked up, so it was not called: ${failed.join('; ')}` },
  };
}

const FIND = 'Search first, find_tools({ query }), and call one of the names that it answers: call_tool({ name, arguments }).';

const missing = (message: string): Missing => ({ missing: { code: 'TOOL_NOT_FOUND', message } });

async function named(scope: Scope, source: Searchable, name: string, failed: string[]): Promise<ToolDefinition | undefined> {
  try {
    const item: Tool | undefined = await signalled(
      (signal) => source.opened.find?.(name, { signal }),
      FIND_TIMEOUT,
      `the source "${source.name}"`,
      scope.cancel,
    );
    if (item === undefined) return undefined;
    if (isTool(item) && item.held !== undefined && item.name === name) return item;
    const tool = usable(item, source);
    return tool?.name === name ? tool : undefined;
  } catch (error) {
    if (error instanceof Halted) throw error;
    failed.push(messageOf(error, scope.secrets.mask));
    return undefined;
  }
}
