import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type GatewayHandlerOptions, gatewayHandler, mcpHandler } from '../../src/adapters/mcp/index.ts';
import { askHuman, type Tool, tool } from '../../src/index.ts';
import { obedient } from '../ag-ui/agents.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { auth, call, connected, data, said, sending, serving, sourceOf } from './served.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const gatewayOf = (tools: readonly Tool[], o: GatewayHandlerOptions = {}) =>
  serving((engine) => gatewayHandler(engine, sourceOf('post', tools), { auth, sessions: true, ...o }));

type Answer = { action: 'accept' | 'decline' | 'cancel'; content?: { [k: string]: string | number | boolean } };

/** A client whose person gives these answers, and what that person was asked. */
async function person(url: string, answers: readonly Answer[], token = 'ana') {
  const asked: { message: string; requestedSchema?: unknown }[] = [];
  const client = await connected(url, {
    token,
    capabilities: { elicitation: {} },
    before: (c: Client) =>
      c.setRequestHandler(ElicitRequestSchema, ({ params }) => {
        asked.push(params as (typeof asked)[number]);
        return answers[asked.length - 1] as Answer;
      }),
  });
  return { client, asked };
}

const raw = (
  url: string,
  o: { token?: string; session?: string; version?: string; method?: string; body?: object; headers?: Record<string, string> },
) =>
  fetch(url, {
    method: o.method ?? 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(o.token && { authorization: `Bearer ${o.token}` }),
      ...(o.session && { 'mcp-session-id': o.session }),
      ...(o.version && { 'mcp-protocol-version': o.version }),
      ...o.headers,
    },
    ...(o.body && { body: JSON.stringify(o.body) }),
  });
const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const INIT = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
const sessionOf = async (url: string, token: string) => {
  const response = await raw(url, { token, body: INIT });
  await response.text();
  return response.headers.get('mcp-session-id') as string;
};

