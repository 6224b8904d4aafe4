/** Lists that change while they are read, and what clients ask of addresses and cards. */
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, jsonSchema, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { connect, send, type Transport } from './client.ts';

const by = { id: 'anonymous' };
const WAITING = 'TASK_STATE_INPUT_REQUIRED';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

/** A server whose tasks all wait for an approval. */
async function waiting() {
  const pay = tool({ name: 'pay', description: '', input: jsonSchema<object>({ type: 'object' }), approval: true, execute: () => 'paid' });
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'pay', input: {} }] }));
  const engine = new Engine({ journal: memoryJournal() });
  const server = await serveA2A(engine, agent({ name: 'worker', instructions: '', model, tools: [pay] }));
  onTestFinished(async () => {
    await server.close();
    await engine.close();
  });
  return { engine, url: server.url };
}

const WHERE: readonly Transport[] = ['JSONRPC', 'HTTP+JSON'];

it.each(WHERE)('the next page continues after a task that no longer matches the filter, over %s', async (transport) => {
  const { url } = await waiting();
  const client = await connect(url, transport);
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) ids.unshift((await send(client, `${i}`)).id);
  const list = (pageToken: string) =>
    client.listTasks({ tenant: '', contextId: '', status: 6, pageToken, statusTimestampAfter: undefined, pageSize: 2 });
  const first = await list('');
  expect([first.tasks.map((t) => t.id), first.totalSize]).toEqual([ids.slice(0, 2), 4]);
  expect(first.nextPageToken).toBe(ids[1]);
  await client.cancelTask({ tenant: '', id: ids[1] as string, metadata: undefined });
  const second = await list(first.nextPageToken);
  expect([second.tasks.map((t) => t.id), second.totalSize, second.nextPageToken]).toEqual([ids.slice(2), 3, '']);
});

it('a page without possible matches after it is the last', async () => {
  const { url } = await waiting();
  const client = await connect(url);
  const [old, open] = [await send(client, 'a'), await send(client, 'b')];
  await client.cancelTask({ tenant: '', id: old.id, metadata: undefined });
  const listed = await client.listTasks({
    tenant: '',
    contextId: '',
    status: 6,
    pageToken: '',
    statusTimestampAfter: undefined,
    pageSize: 1,
  });
  expect([listed.tasks.map((t) => t.id), listed.nextPageToken]).toEqual([[open.id], '']);
});

it('a context lists its open tasks after earlier ones were forgotten', async () => {
  const { engine, url } = await waiting();
  const client = await connect(url);
  const first = await send(client, 'a');
  const { contextId } = first;
  const second = await send(client, 'b', { contextId });
  await client.cancelTask({ tenant: '', id: first.id, metadata: undefined });
  await engine.forget(first.id, { by });
  const { tasks } = await client.listTasks({ tenant: '', contextId, status: 0, pageToken: '', statusTimestampAfter: undefined });
  expect(tasks.map((t) => t.id)).toEqual([second.id]);
});

it('a trailing slash of the JSON-RPC URL is ignored', async () => {
  const { url } = await waiting();
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ListTasks', params: { status: WAITING } });
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0' };
  const ask = async (path: string) => (await fetch(`${url}${path}`, { method: 'POST', headers, body })).status;
  expect([await ask('/a2a'), await ask('/a2a/'), await ask('/a2a//'), await ask('/a2a/x')]).toEqual([200, 200, 404, 404]);
});

it('a card that has not changed is not sent again', async () => {
  const { url } = await waiting();
  const card = (headers: Record<string, string>) => fetch(`${url}/.well-known/agent-card.json`, { headers });
  const tags: string[] = [];
  for (const version of ['1.0', '0.3']) {
    const sent = await card({ 'a2a-version': version });
    const etag = sent.headers.get('etag') ?? '';
    expect([sent.status, etag]).toEqual([200, expect.stringMatching(/^"[\w-]{22}"$/)]);
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const again = await card({ 'a2a-version': version, 'if-none-match': known });
      expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    }
    expect((await card({ 'a2a-version': version, 'if-none-match': '"x"' })).status).toBe(200);
    tags.push(etag);
  }
  expect(tags[0]).not.toBe(tags[1]);
});
