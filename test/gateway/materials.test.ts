import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it } from 'vitest';
import { type GatewayOptions, gateway } from '../../src/adapters/gateway/index.ts';
import { gatewayHandler, type McpOptions, mcpHandler, mcpTools } from '../../src/adapters/mcp/index.ts';
import { materialTools } from '../../src/adapters/mcp/material-tools.ts';
import { cedarPolicy } from '../../src/adapters/policy/index.ts';
import { agent, type EngineOptions, type Materials, type ToolSource, tool } from '../../src/index.ts';
import type { JsonObject } from '../../src/json.ts';
import { scripted } from '../../src/testing/index.ts';
import { auth, connected, serving, sourceOf } from '../mcp/served.ts';

const pass = ['resources', 'prompts', 'completions'] as const;
const clerk = () => agent({ name: 'clerk', instructions: 'Help.', model: scripted([]) });

/** A server with a resource, a template and a prompt, which say whose they are. */
async function serverOf(who: string) {
  const { url } = await serving((engine) =>
    mcpHandler(engine, clerk(), {
      resources: [
        { uri: 'menu://today', name: 'menu', read: () => `the menu of ${who}` },
        { uri: 'order://{id}', name: 'order', read: ({ id }) => `order ${id} of ${who}`, complete: { id: () => [`${who}-1`] } },
      ],
      prompts: [
        {
          name: 'review',
          arguments: { what: { required: true } },
          get: ({ what }) => [
            { role: 'user', content: `${who}: review ${what}` },
            { role: 'assistant', content: { type: 'document', mediaType: 'text/plain', data: 'AAAA', name: 'menu://today' } },
          ],
        },
      ],
    }),
  );
  return url;
}

/** A source with a resource. */
function menus(who: string, tools?: Materials['tools']): ToolSource {
  const reads = materialTools({ 'resources/read': async ({ uri }) => ({ contents: [{ uri, text: `the menu of ${who}` }] }) });
  const materials: Materials = {
    resources: async () => [{ uri: 'menu://today', name: 'menu' }],
    templates: async () => [],
    prompts: async () => [],
    tools: tools ?? (async () => reads),
    callOf: async ({ method, params }) => ({ tool: method, input: { ...params } as JsonObject }),
  };
  return { name: who, passes: ['resources'], open: async () => ({ list: async () => [], materials, close: async () => {} }) };
}

interface Served extends Partial<GatewayOptions> {
  of?: Partial<McpOptions>;
  engine?: EngineOptions;
}

/** A client of a gateway to two such servers. */
async function client({ of, engine, ...o }: Served = {}) {
  const [north, south] = [await serverOf('north'), await serverOf('south')];
  const targets = { north: mcpTools({ url: north, pass, ...of }), south: mcpTools({ url: south, pass, ...of }) };
  const { url } = await serving((one) => gatewayHandler(one, gateway({ name: 'all', targets, ...o }), { auth }), engine);
  const own = await connected(url, { token: 'ana' });
  const request = (method: string, params: object = {}) =>
    own.request({ method, params } as never, ResultSchema) as Promise<Record<string, unknown>>;
  return { own, request, read: async (uri: string) => (await request('resources/read', { uri })).contents };
}

const NORTH = 'gateway:north/menu://today';
const SOUTH = 'gateway:south/menu://today';

