import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { type GatewayHandlerOptions, gatewayHandler, mcpHandler } from '../../src/adapters/mcp/index.ts';
import { type Tool, tool } from '../../src/index.ts';
import { obedient } from '../ag-ui/agents.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { auth, data, connected as legacy, said, sending, serving, sourceOf } from './served.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

type Answer = { action: 'accept' | 'decline' | 'cancel'; content?: { [k: string]: string | number | boolean } };
const APPROVE: Answer = { action: 'accept', content: { decision: 'approve' } };

/** The second version of the SDK's client, unmodified, on 2026-07-28. */
async function connected(url: string, o: { token?: string; answers?: readonly Answer[]; more?: Partial<ClientOptions> } = {}) {
  const asked: string[] = [];
  const { answers, token = 'ana', more } = o;
  const client = new Client(
    { name: 'test', version: '1' },
    {
      versionNegotiation: { mode: { pin: '2026-07-28' } },
      capabilities: { ...(answers && { elicitation: { form: {}, url: {} } }) },
      ...more,
    },
  );
  if (answers)
    client.setRequestHandler('elicitation/create', ({ params }) => {
      asked.push(params.message);
      return answers[asked.length - 1] as Answer;
    });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  onTestFinished(() => client.close());
  return { client, asked };
}

const gatewayOf = (tools: readonly Tool[], o: GatewayHandlerOptions = {}) =>
  serving((engine) => gatewayHandler(engine, sourceOf('post', tools), { auth, ...o }));
const call = async (client: Client, name: string, args: object) =>
  (await client.callTool({ name, arguments: { ...args } })) as unknown as CallToolResult;

