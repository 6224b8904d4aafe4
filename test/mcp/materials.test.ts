import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gatewayHandler, type McpHandler, type McpPrompt, type McpResource, mcpHandler } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type EngineOptions, NeedsPerson, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { auth, connected, serving, sourceOf } from './served.ts';

const LEVELS = 'notifications/message';
const orders: Record<string, string> = { '7': 'two lamps', 'a/b': 'one chair' };
const SECRET = 'db-password-1234';

const resources: readonly McpResource[] = [
  { uri: 'menu://today', name: 'menu', title: 'Menu', description: 'What there is', mimeType: 'text/markdown', read: () => '# Soup' },
  { uri: 'menu://photo', name: 'photo', mimeType: 'image/png', read: () => new Uint8Array([1, 2, 3]) },
  {
    uri: 'order://{id}',
    name: 'order',
    read: ({ id = '' }) => orders[id],
    complete: { id: (value, { by }) => Object.keys(orders).filter((id) => id.startsWith(value) && by.id === 'ana') },
  },
  {
    uri: 'broken://it',
    name: 'broken',
    read() {
      throw new Error(SECRET);
    },
  },
];

const prompts: readonly McpPrompt[] = [
  {
    name: 'review',
    description: 'Reviews code',
    arguments: { code: { description: 'The code', required: true }, style: { complete: (value, { given }) => [`${given.code}-${value}`] } },
    get: ({ code, style = 'kind' }, { by }) => [
      { role: 'user', content: `Review ${code}, ${style}, for ${by.id}` },
      { role: 'assistant', content: { type: 'image', mediaType: 'image/png', data: 'AAAA' } },
    ],
  },
  {
    name: 'broken',
    get() {
      throw new ToolError('DOWN', SECRET);
    },
  },
];

const shop = agent({ name: 'shop', instructions: 'Sell.', model: scripted([]) });

/** Both handlers offer the same. */
const HANDLERS: readonly [string, (engine: Engine, o: object) => McpHandler][] = [
  ['mcpHandler()', (engine, o) => mcpHandler(engine, shop, { auth, resources, prompts, ...o })],
  ['gatewayHandler()', (engine, o) => gatewayHandler(engine, sourceOf('shop', []), { auth, resources, prompts, ...o })],
];

/** Clients of both revisions, with what the tests need of them. */
interface Reader {
  request(method: string, params?: object): Promise<Record<string, unknown>>;
  capabilities(): Record<string, unknown> | undefined;
}

async function legacyReader(url: string, token = 'ana'): Promise<Reader> {
  const client = await connected(url, { token });
  const { ResultSchema } = await import('@modelcontextprotocol/sdk/types.js');
  return {
    request: (method, params = {}) => client.request({ method, params } as never, ResultSchema) as Promise<Record<string, unknown>>,
    capabilities: () => client.getServerCapabilities() as Record<string, unknown>,
  };
}

async function modernReader(url: string, token = 'ana', capabilities: object = {}): Promise<Reader & { client: ModernClient }> {
  const client = new ModernClient({ name: 'test', version: '1' }, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new ModernTransport(new URL(url), { requestInit }));
  onTestFinished(() => client.close());
  return {
    client,
    request: (method, params = {}) => client.request({ method, params } as never) as unknown as Promise<Record<string, unknown>>,
    capabilities: () => client.getServerCapabilities() as Record<string, unknown>,
  };
}

const READERS: readonly [string, (url: string, token?: string) => Promise<Reader>][] = [
  ['2025-11-25', legacyReader],
  ['2026-07-28', modernReader],
];

const serve = async (make: (engine: Engine, o: object) => McpHandler, o: object = {}, engine: EngineOptions = {}) => {
  let handler: McpHandler | undefined;
  const served = await serving((own) => {
    handler = make(own, o);
    return handler;
  }, engine);
  return { ...served, handler: handler as McpHandler };
};

const failure = (promise: Promise<unknown>): Promise<{ code: number; message: string; data?: unknown }> =>
  promise.then(
    () => expect.unreachable('it was answered'),
    (error) => error,
  );

