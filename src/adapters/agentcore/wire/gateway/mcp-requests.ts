/** The requests of MCP to a gateway: sessions and versions. What is asked for is done by the gateway. */
import type { Principal } from '../../../../ports/principal.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import { showsOf } from '../../../mcp/server/elicit.ts';
import type { Received } from '../answer.ts';
import type { World } from '../call.ts';
import { AwsError, type Encoded } from '../codec/error.ts';
import type { Admitted } from './admission.ts';
import type { Answering, BehindEndpoint, Current } from './endpoint-types.ts';
import { exchange, OPAQUE } from './exchange.ts';
import { HANDLED } from './executed.ts';
import { encodedFrom, INTERNAL, letOut, lettingOut } from './interceptors.ts';
import { Midstream, SILENT, type Talking } from './midway.ts';
import { INVALID, json, LIMITED, Refusal } from './refusal.ts';
import type { Gateway } from './resources.ts';
import { consentIn, fieldsOf, isRpc, type Rpc } from './rpc.ts';
import { mcpSessions } from './sessions.ts';
import { isRefused, streams, wholeOf } from './streaming.ts';
import { MODERN, VERSIONS } from './versions.ts';

const SESSION = 'mcp-session-id';
const VERSION = 'mcp-protocol-version';
const SECONDS = 3_600;

/** Headers that say what a request is, in versions without a session. */
const PASSED = [VERSION, 'mcp-method', 'mcp-name'] as const;

export interface McpRequests {
  answered(received: Received, gateway: Gateway, rpc: Rpc | Refusal, admitted: Admitted, of: Answering): Promise<Encoded>;
  clear(): void;
}

