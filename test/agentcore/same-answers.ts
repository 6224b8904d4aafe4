/** The same calls to the app of the official SDK and to `serve()`, and what is known to differ in their answers. */
import { readFileSync } from 'node:fs';
import { InvokeAgentRuntimeCommand, type InvokeAgentRuntimeCommandInput } from '@aws-sdk/client-bedrock-agentcore';
import { SESSION, USER, WORKLOAD_TOKEN } from '../../src/adapters/agentcore/headers.ts';
import { until } from '../kit/time.ts';
import { type Deployed, sessionId } from './runtime.ts';

export const CUSTOM = 'x-amzn-bedrock-agentcore-runtime-custom-team';
const UNLISTED = 'x-amzn-bedrock-agentcore-runtime-custom-other';

/** What of an answer is compared. Undefined: it has none. */
export interface Told {
  status: number;
  /** Of the platform, for an answer that it does not pass on. */
  error?: string | undefined;
  type?: string | undefined;
  charset?: string | undefined;
  /** The fields of JSON, or the names of events. */
  shape?: string | undefined;
  /** What the handler said, or threw. */
  said?: string | undefined;
  /** Whether the body names the session of the call. */
  session?: boolean | undefined;
  /** Headers that programs and proxies go by. */
  cache?: string | undefined;
  named?: boolean | undefined;
  allow?: string | undefined;
  /** Whether an idle connection is kept for a minute, as proxies need it; undefined: the answer does not say. */
  kept?: boolean | undefined;
}

type Call = (of: Program) => Promise<Told>;

export interface Program extends Deployed {
  port: number;
  token: string;
}

/** Where the program of the session listens, which it wrote to its log. */
export function programOf(of: Deployed): Program {
  const { log } = of.server.sessions().running.find(({ id }) => id === sessionId('one')) as { log: string };
  return { ...of, ...(JSON.parse(readFileSync(log, 'utf8').split('\n')[0] as string) as { port: number; token: string }) };
}

const PROMPT = (prompt: string) => JSON.stringify({ prompt });

type Input = Omit<Partial<InvokeAgentRuntimeCommandInput>, 'payload'> & { headers?: Record<string, string> };

/** By the official client. */
const client =
  (body: string, { headers = {}, ...input }: Input = {}): Call =>
  async ({ client, arn }) => {
    const own = { runtimeSessionId: sessionId('one'), contentType: 'application/json', ...input };
    const command = new InvokeAgentRuntimeCommand({ agentRuntimeArn: arn, payload: Buffer.from(body), ...own });
    command.middlewareStack.add(
      (next) => (args) => {
        Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
        return next(args);
      },
      { step: 'build' },
    );
    try {
      const { statusCode = 0, contentType = '', runtimeSessionId: id, response } = await client.send(command);
      return { status: statusCode, ...bodyOf(contentType, (await response?.transformToString()) ?? '', id) };
    } catch (error) {
      const { name, message } = error as Error;
      return { status: Number(/\((\d+)\)/.exec(message)?.[1]), error: name };
    }
  };

/** Past the platform, which neither sends such a request nor passes on such an answer. */
const direct =
  (
    body: string | undefined,
    headers: Record<string, string | undefined> = {},
    path = '/invocations',
    method = body === undefined ? 'GET' : 'POST',
  ): Call =>
  async ({ port, token }) => {
    const all = { 'content-type': 'application/json', 'x-rondo-session-token': token, [SESSION]: sessionId('one'), ...headers };
    const sent = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: sent, body: body ?? null });
    const { headers: got, status } = answer;
    const id = all[SESSION];
    const seconds = Number(/timeout=(\d+)/.exec(got.get('keep-alive') ?? '')?.[1]) || undefined;
    return {
      status,
      ...bodyOf(got.get('content-type') ?? '', await answer.text(), id),
      cache: got.get('cache-control') ?? undefined,
      named: id !== undefined && got.get(SESSION) === id,
      allow: got.get('allow') ?? undefined,
      kept: got.get('connection') === 'close' ? false : seconds === undefined ? undefined : seconds >= 60,
    };
  };

function bodyOf(contentType: string, text: string, id: string | undefined): Omit<Told, 'status'> {
  const [type, parameter] = contentType.split(/; */);
  const of = { type, charset: parameter?.replace('charset=', '') };
  if (type === 'text/event-stream') {
    const events = text
      .trim()
      .split('\n\n')
      .map((event) => /^event: (\w+)\ndata: (.*)$/.exec(event) ?? []);
    const told = events.flatMap(([, name, data = '{}']) => {
      const said = saidIn(JSON.parse(data), 'text');
      return said === undefined ? [] : [{ name, said }];
    });
    // a text comes in as many pieces as its reader is fast for
    const whole = told.flatMap(({ name, said }) => (name === 'text' ? [said] : [])).join('');
    const names = events.map(([, name]) => name).filter((name, i, all) => name !== 'text' || all[i - 1] !== 'text');
    return { ...of, shape: names.join(' '), said: whole === '' ? told[0]?.said : whole };
  }
  if (text === '') return of;
  const body = JSON.parse(text) as Body;
  const { session } = body;
  return { ...of, shape: shapeOf(body), said: saidIn(body, 'output'), ...(session !== undefined && { session: session === id }) };
}

type Body = { [field: string]: unknown; error?: string | { message: string } };

/** A text of the handler: those of frameworks are of their own. */
function saidIn(body: Body, field: string): string | undefined {
  const { [field]: text, error, time_of_last_update: since } = body;
  if (since !== undefined) return `${body.status} since ${Number.isInteger(since) && Number(since) < 1e11 ? 'seconds' : 'another unit'}`;
  const thrown = typeof error === 'string' ? error : error?.message;
  return typeof text === 'string' ? text : thrown === 'as it was told' ? thrown : undefined;
}