describe.each(READERS)('over %s', (revision, reader) => {
  describe.each(HANDLERS)('%s', (_, make) => {
    it('lists resources, templates and prompts', async () => {
      const { url } = await serve(make);
      const client = await reader(url);
      expect(client.capabilities()).toMatchObject({ resources: {}, prompts: {}, completions: {} });
      expect((await client.request('resources/list')).resources).toEqual([
        { uri: 'menu://today', name: 'menu', title: 'Menu', description: 'What there is', mimeType: 'text/markdown' },
        { uri: 'menu://photo', name: 'photo', mimeType: 'image/png' },
        { uri: 'broken://it', name: 'broken' },
      ]);
      expect((await client.request('resources/templates/list')).resourceTemplates).toEqual([
        { uriTemplate: 'order://{id}', name: 'order' },
      ]);
      expect((await client.request('prompts/list')).prompts).toEqual([
        {
          name: 'review',
          description: 'Reviews code',
          arguments: [{ name: 'code', description: 'The code', required: true }, { name: 'style' }],
        },
        { name: 'broken' },
      ]);
    });

    it('reads texts, bytes and what a template stands for', async () => {
      const { url, engine } = await serve(make);
      const client = await reader(url);
      const read = async (uri: string) => (await client.request('resources/read', { uri })).contents;
      expect(await read('menu://today')).toEqual([{ uri: 'menu://today', mimeType: 'text/markdown', text: '# Soup' }]);
      expect(await read('menu://photo')).toEqual([{ uri: 'menu://photo', mimeType: 'image/png', blob: 'AQID' }]);
      expect(await read('order://a%2Fb')).toEqual([{ uri: 'order://a%2Fb', mimeType: 'text/plain', text: 'one chair' }]);
      // each read is a run of its caller
      const runs: string[] = [];
      for await (const { runId } of engine.runs({ by: { id: 'ana' } })) runs.push(runId);
      expect(runs).toHaveLength(3);
    });

    it('gets a prompt, and completes its arguments', async () => {
      const { url } = await serve(make);
      const client = await reader(url);
      expect(await client.request('prompts/get', { name: 'review', arguments: { code: 'x=1' } })).toMatchObject({
        description: 'Reviews code',
        messages: [
          { role: 'user', content: { type: 'text', text: 'Review x=1, kind, for ana' } },
          { role: 'assistant', content: { type: 'image', mimeType: 'image/png', data: 'AAAA' } },
        ],
      });
      const complete = async (params: object) => (await client.request('completion/complete', params)).completion;
      const ofPrompt = { ref: { type: 'ref/prompt', name: 'review' }, context: { arguments: { code: 'x' } } };
      expect(await complete({ ...ofPrompt, argument: { name: 'style', value: 'ki' } })).toMatchObject({ values: ['x-ki'], hasMore: false });
      expect(await complete({ ...ofPrompt, argument: { name: 'code', value: 'ki' } })).toMatchObject({ values: [] });
      const template = { ref: { type: 'ref/resource', uri: 'order://{id}' }, argument: { name: 'id', value: 'a' } };
      expect(await complete(template)).toMatchObject({ values: ['a/b'], total: 1 });
      const ben = await reader(url, 'ben');
      expect(await ben.request('completion/complete', template)).toMatchObject({ completion: { values: [] } });
    });

    it('refuses what there is not, and tells nothing of what failed', async () => {
      const { url } = await serve(make);
      const client = await reader(url);
      const missing = revision === '2025-11-25' ? -32002 : -32602;
      for (const uri of ['menu://tomorrow', 'order://8', 'order://7/lines', 'order://%E0%A4%A'])
        expect(await failure(client.request('resources/read', { uri })), uri).toMatchObject({ code: missing, data: { uri } });
      const told = [
        await failure(client.request('resources/read', { uri: 'broken://it' })),
        await failure(client.request('prompts/get', { name: 'broken' })),
      ];
      for (const error of told) {
        expect(error.code).toBe(-32603);
        expect(`${error.message}${JSON.stringify(error.data)}`).not.toContain(SECRET);
      }
      expect(told[1]?.data).toMatchObject({ code: 'DOWN' });
      const invalid: [string, object, RegExp][] = [
        ['prompts/get', { name: 'nothing' }, /no prompt/],
        ['prompts/get', { name: 'review', arguments: { style: 'kind' } }, /needs the argument "code"/],
        ['prompts/get', { name: 'review', arguments: { code: 'x', colour: 'red' } }, /no argument of the name "colour"/],
        [
          'completion/complete',
          { ref: { type: 'ref/prompt', name: 'review' }, argument: { name: 'colour', value: '' } },
          /no such argument/,
        ],
        ['completion/complete', { ref: { type: 'ref/resource', uri: 'menu://today' }, argument: { name: 'id', value: '' } }, /no template/],
        ['resources/list', { cursor: 'nothing' }, /cursor/],
      ];
      for (const [method, params, message] of invalid) {
        const error = await failure(client.request(method, params));
        expect([error.code, error.message], JSON.stringify(params)).toEqual([-32602, expect.stringMatching(message)]);
      }
    });

    it('asks the policy of the engine about each read', async () => {
      const asked: unknown[] = [];
      const policy = {
        decide({ tool, input }: { tool: string; input: unknown }) {
          asked.push([tool, input]);
          return { allow: tool === 'prompts/get' };
        },
      };
      const { url } = await serve(make, {}, { policy });
      const client = await reader(url);
      const denied = await failure(client.request('resources/read', { uri: 'menu://today' }));
      expect(denied).toMatchObject({ message: expect.stringContaining('Tool Execution Denied'), data: { code: 'NOT_PERMITTED' } });
      await client.request('prompts/get', { name: 'review', arguments: { code: 'x' } });
      expect(asked).toEqual([
        ['resources/read', { uri: 'menu://today' }],
        ['prompts/get', { name: 'review', arguments: { code: 'x' } }],
      ]);
    });

    it('offers each caller a list of its own', async () => {
      const own = (by: { id: string }) => (by.id === 'ana' ? resources.slice(0, 1) : []);
      const { url } = await serve(make, { resources: own });
      const [ana, ben] = [await reader(url), await reader(url, 'ben')];
      expect((await ana.request('resources/list')).resources).toHaveLength(1);
      expect((await ben.request('resources/list')).resources).toEqual([]);
      await ana.request('resources/read', { uri: 'menu://today' });
      expect(await failure(ben.request('resources/read', { uri: 'menu://today' }))).toMatchObject({ data: { uri: 'menu://today' } });
    });
  });

  it('has no methods for what is not offered', async () => {
    const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('shop', []), { auth }));
    const client = await reader(url);
    expect(client.capabilities()).not.toHaveProperty('resources');
    // the newer revision says it as HTTP 404, for which its client has a code of its own
    for (const [method, params] of [['resources/list'], ['prompts/list'], ['resources/read', { uri: 'menu://today' }]] as const)
      expect(String((await failure(client.request(method, params))).code), method).toMatch(/^-32601$|NOT_IMPLEMENTED/);
  });

  it('reads only by the methods that read, not by tools/call', async () => {
    const { url } = await serve(HANDLERS[1]?.[1] as (engine: Engine, o: object) => McpHandler);
    const client = await reader(url);
    expect(await failure(client.request('tools/call', { name: 'resources/read', arguments: { uri: 'menu://today' } }))).toMatchObject({
      code: -32602,
    });
  });
});

