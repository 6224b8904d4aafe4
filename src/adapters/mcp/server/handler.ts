import { randomUUID } from 'node:crypto';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Engine } from '../../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../../engine/options.ts';
import { invalid, RondoError } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { Agent } from '../../../loop/types.ts';
import { checkOptions } from '../../../options.ts';
import { agentsOf } from '../../../server/handle.ts';
import { report } from '../../../server/report.ts';
import { askedOf, progressOf, refusedResult, resultOf, toolOf } from './agents.ts';
import { begin } from './begin.ts';
import { approvalsOf, type Begun, type Carrying, carryOut, isDecided } from './carry-out.ts';
import { Changes } from './changes.ts';
import { DECIDE, decideTool, decisionsOf } from './decide.ts';
import { type DirectServing, PAGE, RPC_ERRORS } from './direct.ts';
import type { Caller, CallParams, Exchange, Offering } from './offering.ts';
import { kindsOf, ownMaterials } from './own-materials.ts';
import { listed, read, readingAgent } from './readings.ts';
import { MCP, type McpHandler, type McpServeOptions, requestIdOf, serveMcp } from './serve.ts';

export interface McpHandlerOptions<C = unknown> extends McpServeOptions {
  /** Makes the context of the agents' tools for a caller. Required where they need one. */
  context?: (by: Caller['by']) => C;
}

interface Serving extends Carrying {
  readonly agents: ReadonlyMap<string, Agent>;
  readonly o: McpHandlerOptions;
}

const WHERE = 'mcpHandler()';

/**
 * Agents as the tools of an MCP server, over streamable HTTP without sessions, as a web-standard request handler. A session id that a client or a
 * platform sends is accepted and not looked at. Needs `@modelcontextprotocol/sdk`, which is loaded with the first request. It registers the agents
 * with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function mcpHandler<A extends Agent | readonly Agent[]>(
  engine: Engine,
  agents: A,
  ...options: ServingArgs<ContextFor<A>, McpHandlerOptions<ContextFor<A>>>
): McpHandler;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function mcpHandler<A extends Agent | readonly Agent[]>(engine: Engine, agents: A & ServedWithoutContext<A>): McpHandler;
export function mcpHandler(engine: Engine, agents: Agent | readonly Agent[], o: McpHandlerOptions = {}): McpHandler {
  checkOptions(o, { ...MCP, context: 'context: (by) => ({ tenant: by.tenant })' }, WHERE);
  const byName = agentsOf(engine, agents, WHERE, o.context);
  if (byName.has(DECIDE)) throw invalid(`${WHERE}: the name "${DECIDE}" is that of the tool that answers approvals. Rename the agent.`);
  const names = [...byName.keys()];
  const info = o.info ?? { name: names.length === 1 ? (names[0] as string) : 'agents', version: '1.0.0' };
  const tell = report(WHERE);
  const serving: Serving = { engine, agents: byName, o, tell, cancelOnDisconnect: o.cancelOnDisconnect === true };
  const passes = kindsOf(o);
  const reader = readerOf(serving, info.name);
  const offering: Offering = {
    passes,
    updates: passes.includes('resources'),
    list: async (caller, method, cursor) => {
      if (method !== 'tools/list') return listed(reader, caller, method, cursor);
      return { tools: [...[...byName.values()].map(toolOf), ...(caller.mayDecide ? [decideTool('session', names)] : [])] };
    },
    call: (caller, params, exchange) => carryOut(serving, caller, exchange, () => begins(serving, caller, params, exchange), refusedResult),
    read: (caller, request, exchange) => read(reader, caller, request, exchange),
    approvalsOf: (...asked) => approvalsOf(engine, ...asked),
    isDecided: (...asked) => isDecided(engine, ...asked),
    changes: new Changes(),
  };
  return serveMcp(offering, { ...o, info }, { where: WHERE, tell });
}

/** What reads the resources and prompts of the options: an agent of its own, since each read is a run. */
function readerOf({ engine, o, ...carrying }: Serving, name: string): DirectServing {
  const agent = readingAgent(ownMaterials(o, WHERE), `${name.replace(/[^a-zA-Z0-9_-]+/g, '_').slice(0, 50)}-materials`, o.limits);
  if (kindsOf(o).length > 0) engine.register(agent);
  return { ...carrying, engine, agent, limits: o.limits, pageSize: PAGE, rpcErrors: RPC_ERRORS };
}

async function begins(
  { engine, agents, o }: Serving,
  caller: Caller,
  { name, arguments: given = {}, _meta }: CallParams,
  { again }: Exchange,
): Promise<Begun<CallToolResult>> {
  const { by, mayDecide } = caller;
  const requestId = requestIdOf(_meta);
  const run = (agent: Agent, session: string, turn: Parameters<typeof begin>[5]) =>
    begin(engine, agent, caller, requestId, { told: progressOf, answer: (result) => resultOf(result, session, mayDecide) }, turn);
  const agentOf = (called: unknown): Agent => {
    const agent = agents.get(called as string);
    if (!agent) throw new RondoError('AGENT_NOT_REGISTERED', `There is no tool ${JSON.stringify(called).slice(0, 100)}. List the tools.`);
    return agent;
  };
  if (name === DECIDE && mayDecide) {
    const { at: session, decisions } = decisionsOf(given, 'session');
    return run(agentOf(given.agent ?? [...agents.keys()][0]), session, { session, decisions });
  }
  const agent = agentOf(name);
  if (again) return run(agent, (await engine.inspect(again.runId, { by })).session ?? '', again);
  const { input, session = newSession(requestId) } = askedOf(agent, given);
  return run(agent, session, { input: input ?? null, session, limits: o.limits, context: o.context?.(by) });
}

/** Calls are conversations of their own, unless they name a session. A call that is sent again is in the same one. */
const newSession = (requestId: string | undefined): string =>
  `mcp-${requestId === undefined ? randomUUID() : sha256(requestId).slice(0, 32)}`;
