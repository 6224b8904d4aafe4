import type { CallToolResult, Tool as Described } from '@modelcontextprotocol/sdk/types.js';
import { Engine } from '../../../engine/engine.ts';
import type { RunEvent } from '../../../engine/events.ts';
import { invalid } from '../../../errors.ts';
import type { EntryOf } from '../../../journal/entries.ts';
import { copyJson, type Json, type JsonObject } from '../../../json.ts';
import { agentDefinition } from '../../../loop/definition.ts';
import { directAgent, directInput } from '../../../loop/direct.ts';
import type { Agent } from '../../../loop/types.ts';
import type { ToolSource } from '../../../ports/tool.ts';
import type { Handler } from '../../../server/listen.ts';
import { report } from '../../../server/report.ts';
import { type TakenTurn, takeTurn } from '../../../server/turns.ts';
import { resultOf } from './agents.ts';
import { approvalsOf, type Begun, type Carrying, carryOut, isDecided } from './carry-out.ts';
import { approving, consentRequired, consentsIn } from './consents.ts';
import { DECIDE, decideTool, decisionsOf, pausedText } from './decide.ts';
import { described, doneResult, failedResult, foundByName, pageOf, type ServedSource } from './gateway-tools.ts';
import {
  type Caller,
  type CallParams,
  type Exchange,
  INVALID_PARAMS,
  type Offering,
  type Progress,
  RpcError,
  type ToolPage,
} from './offering.ts';
import { type McpServeOptions, requestIdOf, serveMcp } from './serve.ts';

