import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { type GatewayHandlerOptions, gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { type EngineOptions, type Policy, type Tool, ToolError, tool } from '../../src/index.ts';
import { obedient } from '../ag-ui/agents.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { auth, call, connected, data, said, serving, sourceOf } from './served.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

function shop() {
  const paid: { to: string; cents: number }[] = [];
  const pay = tool({
    name: 'shop___pay',
    description: 'Pays a person',
    input: z.object({ to: z.string(), cents: z.number() }),
    execute(input) {
      paid.push(input);
      return { receipt: `r${paid.length}` };
    },
  });
  const look = tool({
    name: 'shop___look',
    description: 'Looks at a picture',
    input: z.object({}),
    effect: 'read',
    execute: () => 'a cat',
    toModel: () => [
      { type: 'text', text: 'a cat' },
      { type: 'image', mediaType: 'image/png', data: 'aGk=' },
      { type: 'document', mediaType: 'application/pdf', data: 'aGk=', name: 'cat.pdf' },
    ],
  });
  const fail = tool({
    name: 'shop___fail',
    description: 'Fails',
    input: z.object({}),
    execute() {
      throw new ToolError('OUT_OF_STOCK', 'There are no cats left.');
    },
  });
  return { paid, tools: [pay, look, fail] };
}

const gatewayOf = (tools: readonly Tool[], o: GatewayHandlerOptions & { searched?: boolean; engine?: EngineOptions } = {}) => {
  const { searched = false, engine: engineOptions, ...options } = o;
  return serving((engine) => gatewayHandler(engine, sourceOf('shop', tools, { searched }), options), engineOptions);
};

describe('a source of tools, served', () => {
  test('has its tools, with what their effects say', async () => {
    const { url } = await gatewayOf(shop().tools);
    const { tools } = await (await connected(url)).listTools();
    expect(tools.map(({ name, annotations }) => [name, annotations])).toEqual([
      ['shop___pay', undefined],
      ['shop___look', { readOnlyHint: true }],
      ['shop___fail', undefined],
    ]);
    expect(tools[0]?.inputSchema).toMatchObject({ type: 'object', required: ['to', 'cents'] });
  });

  test('a call is a run with this one call, and answers its content and its output', async () => {
    const { paid, tools } = shop();
    const { url, engine } = await gatewayOf(tools, { auth });
    const client = await connected(url, { token: 'ana' });
    const result = await call(client, 'shop___pay', { to: 'me', cents: 5 });
    expect([result.isError, said(result), data(result), paid]).toEqual([
      undefined,
      '{"receipt":"r1"}',
      { receipt: 'r1' },
      [{ to: 'me', cents: 5 }],
    ]);
    const [run] = await all(engine.runs({ by: { id: 'ana' } }));
    expect(run).toMatchObject({ agent: 'shop', status: 'completed' });
    const [effect] = await all(engine.effects({ by: { id: 'ana' } }));
    expect(effect).toMatchObject({ tool: 'shop___pay', agent: ['shop'], outcome: 'done', by: { id: 'ana' } });
    const looked = await call(client, 'shop___look', {});
    expect(looked.content).toEqual([
      { type: 'text', text: 'a cat' },
      { type: 'image', mimeType: 'image/png', data: 'aGk=' },
      { type: 'resource', resource: { uri: 'document:cat.pdf', mimeType: 'application/pdf', blob: 'aGk=' } },
    ]);
    expect(looked.structuredContent).toBeUndefined();
  });

  test('a tool that fails, and arguments that do not fit, are results with a code; an unknown tool is an error', async () => {
    const { paid, tools } = shop();
    const { url } = await gatewayOf(tools);
    const client = await connected(url);
    const code = (result: CallToolResult) => [result.isError, (result._meta?.['rondo/error'] as { code: string } | undefined)?.code];
    const failed = await call(client, 'shop___fail', {});
    expect([code(failed), said(failed)]).toEqual([[true, 'OUT_OF_STOCK'], 'There are no cats left.']);
    expect(code(await call(client, 'shop___pay', { to: 'me', cents: 'five' }))).toEqual([true, 'INVALID_ARGUMENTS']);
    await expect(call(client, 'shop___steal', {})).rejects.toMatchObject({ code: -32602 });
    // the names that the engine has for itself are no tools of a gateway
    await expect(call(client, 'call_tool', { name: 'shop___pay', arguments: {} })).resolves.toMatchObject({ isError: true });
    expect(paid).toEqual([]);
  });

  test('what the policy denies is the error -32002, or a result, as is wanted', async () => {
    const { paid, tools } = shop();
    const policy: Policy = { decide: ({ tool: name }) => ({ allow: name !== 'shop___pay', reason: 'pays are over' }) };
    const denied = async (o: GatewayHandlerOptions) => {
      const { url } = await gatewayOf(tools, { ...o, engine: { policy } });
      return call(await connected(url), 'shop___pay', { to: 'me', cents: 5 });
    };
    await expect(denied({})).rejects.toMatchObject({
      code: -32002,
      message: expect.stringMatching(/Tool Execution Denied: .*pays are over/),
    });
    expect(await denied({ rpcErrors: {} })).toMatchObject({ isError: true, _meta: { 'rondo/error': { code: 'NOT_PERMITTED' } } });
    expect(paid).toEqual([]);
  });

  test('a call that is sent twice with one key runs once', async () => {
    const { paid, tools } = shop();
    const { url } = await gatewayOf(tools, { auth });
    const client = await connected(url, { token: 'ana' });
    const again = () => call(client, 'shop___pay', { to: 'me', cents: 5 }, { 'rondo/idempotency-key': 'k1' });
    const first = await again();
    expect(await again()).toEqual(first);
    const other = await connected(url, { token: 'ben' });
    await call(other, 'shop___pay', { to: 'me', cents: 5 }, { 'rondo/idempotency-key': 'k1' });
    expect(paid).toHaveLength(2);
  });

  test('a call that needs approval waits, and its caller decides with the run', async () => {
    const done: string[] = [];
    const send = tool({
      name: 'send',
      description: 'Sends',
      input: z.object({ text: z.string() }),
      approval: true,
      execute: ({ text }) => void done.push(text),
    });
    const { url } = await gatewayOf([send], { auth });
    const client = await connected(url, { token: 'ana' });
    const asked = await call(client, 'send', { text: 'hi' });
    expect(data(asked)).toMatchObject({
      status: 'paused',
      run: expect.any(String),
      approvals: [{ kind: 'tool', tool: 'send', input: { text: 'hi' } }],
    });
    expect(done).toEqual([]);
    const decisions = [{ approval: data(asked).approvals[0].id, type: 'approve' }];
    const eve = await connected(url, { token: 'eve' });
    const wrong = await call(eve, 'decide', { run: 'another', decisions });
    expect(wrong._meta?.['rondo/error']).toMatchObject({ code: 'RUN_NOT_FOUND' });
    expect((await call(client, 'decide', { run: data(asked).run, decisions })).isError).toBeUndefined();
    expect(done).toEqual(['hi']);
  });

  test('many tools are listed in pages, or on one', async () => {
    const many = Array.from({ length: 7 }, (_, i) =>
      tool({ name: `t${i}`, description: `Tool ${i}`, input: z.object({}), execute: () => i }),
    );
    const { url } = await gatewayOf(many, { pageSize: 3 });
    const client = await connected(url);
    const pages: string[][] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listTools(cursor === undefined ? undefined : { cursor });
      pages.push(page.tools.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(pages).toEqual([['t0', 't1', 't2'], ['t3', 't4', 't5'], ['t6']]);
    await expect(client.listTools({ cursor: 'none' })).rejects.toMatchObject({ code: -32602 });
    const whole = await gatewayOf(many, { pageSize: false });
    expect((await (await connected(whole.url)).listTools()).tools).toHaveLength(7);
  });

  test('a source that searches is listed whole and callable, and has the search tool', async () => {
    const { paid, tools } = shop();
    const { url, engine } = await gatewayOf(tools, { searched: true });
    const client = await connected(url);
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
      'x_amz_bedrock_agentcore_search',
      'shop___pay',
      'shop___look',
      'shop___fail',
    ]);
    const found = await call(client, 'x_amz_bedrock_agentcore_search', { query: 'picture' });
    expect(data(found).tools).toEqual([
      expect.objectContaining({ name: 'shop___look', inputSchema: expect.objectContaining({ type: 'object' }) }),
    ]);
    expect(JSON.parse(said(found))).toEqual(data(found));
    expect(await call(client, 'x_amz_bedrock_agentcore_search', { query: '' })).toMatchObject({ isError: true });
    // the call is of a tool that was not searched for
    expect(data(await call(client, 'shop___pay', { to: 'me', cents: 5 }))).toEqual({ receipt: 'r1' });
    expect(paid).toHaveLength(1);
    // a run holds the names of the tools that it called, not of all
    const [run] = await all(engine.runs({ by: { id: 'anonymous' } }));
    const pins = (await all(engine.entries(run?.runId ?? '', { by: { id: 'anonymous' } }))).flatMap((entry) =>
      entry.type === 'context.changed' ? (entry.tools ?? []) : [],
    );
    expect(JSON.stringify(pins)).not.toContain('shop___');
    const named = await gatewayOf(tools, { searched: true, searchTool: 'find_any' });
    expect((await (await connected(named.url)).listTools()).tools[0]?.name).toBe('find_any');
  });

  test('a tool tells of its progress', async () => {
    async function* count() {
      yield { message: 'one', total: 2 };
      yield 'two';
      return 'three';
    }
    const counting = tool({ name: 'count', description: 'Counts', input: z.object({}), execute: () => count() });
    const { url } = await gatewayOf([counting]);
    const client = await connected(url);
    const heard: unknown[] = [];
    const result = await client.callTool({ name: 'count', arguments: {} }, undefined, { onprogress: (told) => heard.push(told) });
    expect(said(result as CallToolResult)).toBe('three');
    expect(heard).toEqual([
      { progress: 1, total: 2, message: 'one' },
      { progress: 2, message: 'two' },
    ]);
  });

  test('each caller of a source per caller has a connection of its own, with its token', async () => {
    const opened: (string | undefined)[] = [];
    const who = (by: string | undefined) => tool({ name: 'who', description: 'Who', input: z.object({}), execute: () => by ?? 'no-one' });
    const { url } = await serving((engine) =>
      gatewayHandler(
        engine,
        {
          name: 'mail',
          perCaller: true,
          async open({ by, assertion }) {
            opened.push(assertion?.token);
            const mine = who(by?.id);
            return { list: async () => [mine], close: async () => {} };
          },
        },
        { auth },
      ),
    );
    const [ana, ben] = await Promise.all([connected(url, { token: 'ana' }), connected(url, { token: 'ben' })]);
    expect([said(await call(ana, 'who', {})), said(await call(ben, 'who', {}))]).toEqual(['ana', 'ben']);
    await ana.listTools();
    // the list is that of the connection which the call made
    expect(opened).toEqual(['ana', 'ben']);
  });

  test('a client that leaves does not stop a call; with cancelOnDisconnect it is cancelled', async () => {
    for (const cancelOnDisconnect of [false, true]) {
      let finish = () => {};
      const waits = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const slow = tool({ name: 'slow', description: 'Slow', input: z.object({}), effect: 'read', execute: () => waits });
      const { url, engine } = await gatewayOf([slow], { cancelOnDisconnect });
      const client = await connected(url);
      const gone = call(client, 'slow', {}).catch(() => undefined);
      const run = async () => (await all(engine.runs({ by: { id: 'anonymous' } })))[0];
      await until(async () => (await run())?.status === 'running');
      await client.close();
      await gone;
      if (!cancelOnDisconnect) finish();
      const status = cancelOnDisconnect ? 'cancelled' : 'completed';
      await until(async () => (await run())?.status === status);
      finish();
    }
  });
});

