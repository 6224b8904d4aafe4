/** The rows of the interceptors' matrix that need a stream, or a function that never answers. */
import { afterEach, expect, test, vi } from 'vitest';
import { BINDINGS, posted, refunds, textOf, withGateway } from './kit.ts';

const arnOf = (name: string) => `arn:aws:lambda:us-east-1:123456789012:function:${name}`;
const NAMES = ['onRequest', 'onHang', 'onOdd'];
const bindings = {
  ...BINDINGS,
  ...Object.fromEntries(NAMES.map((name) => [`lambda:${arnOf(name)}` as const, `${import.meta.dirname}/../fixtures/lambdas.ts#${name}`])),
};
const hanging = globalThis as { hangingForTests?: () => void };

afterEach(() => {
  vi.useRealTimers();
  delete hanging.hangingForTests;
});

/** A gateway that streams or not, with this interceptor, and a call of its function. */
async function between(name: string, point: 'REQUEST' | 'RESPONSE', enableResponseStreaming: boolean) {
  const { url, target, server } = await withGateway(
    {
      authorizerType: 'NONE',
      protocolConfiguration: { mcp: { streamingConfiguration: { enableResponseStreaming } } },
      interceptorConfigurations: [
        { interceptor: { lambda: { arn: arnOf(name) } }, interceptionPoints: [point], inputConfiguration: { passRequestHeaders: true } },
      ],
    },
    { bindings },
  );
  await target(refunds());
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } };
  const begun = await posted(url, { id: 1, method: 'initialize', params });
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
  const call = (amount: number) =>
    posted(url, { id: 2, method: 'tools/call', params: { name: 'Refund___process', arguments: { amount } } }, session);
  const rule = () => server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule;
  return { call, rule };
}

test('one of the request changes the arguments of a call that is answered by a stream', async () => {
  const { call } = await between('onRequest', 'REQUEST', true);
  const { status, headers, body } = await call(10);
  expect([status, headers.get('content-type')]).toEqual([200, expect.stringContaining('text/event-stream')]);
  expect(textOf(body.result)).toBe('refunded 5');
});

test('one of the request answers in place of a gateway that streams: its status and its one message', async () => {
  const { call } = await between('onRequest', 'REQUEST', true);
  const { status, headers, body } = await call(7);
  expect([status, headers.get('content-type')]).toEqual([403, 'application/json']);
  expect(body).toMatchObject({ id: 2, error: { code: -32_000, message: expect.stringContaining('no odd amounts') } });
});

test.each<['REQUEST' | 'RESPONSE', boolean]>([
  ['REQUEST', false],
  ['REQUEST', true],
  ['RESPONSE', false],
  ['RESPONSE', true],
])('one of the %s that never answers is waited for 10 s, and the call ends with -32603 (streams: %s)', async (point, streams) => {
  const { call, rule } = await between('onHang', point, streams);
  const asked = new Promise<void>((resolve) => {
    hanging.hangingForTests = resolve;
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let over = false;
  const calling = call(10).finally(() => {
    over = true;
  });
  await asked;
  vi.advanceTimersByTime(9_999);
  await new Promise((resolve) => setImmediate(resolve));
  expect(over).toBe(false);
  vi.advanceTimersByTime(1);
  vi.useRealTimers();
  const { body } = await calling;
  expect(body).toMatchObject({ id: 2, error: { code: -32_603, message: expect.not.stringMatching(/onHang|10,?000/) } });
  expect(rule()).toMatch(/10,?000 ms|10 s/);
});

test.each([
  ['a length', 1, true],
  ['a length', 1, false],
  ['a coding', 2, true],
  ['a coding', 2, false],
])('an answer is whole though its interceptor says %s of its body (%i, streams: %s)', async (_, amount, streams) => {
  const { call } = await between('onOdd', 'RESPONSE', streams);
  const { body, headers } = await call(amount);
  expect(textOf(body.result)).toBe(`refunded ${amount}`);
  expect(headers.get('x-own')).toBe('yes');
  expect(headers.get('content-encoding')).toBeNull();
});

test.each([true, false])('an interceptor that answers what no header can hold ends the call with -32603 (streams: %s)', async (streams) => {
  const { call, rule } = await between('onOdd', 'RESPONSE', streams);
  expect(await call(3)).toMatchObject({ status: 200, body: { id: 2, error: { code: -32_603 } } });
  expect(rule()).toContain('header');
});