export interface GatewayHandlerOptions extends McpServeOptions {
  /**
   * The agent under which calls are in the journal, and which policies are told. Default: the name of the source, with `_` for what an agent's
   * name cannot have.
   */
  agent?: string;
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

const WHERE = 'gatewayHandler()';
const SEARCH_TOOL = 'x_amz_bedrock_agentcore_search';
const RPC_ERRORS = { NOT_PERMITTED: -32002, GATEWAY_RATE_LIMITED: -32003 };
/** How a search is limited, and how long it may take, in milliseconds. */
const SEARCH = { tools: 10, query: 1_000, ms: 20_000 };

interface Serving extends Carrying {
  readonly agent: Agent;
  readonly o: GatewayHandlerOptions;
}

/**
 * The tools of a source, such as `gateway()` or `mcpTools()`, as an MCP server over streamable HTTP, as a web-standard request handler. Each call is a run of the engine
 * with exactly that call: journal, policy, approvals, intents, retries, circuit, credentials, limits and spans hold as for a call of an agent. Calls
 * with the same `_meta["rondo/idempotency-key"]` of one caller are one run. Needs `@modelcontextprotocol/sdk`, which is loaded with the first request.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function gatewayHandler(engine: Engine, source: ToolSource, o: GatewayHandlerOptions = {}): Handler {
  if (typeof source?.open !== 'function') throw invalid(`${WHERE} needs a tool source, such as gateway({ ... }) or mcpTools({ ... }).`);
  const { pageSize = 100, limits, agent: named = source.name.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, 64) || 'gateway' } = o;
  if (pageSize !== false && !(Number.isInteger(pageSize) && pageSize > 0))
    throw invalid(`${WHERE}: pageSize is a whole number above 0, or false.`);
  const listeners = new Set<() => void>();
  const agent = directAgent({
    name: named,
    description: `Calls of the tools of ${source.name}`,
    source: foundByName(source, () => {
      for (const listener of listeners) listener();
    }),
    ...(limits && { limits }),
  });
  engine.register(agent);
  const tell = report(WHERE);
  const serving: Serving = { engine, agent, o, tell, cancelOnDisconnect: o.cancelOnDisconnect === true };
  const offering: Offering = {
    list: (caller, cursor) =>
      list(serving, caller, cursor).catch((error) => {
        if (error instanceof RpcError) throw error;
        // its message may expose internals
        tell(error);
        throw new RpcError(-32603, 'The tools cannot be listed now. Try again later.');
      }),
    call: (caller, params, exchange) =>
      params.name === searchToolOf(o)
        ? search(serving, caller, params)
        : carryOut(serving, caller, exchange, () => begin(serving, caller, params, exchange)),
    ...(o.consents === 'elicited' && { approvesConsents: true }),
    approvalsOf: (...asked) => approvalsOf(engine, ...asked),
    isDecided: (...asked) => isDecided(engine, ...asked),
    onChanged(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return serveMcp(offering, { ...o, info: o.info ?? { name: source.name, version: '1.0.0' } }, { where: WHERE, tell });
}

const searchToolOf = ({ searchTool = SEARCH_TOOL }: GatewayHandlerOptions) => searchTool;

/** Calls `use` with the source, as a run of this caller gets it. */
const within = <T>({ engine, agent }: Serving, { by, assertion }: Caller, use: (source: ServedSource) => Promise<T>): Promise<T> =>
  Engine.settings(engine).sources.lookIn(agentDefinition(agent), { by, session: undefined, assertion }, ([source]) =>
    use(source?.opened as ServedSource),
  );

async function list(serving: Serving, caller: Caller, cursor: string | undefined): Promise<ToolPage> {
  const { o } = serving;
  const searchTool = searchToolOf(o);
  const { agents, tools, searches } = await within(serving, caller, async (source) => ({
    agents: await source.agents(),
    tools: await source.listAll(),
    searches: searchTool !== false && (await source.searches()),
  }));
  const all = [...agents, ...tools.filter((tool) => !('held' in tool && tool.held !== undefined))];
  const own: Described[] = [...(searches ? [searchTools(searchTool as string)] : []), ...(caller.mayDecide ? [decideTool('run')] : [])];
  const names = new Set(own.map(({ name }) => name));
  return pageOf([...own, ...all.filter(({ name }) => !names.has(name)).map(described)], cursor, o.pageSize ?? 100);
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

async function begin(
  serving: Serving,
  caller: Caller,
  { name, arguments: given = {}, _meta }: CallParams,
  { again, ask }: Exchange,
): Promise<Begun> {
  const { engine, agent, o } = serving;
  const { by, assertion, mayDecide } = caller;
  const requestId = requestIdOf(_meta);
  const begun = (runId: string, turn?: TakenTurn): Begun => ({
    turn,
    repeatable: requestId !== undefined,
    call: {
      runId,
      told: progressOf,
      async answer(result) {
        if (result.status === 'completed') return answered(await finished(engine, runId, caller), o);
        if (result.status !== 'paused') return resultOf(result, '', mayDecide);
        const { approvals, waiting } = result;
        const consents = o.consents === 'elicited' && !ask ? consentsIn(approvals) : undefined;
        if (consents) {
          // a call without a key is another run when it comes again
          if (requestId === undefined) await engine.cancel(runId, { by, reason: 'its caller calls again after the consent' });
          throw consentRequired(consents);
        }
        const words = pausedText(approvals, `run ${JSON.stringify(runId)}`, mayDecide);
        const structuredContent = copyJson({ status: 'paused', run: runId, approvals, waiting } as JsonObject);
        return { content: [{ type: 'text', text: words }], structuredContent };
      },
      decided: (decisions) => takeTurn(engine, agent, { by, assertion, runId, decisions }),
    },
  });
  if (again) return begun(again.runId, again.decisions.length === 0 ? undefined : await begun(again.runId).call.decided(again.decisions));
  if (name === DECIDE && mayDecide) {
    const { at: runId, decisions } = decisionsOf(given, 'run');
    return begun(runId, await takeTurn(engine, agent, { by, assertion, runId, decisions }));
  }
  const input = directInput({ name, input: given as Json });
  const turn = await takeTurn(engine, agent, { by, assertion, input, requestId, limits: o.limits });
  return begun(turn.runId, turn.repeated && o.consents === 'elicited' ? await afterConsent(serving, caller, turn) : turn);
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

/** How the one call of a run ended. */
async function finished(engine: Engine, runId: string, { by }: Caller): Promise<EntryOf<'call.finished'> | undefined> {
  let last: EntryOf<'call.finished'> | undefined;
  for await (const entry of engine.entries(runId, { by })) if (entry.type === 'call.finished' && entry.frame === undefined) last = entry;
  return last;
}

function answered(entry: EntryOf<'call.finished'> | undefined, { rpcErrors = RPC_ERRORS }: GatewayHandlerOptions): CallToolResult {
  if (!entry) throw new Error('the run ended without its call');
  const { error } = entry;
  if (!error) return doneResult(entry);
  const { code, message, retryAfter } = error;
  if (code === 'TOOL_NOT_FOUND') throw new RpcError(INVALID_PARAMS, 'There is no tool of this name. List the tools.');
  const number = Object.hasOwn(rpcErrors, code) ? rpcErrors[code] : undefined;
  if (number === undefined) return failedResult(error);
  const said = code === 'NOT_PERMITTED' ? `Tool Execution Denied: ${message}` : message;
  throw new RpcError(number, said, { code, ...(retryAfter !== undefined && { retryAfter }) });
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