test('what is not a source of tools is refused when the handler is made', async () => {
  await serving((engine) => {
    expect(() => gatewayHandler(engine, [] as never)).toThrow(/needs a tool source/);
    expect(() => gatewayHandler(engine, sourceOf('x', []), { pageSize: 0 })).toThrow(/pageSize/);
    return async () => new Response();
  });
});

test('a gateway is served with the tools that agents answer', async () => {
  const { paid, tools } = shop();
  const { url } = await serving((engine) =>
    gatewayHandler(engine, gateway({ name: 'office', targets: { mall: sourceOf('shop', tools), desk: [obedient().clerk] } })),
  );
  const client = await connected(url);
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
    'desk___clerk',
    'mall___shop___pay',
    'mall___shop___look',
    'mall___shop___fail',
  ]);
  expect(said(await call(client, 'desk___clerk', { task: 'hello' }))).toBe('You said: hello');
  await call(client, 'mall___shop___pay', { to: 'me', cents: 5 });
  expect(paid).toHaveLength(1);
});

test('a body that is too large, too deep or no JSON is refused before a run', async () => {
  const { url, engine } = await gatewayOf(shop().tools, { maxBytes: 2_000 });
  const post = async (body: string) =>
    (
      await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body,
      })
    ).status;
  expect([await post('x'.repeat(2_001)), await post('['.repeat(500) + ']'.repeat(500)), await post('{')]).toEqual([413, 422, 400]);
  expect(await all(engine.runs())).toEqual([]);
});

