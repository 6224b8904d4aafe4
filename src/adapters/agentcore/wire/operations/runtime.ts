/** The data plane of Runtime: invocations, commands, the end of a session, and the card of an A2A agent. */
import { randomUUID } from 'node:crypto';
import { REQUEST, SESSION, USER, WORKLOAD_TOKEN } from '../../headers.ts';
import { runCommand } from '../../sessions/command.ts';
import { allowedHeaders } from '../../sessions/headers.ts';
import type { Host, Lease } from '../../sessions/host.ts';
import { type Answered, textOf } from '../../sessions/request.ts';
import type { Protocol, Wanted } from '../../sessions/session.ts';
import type { Call, Operations, World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError, because, invalidInput } from '../codec/error.ts';
import { invocationToken } from '../identity/invocation-token.ts';
import { hostOf, type Named, sessionError, type Target, type Targets } from './runtime-target.ts';

interface Traced {
  traceId?: string;
  traceParent?: string;
  traceState?: string;
  baggage?: string;
}
interface Invocation extends Named, Traced {
  payload: Uint8Array;
  contentType?: string;
  accept?: string;
  runtimeSessionId?: string;
  runtimeUserId?: string;
  mcpSessionId?: string;
  mcpProtocolVersion?: string;
  mcpMethod?: string;
  mcpName?: string;
}

const PATHS: Readonly<Record<Protocol, string>> = { HTTP: '/invocations', AGUI: '/invocations', MCP: '/mcp', A2A: '/' };
/** Milliseconds until an answer begins, and until a stream ends. */
const ANSWER = 900_000;
const STREAM = 3_600_000;
/** Seconds of a command that does not say. */
const COMMAND = 300;
const CARD_BYTES = 1_000_000;
const MCP_QUOTA = -32_003;

const present = (headers: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined));

/** Baggage with the session's id, as the platform sets it. */
const baggageOf = (given: string | undefined, id: string) =>
  /(^|,)\s*session\.id=/.test(given ?? '') ? given : [given, `session.id=${encodeURIComponent(id)}`].filter(Boolean).join(',');

/** The headers of a call as the program gets them. @throws AwsError `ValidationException` for one that is too long. */
export function headersFor(world: World, target: Target, id: string, call: Pick<Call, 'headers' | 'id'>, traced: Traced) {
  const { version, owner, runtime, userToken } = target;
  const allowed = allowedHeaders(version.configuration.requestHeaderConfiguration?.requestHeaderAllowlist ?? [], call.headers);
  if (typeof allowed === 'string') throw invalidInput([{ name: 'requestHeaderAllowlist', message: allowed }]);
  const one = (name: string) => [call.headers[name]].flat()[0];
  // who has a token does not say himself who he is
  const user = owner === undefined ? one(USER) : undefined;
  const workloadToken = invocationToken(world, runtime.id, userToken ?? user, userToken !== undefined);
  return {
    ...allowed,
    ...present({
      [SESSION]: id,
      [REQUEST]: call.id,
      [USER]: user,
      workloadaccesstoken: workloadToken,
      [WORKLOAD_TOKEN]: workloadToken,
      oauth2callbackurl: one('oauth2callbackurl'),
      traceparent: traced.traceParent,
      tracestate: traced.traceState,
      'x-amzn-trace-id': traced.traceId,
      baggage: baggageOf(traced.baggage, id),
    }),
  };
}

