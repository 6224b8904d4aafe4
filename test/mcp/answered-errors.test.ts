/** Errors of JSON-RPC that a server answers are its own words, whatever their numbers: those of an SDK for itself are others. */
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { gatewayHandler, type McpOptions, mcpTools } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type Policy, tool } from '../../src/index.ts';
import { bearer, listen } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { asks, failure, shown } from '../kit/runs.ts';
import { serving } from './served.ts';
import { using } from './support.ts';

interface Answer {
  status?: number;
  error: { code: number; message: string; data?: unknown };
}

/** A server of both revisions without an SDK. What `answers` has for a method is answered in place of a result. */
async function answering(answers: { [method: string]: Answer | undefined }) {
  const calls: string[] = [];
  const about = { capabilities: { tools: {}, resources: {} }, serverInfo: { name: 'odd', version: '1' } };
  const server = await listen(async (request) => {
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const { id, method, params } = (await request.json()) as { id?: number; method: string; params?: { protocolVersion?: string } };
    if (id === undefined) return new Response(null, { status: 202 });
    calls.push(method);
    const { status = 200, error } = answers[method] ?? {};
    if (error) return Response.json({ jsonrpc: '2.0', id, error }, { status });
    const results: { [method: string]: object } = {
      initialize: { protocolVersion: params?.protocolVersion, ...about },
      'server/discover': { supportedVersions: ['2026-07-28'], ...about },
      'tools/list': { tools: [{ name: 'pay', inputSchema: { type: 'object' } }] },
      'tools/call': { content: [{ type: 'text', text: 'paid' }] },
    };
    return Response.json({ jsonrpc: '2.0', id, result: { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...results[method] } });
  });
  onTestFinished(() => server.close({ grace: 0 }));
  return { url: `${server.url}/mcp`, calls };
}

