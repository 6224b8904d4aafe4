import { randomUUID } from 'node:crypto';
import type { CallToolRequest, CallToolResult, ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import type { Engine } from '../../engine/engine.ts';
import { invalid, RondoError } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Limits } from '../../journal/entries.ts';
import type { Json, JsonObject } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Decision } from '../../ports/tool.ts';
import type { AuthOption } from '../../server/auth.ts';
import { type BodyLimits, readJson } from '../../server/body.ts';
import { HttpError, problemOf } from '../../server/errors.ts';
import { cancelWhenGone } from '../../server/gone.ts';
import { agentsOf, authenticated, isAt, pathOf } from '../../server/handle.ts';
import type { Handler } from '../../server/listen.ts';
import { report } from '../../server/report.ts';
import { type TakenTurn, takeTurn } from '../../server/turns.ts';
import { askedOf, DECIDE, decideTool, progressOf, refusedResult, resultOf, toolOf } from './agents.ts';
import { loadServer } from './sdk.ts';

export interface McpHandlerOptions<C = unknown> extends BodyLimits {
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Default `/mcp`. */
  path?: string;
  /** The name and the version that the server tells. Default: the name of the only agent, else `agents`, and `1.0.0`. */
  info?: { name: string; version: string };
  /**
   * Who is offered the tool `decide`, which answers approvals. What can call it may be a model: leave it out where a person must decide elsewhere.
   * Default: callers that `auth` has authenticated.
   */
  decide?: boolean | ((by: Principal) => boolean);
  /** The limits of every run. */
  limits?: Limits;
  /** Makes the context of the agents' tools for a caller. */
  context?: (by: Principal) => C;
  /** Whether a run is cancelled when the client that called disconnects. Default false. */
  cancelOnDisconnect?: boolean;
}

interface Serving {
  readonly engine: Engine;
  readonly agents: ReadonlyMap<string, Agent>;
  readonly o: McpHandlerOptions;
  readonly tell: (error: unknown) => void;
}

interface Caller {
  readonly by: Principal;
  readonly mayDecide: boolean;
  /** The signal of the request. */
  readonly gone: AbortSignal;
}

type Notify = (notification: ServerNotification) => Promise<void>;

const WHERE = 'mcpHandler()';

/**
 * Agents as the tools of an MCP server, over streamable HTTP without sessions, as a web-standard request handler. A session id that a client or a
 * platform sends is accepted and not looked at. Needs `@modelcontextprotocol/sdk`, which is loaded with the first request. It registers the agents
 * with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function mcpHandler<C>(engine: Engine, agents: Agent | readonly Agent[], o: McpHandlerOptions<C> = {}): Handler {
  const path = pathOf(o.path ?? '/mcp', WHERE, '/mcp');
  const serving: Serving = { engine, agents: agentsOf(engine, agents, WHERE), o: o as McpHandlerOptions, tell: report(WHERE) };
  if (serving.agents.has(DECIDE))
    throw invalid(`${WHERE}: the name "${DECIDE}" is that of the tool that answers approvals. Rename the agent.`);
  return authenticated(o.auth, serving.tell, (request) => {
    if (!isAt(new URL(request.url).pathname, path)) throw new HttpError(404, 'There is nothing here.');
    // there are no messages of the server's own, and no sessions to end
    if (request.method !== 'POST') throw new HttpError(405, 'The method here is POST.', { allow: 'POST' });
    return (by) => answer(serving, request, by);
  });
}

async function answer(serving: Serving, request: Request, by: Principal): Promise<Response> {
  const { o, agents, tell } = serving;
  const parsedBody = await readJson(request, o);
  const { Server, WebStandardStreamableHTTPServerTransport, ListToolsRequestSchema, CallToolRequestSchema } = await loadServer();
  const { decide = typeof o.auth === 'function' } = o;
  const caller: Caller = { by, mayDecide: typeof decide === 'function' ? decide(by) : decide, gone: request.signal };
  const names = [...agents.keys()];
  const info = o.info ?? { name: names.length === 1 ? (names[0] as string) : 'agents', version: '1.0.0' };
  // one of each for a request: without sessions there is nothing to keep, and ids of two clients must not meet
  const server = new Server(info, { capabilities: { tools: {} } });
  const tools = [...[...agents.values()].map(toolOf), ...(caller.mayDecide ? [decideTool(names)] : [])];
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }, { sendNotification }) => call(serving, caller, params, sendNotification));
  server.onerror = (error) => {
    if (!request.signal.aborted) tell(error);
  };
  const transport = new WebStandardStreamableHTTPServerTransport();
  await server.connect(transport);
  return transport.handleRequest(request, { parsedBody });
}

async function call(serving: Serving, caller: Caller, params: CallToolRequest['params'], notify: Notify): Promise<CallToolResult> {
  const { engine, o, tell } = serving;
  try {
    const { turn, session } = await begin(serving, caller, params);
    if (o.cancelOnDisconnect) cancelWhenGone(engine, turn, caller.by, caller.gone, tell);
    const token = params._meta?.progressToken;
    await follow(turn, token === undefined ? undefined : (progress, message) => send(notify, { progressToken: token, progress, message }));
    return resultOf(await turn.result, session, caller.mayDecide);
  } catch (error) {
    if (!RondoError.is(error)) tell(error);
    return refusedResult(problemOf(error, tell).problem, RondoError.is(error, 'SESSION_BUSY'));
  }
}

async function begin(serving: Serving, caller: Caller, { name, arguments: given = {}, _meta }: CallToolRequest['params']) {
  const { engine, agents, o } = serving;
  const { by } = caller;
  const args = given as JsonObject;
  if (name === DECIDE && caller.mayDecide) {
    const agent = agents.get(String(args.agent ?? [...agents.keys()][0]));
    const { session, decisions } = args;
    if (!agent || typeof session !== 'string' || !Array.isArray(decisions))
      throw new RondoError(
        'DECISION_INVALID',
        `${DECIDE} takes the session of a paused answer, and a list of decisions. Nothing was decided.`,
      );
    return { session, turn: await takeTurn(engine, agent, { by, session, decisions: decisions as readonly Decision[] }) };
  }
  const agent = agents.get(name);
  if (!agent) throw new RondoError('AGENT_NOT_REGISTERED', `There is no tool "${name.slice(0, 100)}". List the tools.`);
  const key = _meta?.['rondo/idempotency-key'];
  const requestId = typeof key === 'string' ? key : undefined;
  const { input, session = newSession(requestId) } = askedOf(agent, args);
  const asked = { by, session: session as string, requestId, limits: o.limits, context: o.context?.(by) };
  return { session: session as string, turn: await takeTurn(engine, agent, { ...asked, input: input ?? null }) };
}

/** Calls are conversations of their own, unless they name a session. A call that is sent again is in the same one. */
const newSession = (requestId: string | undefined): Json =>
  `mcp-${requestId === undefined ? randomUUID() : sha256(requestId).slice(0, 32)}`;

/** Reads the events to the end, which also makes the models stream. */
async function follow(turn: TakenTurn, tell: ((progress: number, message: string) => Promise<void>) | undefined): Promise<void> {
  let progress = 0;
  for await (const event of turn.events) {
    const message = progressOf(event);
    if (tell && message !== undefined) await tell(++progress, message);
  }
}

/** A client that has left gets nothing more, and the run goes on. */
const send = (notify: Notify, params: { progressToken: string | number; progress: number; message: string }): Promise<void> =>
  notify({ method: 'notifications/progress', params }).catch(() => undefined);