export function sessionOperations(world: World, host: Host, targets: Targets): Operations {
  const { clock, state } = world;
  /** @throws AwsError. */
  const entered = async (wanted: Wanted): Promise<Lease> => {
    try {
      return await host.enter(wanted);
    } catch (error) {
      throw sessionError(error);
    }
  };

  async function InvokeAgentRuntime(input: Invocation, call: Call): Promise<Output> {
    const target = await targets.of(input, call.caller, hostOf(call));
    const id = sessionIdOf(input);
    const wanted = targets.wanted(target, id, hostOf(call));
    const passed = headersFor(world, target, id, call, input);
    let lease: Lease;
    try {
      lease = await entered(wanted);
    } catch (error) {
      const quota =
        error instanceof AwsError && error.name === 'ServiceQuotaExceededException' && overQuota(wanted.protocol, input, error.message);
      if (quota) return { runtimeSessionId: id, ...quota };
      throw error;
    }
    // of its own version, which need not be the one that a new session gets
    const { protocol } = lease.session.wanted;
    const headers = {
      ...passed,
      ...present({
        'content-type': input.contentType ?? 'application/octet-stream',
        accept: input.accept ?? '*/*',
        'mcp-session-id': protocol === 'MCP' ? id : input.mcpSessionId,
        'mcp-protocol-version': input.mcpProtocolVersion,
        'mcp-method': input.mcpMethod,
        'mcp-name': input.mcpName,
      }),
    };
    const stopped = new AbortController();
    const stop = (message: string) => () => stopped.abort(new Error(message));
    let cancel = clock.after(ANSWER, stop('it took more than 15 minutes'));
    const over = () => {
      cancel();
      stopped.abort();
      lease.done();
    };
    // also the end of an answer that is never read, since a connection that breaks ends it
    call.signal.addEventListener('abort', over, { once: true });
    if (call.signal.aborted) over();
    try {
      const answered = await lease.session.ask({
        method: 'POST',
        path: PATHS[protocol],
        headers,
        body: input.payload,
        signal: stopped.signal,
      });
      cancel();
      cancel = clock.after(STREAM, stop('the stream took more than 60 minutes'));
      if (answered.status < 200 || answered.status > 299) {
        answered.body.destroy();
        throw new AwsError('RuntimeClientError', `Received error (${answered.status}) from runtime. The log of the session may say more.`);
      }
      return outputOf(input, id, protocol, answered, streamed(answered, over, call.signal, stopped.signal));
    } catch (error) {
      over();
      throw sessionError(error);
    }
  }

  async function InvokeAgentRuntimeCommand(
    input: Named & Traced & { runtimeSessionId?: string; body: { command: string; timeout?: number } },
    call: Call,
  ): Promise<Output> {
    const target = await targets.of(input, call.caller, hostOf(call));
    const id = sessionIdOf(input);
    const { session, done } = await entered(targets.wanted(target, id, hostOf(call)));
    const { command, timeout = COMMAND } = input.body;
    call.signal.addEventListener('abort', done, { once: true });
    const events = runCommand(session, command, timeout, clock.after, call.signal);
    return {
      contentType: 'application/vnd.amazon.eventstream',
      runtimeSessionId: id,
      statusCode: 200,
      ...traceOf(input),
      stream: commandStream(events, done),
    };
  }

  async function StopRuntimeSession(input: Named & { runtimeSessionId: string; clientToken?: string }, call: Call): Promise<Output> {
    const target = await targets.of(input, call.caller, hostOf(call));
    const { runtimeSessionId: id, clientToken } = input;
    let stopping: Promise<void> | undefined;
    // a retry of a stop whose answer was lost finds no session
    const output = state.once('StopRuntimeSession', clientToken, input, () => {
      const session = foundSession(host, target, id);
      stopping = session.stop('stopped', 'StopRuntimeSession was called');
      return { runtimeSessionId: id, statusCode: 200 };
    });
    await stopping;
    return output;
  }

  async function GetAgentCard(input: Named & { runtimeSessionId?: string }, call: Call): Promise<Output> {
    const target = await targets.of(input, call.caller, hostOf(call));
    const id = sessionIdOf(input);
    const { session, done } = await entered(targets.wanted(target, id, hostOf(call)));
    try {
      const headers = { ...headersFor(world, target, id, call, {}), accept: 'application/json' };
      const answered = await session.ask({ method: 'GET', path: '/.well-known/agent-card.json', headers, signal: call.signal });
      const text = await textOf(answered, CARD_BYTES);
      if (answered.status !== 200) throw new AwsError('RuntimeClientError', `Received error (${answered.status}) from runtime.`);
      return { runtimeSessionId: id, statusCode: 200, agentCard: cardOf(text) };
    } catch (error) {
      throw sessionError(error);
    } finally {
      done();
    }
  }

  return { InvokeAgentRuntime, InvokeAgentRuntimeCommand, StopRuntimeSession, GetAgentCard };
}

