/** The MCP server of a gateway with the unmodified clients of others: Strands' McpClient, and the SDK's client with requests that AWS keys signed. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpClient } from '@strands-agents/sdk';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { tool } from '../../src/index.ts';
import { sigV4 } from '../../src/server/index.ts';
import { signedHeaders } from '../../src/server/sigv4.ts';
import { auth, call, said, serving, sourceOf } from '../mcp/served.ts';

const who = tool({
  name: 'who',
  description: 'Who calls',
  input: z.object({}),
  effect: 'read',
  execute: (_, { by }) => by?.id ?? 'no one',
});

test("Strands' client lists and calls, and its person approves", async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const sent: string[] = [];
  const send = tool({
    name: 'send',
    description: 'Sends',
    input: z.object({ text: z.string() }),
    approval: true,
    execute({ text }) {
      sent.push(text);
      return { sent: text };
    },
  });
  const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('post', [send, who]), { auth, sessions: true, decide: false }));
  const asked: unknown[] = [];
  const client = new McpClient({
    url,
    headers: { authorization: 'Bearer ana' },
    elicitationCallback: async (_, params) => {
      asked.push(params.message);
      return { action: 'accept', content: { decision: 'approve' } };
    },
  });
  onTestFinished(() => client.disconnect());
  const tools = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['send', 'who']);
  expect(await client.callTool(tools[1] as (typeof tools)[number], {})).toMatchObject({ content: [{ type: 'text', text: 'ana' }] });
  expect(await client.callTool(tools[0] as (typeof tools)[number], { text: 'hi' })).toMatchObject({ structuredContent: { sent: 'hi' } });
  expect([asked, sent]).toEqual([['may post call send with {"text":"hi"}?'], ['hi']]);
});

test('a client that signs with a known key is the principal of the key; any change is refused', async () => {
  const keys = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret' };
  const signed = sigV4({ keys: [keys], principal: ({ accessKeyId }) => ({ id: `key:${accessKeyId}` }) });
  const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('post', [who]), { auth: signed }));
  const signing =
    (by: typeof keys, changed: (body: string) => string = (body) => body): typeof fetch =>
    (input, init = {}) => {
      const headers = Object.fromEntries(new Headers(init.headers));
      const body = typeof init.body === 'string' ? init.body : '';
      const target = new URL(String(input));
      const own = signedHeaders({ method: init.method ?? 'GET', url: target, headers, body }, by, {
        region: 'us-east-1',
        service: 'bedrock-agentcore',
        at: Date.now(),
      });
      return fetch(target, { ...init, headers: { ...headers, ...own }, ...(body && { body: changed(body) }) });
    };
  const connected = async (fetched: typeof fetch) => {
    const client = new Client({ name: 'test', version: '1' });
    // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ in an optional field
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: fetched }) as any);
    onTestFinished(() => client.close());
    return client;
  };
  expect(said(await call(await connected(signing(keys)), 'who', {}))).toBe('key:AKIAEXAMPLE');
  await expect(connected(signing({ ...keys, secretAccessKey: 'other' }))).rejects.toThrow(/401|known/);
  await expect(connected(signing({ ...keys, accessKeyId: 'AKIAOTHER' }))).rejects.toThrow(/401|known/);
  await expect(connected(signing(keys, (body) => body.replace('test', 'tost')))).rejects.toThrow(/401|known/);
  await expect(connected(fetch)).rejects.toThrow(/401|known/);
});
