import { type AGUIEvent, EventType, type RunAgentInput } from '@ag-ui/core';
import type { Engine } from '../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../engine/options.ts';
import { RondoError } from '../../errors.ts';
import type { Limits } from '../../journal/entries/entries.ts';
import { agentDefinition } from '../../loop/definition.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions, type Kinds } from '../../options.ts';
import type { Principal } from '../../ports/principal.ts';
import { idOf } from '../../server/accept.ts';
import { type AuthOption, checkAuth, type KnownCaller } from '../../server/auth.ts';
import { type BodyLimits, parseJson, readJson } from '../../server/body.ts';
import { HttpError, problemOf } from '../../server/errors.ts';
import { cancelWhenGone, whenGone } from '../../server/gone.ts';
import { agentAt, agentsOf, authenticated, pathOf } from '../../server/handle.ts';
import type { Handler } from '../../server/listen.ts';
import { report } from '../../server/report.ts';
import { HANDLER } from '../../server/serve.ts';
import { eventStream, lastEventId, type ServerEvent } from '../../server/sse.ts';
import { type TakenTurn, takeTurn } from '../../server/turns.ts';
import { checkInput, newestOf } from './input.ts';
import { decisionsOf } from './interrupts.ts';
import { eventsOf } from './stream.ts';

export interface AgUiOptions<C = unknown> extends BodyLimits {
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Where the agent is. Several agents are below it, each at its name. Default `/`. */
  path?: string;
  /** Whether a thread belongs to the user who began it (the default), or to the tenant. */
  sessions?: 'own' | 'tenant';
  /** The limits of every run. */
  limits?: Limits;
  /** Makes the context of the agents' tools for a caller, required where they need one, of what its client sends: `state`, `context` and `forwardedProps` are untrusted. */
  context?: (by: Principal, input: RunAgentInput) => C;
  /** Whether clients get the reasoning of the models. Default false. */
  reasoning?: boolean;
  /** Whether clients are told the tokens and the cost, as `CUSTOM` `rondo.usage`. Default false. */
  usage?: boolean;
  /** Whether a run is cancelled when the client that started or continued it disconnects, as it does on `abortRun()`. Default false. */
  cancelOnDisconnect?: boolean;
  /** Milliseconds between comments that keep proxies from closing a quiet stream. Default 15,000. */
  heartbeat?: number;
}

export const AG_UI = {
  ...HANDLER,
  sessions: "sessions: 'tenant'",
  reasoning: 'reasoning: true',
  usage: 'usage: true',
  cancelOnDisconnect: 'cancelOnDisconnect: true',
} satisfies Record<keyof AgUiOptions, string>;
export const AG_UI_KINDS: Kinds = { sessions: ['own', 'tenant'] };

/** Of the error of a server that a client cannot be told about. */
type Tell = (error: unknown) => void;

interface Serving {
  readonly engine: Engine;
  readonly o: AgUiOptions;
  readonly tell: Tell;
}

const WHERE = 'agUiHandler()';
/** Bytes. Clients send the whole conversation with every request. */
const MAX_BYTES = 10_000_000;

/**
 * Agents over AG-UI 1.0, HTTP and SSE, as a web-standard request handler. A request is one turn of a session: `threadId` is the session, and a
 * request with the `runId` of an earlier one gets the answer of that one. It registers the agents with the engine.
 * Of the messages only what the user said last is read: the journal has the conversation.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function agUiHandler<A extends Agent | readonly Agent[]>(
  engine: Engine,
  agents: A,
  ...options: ServingArgs<ContextFor<A>, AgUiOptions<ContextFor<A>>>
): Handler;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function agUiHandler<A extends Agent | readonly Agent[]>(engine: Engine, agents: A & ServedWithoutContext<A>): Handler;
export function agUiHandler(engine: Engine, agents: Agent | readonly Agent[], o: AgUiOptions = {}): Handler {
  checkOptions(o, AG_UI, WHERE, AG_UI_KINDS);
  return handlerOf(engine, agents, o, WHERE);
}

/** The handler, for a server that has checked its options. @param where what was called, for its errors. */
export function handlerOf(engine: Engine, agents: Agent | readonly Agent[], o: AgUiOptions, where: string): Handler {
  checkAuth(o.auth, where);
  const path = pathOf(o.path ?? '/', where, '/agui');
  const served = agentsOf(engine, agents, where, o.context);
  const serving: Serving = { engine, o, tell: report(where) };
  return authenticated(o.auth, serving.tell, (request) => {
    const agent = agentAt(served, path, request);
    return (caller) => answer(serving, agent, request, caller);
  });
}