const logging = tool({
  name: 'logging',
  description: 'Logs',
  input: { type: 'object', properties: {} },
  effect: 'read',
  retry: { attempts: 2, initialDelay: 1 },
  async execute(_, ctx) {
    ctx.progress({ level: 'debug', message: 'begins' });
    ctx.progress({ level: 'error', logger: 'shop', data: { stock: 0 } });
    ctx.progress({ level: 'loud', message: 'no such level' });
    if (ctx.attempt === 1) throw new ToolError('BUSY', SECRET, { retryable: true, outcome: 'not-run' });
    return 'done';
  },
});

describe('with sessions', () => {
  it('tells a session of lists that changed, and of resources that it watches', async () => {
    const { url, handler } = await serve(HANDLERS[1]?.[1] as (engine: Engine, o: object) => McpHandler, { sessions: true });
    const heard: [string, unknown][] = [];
    let more = () => {};
    const client = await connected(url, {
      token: 'ana',
      before: (one) => {
        one.fallbackNotificationHandler = async ({ method, params }) => {
          heard.push([method, params]);
          more();
        };
      },
    });
    const next = (count: number) =>
      new Promise<void>((resolve) => {
        more = () => heard.length >= count && resolve();
        more();
      });
    expect(client.getServerCapabilities()).toMatchObject({ resources: { subscribe: true, listChanged: true }, logging: {} });
    await client.subscribeResource({ uri: 'menu://today' });
    await expect(client.subscribeResource({ uri: 'menu://tomorrow' })).rejects.toThrow(/Resource not found/);
    handler.updated('menu://today');
    handler.updated('menu://photo');
    handler.changed('resources');
    handler.changed('prompts');
    await next(3);
    await client.unsubscribeResource({ uri: 'menu://today' });
    handler.updated('menu://today');
    handler.changed('prompts');
    await next(4);
    expect(heard.map(([method]) => method)).toEqual([
      'notifications/resources/updated',
      'notifications/resources/list_changed',
      'notifications/prompts/list_changed',
      'notifications/prompts/list_changed',
    ]);
    expect(heard[0]).toEqual(['notifications/resources/updated', { uri: 'menu://today' }]);
  });

  it('does not let a caller watch what a policy denies', async () => {
    const policy = { decide: () => ({ allow: false }) };
    const { url } = await serve(HANDLERS[0]?.[1] as (engine: Engine, o: object) => McpHandler, { sessions: true }, { policy });
    const client = await connected(url, { token: 'ana' });
    await expect(client.subscribeResource({ uri: 'menu://today' })).rejects.toThrow(/Denied/);
  });

  it('logs what a tool says, and the codes of failed attempts, at the level that the client sets', async () => {
    const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('shop', [logging]), { auth, sessions: true }));
    const lines: unknown[] = [];
    const client = await connected(url, {
      token: 'ana',
      before: (one) => {
        one.fallbackNotificationHandler = async ({ method, params }) => void (method === LEVELS && lines.push(params));
      },
    });
    await client.callTool({ name: 'logging', arguments: {} });
    const stock = { level: 'error', logger: 'shop', data: { stock: 0 } };
    const failed = {
      level: 'warning',
      logger: 'shop',
      data: { event: 'attempt failed', attempt: 1, code: 'BUSY', retryIn: expect.any(Number) },
    };
    expect(lines.splice(0)).toEqual([stock, failed, stock]);
    await client.setLoggingLevel('debug');
    await client.callTool({ name: 'logging', arguments: {} });
    expect(lines.splice(0)[0]).toEqual({ level: 'debug', logger: 'shop', data: 'begins' });
    await client.setLoggingLevel('critical');
    await client.callTool({ name: 'logging', arguments: {} });
    expect(lines).toEqual([]);
  });
});