const shapeOf = (body: Body) =>
  Object.entries(body)
    .map(([name, value]) => (name === 'error' && typeof value === 'object' ? 'error{}' : name))
    .sort()
    .join(' ');

const streams = { accept: 'text/event-stream' };
const large = PROMPT('x'.repeat(1_500_000));

/** A call that comes while a turn of another session goes on. */
const during =
  (call: Call): Call =>
  async (of) => {
    const other = (prompt: string, name: string) => direct(PROMPT(prompt), { [SESSION]: sessionId(name) })(of);
    const held = other('hold', 'held');
    await until(async () => (await other('held?', 'asks')).said === '1');
    const told = await call(of);
    await other('go', 'releases');
    await held;
    return told;
  };

/** By name, with the status of the answer of `serve()`. `direct`: past the platform. */
export const CALLS: Readonly<Record<string, readonly [number, Call]>> = {
  'a turn': [200, client(PROMPT('hi'))],
  'a turn in Unicode': [200, client(PROMPT('grün 日本 🦆'))],
  'no session id': [200, client(PROMPT('hi'), { runtimeSessionId: undefined })],
  'bad JSON': [400, client('{"prompt":')],
  'an empty body': [400, client('')],
  'a list': [400, client('[]')],
  null: [400, client('null')],
  'another field': [400, client('{"prompt":"hi","other":1}')],
  'JSON with a charset': [200, client(PROMPT('hi'), { contentType: 'application/json; charset=utf-8' })],
  'no type': [200, client(PROMPT('hi'), { contentType: undefined })],
  'another JSON type': [200, client(PROMPT('hi'), { contentType: 'application/vnd.api+json' })],
  'text/plain': [415, client(PROMPT('hi'), { contentType: 'text/plain' })],
  'application/xml': [415, client('<a/>', { contentType: 'application/xml' })],
  'a stream': [200, client(PROMPT('stream'), streams)],
  'a stream, or JSON': [200, client(PROMPT('stream'), { accept: 'application/json, text/event-stream' })],
  'a stream without Accept': [200, client(PROMPT('stream'))],
  'Accept of a stream for one value': [200, client(PROMPT('hi'), streams)],
  'Accept of text': [200, client(PROMPT('hi'), { accept: 'text/plain' })],
  'a handler that throws': [200, client(PROMPT('fail'))],
  'a stream that throws': [200, client(PROMPT('stream and fail'), streams)],
  'headers of the allow-list': [200, client(PROMPT('headers'), { headers: { [CUSTOM]: 'red', 'x-team': 'red', [UNLISTED]: 'red' } })],
  'a body of 600 KB': [200, client(PROMPT('x'.repeat(600_000)))],
  'a body of 1.5 MB': [200, client(large)],
  'direct: a turn': [200, direct(PROMPT('hi'))],
  'direct: a stream': [200, direct(PROMPT('stream'), streams)],
  'direct: no session id': [400, direct(PROMPT('hi'), { [SESSION]: undefined })],
  'direct: the session id in the body': [
    400,
    direct(JSON.stringify({ prompt: 'hi', sessionId: sessionId('one') }), { [SESSION]: undefined }),
  ],
  'direct: a short session id': [400, direct(PROMPT('hi'), { [SESSION]: 'short' })],
  'direct: bad JSON': [400, direct('{"prompt":')],
  'direct: an empty body': [400, direct('')],
  'direct: application/xml': [415, direct('<a/>', { 'content-type': 'application/xml' })],
  'direct: a handler that throws': [200, direct(PROMPT('fail'))],
  'direct: a body of 1.5 MB': [200, direct(large)],
  'direct: the workload token': [200, direct(PROMPT('headers'), { [WORKLOAD_TOKEN]: 'the token' })],
  'direct: another user': [403, direct(PROMPT('hi'), { [USER]: 'ann' })],
  'direct: another program': [403, direct(PROMPT('hi'), { 'x-rondo-session-token': 'of another' })],
  'direct: /ping': [200, direct(undefined, {}, '/ping')],
  'direct: /ping while a turn goes on': [200, during(direct(undefined, {}, '/ping'))],
  'direct: HEAD /ping': [200, direct(undefined, {}, '/ping', 'HEAD')],
  'direct: POST /ping': [405, direct('{}', {}, '/ping')],
  'direct: GET /invocations': [405, direct(undefined)],
  'direct: no such path': [404, direct(undefined, {}, '/nothing')],
};

/** What differs in two answers to a call, as `field: theirs | ours`. */
export function differences(theirs: Told, ours: Told): string[] {
  const [a, b] = [succeeded(theirs), succeeded(ours)];
  // where one refuses there is nothing in the bodies to compare
  const fields: readonly (keyof Told)[] = a === b ? ['status', 'error', 'type', 'shape', 'said', 'session', 'named'] : [];
  const both: readonly (keyof Told)[] = theirs.type && ours.type ? ['charset'] : [];
  const own = [...fields, ...both, ...(['cache', 'allow', 'kept'] as const)];
  return [
    ...(a === b ? [] : [`answer: ${inShort(theirs)} | ${inShort(ours)}`]),
    ...own
      .filter((field) => theirs[field] !== ours[field])
      .map((field) => `${field}: ${theirs[field] ?? 'none'} | ${ours[field] ?? 'none'}`),
  ];
}

const succeeded = ({ status }: Told) => status >= 200 && status < 300;
const inShort = ({ status, said }: Told) => [status, said].filter((one) => one !== undefined).join(' ');
