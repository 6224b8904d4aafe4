/** Interceptors over streams, and on what is not a call of a tool. */
import { tool } from 'rondo';
import { gatewayHandler } from 'rondo/mcp';
import { beforeEach, expect, test } from 'vitest';
import type { AgentCoreOptions } from '../../../src/adapters/agentcore/wire/index.ts';
import { serving, sourceOf } from '../../mcp/served.ts';
import { connected, posted, textOf, withGateway } from './kit.ts';

const ARN = 'arn:aws:lambda:us-east-1:123456789012:function:onEvery';
const shared = globalThis as { interceptedByTests?: [method: string, streaming?: boolean][] };
shared.interceptedByTests ??= [];
const events = shared.interceptedByTests;
beforeEach(() => void events.splice(0));

/** A gateway of an MCP server whose tools tell of their progress, with interceptors at both points. */
async function streaming(o: { enableResponseStreaming?: boolean; wire?: AgentCoreOptions } = {}) {
  const said = tool({
    name: 'say',
    description: 'Says it, after two steps',
    input: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    effect: 'read',
    async *execute({ text }: { text: string }) {
      yield { progress: 1, total: 2, message: 'card 4111' };
      yield { progress: 2, total: 2, message: 'half' };
      return text;
    },
  });
  const secret = tool({ name: 'secret', description: '', input: { type: 'object' }, effect: 'read', execute: () => 'x' });
  const own = await serving((engine) => gatewayHandler(engine, sourceOf('s', [said, secret])));
  const { enableResponseStreaming } = o;
  const made = await withGateway(
    {
      authorizerType: 'NONE',
      protocolConfiguration: {
        mcp: { ...(enableResponseStreaming !== undefined && { streamingConfiguration: { enableResponseStreaming } }) },
      },
      interceptorConfigurations: [{ interceptor: { lambda: { arn: ARN } }, interceptionPoints: ['REQUEST', 'RESPONSE'] }],
    },
    {
      ...o.wire,
      bindings: {
        [`lambda:${ARN}`]: `${import.meta.dirname}/../fixtures/lambdas.ts#onEvery`,
        'url:https://tools.example/mcp': own.url,
      },
    },
  );
  const { status } = await made.target({
    name: 'T',
    targetConfiguration: { mcp: { mcpServer: { endpoint: 'https://tools.example/mcp' } } },
  });
  expect(status).toBe('READY');
  return made;
}

const say = (text: string) => ({ name: 'T___say', arguments: { text } });

test('see initialize, ping and tools/list, and change what is answered', async () => {
  const { url } = await streaming();
  const client = await connected(url, { fetch });
  expect(client.getInstructions()).toBe('intercepted');
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['T___say']);
  await client.ping();
  expect(events).toEqual([['initialize'], ['initialize', false], ['tools/list'], ['tools/list', false], ['ping'], ['ping', false]]);
});

test('that make an error of initialize begin no session', async () => {
  const { url } = await streaming();
  const body = {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'stranger', version: '1' } },
  };
  const refused = await posted(url, body);
  expect(refused).toMatchObject({ status: 403, body: { id: 1, error: { code: -32000, message: 'no strangers' } } });
  expect(refused.headers.get('mcp-session-id')).toBeNull();
});

test('do not see a ping where the server is told so', async () => {
  const { url } = await streaming({ wire: { gateways: { pings: 'passed' } } });
  await (await connected(url, { fetch })).ping();
  expect(events.map(([method]) => method)).toEqual(['initialize', 'initialize']);
});

test('in a stream are asked about the result, and not about progress', async () => {
  const { url } = await streaming({ enableResponseStreaming: true });
  const client = await connected(url, { fetch });
  events.splice(0);
  const told: unknown[] = [];
  const result = await client.callTool(say('card 4111'), undefined, { onprogress: (progress) => told.push(progress.message) });
  expect(textOf(result)).toBe('card ****');
  expect(told).toEqual(['card 4111', 'half']);
  expect(events).toEqual([['tools/call'], ['tools/call', true]]);
});

test('that refuse, or fail about, a result behind progress answer an error within the stream', async () => {
  const { url, server } = await streaming({ enableResponseStreaming: true });
  const client = await connected(url, { fetch });
  const calling = (text: string) => client.callTool(say(text), undefined, { onprogress: () => undefined }).catch((error) => error);
  expect(await calling('refuse')).toMatchObject({ code: -32000, message: expect.stringContaining('withheld') });
  expect(await calling('fail')).toMatchObject({ code: -32603, message: expect.not.stringContaining('down') });
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain('the interceptor is down');
});

test.each([
  ['is not configured to stream', {}, undefined],
  ['streams, and the client takes JSON alone', { enableResponseStreaming: true }, 'application/json'],
])('a gateway that %s answers one message, without progress', async (_, o, accept) => {
  const { url } = await streaming(o);
  const begun = await posted(url, {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
  });
  const session = begun.headers.get('mcp-session-id') as string;
  events.splice(0);
  const call = { id: 2, method: 'tools/call', params: { ...say('card 4111'), _meta: { progressToken: 'p' } } };
  const { headers, body } = await posted(url, call, { 'mcp-session-id': session, ...(accept !== undefined && { accept }) });
  expect(headers.get('content-type')).toContain('application/json');
  expect(body).toMatchObject({ id: 2, result: { content: [{ text: 'card ****' }] } });
  expect(events).toEqual([['tools/call'], ['tools/call', false]]);
});