/** A prompt that a person completes. */
const asking: McpPrompt = {
  name: 'asking',
  get(_, { asked }) {
    if (asked) return `it is ${(asked.answer as { colour: string }).colour}`;
    const answer = { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] };
    throw new NeedsPerson({ question: 'Which colour?', answer });
  },
};
const content = { colour: 'red' };

describe.each(HANDLERS)('a prompt of %s that asks a person', (_, make) => {
  it('asks the person of a session', async () => {
    const { url } = await serve(make, { prompts: [asking], sessions: true });
    const client = await connected(url, {
      token: 'ana',
      capabilities: { elicitation: { form: {} } },
      before: (one) => one.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept' as const, content })),
    });
    expect((await client.getPrompt({ name: 'asking' })).messages).toMatchObject([{ content: { text: 'it is red' } }]);
  });

  it('asks no person for a completion', async () => {
    const complete = () => {
      throw new NeedsPerson({ question: 'Which colour?' });
    };
    const { url } = await serve(make, { prompts: [{ ...asking, arguments: { colour: { complete } } }], sessions: true });
    let asked = 0;
    const elicited = () => {
      asked++;
      return { action: 'accept' as const, content };
    };
    const capabilities = { elicitation: { form: {} } };
    const old = await connected(url, { token: 'ana', capabilities, before: (one) => one.setRequestHandler(ElicitRequestSchema, elicited) });
    const { client } = await modernReader(url, 'ana', capabilities);
    client.setRequestHandler('elicitation/create', elicited);
    const params = { ref: { type: 'ref/prompt' as const, name: 'asking' }, argument: { name: 'colour', value: '' } };
    for (const completed of [old.complete(params), client.complete(params)])
      expect(await failure(completed)).toMatchObject({ code: -32603, message: expect.stringContaining('waits for people') });
    expect(asked).toBe(0);
  });

  it('is answered with the question over 2026-07-28, and then again', async () => {
    const { url } = await serve(make, { prompts: [asking] });
    const { client } = await modernReader(url, 'ana', { elicitation: { form: {} } });
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept' as const, content }));
    expect((await client.getPrompt({ name: 'asking' })).messages).toMatchObject([{ content: { text: 'it is red' } }]);
  });

  it('says that it waits where no one can be asked', async () => {
    const { url } = await serve(make, { prompts: [asking] });
    const client = await connected(url, { token: 'ana' });
    const error = await failure(client.getPrompt({ name: 'asking' }));
    expect(error).toMatchObject({ code: -32603, message: expect.stringContaining('waits for people'), data: { status: 'paused' } });
  });
});

