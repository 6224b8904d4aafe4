import { randomUUID } from 'node:crypto';
import type { Engine } from '../../../engine/engine.ts';
import { invalid, RondoError } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { Json, JsonObject } from '../../../json.ts';
import type { Agent } from '../../../loop/types.ts';
import { agentsOf } from '../../../server/handle.ts';
import type { Handler } from '../../../server/listen.ts';
import { report } from '../../../server/report.ts';
import { type TakenTurn, takeTurn } from '../../../server/turns.ts';
import { askedOf, progressOf, resultOf, toolOf } from './agents.ts';
import { approvalsOf, type Begun, type Carrying, carryOut, isDecided } from './carry-out.ts';
import { DECIDE, decideTool, decisionsOf } from './decide.ts';
import type { Caller, CallParams, Exchange, Offering } from './offering.ts';
import { type McpServeOptions, requestIdOf, serveMcp } from './serve.ts';

export interface McpHandlerOptions<C = unknown> extends McpServeOptions {
  /** Makes the context of the agents' tools for a caller. */
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
export function mcpHandler<C>(engine: Engine, agents: Agent | readonly Agent[], o: McpHandlerOptions<C> = {}): Handler {
  const byName = agentsOf(engine, agents, WHERE);
  if (byName.has(DECIDE)) throw invalid(`${WHERE}: the name "${DECIDE}" is that of the tool that answers approvals. Rename the agent.`);
  const names = [...byName.keys()];
  const tell = report(WHERE);
  const serving: Serving = { engine, agents: byName, o: o as McpHandlerOptions, tell, cancelOnDisconnect: o.cancelOnDisconnect === true };
  const offering: Offering = {
    list: async ({ mayDecide }) => ({
      tools: [...[...byName.values()].map(toolOf), ...(mayDecide ? [decideTool('session', names)] : [])],
    }),
    call: (caller, params, exchange) => carryOut(serving, caller, exchange, () => begin(serving, caller, params, exchange)),
    approvalsOf: (...asked) => approvalsOf(engine, ...asked),
    isDecided: (...asked) => isDecided(engine, ...asked),
    onChanged: () => () => undefined,
  };
  const name = names.length === 1 ? (names[0] as string) : 'agents';
  return serveMcp(offering, { ...o, info: o.info ?? { name, version: '1.0.0' } }, { where: WHERE, tell });
}

async function begin(
  serving: Serving,
  caller: Caller,
  { name, arguments: given = {}, _meta }: CallParams,
  { again }: Exchange,
): Promise<Begun> {
  const { engine, agents, o } = serving;
  const { by, assertion, mayDecide } = caller;
  const args = given as JsonObject;
  const requestId = requestIdOf(_meta);
  const begun = (agent: Agent, session: string, runId: string, turn?: TakenTurn): Begun => ({
    turn,
    repeatable: requestId !== undefined,
    call: {
      runId,
      told: progressOf,
      answer: (result) => resultOf(result, session, mayDecide),
      decided: (decisions) => takeTurn(engine, agent, { by, assertion, runId, decisions }),
    },
  });
  if (name === DECIDE && mayDecide) {
    const agent = agents.get(String(args.agent ?? [...agents.keys()][0]));
    const { at: session, decisions } = decisionsOf(agent ? args : {}, 'session');
    const turn = await takeTurn(engine, agent as Agent, { by, assertion, session, decisions });
    return begun(agent as Agent, session, turn.runId, turn);
  }
  const agent = agents.get(name);
  if (!agent) throw new RondoError('AGENT_NOT_REGISTERED', `There is no tool "${name.slice(0, 100)}". List the tools.`);
  if (again) {
    const { session = '' } = await engine.inspect(again.runId, { by });
    const call = begun(agent, session, again.runId);
    return again.decisions.length === 0 ? call : { ...call, turn: await call.call.decided(again.decisions) };
  }
  const { input, session = newSession(requestId) } = askedOf(agent, args);
  const asked = { by, assertion, session: session as string, requestId, limits: o.limits, context: o.context?.(by) };
  const turn = await takeTurn(engine, agent, { ...asked, input: input ?? null });
  return begun(agent, session as string, turn.runId, turn);
}

/** Calls are conversations of their own, unless they name a session. A call that is sent again is in the same one. */
const newSession = (requestId: string | undefined): Json =>
  `mcp-${requestId === undefined ? randomUUID() : sha256(requestId).slice(0, 32)}`;