describe('the resources and prompts of targets', () => {
  it('are listed and read under names that tell targets apart', async () => {
    const { own, request, read } = await client();
    expect(own.getServerCapabilities()).toMatchObject({ resources: {}, prompts: {}, completions: {} });
    expect((await request('resources/list')).resources).toEqual([
      { uri: NORTH, name: 'menu' },
      { uri: SOUTH, name: 'menu' },
    ]);
    expect(await read(NORTH)).toEqual([{ uri: NORTH, mimeType: 'text/plain', text: 'the menu of north' }]);
    expect(await read(SOUTH)).toEqual([{ uri: SOUTH, mimeType: 'text/plain', text: 'the menu of south' }]);
    const { resourceTemplates } = (await request('resources/templates/list')) as { resourceTemplates: { uriTemplate: string }[] };
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['gateway:north/order://{id}', 'gateway:south/order://{id}']);
    expect(await read('gateway:south/order://7')).toEqual([
      { uri: 'gateway:south/order://7', mimeType: 'text/plain', text: 'order 7 of south' },
    ]);
    const argument = { name: 'id', value: '' };
    const ref = { type: 'ref/resource', uri: 'gateway:south/order://{id}' };
    expect((await request('completion/complete', { ref, argument })).completion).toMatchObject({ values: ['south-1'] });
    expect((await request('prompts/list')).prompts).toMatchObject([{ name: 'north___review' }, { name: 'south___review' }]);
    // what a prompt embeds can be read by the URI that it is told with
    const { messages } = await request('prompts/get', { name: 'south___review', arguments: { what: 'x' } });
    expect(messages).toMatchObject([
      { role: 'user', content: { text: 'south: review x' } },
      { role: 'assistant', content: { type: 'resource', resource: { uri: SOUTH } } },
    ]);
  });

  it('are not announced unless a target passes them', async () => {
    const { own } = await client({ of: { pass: [] } });
    expect(own.getServerCapabilities()).not.toHaveProperty('resources');
    await expect(own.listResources()).rejects.toThrow(/not support|not found/i);
  });

  it('are not found by another name', async () => {
    const { request } = await client();
    for (const uri of ['menu://today', 'gateway:west/menu://today', 'gateway:north/menu://tomorrow', 'gateway:northmenu://today'])
      await expect(request('resources/read', { uri }), uri).rejects.toMatchObject({ code: -32002, data: { uri } });
    for (const name of ['review', 'west___review'])
      await expect(request('prompts/get', { name }), name).rejects.toMatchObject({ code: -32602 });
    await expect(request('prompts/get', { name: 'north___review' })).rejects.toMatchObject({
      code: -32602,
      message: /needs the argument "what"/,
    });
  });

  it('of a target that is gone are left out, and its failure tells nothing', async () => {
    const { request } = await client({ of: { url: 'http://127.0.0.1:9/secret-path', startTimeout: 2_000 } });
    expect((await request('resources/list')).resources).toEqual([]);
    const error = await request('resources/read', { uri: NORTH }).catch((failure) => failure);
    expect(error).toMatchObject({ code: -32603 });
    expect(`${error.message}${JSON.stringify(error.data)}`).not.toMatch(/secret-path|127\.0\.0\.1/);
  });

  it('are behind the limits and the interceptors of the gateway', async () => {
    const seen: unknown[] = [];
    const { read } = await client({
      rateLimits: [{ dimensionKeys: ['targetName', 'toolName'], entries: [{ requests: [{ rate: 1, period: 'minute' }] }] }],
      reliability: { north: { retry: { attempts: 1 } } },
      now: () => 0,
      interceptors: {
        request({ mcp: { gatewayRequest } }) {
          seen.push(gatewayRequest.body.params);
          const body = { jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'not today' } };
          const isSouth = JSON.stringify(gatewayRequest.body).includes('south');
          return { interceptorOutputVersion: '1.0', mcp: isSouth ? { transformedGatewayResponse: { statusCode: 403, body } } : {} };
        },
      },
    });
    await read(NORTH);
    await expect(read(NORTH)).rejects.toMatchObject({ code: -32003, data: { code: 'GATEWAY_RATE_LIMITED' } });
    await expect(read(SOUTH)).rejects.toMatchObject({ code: -32603, data: { code: 'INTERCEPTOR_REFUSED' } });
    expect(seen[0]).toEqual({ name: 'north___resources/read', arguments: { uri: 'menu://today' } });
  });

  it('are listed whatever the interceptors make of the list of tools, in which what reads them is not', async () => {
    const seen: unknown[] = [];
    const { request } = await client({
      interceptors: {
        lists: true,
        response({ mcp: { gatewayResponse } }) {
          const { result } = gatewayResponse?.body ?? {};
          seen.push(result);
          const body = { jsonrpc: '2.0', id: 1, result: { tools: [] } };
          return { interceptorOutputVersion: '1.0', mcp: { transformedGatewayResponse: { body } } };
        },
      },
    });
    expect((await request('resources/list')).resources).toHaveLength(2);
    expect((await request('prompts/list')).prompts).toHaveLength(2);
    expect(seen).toEqual([]);
    expect((await request('tools/list')).tools).toMatchObject([{ name: 'decide' }]);
    expect(JSON.stringify(seen)).not.toContain('resources/read');
    expect(seen).not.toEqual([]);
  });

  it('that the gateway of a target denies are denied, and not unknown', async () => {
    const policy = { decide: () => ({ allow: false as const, reason: 'not for you' }) };
    const inner = await serving((one) => gatewayHandler(one, gateway({ name: 'inner', targets: { north: menus('north') } }), { auth }), {
      policy,
    });
    const headers = { authorization: 'Bearer ana' };
    for (const protocol of ['2025-11-25', '2026-07-28'] as const) {
      const up = mcpTools({ url: inner.url, pass, headers, protocol });
      const { read } = await client({ targets: { up } });
      await expect(read(`gateway:up/${NORTH}`)).rejects.toMatchObject({ code: -32002, data: { code: 'NOT_PERMITTED' } });
      await expect(read('gateway:up/gateway:north2/menu://today')).rejects.toMatchObject({
        message: expect.stringContaining('Resource not found'),
      });
    }
  });

  it('are denied by a policy that permits nothing, and listed where it may permit', async () => {
    const targets = { north: mcpTools({ url: await serverOf('north'), pass }), south: mcpTools({ url: await serverOf('south'), pass }) };
    const policy = await cedarPolicy({
      gateway: 'all',
      tools: gateway({ name: 'all', targets }),
      policies: {
        menus: `permit(principal, action == AgentCore::Action::"south___resources/read", resource == AgentCore::Gateway::"all")
          when { context.input.uri like "menu:*" };`,
      },
    });
    const { request, read } = await client({ policy });
    expect((await request('resources/list')).resources).toEqual([{ uri: SOUTH, name: 'menu' }]);
    expect((await request('prompts/list')).prompts).toEqual([]);
    expect(await read(SOUTH)).toMatchObject([{ text: 'the menu of south' }]);
    const denied = { code: -32002, data: { code: 'NOT_PERMITTED' } };
    await expect(read('gateway:south/order://7')).rejects.toMatchObject(denied);
    await expect(read(NORTH)).rejects.toMatchObject(denied);
    await expect(request('prompts/get', { name: 'south___review', arguments: { what: 'x' } })).rejects.toMatchObject(denied);
    const argument = { name: 'what', value: '' };
    await expect(request('completion/complete', { ref: { type: 'ref/prompt', name: 'south___review' }, argument })).rejects.toMatchObject(
      denied,
    );
  });

  it('of a target that never says what reads them are left out, and reads of the others do not ask it', async () => {
    const hangs = { asked: 0 };
    const north = menus('north');
    const south = menus('south', () => {
      hangs.asked++;
      return new Promise(() => {});
    });
    const { request, read } = await client({ targets: { north, south }, openTimeout: 20 });
    expect((await request('resources/list')).resources).toEqual([{ uri: NORTH, name: 'menu' }]);
    expect(hangs.asked).toBe(1);
    expect(await read(NORTH)).toMatchObject([{ text: 'the menu of north' }]);
    expect(hangs.asked).toBe(1);
  });

  it('of a gateway that is a target are listed and read by the URIs of both, as far as what reads them is offered', async () => {
    const far = mcpTools({ url: await serverOf('far'), pass });
    const inner = gateway({ name: 'inner', targets: { north: menus('north'), far } });
    const targets = { mid: gateway({ name: 'mid', targets: { in: inner } }), south: menus('south') };
    const { request, read } = await client({ targets });
    const uris = (list: unknown) => (list as { uri: string }[]).map(({ uri }) => uri);
    const [NEAR, FAR] = ['gateway:mid/gateway:in/gateway:north/menu://today', 'gateway:mid/gateway:in/gateway:far/menu://today'];
    expect(uris((await request('resources/list')).resources)).toEqual([NEAR, FAR, SOUTH]);
    expect((await request('prompts/list')).prompts).toMatchObject([{ name: 'mid___in___far___review' }]);
    expect((await request('resources/templates/list')).resourceTemplates).toMatchObject([
      { uriTemplate: 'gateway:mid/gateway:in/gateway:far/order://{id}' },
    ]);
    expect(await read(NEAR)).toMatchObject([{ uri: NEAR, text: 'the menu of north' }]);
    expect(await read(FAR)).toMatchObject([{ uri: FAR, text: 'the menu of far' }]);
    const policy = {
      decide: () => ({ allow: true as const }),
      offers: ({ tools }: { tools: readonly string[] }) => tools.filter((name) => !name.includes('far')),
    };
    const some = await client({ targets, policy });
    expect(uris((await some.request('resources/list')).resources)).toEqual([NEAR, SOUTH]);
    expect((await some.request('prompts/list')).prompts).toEqual([]);
  });

  it('are asked of the policy once for a list, whatever the number of targets', async () => {
    const asked: unknown[] = [];
    const policy = {
      decide: () => ({ allow: true as const }),
      offers: ({ tools }: { tools: readonly string[] }) => (asked.push(tools), tools.filter((name) => name.startsWith('south'))),
    };
    const { request } = await client({ targets: { north: menus('north'), south: menus('south') }, policy });
    expect((await request('resources/list')).resources).toEqual([{ uri: SOUTH, name: 'menu' }]);
    expect(asked).toEqual([['north___resources/read', 'south___resources/read']]);
  });

  it('are read of a target with a long name, and no call of a tool can have the name of what reads them', async () => {
    const long = 'n'.repeat(60);
    const targets = { [long]: menus('north') };
    const { own, read } = await client({ targets });
    expect(await read(`gateway:${long}/menu://today`)).toMatchObject([{ text: 'the menu of north' }]);
    const opening = await gateway({ name: 'all', targets }).open({ signal: new AbortController().signal });
    const [reader] = (await opening.materials?.tools()) ?? [];
    await opening.close();
    await expect(own.callTool({ name: reader?.name as string, arguments: { uri: 'menu://today' } })).rejects.toMatchObject({
      code: -32602,
    });
  });

  it('tell what they log, through the gateway', async () => {
    const stock = tool({
      name: 'stock',
      description: 'Counts',
      input: { type: 'object', properties: {} },
      execute(_, { progress }) {
        progress({ level: 'warning', data: { left: 2 } });
        return 'counted';
      },
    });
    const inner = await serving((engine) => gatewayHandler(engine, sourceOf('shop', [stock]), { sessions: true }));
    const targets = { shop: mcpTools({ url: inner.url }) };
    const { url } = await serving((engine) => gatewayHandler(engine, gateway({ name: 'all', targets }), { sessions: true }));
    const lines: unknown[] = [];
    const own = await connected(url, {
      before: (one) => {
        one.fallbackNotificationHandler = async ({ method, params }) => void (method === 'notifications/message' && lines.push(params));
      },
    });
    await own.callTool({ name: 'shop___stock', arguments: {} });
    expect(lines).toEqual([{ level: 'warning', logger: 'shop', data: { left: 2 } }]);
  });
});