/** An MCP client sends the id that it was given as that of its MCP session. */
function sessionIdOf({ runtimeSessionId, mcpSessionId }: { runtimeSessionId?: string; mcpSessionId?: string }): string {
  const id = runtimeSessionId ?? mcpSessionId ?? randomUUID();
  if (id.length < 33 || id.length > 256)
    throw invalidInput([{ name: 'mcpSessionId', message: 'Member must have length between 33 and 256, as the id of a session has' }]);
  return id;
}

/** @throws AwsError `ResourceNotFoundException`, or for a session of another owner or one that starts or ends. */
function foundSession(host: Host, { runtime, endpoint, owner }: Target, id: string) {
  let session: ReturnType<Host['find']>;
  try {
    session = host.find(`${runtime.id}/${endpoint}`, id);
  } catch (error) {
    throw sessionError(error);
  }
  if (!session) throw new AwsError('ResourceNotFoundException', `The session ${id} was not found.`);
  if (session.wanted.owner !== owner) throw new AwsError('AccessDeniedException', `The session ${id} belongs to another caller.`);
  return session;
}

const traceOf = ({ traceId, traceParent, traceState, baggage }: Traced) => present({ traceId, traceParent, traceState, baggage });

function outputOf(
  input: Invocation,
  id: string,
  protocol: Protocol,
  { status, headers }: Answered,
  response: AsyncIterable<Uint8Array>,
): Output {
  const version = [headers['mcp-protocol-version']].flat()[0] ?? input.mcpProtocolVersion;
  return {
    statusCode: status,
    contentType: headers['content-type'] ?? 'application/octet-stream',
    runtimeSessionId: id,
    ...(protocol === 'MCP' && { mcpSessionId: id, ...present({ mcpProtocolVersion: version }) }),
    ...traceOf(input),
    response,
  };
}

/** @param stopped aborted at a limit, with the reason. */
async function* streamed({ body }: Answered, over: () => void, gone: AbortSignal, stopped: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* body as AsyncIterable<Uint8Array>;
  } catch (error) {
    // the client hung up: that is why the answer broke off
    if (gone.aborted) return;
    const { message } = (stopped.aborted ? stopped.reason : error) as Error;
    throw because(new AwsError('RuntimeClientError', 'The answer of the runtime broke off.'), `The answer broke off: ${message}.`);
  } finally {
    over();
  }
}

async function* commandStream(events: ReturnType<typeof runCommand>, done: () => void): AsyncGenerator<Output> {
  try {
    yield { chunk: { contentStart: {} } };
    for await (const event of events)
      yield 'exitCode' in event
        ? { chunk: { contentStop: { exitCode: event.exitCode, status: event.timedOut ? 'TIMED_OUT' : 'COMPLETED' } } }
        : { chunk: { contentDelta: event } };
  } catch (error) {
    throw sessionError(error);
  } finally {
    done();
  }
}

function cardOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AwsError('RuntimeClientError', 'The agent card is not JSON.');
  }
}

/** Too many new sessions, as each protocol tells it; undefined: by the error of the service. */
function overQuota(protocol: Protocol, { payload }: Invocation, message: string): Output | undefined {
  const json = (statusCode: number, body: object) => ({
    statusCode,
    contentType: 'application/json',
    response: Buffer.from(JSON.stringify(body)),
  });
  switch (protocol) {
    case 'MCP':
      return json(200, { jsonrpc: '2.0', id: rpcIdOf(payload), error: { code: MCP_QUOTA, message } });
    case 'A2A':
      return json(429, { message });
    case 'AGUI':
      return {
        statusCode: 429,
        contentType: 'text/event-stream',
        response: Buffer.from(`data: ${JSON.stringify({ type: 'RUN_ERROR', code: 'SERVICE_QUOTA_EXCEEDED', message })}\n\n`),
      };
    default:
      return undefined;
  }
}

function rpcIdOf(payload: Uint8Array): string | number | null {
  try {
    const { id } = JSON.parse(Buffer.from(payload).toString('utf8')) as { id?: unknown };
    return typeof id === 'string' || typeof id === 'number' ? id : null;
  } catch {
    return null;
  }
}
