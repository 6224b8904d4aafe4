/** What a server tells of its lists: which of them are asked for again, and who is told. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { gatewayHandler, type McpOptions } from '../../src/adapters/mcp/index.ts';
import type { ChangedList, MaterialKind, ToolSource } from '../../src/index.ts';
import { until } from '../kit/time.ts';
import { serveWith } from './http.ts';
import { connected, serving } from './served.ts';
import { using } from './support.ts';

/** A server with a tool that says, on the stream of its call, that a list is another now. */
async function telling() {
  const state = { listed: 0 };
  const http = await serveWith(() => {
    const list = { listChanged: true };
    const server = new Server({ name: 'shop', version: '1' }, { capabilities: { tools: list, resources: list, prompts: list } });
    server.setRequestHandler(ListToolsRequestSchema, () => {
      state.listed++;
      return { tools: [{ name: 'tell', inputSchema: { type: 'object' as const } }] };
    });
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { sendNotification }) => {
      await sendNotification({ method: `notifications/${params.arguments?.list}/list_changed` } as never);
      return { content: [{ type: 'text', text: 'told' }] };
    });
    return server;
  });
  onTestFinished(() => http.close());
  return Object.assign(state, { url: http.url });
}

describe.each([undefined, 'auto'] as const)('a server says that a list has changed (protocol %s)', (protocol) => {
  const told = async (o: Partial<McpOptions>) => {
    const server = await telling();
    const heard: string[] = [];
    await using({ url: server.url, name: 'shop', ...(protocol && { protocol }), ...o }, async ({ call, changed, list }) => {
      let now = '';
      changed?.((list) => heard.push(`${now}: ${list} ${server.listed}`));
      for (now of ['tools', 'prompts', 'resources', 'tools']) {
        await call('tell', { list: now });
        await list();
      }
    });
    return { heard, listed: server.listed };
  };

  it('lists the tools again for a change of tools alone', async () => {
    expect(await told({ resources: true, prompts: true })).toEqual({ heard: ['tools: tools 1', 'tools: tools 2'], listed: 3 });
  });

  it('tells of the resources and prompts that are passed on', async () => {
    expect(await told({ pass: ['prompts'] })).toEqual({ heard: ['tools: tools 1', 'prompts: prompts 2', 'tools: tools 2'], listed: 3 });
  });
});

describe.each<[string, (source: ToolSource) => ToolSource]>([
  ['a source', (source) => source],
  ['a gateway of it', (source) => gateway({ name: 'all', targets: { shop: source } })],
])('the clients of %s', (_, of) => {
  const heardOf = async (passes: readonly MaterialKind[], ...changes: readonly (ChangedList | undefined)[]) => {
    let tell: (list?: ChangedList) => void = () => {};
    const source: ToolSource = {
      name: 'shop',
      passes,
      open: async () => ({
        list: async () => [],
        materials: {
          resources: async () => [],
          templates: async () => [],
          prompts: async () => [],
          tools: async () => [],
          callOf: async () => undefined,
        },
        changed(listener) {
          tell = listener;
          return () => {};
        },
        close: async () => {},
      }),
    };
    const { url } = await serving((engine) => gatewayHandler(engine, of(source), { sessions: true }));
    const heard: string[] = [];
    const client = await connected(url, {
      before: (one) => {
        one.fallbackNotificationHandler = async ({ method }) => void heard.push(method.split('/')[1] as string);
      },
    });
    // opens the source; its stream may open later
    await client.listTools();
    await until(async () => {
      tell('tools');
      return heard.length > 0;
    });
    for (const change of changes) tell(change);
    // the last one is heard last
    tell('prompts');
    const last = changes.filter((change) => change === undefined).length + 1;
    await until(async () => heard.filter((list) => list === 'prompts').length >= last);
    return heard.filter((list, i) => list !== heard[i - 1]);
  };

  it('are told of the list that changed, and of no other', async () => {
    expect(await heardOf(['resources', 'prompts'], 'resources', 'tools')).toEqual(['tools', 'resources', 'tools', 'prompts']);
  });

  it('are told of all that are passed on, where the source does not say which', async () => {
    expect(await heardOf(['prompts', 'resources'], 'resources', undefined, 'resources')).toEqual([
      'tools',
      'resources',
      'tools',
      'prompts',
      'resources',
      'prompts',
    ]);
  });

  it('are not told of a list that is not passed on', async () => {
    expect(await heardOf(['prompts', 'completions'], 'resources')).toEqual(['tools', 'prompts']);
  });
});
