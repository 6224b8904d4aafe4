import type { CallToolResult, Tool as Described } from '@modelcontextprotocol/sdk/types.js';
import type { Engine } from '../../../engine/engine.ts';
import type { RunEvent } from '../../../engine/read/run-event.ts';
import { invalid } from '../../../errors.ts';
import type { EntryOf } from '../../../journal/entries/entries.ts';
import type { Json } from '../../../json.ts';
import { directAgent, directInput } from '../../../loop/direct.ts';
import { checkOptions } from '../../../options.ts';
import type { ToolSource } from '../../../ports/tool.ts';
import { report } from '../../../server/report.ts';
import { type TakenTurn, takeTurn } from '../../../server/turns.ts';
import { refusedResult, resultOf } from './agents.ts';
import { type Answers, begin } from './begin.ts';
import { approvalsOf, type Begun, carryOut, isDecided } from './carry-out.ts';
import { Changes } from './changes.ts';
import { approving, consentRequired, consentsIn } from './consents.ts';
import { DECIDE, decideTool, decisionsOf } from './decide.ts';
import { type DirectServing, finished, noTool, PAGE, RPC_ERRORS, rpcErrorOf, waits, within } from './direct.ts';
import { described, doneResult, failedResult, foundByName, pageOf } from './gateway-tools.ts';
import type { Caller, CallParams, Exchange, Offering, Page, Progress } from './offering.ts';
import { kindsOf, ownMaterials } from './own-materials.ts';
import { listed, orUnlisted, read } from './readings.ts';
import { MCP, type McpHandler, type McpServeOptions, requestIdOf, serveMcp } from './serve.ts';

export interface GatewayHandlerOptions extends McpServeOptions {
  /**
   * The agent under which calls are in the journal, and which policies are told. Default: the name of the source, with `_` for what an agent's
   * name cannot have.
   */
  agent?: string;
  /** Whether clients are told that the lists have changed. Default true. `false`, as at AgentCore: they ask again. */
  changes?: boolean;
  /** How many tools a page of `tools/list` has. `false`: all are on one page. Default 100. */
  pageSize?: number | false;
  /** The name of the tool that searches, offered if the source searches; `false`: none. Default `x_amz_bedrock_agentcore_search`. */
  searchTool?: string | false;
  /**
   * The codes of errors that are answered as errors of JSON-RPC in place of results, with their numbers. Default: those of an AgentCore gateway,
   * `{ NOT_PERMITTED: -32002, GATEWAY_RATE_LIMITED: -32003 }`. `{}`: every failure of a tool is a result with `isError`.
   */
  rpcErrors?: { readonly [code: string]: number };
  /**
   * What a call answers that waits for a user's consent. `paused`, the default: that its run waits, until the consent is decided where it is given.
   * `elicited`: the error -32042 with the URL (URL elicitation of 2025-11-25), or a question on 2026-07-28; the same call that comes again approves. For an
   * identity that knows itself whether the user has consented, and else asks again: approving proves nothing.
   */
  consents?: 'paused' | 'elicited';
}

const OPTIONS = {
  ...MCP,
  agent: "agent: 'gateway'",
  changes: 'changes: false',
  pageSize: 'pageSize: 100',
  searchTool: 'searchTool: false',
  rpcErrors: 'rpcErrors: { NOT_PERMITTED: -32_002 }',
  consents: "consents: 'elicited'",
} satisfies Record<keyof GatewayHandlerOptions, string>;
const WHERE = 'gatewayHandler()';
const SEARCH_TOOL = 'x_amz_bedrock_agentcore_search';
/** How a search is limited, and how long it may take, in milliseconds. */
const SEARCH = { tools: 10, query: 1_000, ms: 20_000 };