describe.each(['2025-11-25', '2026-07-28'] as const)('%s', (protocol) => {
  const failing = async (answer: Answer, o: Partial<McpOptions> = {}) => {
    const { url, calls } = await answering({ 'tools/call': answer });
    let error: unknown;
    await using({ url, name: 'odd', protocol, ...o } as McpOptions, async ({ call }) => {
      error = await call('pay').catch((e) => e);
    });
    return { error, calls };
  };

  test.each([-32_000, -32_001, -31_999])('an answered %i is the word of the server, and the connection stays', async (code) => {
    const answers: { [method: string]: Answer | undefined } = { 'tools/call': { error: { code, message: 'no refunds on sundays' } } };
    const { url, calls } = await answering(answers);
    await using({ url, name: 'odd', protocol }, async ({ call }) => {
      await expect(call('pay')).rejects.toMatchObject({
        code: 'MCP_ERROR',
        message: 'MCP server "odd": no refunds on sundays',
        outcome: 'unknown',
        retryable: false,
      });
      answers['tools/call'] = undefined;
      expect(await call('pay')).toBe('paid');
    });
    expect(calls.filter((method) => method === 'initialize' || method === 'server/discover')).toHaveLength(1);
  });

  test('a tool that reads is not asked again for it', async () => {
    const { url, calls } = await answering({ 'tools/call': { error: { code: -32_000, message: 'no refunds on sundays' } } });
    const model = scripted([asks(['pay', {}]), 'done']);
    const engine = new Engine();
    onTestFinished(() => engine.close());
    const source = mcpTools({ url, name: 'odd', protocol, effects: { pay: 'read' }, retry: { attempts: 3 } });
    await engine.run(agent({ name: 'clerk', instructions: '', model, tools: [source] }), 'go');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'MCP_ERROR', attempts: 1 });
    expect(calls.filter((method) => method === 'tools/call')).toHaveLength(1);
  });

  test.each([
    [-32_000, 'the list is being made'],
    [-32_001, 'the list is being made'],
  ])('%i to a listing is told with its message', async (code, message) => {
    const { url } = await answering({ 'tools/list': { error: { code, message } } });
    const opened = await mcpTools({ url, name: 'odd', protocol }).open({ signal: new AbortController().signal });
    const error = await opened.list().then(
      () => undefined,
      (e) => e as Error,
    );
    await opened.close();
    expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', message: expect.stringContaining(message) });
    expect(error?.message).not.toMatch(/in time|closed the connection/);
  });

  test('the message of an error with the status 403 is told, without what it was sent in confidence', async () => {
    const headers = { authorization: 'Bearer sesame-open-1' };
    const { error } = await failing(
      { status: 403, error: { code: -32_000, message: 'no refunds on sundays for sesame-open-1' } },
      { headers },
    );
    expect(error).toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/answered HTTP 403: no refunds on sundays for \[secret/),
      outcome: 'failed',
      retryable: false,
    });
  });

  test.each([
    ['a start', ['initialize', 'server/discover']],
    ['a listing', ['tools/list']],
  ])('%s that is refused does not tell what was sent in confidence', async (_, methods) => {
    const key = 'sk-live-abcdef0123456789abcdef';
    // the key is where a long message is cut
    for (const message of [`bad credential ${key}`, `${'x'.repeat(1_990)} ${key}`]) {
      const { url } = await answering(
        Object.fromEntries(methods.map((method) => [method, { status: 403, error: { code: -32_000, message } }])),
      );
      for (const headers of [{ 'x-api-key': key }, () => ({ 'x-api-key': key })]) {
        const tools = [mcpTools({ url, name: 'odd', protocol, headers })];
        await using engine = new Engine();
        const clerk = agent({ name: 'clerk', instructions: '', model: scripted(['done']), tools });
        const error = (await engine.run(clerk, 'go').catch((e) => e)) as Error;
        expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', message: expect.stringMatching(/answered HTTP 403|denied access/) });
        expect(error.message).not.toContain(key.slice(0, 8));
        expect(error.message.length).toBeLessThan(2_300);
      }
    }
  });

  test('a request that is wrong is not a session that was lost, so it is not sent again', async () => {
    const { error } = await failing({ status: 400, error: { code: -32_000, message: 'the amount is odd' } });
    expect(error).toMatchObject({
      code: 'MCP_ERROR',
      message: 'MCP server "odd": the amount is odd',
      outcome: 'unknown',
      retryable: false,
    });
  });

  test.each([true, false])('-32003 and -32002 of a gateway of AWS (trusted: %s)', async (trustAnnotations) => {
    const outcome = trustAnnotations ? 'not-run' : 'unknown';
    const denied = await failing({ error: { code: -32_002, message: 'Tool Execution Denied' } }, { trustAnnotations });
    expect(denied.error).toMatchObject({ code: 'NOT_PERMITTED', outcome, retryable: false });
    const said = { code: -32_003, message: 'Rate limit exceeded', data: { retryAfter: 7 } };
    const limited = await failing({ error: said }, { trustAnnotations });
    expect(limited.error).toMatchObject({
      code: 'RATE_LIMITED',
      outcome,
      retryable: trustAnnotations,
      retryAfter: trustAnnotations ? 7_000 : undefined,
    });
    const reading = await failing({ status: 429, error: said }, { trustAnnotations, effects: { pay: 'read' } });
    expect(reading.error).toMatchObject({ code: 'RATE_LIMITED', outcome, retryable: true, retryAfter: 7_000 });
  });

  test('a resource that is not there is not a refusal', async () => {
    const { url } = await answering({ 'resources/read': { error: { code: -32_002, message: 'Resource not found' } } });
    await using({ url, name: 'odd', protocol, resources: true }, async ({ call }) => {
      await expect(call('read_resource', { uri: 'a:b' })).rejects.toMatchObject({ code: 'MCP_ERROR' });
    });
  });

  describe('gatewayHandler()', () => {
    const paid: number[] = [];
    afterEach(() => {
      paid.length = 0;
    });
    const pay = tool({
      name: 'pay',
      description: 'Pays',
      input: z.object({ cents: z.number() }),
      execute: ({ cents }) => void paid.push(cents),
    });
    const policy: Policy = { decide: ({ input }) => ({ allow: (input as { cents: number }).cents < 100, reason: 'at most a dollar' }) };

    async function served(o: { policy?: Policy; limited?: boolean }) {
      const auth = bearer({ verify: () => ({ id: 'ana' }) });
      const limits = { dimensionKeys: ['toolName'], entries: [{ dimensions: {}, requests: [{ rate: 1, period: 'minute' as const }] }] };
      const { url } = await serving((engine) =>
        gatewayHandler(
          engine,
          gateway({
            name: 'office',
            targets: { shop: [pay] },
            ...(o.policy && { policy: o.policy }),
            reliability: { shop: { retry: { attempts: 1 } } },
            ...(o.limited && { rateLimits: [limits] }),
          }),
          { auth },
        ),
      );
      return { url, name: 'office', protocol, headers: { authorization: 'Bearer t' } };
    }

    test('a call that is denied did not run, if the server is trusted to say so', async () => {
      const server = await served({ policy });
      for (const [trustAnnotations, outcome] of [
        [true, 'not-run'],
        [false, 'unknown'],
      ] as const)
        await using({ ...server, trustAnnotations }, async ({ call }) => {
          await expect(call('shop___pay', { cents: 500 })).rejects.toMatchObject({
            code: 'NOT_PERMITTED',
            message: expect.stringContaining('at most a dollar'),
            outcome,
            retryable: false,
          });
        });
      expect(paid).toEqual([]);
    });

    test('a call over a limit is told its wait, in milliseconds', async () => {
      const server = await served({ limited: true });
      await using({ ...server, trustAnnotations: true }, async ({ call }) => {
        await call('shop___pay', { cents: 5 });
        const error = await call('shop___pay', { cents: 5 }, { idempotencyKey: 'key-2' }).catch((e) => e);
        expect(error).toMatchObject({ code: 'RATE_LIMITED', outcome: 'not-run', retryable: true });
        expect(error.retryAfter).toBeGreaterThan(1_000);
        expect(error.retryAfter).toBeLessThanOrEqual(60_000);
      });
    });
  });
});

test.each(['2025-11-25', '2026-07-28'] as const)('a request that is not answered in time says so (%s)', async (protocol) => {
  const { url } = await answering({});
  let listed = () => {};
  const asked = new Promise<void>((resolve) => {
    listed = resolve;
  });
  const silent: NonNullable<McpOptions['fetch']> = async (to, init) => {
    if (!String(init?.body).includes('"tools/list"')) return fetch(to, init);
    listed();
    return new Promise<Response>(() => undefined);
  };
  const opened = await mcpTools({ url, name: 'odd', protocol, fetch: silent, startTimeout: 60_000 }).open({
    signal: new AbortController().signal,
  });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const listing = opened.list().catch((e) => e);
  await asked;
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  expect(await listing).toMatchObject({ code: 'MCP_UNAVAILABLE', message: expect.stringContaining('did not answer in time') });
  await opened.close();
});