describe('over 2026-07-28', () => {
  it('logs for the requests that name a level', async () => {
    const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('shop', [logging]), { auth }));
    const { client } = await modernReader(url);
    const lines: unknown[] = [];
    client.setNotificationHandler(LEVELS, ({ params }) => void lines.push(params));
    await client.callTool({ name: 'logging', arguments: {} });
    expect(lines).toEqual([]);
    await client.callTool({ name: 'logging', arguments: {}, _meta: { 'io.modelcontextprotocol/logLevel': 'error' } });
    expect(lines).toMatchObject([{ level: 'error', data: { stock: 0 } }, { level: 'error' }]);
  });

  it('tells a stream that listens what it watches, and refuses one that may not read it', async () => {
    const { url, handler } = await serve(HANDLERS[1]?.[1] as (engine: Engine, o: object) => McpHandler);
    const { client } = await modernReader(url);
    const updated = new Promise((resolve) =>
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => resolve(params.uri)),
    );
    await client.listen({ resourceSubscriptions: ['menu://today'] } as never);
    handler.updated('menu://photo');
    handler.updated('menu://today');
    expect(await updated).toBe('menu://today');
    await expect(client.listen({ resourceSubscriptions: ['menu://tomorrow'] } as never)).rejects.toThrow();
  });
});

it('a list of resources to watch that are no URIs is refused as parameters', async () => {
  const { url } = await serve(HANDLERS[0]?.[1] as (engine: Engine, o: object) => McpHandler);
  const meta = { protocolVersion: '2026-07-28', clientInfo: { name: 'test', version: '1' }, clientCapabilities: {} };
  const _meta = Object.fromEntries(Object.entries(meta).map(([key, value]) => [`io.modelcontextprotocol/${key}`, value]));
  for (const uri of [null, 7, { toString: 7 }]) {
    const params = { notifications: { resourceSubscriptions: [uri] }, _meta };
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: 'Bearer ana',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'subscriptions/listen',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'subscriptions/listen', params }),
    });
    expect(await answer.json()).toMatchObject({ error: { code: -32602, message: expect.stringContaining('SubscriptionFilter') } });
  }
});

describe('bad options', () => {
  const wrong: [object, RegExp][] = [
    [{ resources: [{ uri: 'menu', name: 'x', read: () => '' }] }, /has no URI/],
    [{ resources: [{ uri: 'a:b', name: 'x' }] }, /has no read/],
    [{ resources: [{ uri: 'a:b', name: '', read: () => '' }] }, /has no name/],
    [{ resources: [{ uri: 'a:{b}{c}', name: 'x', read: () => '' }] }, /nothing between/],
    [{ resources: [{ uri: 'a:{+b}/c', name: 'x', read: () => '' }] }, /rest of the URI/],
    [{ resources: [{ uri: 'a:{b', name: 'x', read: () => '' }] }, /brace/],
    [{ resources: [{ uri: 'a:{?b}', name: 'x', read: () => '' }] }, /a variable is/],
    [{ resources: [{ uri: 'a:{b}/{b}', name: 'x', read: () => '' }] }, /twice/],
    [{ resources: [{ uri: 'a:{b}', name: 'x', read: () => '', complete: { c: () => [] } }] }, /a variable "c"/],
    [{ resources: [1, 2].map(() => ({ uri: 'a:b', name: 'x', read: () => '' })) }, /twice/],
    [{ resources: [{ uri: 'a:b', name: 'x', reads: () => '' }] }, /Did you mean "read"/],
    [{ prompts: [{ name: 'x' }] }, /has no get/],
    [{ prompts: [{ name: 'x', get: () => '', arguments: { a: { needed: true } } }] }, /no option "needed"/],
    [{ prompts: [{ name: 'x', get: () => '', arguments: null }] }, /arguments are an object/],
    [{ prompts: [{ name: 'x', get: () => '', arguments: ['a'] }] }, /arguments are an object/],
    [{ prompts: [{ name: 'x', get: () => '', arguments: { a: null } }] }, /takes its options as an object/],
    [{ prompts: [{ name: 'x', get: () => '', arguments: { a: { complete: 'a' } } }] }, /complete is a function/],
    [{ prompts: [null] }, /takes its options as an object/],
    [{ prompts: 'x' }, /is a list/],
    [{ prompts: null }, /is a list/],
    [{ resources: [{ uri: 'a:{b}', name: 'x', read: () => '', complete: null }] }, /complete is an object/],
    [{ resources: [{ uri: 'a:{b}', name: 'x', read: () => '', complete: { b: 'c' } }] }, /complete is a function/],
    [{ resources: [null] }, /takes its options as an object/],
    [{ resources: null }, /is a list/],
  ];
  it.each(wrong)('%j', (o, message) => {
    expect(() => mcpHandler(new Engine(), shop, o as never)).toThrow(message);
  });
});