/**
 * The tools of a source, such as `gateway()` or `mcpTools()`, as an MCP server over streamable HTTP, as a web-standard request handler. Each call is a run of the engine
 * with exactly that call: journal, policy, approvals, intents, retries, circuit, credentials, limits and spans hold as for a call of an agent. Calls
 * with the same `_meta["rondo/idempotency-key"]` of one caller are one run. Needs `@modelcontextprotocol/sdk`, which is loaded with the first request.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function gatewayHandler(engine: Engine, source: ToolSource, o: GatewayHandlerOptions = {}): McpHandler {
  checkOptions(o, OPTIONS, WHERE, { consents: ['paused', 'elicited'], changes: 'flag' });
  if (typeof source?.open !== 'function') throw invalid(`${WHERE} needs a tool source, such as gateway({ ... }) or mcpTools({ ... }).`);
  const {
    pageSize = PAGE,
    limits,
    rpcErrors = RPC_ERRORS,
    agent: named = source.name.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, 64) || 'gateway',
  } = o;
  if (pageSize !== false && !(Number.isInteger(pageSize) && pageSize > 0))
    throw invalid(`${WHERE}: pageSize is a whole number above 0, or false.`);
  const own = kindsOf(o);
  const passes = [...new Set([...own, ...(source.passes ?? [])])];
  if (own.length > 0 && source.passes?.length && !('targets' in source))
    throw invalid(
      `${WHERE}: ${own.join(' and ')} are offered beside those of ${source.name}. Make it a target of a gateway(), which tells them apart.`,
    );
  const changes = new Changes();
  const agent = directAgent({
    name: named,
    description: `Calls of the tools of ${source.name}`,
    source: foundByName(
      source,
      (list) => o.changes !== false && changes.ofSource(source, list),
      own.length > 0 ? ownMaterials(o, WHERE) : undefined,
    ),
    ...(limits && { limits }),
  });
  engine.register(agent);
  const tell = report(WHERE);
  const serving: Serving = { engine, agent, limits, pageSize, rpcErrors, o, tell, cancelOnDisconnect: o.cancelOnDisconnect === true };
  const offering: Offering = {
    passes,
    updates: own.includes('resources'),
    list: (caller, method, cursor) =>
      method === 'tools/list' ? orUnlisted(serving, list(serving, caller, cursor)) : listed(serving, caller, method, cursor),
    call: (caller, params, exchange) =>
      params.name === searchToolOf(o)
        ? search(serving, caller, params)
        : carryOut(serving, caller, exchange, () => begins(serving, caller, params, exchange), refusedResult),
    read: (caller, request, exchange) => read(serving, caller, request, exchange),
    ...(o.consents === 'elicited' && { approvesConsents: true }),
    ...(o.changes === false && { listChanged: false }),
    approvalsOf: (...asked) => approvalsOf(engine, ...asked),
    isDecided: (...asked) => isDecided(engine, ...asked),
    changes,
  };
  return serveMcp(offering, { ...o, info: o.info ?? { name: source.name, version: '1.0.0' } }, { where: WHERE, tell });
}

interface Serving extends DirectServing {
  readonly o: GatewayHandlerOptions;
}

const searchToolOf = ({ searchTool = SEARCH_TOOL }: GatewayHandlerOptions) => searchTool;

async function list(serving: Serving, caller: Caller, cursor: string | undefined): Promise<Page> {
  const { o, pageSize: size } = serving;
  const searchTool = searchToolOf(o);
  const { agents, tools, searches } = await within(serving, caller, async (source) => ({
    agents: await source.agents(),
    tools: await source.listAll(),
    searches: searchTool !== false && (await source.searches()),
  }));
  const all = [...agents, ...tools.filter((tool) => !('held' in tool && tool.held !== undefined))];
  const own: Described[] = [...(searches ? [searchTools(searchTool as string)] : []), ...(caller.mayDecide ? [decideTool('run')] : [])];
  const names = new Set(own.map(({ name }) => name));
  const shown = [...own, ...all.filter(({ name }) => !names.has(name)).map(described)];
  const { items, ...more } = pageOf(shown, { nameOf: ({ name }) => name, cursor, size });
  return { tools: items, ...more };
}

const searchTools = (name: string): Described => ({
  name,
  description: 'Finds tools by what they do. Answers names, descriptions and input schemas, best first.',
  inputSchema: {
    type: 'object',
    properties: { query: { type: 'string', minLength: 1, maxLength: SEARCH.query, description: 'What the tool is to do, in a few words' } },
    required: ['query'],
  },
  annotations: { readOnlyHint: true },
});

async function search(serving: Serving, caller: Caller, { arguments: args = {} }: CallParams): Promise<CallToolResult> {
  const { query } = args;
  if (typeof query !== 'string' || query === '' || query.length > SEARCH.query)
    return failedResult({
      code: 'INVALID_ARGUMENTS',
      message: `A search takes { query }, a text of 1 to ${SEARCH.query} characters.`,
      retryable: false,
      attempts: 0,
      outcome: 'not-run',
    });
  try {
    const signal = AbortSignal.any([caller.gone, AbortSignal.timeout(SEARCH.ms)]);
    const found = await within(serving, caller, (source) => source.search(query, { limit: SEARCH.tools, signal }));
    const tools = found.slice(0, SEARCH.tools).map(described) as unknown as Json;
    return { content: [{ type: 'text', text: JSON.stringify({ tools }) }], structuredContent: { tools } };
  } catch (error) {
    serving.tell(error);
    const message = 'The tools cannot be searched now. Try again later.';
    return failedResult({ code: 'SOURCE_UNAVAILABLE', message, retryable: true, attempts: 1, outcome: 'not-run' });
  }
}

async function begins(
  serving: Serving,
  caller: Caller,
  { name, arguments: given = {}, _meta }: CallParams,
  { again, ask }: Exchange,
): Promise<Begun<CallToolResult>> {
  const { engine, agent, limits, o } = serving;
  const requestId = requestIdOf(_meta);
  const answers: Answers<CallToolResult> = {
    told: progressOf,
    async answer(result, runId) {
      if (result.status === 'completed') return answered(await finished(serving, runId, caller), serving);
      if (result.status !== 'paused') return resultOf(result, '', caller.mayDecide);
      const consents = o.consents === 'elicited' && !ask ? consentsIn(result.approvals) : undefined;
      if (consents) {
        // a call without a key is another run when it comes again
        if (requestId === undefined) await engine.cancel(runId, { by: caller.by, reason: 'its caller calls again after the consent' });
        throw consentRequired(consents);
      }
      const { words, data } = waits(result, runId, caller);
      return { content: [{ type: 'text', text: words }], structuredContent: data };
    },
  };
  // resources and prompts are read by their own methods
  if (name.includes('/')) throw noTool();
  if (again) return begin(engine, agent, caller, requestId, answers, again);
  if (name === DECIDE && caller.mayDecide) {
    const { at: runId, decisions } = decisionsOf(given, 'run');
    return begin(engine, agent, caller, requestId, answers, { runId, decisions });
  }
  const begun = await begin(engine, agent, caller, requestId, answers, { input: directInput({ name, input: given as Json }), limits });
  const repeated = o.consents === 'elicited' && begun.turn?.repeated ? begun.turn : undefined;
  return repeated ? { ...begun, turn: await afterConsent(serving, caller, repeated) } : begun;
}

/** A call that comes again: it goes on where it waits for consents. @returns undefined if its run does not: it is answered as it is now. */
async function afterConsent(
  { engine, agent }: Serving,
  { by, assertion }: Caller,
  { runId, events }: TakenTurn,
): Promise<TakenTurn | undefined> {
  await events.return?.();
  const { status, approvals } = await engine.inspect(runId, { by });
  const consents = status === 'paused' ? consentsIn(approvals) : undefined;
  return consents && takeTurn(engine, agent, { by, assertion, runId, decisions: consents.map(approving) });
}

function answered(entry: EntryOf<'call.finished'>, serving: Serving): CallToolResult {
  const { error } = entry;
  if (!error) return doneResult(entry);
  const refused = rpcErrorOf(error, serving);
  if (refused) throw refused;
  return failedResult(error);
}

/** What the tool itself tells: `{ progress, total, message }`, or any other value as a message. */
function progressOf(event: RunEvent): Partial<Progress> | undefined {
  if (event.type !== 'tool.progress') return undefined;
  const { data } = event;
  if (typeof data === 'string') return { message: data };
  const { progress, total, message } = (typeof data === 'object' && data !== null ? data : {}) as { readonly [k: string]: unknown };
  if (typeof progress !== 'number' && typeof message !== 'string') return { message: JSON.stringify(data) };
  return {
    ...(typeof progress === 'number' && { progress }),
    ...(typeof total === 'number' && { total }),
    ...(typeof message === 'string' && { message }),
  };
}
