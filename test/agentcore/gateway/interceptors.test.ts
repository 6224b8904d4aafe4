import { describe, expect, test } from 'vitest';
import { BINDINGS, connected, posted, refunds, textOf, withGateway } from './kit.ts';

const arnOf = (name: string) => `arn:aws:lambda:us-east-1:123456789012:function:${name}`;
const FILE = `${import.meta.dirname}/../fixtures/lambdas.ts`;
const BOUND = {
  ...BINDINGS,
  [`lambda:${arnOf('onRequest')}`]: `${FILE}#onRequest`,
  [`lambda:${arnOf('onResponse')}`]: `${FILE}#onResponse`,
  [`lambda:${arnOf('onHeaders')}`]: `${FILE}#onHeaders`,
};

/** A gateway with these interceptors, and a call of its function. */
async function between(points: readonly ('REQUEST' | 'RESPONSE')[], passRequestHeaders = false) {
  const interceptorConfigurations = points.map((point) => ({
    interceptor: { lambda: { arn: arnOf(point === 'REQUEST' ? 'onRequest' : 'onResponse') } },
    interceptionPoints: [point],
    inputConfiguration: { passRequestHeaders },
  }));
  const { url, target, server } = await withGateway({ authorizerType: 'NONE', interceptorConfigurations }, { bindings: BOUND });
  await target(refunds());
  const client = await connected(url, {
    fetch: (to, init) => fetch(to, { ...init, headers: { ...Object.fromEntries(new Headers(init?.headers)), 'x-team': 'blue' } }),
  });
  return { server, client, call: (amount: number) => client.callTool({ name: 'Refund___process', arguments: { amount } }) };
}

test('an interceptor of the request changes arguments, or answers itself', async () => {
  const { call, client } = await between(['REQUEST']);
  expect(textOf(await call(10))).toBe('refunded 5');
  await expect(call(7)).rejects.toThrow('no odd amounts for a team that is not told');
  expect((await client.listTools()).tools).toHaveLength(1);
});

test('it sees headers where that is configured', async () => {
  const { call } = await between(['REQUEST'], true);
  await expect(call(7)).rejects.toThrow('no odd amounts for blue');
});

test('an interceptor of the response changes the result, also behind one of the request', async () => {
  expect(textOf(await (await between(['RESPONSE'])).call(10))).toBe('refunded 10, and checked');
  expect(textOf(await (await between(['REQUEST', 'RESPONSE'])).call(10))).toBe('refunded 5, and checked');
});

test.each([11, 17])('one that makes the request no message of JSON-RPC ends it; the log says so', async (amount) => {
  const { call, server } = await between(['REQUEST']);
  await expect(call(amount)).rejects.toMatchObject({ code: -32603 });
  const { rule } = server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call') ?? {};
  expect(rule).toBe('The interceptor of the request made of it what is not a message of JSON-RPC 2.0.');
});

describe('a session, behind an interceptor that answers headers', () => {
  const { sessionsSeenByTests: sessions = [] } = globalThis as { sessionsSeenByTests?: string[] };
  Object.assign(globalThis, { sessionsSeenByTests: sessions });

  async function beginning(name: string) {
    sessions.splice(0);
    const { url } = await withGateway(
      {
        authorizerType: 'NONE',
        interceptorConfigurations: [
          {
            interceptor: { lambda: { arn: arnOf('onHeaders') } },
            interceptionPoints: ['RESPONSE'],
            inputConfiguration: { passRequestHeaders: true },
          },
        ],
      },
      { bindings: BOUND },
    );
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name, version: '1' } };
    const answer = await posted(url, { id: 1, method: 'initialize', params });
    expect(sessions).toHaveLength(1);
    const [seen = ''] = sessions;
    const { status } = await posted(url, { id: 2, method: 'ping' }, { 'mcp-session-id': seen });
    return { answer, seen, status };
  }

  test('is told by the gateway', async () => {
    const { answer, seen, status } = await beginning('ana');
    expect(answer.headers.get('mcp-session-id')).toBe(seen);
    expect(answer.headers.get('x-seen')).toBe('yes');
    expect(answer.body).toMatchObject({ id: 1, result: { protocolVersion: '2025-11-25' } });
    expect(status).toBe(200);
  });

  test.each([
    ['refuses', 'stranger', 403],
    ['throws', 'unlucky', 200],
  ])('is over where it %s', async (_, name, told) => {
    const { answer, status } = await beginning(name);
    expect(answer.status).toBe(told);
    expect(answer.headers.get('mcp-session-id')).toBeNull();
    expect(status).toBe(404);
  });
});

test('one that throws lets nothing through; the client is told nothing, and the log why', async () => {
  const { call, server } = await between(['REQUEST']);
  const refused = await call(13).catch((error) => error);
  expect(refused).toMatchObject({ code: -32603 });
  expect(String(refused)).not.toContain('unlucky');
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain('unlucky');
});