test('a source that cannot be opened is told to the operator, and the client learns no more than that', async () => {
  const source = { name: 'gone', open: () => Promise.reject(new Error('the password of the shop is hunter2')) };
  const { url } = await serving((engine) => gatewayHandler(engine, source));
  const client = await connected(url);
  const error = await client.listTools().catch((thrown: Error) => thrown);
  expect([error, String(error)]).toEqual([expect.objectContaining({ code: -32603 }), expect.not.stringContaining('hunter2')]);
  const searched = await call(client, 'x_amz_bedrock_agentcore_search', { query: 'cats' });
  expect([searched.isError, said(searched)]).toEqual([true, expect.not.stringContaining('hunter2')]);
  expect(JSON.stringify(await call(client, 'pay', {}))).not.toContain('hunter2');
});

test('the policy and the rate limit of a gateway are errors of the protocol, and its list is what its policy shows', async () => {
  const { tools } = shop();
  const policy: Policy = {
    decide: ({ tool: name }) => ({ allow: name !== 'mall___shop___fail', reason: 'not today' }),
    offers: ({ tools: names }) => names.filter((name) => name !== 'mall___shop___fail'),
  };
  const { url } = await serving((engine) =>
    gatewayHandler(
      engine,
      gateway({
        name: 'office',
        targets: { mall: sourceOf('shop', tools) },
        policy,
        // else the run waits until the limit admits the call
        reliability: { mall: { retry: { attempts: 1 } } },
        rateLimits: [{ dimensionKeys: ['toolName'], entries: [{ dimensions: {}, requests: [{ rate: 1, period: 'minute' }] }] }],
      }),
      { auth },
    ),
  );
  const client = await connected(url, { token: 'ana' });
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['decide', 'mall___shop___pay', 'mall___shop___look']);
  await expect(call(client, 'mall___shop___fail', {})).rejects.toMatchObject({ code: -32002, data: { code: 'NOT_PERMITTED' } });
  expect((await call(client, 'mall___shop___look', {})).isError).toBeUndefined();
  await expect(call(client, 'mall___shop___look', {})).rejects.toMatchObject({
    code: -32003,
    data: { code: 'GATEWAY_RATE_LIMITED', retryAfter: expect.any(Number) },
  });
});