describe('approvals as elicitations', () => {
  test("the client's person approves, and the call answers with the result", async () => {
    const { sent, send } = sending();
    const { url, engine } = await gatewayOf([send]);
    const { client, asked } = await person(url, [{ action: 'accept', content: { decision: 'approve' } }]);
    expect(said(await call(client, 'send', { text: 'hi' }))).toBe('sent');
    expect(asked).toEqual([
      expect.objectContaining({
        message: 'may post call send with {"text":"hi"}?',
        requestedSchema: expect.objectContaining({ required: ['decision'] }),
      }),
    ]);
    expect(sent).toEqual(['hi']);
    const [run] = await all(engine.runs({ by: { id: 'ana' } }));
    const decided = (await all(engine.entries(run?.runId ?? '', { by: { id: 'ana' } }))).find((entry) => entry.type === 'approval.decided');
    expect(decided).toMatchObject({ by: { id: 'ana' }, decision: { type: 'approve' } });
  });

  test('one that is rejected, declined or left open does not run', async () => {
    const { sent, send } = sending();
    const { url } = await gatewayOf([send]);
    const { client } = await person(url, [
      { action: 'accept', content: { decision: 'reject', reason: 'too late' } },
      { action: 'decline' },
      { action: 'cancel' },
    ]);
    const rejected = await call(client, 'send', { text: 'a' });
    expect([rejected.isError, said(rejected)]).toEqual([true, expect.stringContaining('too late')]);
    expect(await call(client, 'send', { text: 'b' })).toMatchObject({ isError: true, _meta: { 'rondo/error': { code: 'REJECTED' } } });
    const open = await call(client, 'send', { text: 'c' });
    expect(data(open)).toMatchObject({ status: 'paused', approvals: [{ tool: 'send' }] });
    // it is decided later, with the tool
    await call(client, 'decide', { run: data(open).run, decisions: [{ approval: data(open).approvals[0].id, type: 'approve' }] });
    expect(sent).toEqual(['c']);
  });

  test('a client without the capability, a rule with roles and `elicit: false` get the id of the approval', async () => {
    const { send } = sending();
    const plain = await connected((await gatewayOf([send])).url, { token: 'ana' });
    expect(data(await call(plain, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    const roles = await person((await gatewayOf([sending({ roles: ['lead'] }).send])).url, []);
    expect(data(await call(roles.client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    const off = await person((await gatewayOf([send], { elicit: false })).url, []);
    expect(data(await call(off.client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    expect([...roles.asked, ...off.asked]).toEqual([]);
  });

  test('an answer that does not fit the form decides nothing', async () => {
    const { sent, send } = sending();
    const { url } = await gatewayOf([send]);
    const { client } = await person(url, [{ action: 'accept', content: { decision: 'perhaps' } }]);
    expect(data(await call(client, 'send', { text: 'hi' }))).toMatchObject({ status: 'paused' });
    expect(sent).toEqual([]);
  });

  test('a question is a form with the answers that there are, and the answer is the output', async () => {
    const { url } = await gatewayOf([askHuman({ name: 'ask' })]);
    const { client, asked } = await person(url, [{ action: 'accept', content: { answer: 'M' } }]);
    expect(said(await call(client, 'ask', { question: 'Which size?', options: ['S', 'M'] }))).toBe('M');
    expect(asked[0]).toMatchObject({
      message: 'Which size?',
      requestedSchema: { properties: { answer: { type: 'string', enum: ['S', 'M'] } } },
    });
  });

  test('the calls of an agent are approved in its call', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving((engine) => mcpHandler(engine, clerk, { auth, sessions: true }));
    const { client, asked } = await person(url, [{ action: 'accept', content: { decision: 'approve' } }]);
    const result = await call(client, 'clerk', { prompt: 'call pay {"to":"bea","cents":5}' });
    expect(data(result).status).toBe('completed');
    expect([asked.length, paid.length]).toEqual([1, 1]);
  });
});

describe('sessions', () => {
  test('belong to their caller, end by DELETE, and are needed', async () => {
    const { url } = await gatewayOf([sending().send]);
    const session = await sessionOf(url, 'ana');
    expect((await raw(url, { token: 'ana', session, body: LIST })).status).toBe(200);
    const foreign = await raw(url, { token: 'eve', session, body: LIST });
    const absent = await raw(url, { token: 'eve', session: 'never-there', body: LIST });
    expect([foreign.status, await foreign.text()]).toEqual([404, await absent.text()]);
    expect((await raw(url, { token: 'eve', session, method: 'DELETE' })).status).toBe(404);
    const none = await raw(url, { token: 'ana', body: LIST });
    expect([none.status, await none.json()]).toEqual([
      400,
      { jsonrpc: '2.0', id: 1, error: { code: -32600, message: 'Missing required Mcp-Session-Id header' } },
    ]);
    expect((await raw(url, { token: 'ana', session, version: '1999-01-01', body: LIST })).status).toBe(400);
    expect((await raw(url, { token: 'ana', session, method: 'DELETE' })).status).toBe(200);
    expect((await raw(url, { token: 'ana', session, body: LIST })).status).toBe(404);
  });

  test('an elicitation is answered in its own session only', async () => {
    const { sent, send } = sending();
    const { url, engine } = await gatewayOf([send]);
    let answer = (_: Answer) => {};
    const client = await connected(url, {
      token: 'ana',
      capabilities: { elicitation: {} },
      before: (c) =>
        c.setRequestHandler(
          ElicitRequestSchema,
          () =>
            new Promise<Answer>((resolve) => {
              answer = resolve;
            }),
        ),
    });
    const calling = call(client, 'send', { text: 'hi' });
    const run = async () => (await all(engine.runs({ by: { id: 'ana' } })))[0];
    await until(async () => (await run())?.status === 'paused');
    // another caller's answer to the first request of a server, in its own session and in that of the first
    const forged = { jsonrpc: '2.0', id: 0, result: { action: 'accept', content: { decision: 'approve' } } };
    const eves = await sessionOf(url, 'eve');
    expect((await raw(url, { token: 'eve', session: eves, body: forged })).status).toBe(202);
    const anas = (client.transport as { sessionId?: string }).sessionId as string;
    expect((await raw(url, { token: 'eve', session: anas, body: forged })).status).toBe(404);
    expect([sent, (await run())?.status]).toEqual([[], 'paused']);
    answer({ action: 'accept', content: { decision: 'approve' } });
    expect(said(await calling)).toBe('sent');
  });

  test('one caller has at most so many, and the one that was not used for longest ends', async () => {
    const { url } = await gatewayOf([sending().send], { sessions: { most: 2 } });
    const [first, second] = [await sessionOf(url, 'ana'), await sessionOf(url, 'ana')];
    const bens = await sessionOf(url, 'ben');
    await (await raw(url, { token: 'ana', session: first, body: LIST })).text();
    await sessionOf(url, 'ana');
    const status = async (token: string, session: string) => (await raw(url, { token, session, body: LIST })).status;
    expect([await status('ana', first), await status('ana', second), await status('ben', bens)]).toEqual([200, 404, 200]);
  });

  test('one that is not used ends after its time', async () => {
    const { url } = await gatewayOf([sending().send], { sessions: { timeout: 1 } });
    const session = await sessionOf(url, 'ana');
    await until(async () => (await raw(url, { token: 'ana', session, method: 'DELETE' })).status === 404);
  });

  test('a list that changes is told', async () => {
    let tools: readonly Tool[] = [sending().send];
    let changed = () => {};
    const source = {
      name: 'post',
      open: async () => ({
        list: async () => tools,
        changed(listener: () => void) {
          changed = listener;
          return () => {};
        },
        close: async () => {},
      }),
    };
    const { url } = await serving((engine) => gatewayHandler(engine, source, { auth, sessions: true }));
    const heard = vi.fn();
    const client = await connected(url, {
      token: 'ana',
      before: (c) => c.setNotificationHandler(ToolListChangedNotificationSchema, heard),
    });
    expect((await client.listTools()).tools).toHaveLength(2);
    tools = [];
    await until(async () => {
      changed();
      return heard.mock.calls.length > 0;
    });
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['decide']);
  });

  test('a call that its client cancels is cancelled; one that can be asked for again is not', async () => {
    let finish = () => {};
    const waits = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow = tool({ name: 'slow', description: 'Slow', input: z.object({}), effect: 'read', execute: () => waits });
    const { url, engine } = await gatewayOf([slow]);
    const client = await connected(url, { token: 'ana' });
    const runs = async () => (await all(engine.runs({ by: { id: 'ana' } }))).map(({ status }) => status);
    const cancelling = async (meta?: { [k: string]: string }) => {
      const stop = new AbortController();
      const started = (await runs()).length;
      const calling = client
        .callTool({ name: 'slow', arguments: {}, ...(meta && { _meta: meta }) }, undefined, { signal: stop.signal })
        .catch(() => {});
      await until(async () => (await runs()).length > started);
      stop.abort();
      await calling;
    };
    await cancelling();
    await until(async () => (await runs())[0] === 'cancelled');
    await cancelling({ 'rondo/idempotency-key': 'k' });
    finish();
    const again = await call(client, 'slow', {}, { 'rondo/idempotency-key': 'k' });
    expect(again.isError).toBeUndefined();
    expect(await runs()).toEqual(['completed', 'cancelled']);
  });

  test('options that are no numbers are refused', async () => {
    await serving((engine) => {
      expect(() => gatewayHandler(engine, sourceOf('x', []), { sessions: { timeout: 0 } })).toThrow(/sessions.timeout/);
      expect(() => gatewayHandler(engine, sourceOf('y', []), { sessions: { time: 1 } as never })).toThrow(/time/);
      return async () => new Response();
    });
  });
});

test('a page of another site is refused, where no one authenticates', async () => {
  const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('post', [])));
  const from = async (origin: string) => (await raw(url, { body: LIST, headers: { origin } })).status;
  expect([await from('https://evil.example'), await from('null'), await from('http://localhost:3000')]).toEqual([403, 403, 200]);
});