export function mcpRequests(world: Pick<World, 'clock'>, behind: BehindEndpoint, current: Current): McpRequests {
  const sessions = mcpSessions(world.clock);

  async function answered(
    received: Received,
    gateway: Gateway,
    rpc: Rpc | Refusal,
    admitted: Admitted,
    current: Answering,
  ): Promise<Encoded> {
    const { by } = admitted;
    const one = (name: string) => [received.headers[name]].flat()[0];
    const session = one(SESSION);
    if (received.method === 'DELETE') {
      if (session === undefined || !sessions.find(session, gateway.id, by.id)) throw unknownSession();
      sessions.end(session);
      return { status: 204, headers: {}, body: '' };
    }
    if (received.method !== 'POST')
      return { ...json(405, { message: 'Use POST.' }), headers: { allow: 'POST, DELETE', 'content-type': 'application/json' } };
    if (rpc instanceof Refusal) throw rpc;
    const { mcp = {} } = gateway.settings.protocolConfiguration ?? {};
    const versions = mcp.supportedVersions ?? VERSIONS;
    if (one(VERSION) === MODERN) {
      if (!versions.includes(MODERN)) throw new Refusal(400, INVALID, `Unsupported protocol version: ${MODERN}`);
      return handled(received, gateway, rpc, admitted, current, MODERN);
    }
    if (rpc.method === 'initialize') return initialized(received, gateway, rpc, admitted, current);
    if (session === undefined) throw new Refusal(400, INVALID, 'Missing required Mcp-Session-Id header');
    const talking = sessions.find(session, gateway.id, by.id);
    if (!talking) throw unknownSession();
    const named = one(VERSION) ?? talking.version;
    if (!versions.includes(named)) throw new Refusal(400, INVALID, `Unsupported protocol version: ${named}`);
    if (rpc.method === undefined && !talking.questions.answer(rpc))
      throw new Refusal(400, INVALID, 'No matching elicitation found for this session.');
    if (rpc.id === undefined || rpc.method === undefined) return { status: 202, headers: {}, body: '' };
    return handled(received, gateway, rpc, admitted, current, named, talking);
  }

  /** The session is begun by what an interceptor makes of the request. Its id is the gateway's own to tell, and it is over where it is not told. */
  async function initialized(received: Received, gateway: Gateway, rpc: Rpc, admitted: Admitted, of: Answering): Promise<Encoded> {
    let told: string | undefined;
    try {
      const answer = await passed(received, gateway, rpc, admitted, of, (asked) => begun(gateway, asked, admitted.by, of));
      const { [SESSION]: _, ...headers } = answer.headers;
      if (!isRefused(answer)) told = of.begun;
      return { ...answer, headers: { ...headers, ...(told !== undefined && { [SESSION]: told }) } };
    } finally {
      if (of.begun !== undefined && told === undefined) sessions.end(of.begun);
    }
  }

  /** Begins a session. */
  function begun(gateway: Gateway, { id, method, params }: Rpc, by: Principal, of: Answering): Response {
    if (method !== 'initialize') throw new Error('an interceptor made of initialize something else');
    const { mcp = {} } = gateway.settings.protocolConfiguration ?? {};
    const [newest, ...older] = (mcp.supportedVersions ?? VERSIONS).filter((known) => known !== MODERN);
    if (newest === undefined) throw new Refusal(400, INVALID, `This gateway speaks ${MODERN} alone, which has no initialize`);
    const version = older.find((known) => known === fieldsOf(params).protocolVersion) ?? newest;
    of.begun = sessions.begin(gateway.id, by.id, {
      version,
      shows: showsOf(fieldsOf(fieldsOf(params).capabilities) as Parameters<typeof showsOf>[0]),
      seconds: mcp.sessionConfiguration?.sessionTimeoutInSeconds ?? SECONDS,
    });
    const result = {
      protocolVersion: version,
      capabilities: { tools: { listChanged: false }, ...(behind.passes(gateway) && { resources: {}, prompts: {} }) },
      serverInfo: { name: gateway.name, version: '1.0.0' },
      ...(mcp.instructions !== undefined && { instructions: mcp.instructions }),
    };
    return Response.json({ jsonrpc: '2.0', id: id ?? null, result }, { headers: { [SESSION]: of.begun } });
  }

  /** @param talking what the client can be told on the way, in a version with sessions. */
  function handled(
    received: Received,
    gateway: Gateway,
    rpc: Rpc,
    admitted: Admitted,
    of: Answering,
    version: string,
    talking?: Talking,
  ): Promise<Encoded> {
    of.messageId = String(rpc.id);
    of.version = version;
    const streamed = streams(gateway, received.headers.accept);
    const midstream = talking && streamed ? new Midstream({ ...talking, version }, received.signal) : undefined;
    if (talking) of.midway = midstream?.midway ?? SILENT;
    return passed(received, gateway, rpc, admitted, of, async (asked) => {
      const answer = await answeredBy(received, gateway, asked, admitted, of);
      if (midstream) return midstream.within(answer);
      // a subscription is a stream in any case
      return streamed || asked.method?.startsWith('subscriptions/') === true ? answer : wholeOf(answer, asked.id);
    });
  }

  /** A request through the interceptors of the gateway. @param answer what the gateway answers to what they make of it. */
  async function passed(
    received: Received,
    gateway: Gateway,
    rpc: Rpc,
    { by }: Admitted,
    of: Answering,
    answer: (asked: Rpc) => Response | Promise<Response>,
  ): Promise<Encoded> {
    const call = { signal: received.signal, by };
    const interception = rpc.method === 'ping' && !behind.interceptsPings ? undefined : behind.interception(gateway);
    if (!interception) return encodedFrom(await answer(rpc));
    const headers = Object.fromEntries(Object.entries(received.headers).map(([name, value]) => [name, String(value)]));
    const asked = { path: '/mcp', httpMethod: received.method, headers, body: rpc };
    try {
      const taken = await interception.request(asked, call);
      if ('response' in taken) return await letOut(interception, asked, taken.response, call);
      const { body } = taken.request;
      if (!isRpc(body)) throw new Error('The interceptor of the request made of it what is not a message of JSON-RPC 2.0.');
      return await lettingOut(interception, taken.request, await answer(body), call, (why) => {
        of.because ??= why;
      });
    } catch (error) {
      if (error instanceof Refusal || error instanceof AwsError) throw error;
      of.because = messageOf(error);
      throw new Refusal(200, INTERNAL, OPAQUE, of.because);
    }
  }

  /** What the gateway answers, after its rate limits. */
  async function answeredBy(received: Received, gateway: Gateway, rpc: Rpc, { by, token }: Admitted, of: Answering): Promise<Response> {
    const exceeded = rpc.method === 'tools/call' ? behind.exceeded(gateway, String(fieldsOf(rpc.params).name), by) : undefined;
    if (exceeded) throw new Refusal(200, LIMITED, 'Rate limit exceeded', `The limit of ${exceeded.limitKey} is reached.`, { ...exceeded });
    const { leave, handle } = behind.executed(gateway);
    of.leave = leave;
    of.consent = consentIn(rpc);
    const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream', host: 'localhost' });
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    for (const name of PASSED) if (typeof received.headers[name] === 'string') headers.set(name, received.headers[name]);
    const request = new Request(`http://localhost${HANDLED}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(rpc),
      signal: received.signal,
    });
    return exchange.run(of, () => current.run(by, async () => handle(request)));
  }

  return { answered, clear: () => sessions.clear() };
}

const unknownSession = () => new Refusal(404, INVALID, 'Session not found: it has ended, or it is of another gateway or caller');