/**
 * The turns of one agent without HTTP, for a connection that is not a request: the text of an input, and the events of its turn. What is wrong
 * with an input is an event too.
 */
export function agUiTurns<C>(engine: Engine, agent: Agent, o: AgUiOptions<C>) {
  const serving: Serving = { engine, o: o as AgUiOptions, tell: report(WHERE) };
  return async function* (text: string, caller: KnownCaller, signal: AbortSignal): AsyncGenerator<AGUIEvent, void, undefined> {
    try {
      const input = checkInput(parseJson(text, o));
      for await (const { data } of await turnOf(serving, agent, { input, caller, signal, after: undefined })) yield data as AGUIEvent;
    } catch (error) {
      yield problem(error, serving.tell);
    }
  };
}

interface Asked {
  readonly input: RunAgentInput;
  readonly caller: KnownCaller;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  /** The newest position that the client has seen. */
  readonly after: number | undefined;
}

function problem(error: unknown, tell: Tell): AGUIEvent {
  const { code, message } = problemOf(error, tell).problem;
  return { type: EventType.RUN_ERROR, code, message };
}

async function answer(serving: Serving, agent: Agent, request: Request, caller: KnownCaller): Promise<Response> {
  const { maxBytes = MAX_BYTES, maxDepth, timeout, heartbeat } = serving.o;
  const input = checkInput(await readJson(request, { maxBytes, maxDepth, timeout }));
  const { signal } = request;
  const events = await turnOf(serving, agent, { input, caller, signal, after: lastEventId(request) });
  return eventStream(events, { signal, heartbeat, problem: (error) => problem(error, serving.tell) });
}

/** The events of the turn that an input asks for. @throws HttpError for an input that asks for none. */
async function turnOf(
  { engine, o, tell }: Serving,
  agent: Agent,
  { input, caller, signal, after }: Asked,
): Promise<AsyncIterable<ServerEvent>> {
  let turn: TakenTurn;
  try {
    turn = await begin(engine, agent, o, input, caller);
  } catch (error) {
    // a client shows the code of an event, and of a status nothing
    if (!RondoError.is(error)) throw error;
    return one(problem(error, tell));
  }
  const { by } = caller;
  whenGone(turn, signal, () => void turn.events.return?.());
  if (o.cancelOnDisconnect) cancelWhenGone(engine, turn, by, signal, tell);
  return eventsOf({ engine, by, turn, input, after, reasoning: o.reasoning ?? false, usage: o.usage ?? false });
}

async function* one(data: AGUIEvent): AsyncGenerator<ServerEvent> {
  yield { data };
}

async function begin(
  engine: Engine,
  agent: Agent,
  o: AgUiOptions,
  input: RunAgentInput,
  { by, assertion }: KnownCaller,
): Promise<TakenTurn> {
  const { threadId, runId: requestId, resume = [] } = input;
  const session = o.sessions === 'tenant' ? { id: threadId, shared: true } : threadId;
  // a page that sends a request again has a part of its answer
  const own = `${idOf(by, agent.name, requestId, threadId)}:`;
  const said = newestOf(input.messages.filter(({ id }) => !id.startsWith(own)));
  if (resume.length === 0) {
    if (said === undefined) throw new HttpError(400, 'The last message is of the user, or resume answers the interrupts of the thread.');
    const asked = agentDefinition(agent).input ? parseJson(typeof said === 'string' ? said : '') : said;
    return takeTurn(engine, agent, { session, by, assertion, requestId, input: asked, limits: o.limits, context: o.context?.(by, input) });
  }
  const decisions = decisionsOf(resume);
  return takeTurn(engine, agent, { session, by, assertion, decisions, message: said });
}