describe('revision 2026-07-28', () => {
  test('lists, calls, fails and tells of progress beside 2025-11-25, with sessions and without', async () => {
    async function* count() {
      yield 'one';
      return { n: 2 };
    }
    const counting = tool({ name: 'count', description: 'Counts', input: z.object({}), execute: () => count() });
    for (const sessions of [false, true]) {
      const { url } = await gatewayOf([counting], { sessions });
      const { client } = await connected(url);
      expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['decide', 'count']);
      const heard: unknown[] = [];
      const result = await client.callTool({ name: 'count', arguments: {} }, { onprogress: (told) => heard.push(told) });
      expect([result.structuredContent, heard]).toEqual([{ n: 2 }, [{ progress: 1, message: 'one' }]]);
      await expect(call(client, 'none', {})).rejects.toMatchObject({ code: -32602 });
      expect((await (await legacy(url, { token: 'ana' })).listTools()).tools).toHaveLength(2);
    }
  });

  test('what the policy denies is an error with its code; the revision has -32602 in place of -32002', async () => {
    const { send } = sending();
    const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('post', [send]), { auth }), {
      policy: { decide: () => ({ allow: false, reason: 'never' }) },
    });
    const { client } = await connected(url);
    await expect(call(client, 'send', { text: 'hi' })).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining('never'),
      data: { code: 'NOT_PERMITTED' },
    });
  });

  test('an approval is input that the call requires, and the answer goes on with the same run', async () => {
    const { sent, send } = sending();
    const { url, engine } = await gatewayOf([send]);
    const { client, asked } = await connected(url, { answers: [APPROVE] });
    expect(said(await call(client, 'send', { text: 'hi' }))).toBe('sent');
    expect([asked, sent]).toEqual([['may post call send with {"text":"hi"}?'], ['hi']]);
    const runs = await all(engine.runs({ by: { id: 'ana' } }));
    expect(runs).toHaveLength(1);
  });

  test('the approvals of an agent are asked too; one that is declined does not run', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving((engine) => mcpHandler(engine, clerk, { auth }));
    const { client } = await connected(url, { answers: [APPROVE, { action: 'decline' }] });
    const pay = { prompt: 'call pay {"to":"bea","cents":5}' };
    expect(data(await call(client, 'clerk', pay)).status).toBe('completed');
    expect(data(await call(client, 'clerk', pay)).status).toBe('completed');
    expect(paid).toHaveLength(1);
  });

  test('a person who cancels leaves it open; so does a client without the capability, and a rule with roles', async () => {
    const { sent, send } = sending();
    const { url } = await gatewayOf([send]);
    const cancelled = await connected(url, { answers: [{ action: 'cancel' }] });
    expect(data(await call(cancelled.client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    const plain = await connected(url);
    expect(data(await call(plain.client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    const roles = await connected((await gatewayOf([sending({ roles: ['lead'] }).send])).url, { answers: [] });
    expect(data(await call(roles.client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    expect(sent).toEqual([]);
  });
});

describe('the state of a call that requires input', () => {
  const META = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  };
  const post = async (
    url: string,
    token: string,
    params: object,
  ): Promise<{ result?: Record<string, never>; error?: { code: number } }> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'send',
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'send', _meta: META, ...params } }),
    });
    return (await response.json()) as never;
  };

  test('is of its caller and its call alone, and cannot be changed', async () => {
    const { sent, send } = sending();
    const { url } = await gatewayOf([send]);
    const args = { arguments: { text: 'hi' } };
    const { result } = await post(url, 'ana', args);
    const { requestState, inputRequests } = result as unknown as { requestState: string; inputRequests: object };
    const [approval] = Object.keys(inputRequests);
    const inputResponses = { [approval as string]: APPROVE };
    const refused = { error: { code: -32602 } };
    expect(await post(url, 'eve', { ...args, requestState, inputResponses })).toMatchObject(refused);
    expect(await post(url, 'ana', { arguments: { text: 'other' }, requestState, inputResponses })).toMatchObject(refused);
    for (const state of [
      `${requestState}A`,
      requestState.slice(1),
      'null',
      'AAAA',
      Buffer.from('{"run":"x","call":"y"}').toString('base64url'),
    ])
      expect(await post(url, 'ana', { ...args, requestState: state, inputResponses })).toMatchObject(refused);
    expect(sent).toEqual([]);
    // without an answer, or with one that does not fit, it is asked for again
    expect(await post(url, 'ana', { ...args, requestState })).toMatchObject({ result: { resultType: 'input_required', requestState } });
    const odd = { [approval as string]: { action: 'accept', content: { decision: 'maybe' } } };
    expect(await post(url, 'ana', { ...args, requestState, inputResponses: odd })).toMatchObject({
      result: { resultType: 'input_required' },
    });
    expect(await post(url, 'ana', { ...args, requestState, inputResponses })).toMatchObject({ result: { content: [{ text: 'sent' }] } });
    // once more, it answers the same and has no second effect
    expect(await post(url, 'ana', { ...args, requestState, inputResponses })).toMatchObject({ result: { content: [{ text: 'sent' }] } });
    expect(sent).toEqual(['hi']);
  });
});

describe('a list that changes', () => {
  /** A source, and what tells its listener that its list has changed. */
  function changing() {
    let changed = () => {};
    const source = {
      name: 'post',
      open: async () => ({
        list: async () => [],
        changed(listener: () => void) {
          changed = listener;
          return () => {};
        },
        close: async () => {},
      }),
    };
    return { source, changed: () => changed() };
  }

  test('is told to those who listen', async () => {
    const { source, changed } = changing();
    const { url } = await serving((engine) => gatewayHandler(engine, source, { auth }));
    const { client } = await connected(url);
    expect(client.getServerCapabilities()?.tools).toEqual({ listChanged: true });
    const heard = vi.fn();
    client.setNotificationHandler('notifications/tools/list_changed', heard);
    await client.listTools();
    await client.listen({ toolsListChanged: true });
    await until(async () => {
      changed();
      return heard.mock.calls.length > 0;
    });
  });

  test('is not told by a server that does not say that it tells', async () => {
    const { source, changed } = changing();
    const { url } = await serving((engine) => gatewayHandler(engine, source, { auth, changes: false, sessions: true }));
    const { client } = await connected(url);
    expect(client.getServerCapabilities()?.tools).toEqual({ listChanged: false });
    expect((await legacy(url, { token: 'ana' })).getServerCapabilities()?.tools).toEqual({ listChanged: false });
    await client.listTools();
    changed();
    await client.listTools();
  });
});
