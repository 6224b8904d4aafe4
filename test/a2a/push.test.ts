import { createServer, type IncomingHttpHeaders } from 'node:http';
import { InMemoryPushNotificationStore } from '@a2a-js/sdk/server';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, jsonSchema, memoryJournal, RondoError, tool } from '../../src/index.ts';
import { isInside, publicOnly } from '../../src/server/addresses.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { until } from '../kit/time.ts';
import { approvalsIn, connect, message, send, stateOf, type Transport } from './client.ts';
import { serve } from './process.ts';

// a name that leads to this machine
vi.mock('node:dns', async (original) => {
  const dns = await original<typeof import('node:dns')>();
  const here = [{ address: '127.0.0.1', family: 4 }];
  const lookup = (host: string, o: object, done: (...found: unknown[]) => void) =>
    host === 'hook.example.com' ? done(null, here) : dns.lookup(host, o as never, done as never);
  return { ...dns, lookup };
});
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

interface Told {
  path: string | undefined;
  headers: IncomingHttpHeaders;
  body: { [k: string]: unknown };
}

/** A webhook. `answer`: the status of each request, by its number. */
async function webhook(answer: (n: number) => number | { to: string } = () => 200) {
  const told: Told[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    told.push({ path: request.url, headers: request.headers, body: JSON.parse(body) as Told['body'] });
    const status = answer(told.length);
    if (typeof status === 'number') response.writeHead(status).end();
    else response.writeHead(302, { location: status.to }).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, told };
}

const config = (url: string, o: object = {}) => ({ tenant: '', id: '', taskId: '', url, token: '', authentication: undefined, ...o });
const asking = (text: string, url: string, o: object = {}) => ({
  tenant: '',
  message: message(text),
  configuration: { acceptedOutputModes: [], returnImmediately: false, taskPushNotificationConfig: config(url, o) },
  metadata: undefined,
});
/** The states that a webhook was told, in both forms of the protocol. */
const states = (told: readonly Told[]) =>
  told.map(({ body }) => {
    const task = (body.task ?? body) as { status: { state: string } };
    return task.status.state.replace('TASK_STATE_', '').toLowerCase().replace('_', '-');
  });

describe.each<Transport>(['JSONRPC', 'HTTP+JSON', '0.3'])('a webhook given over %s', (transport) => {
  it('gets every state of the task until it ends, with credentials of the sender', async () => {
    const { origin, told } = await webhook();
    const server = await serve({ options: { push: { allow: [origin] } } });
    const client = await connect(server.url, transport);
    const o = { token: 'mine', authentication: { scheme: 'Bearer', credentials: 'abc' } };
    const asked = await client.sendMessage(asking('call pay {"to":"ana","cents":1}', `${origin}/hook`, o));
    if ('messageId' in asked) throw new Error('no task');
    await until(() => states(told).includes('input-required'));
    await send(client, { decisions: [{ approval: approvalsIn(asked)[0]?.id ?? '', type: 'approve' }] }, { taskId: asked.id });
    await until(() => states(told).includes('completed'));
    expect(states(told).filter((s) => s !== 'working')).toEqual(['input-required', 'completed']);
    for (const { headers, path, body } of told) {
      expect(path).toBe('/hook');
      expect(headers).toMatchObject({ authorization: 'Bearer abc', 'x-a2a-notification-token': 'mine' });
      expect(((body.task ?? body) as { id: string }).id).toBe(asked.id);
    }
  });

  it('is stored, returned and deleted for the owner of the task', async () => {
    const { origin } = await webhook();
    const server = await serve({ auth: 'tokens', options: { push: { allow: [origin] } } });
    const ana = await connect(server.url, transport, 'ana');
    const ben = await connect(server.url, transport, 'ben');
    const { id: taskId } = await send(ana, 'call pay {"to":"ana","cents":1}');
    const made = await ana.createTaskPushNotificationConfig(config(origin, { taskId }));
    expect(made).toMatchObject({ taskId, url: origin });
    expect(await ana.getTaskPushNotificationConfig({ tenant: '', taskId, id: made.id })).toMatchObject({ id: made.id });
    const listed = () => ana.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 0, pageToken: '' });
    expect((await listed()).configs.map((c) => c.id)).toEqual([made.id]);
    for (const attempt of [
      () => ben.createTaskPushNotificationConfig(config(origin, { taskId })),
      () => ben.getTaskPushNotificationConfig({ tenant: '', taskId, id: made.id }),
      () => ben.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 0, pageToken: '' }),
      () => ben.deleteTaskPushNotificationConfig({ tenant: '', taskId, id: made.id }),
    ])
      await expect(attempt()).rejects.toThrow(/Task not found/);
    await ana.deleteTaskPushNotificationConfig({ tenant: '', taskId, id: made.id });
    expect((await listed()).configs).toEqual([]);
  });
});

describe('a webhook', () => {
  it('is notified further after the store of the task was away', async () => {
    const { origin, told } = await webhook();
    let failed: number | undefined;
    const inner = memoryJournal();
    const journal = new Proxy(inner, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          if (key !== 'read' || failed === undefined) return value.apply(target, args);
          failed++;
          throw new RondoError('JOURNAL_UNAVAILABLE', 'the store is away');
        };
      },
    });
    const pay = tool({
      name: 'pay',
      description: 'Pays',
      input: jsonSchema<object>({ type: 'object' }),
      approval: true,
      execute: () => 'ok',
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'Done.' : { toolCalls: [{ name: 'pay', input: {} }] }));
    const engine = new Engine({ journal });
    const server = await serveA2A(engine, agent({ name: 'clerk', instructions: '', tools: [pay], model }), {
      push: { allow: [origin] },
      recover: false,
    });
    onTestFinished(async () => {
      await server.close();
      await engine.close();
    });
    const asked = await (await connect(server.url)).sendMessage(asking('pay', `${origin}/hook`));
    if ('messageId' in asked) throw new Error('no task');
    await until(() => states(told).includes('input-required'));
    failed = 0;
    await until(() => (failed ?? 0) > 0);
    failed = undefined;
    // it is decided elsewhere, so that nothing wakes the webhook
    const approvals = approvalsIn(asked).map(({ id }) => ({ approval: id, type: 'approve' as const }));
    await engine.decide(asked.id, approvals, { by: { id: 'lea' } });
    await engine.resume(asked.id);
    await until(() => states(told).includes('completed'));
  });

  it('inside our network is refused, however it is written', async () => {
    const { origin } = await webhook();
    const server = await serve({ options: { push: { allow: [origin] } } });
    const client = await connect(server.url);
    const { id: taskId } = await send(client, 'call pay {"to":"ana","cents":1}');
    for (const url of [
      'http://example.com/',
      'https://127.0.0.1/',
      'https://127.1/',
      'https://2130706433/',
      'https://0x7f000001/',
      'https://0177.0.0.1/',
      'https://[::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:a9fe:a9fe]/',
      'https://[64:ff9b::a9fe:a9fe]/',
      'https://[fd00::1]/',
      'https://[fe80::1]/',
      'https://169.254.169.254/latest/meta-data',
      'https://10.0.0.1/',
      'https://172.31.255.255/',
      'https://192.168.1.1/',
      'https://100.64.0.1/',
      'https://0.0.0.0/',
      'https://localhost/',
      'https://a.localhost/',
      'https://user:pass@example.com/',
      'file:///etc/passwd',
      'gopher://example.com/',
      'rubbish',
    ])
      await expect(client.createTaskPushNotificationConfig(config(url, { taskId })), url).rejects.toMatchObject({
        reason: 'INVALID_PARAMS',
      });
    // a message with such a webhook starts nothing
    await expect(client.sendMessage(asking('hi', 'https://10.0.0.1/'))).rejects.toMatchObject({ reason: 'INVALID_PARAMS' });
    const { tasks } = await client.listTasks({ tenant: '', contextId: '', status: 0, pageToken: '', statusTimestampAfter: undefined });
    expect(tasks).toHaveLength(1);
    for (let i = 0; i < 10; i++) await client.createTaskPushNotificationConfig(config(`${origin}/${i}`, { taskId, id: `c${i}` }));
    await expect(client.createTaskPushNotificationConfig(config(origin, { taskId }))).rejects.toThrow('at most 10');
  });

  it('whose name resolves to a private address is not called', async () => {
    const found = await new Promise((done) => publicOnly('localhost', { all: true }, (error, addresses) => done(error ?? addresses)));
    expect(found).toMatchObject({ message: 'localhost is not a public address' });
    const quiet = agent({ name: 'quiet', instructions: '', model: scripted(() => 'ok') });
    await using server = await serveA2A(new Engine(), quiet, { push: true });
    await (await connect(server.url)).sendMessage(asking('hi', 'https://hook.example.com/'));
    await until(() =>
      vi.mocked(process.emitWarning).mock.calls.some(([text]) => String(text).includes('hook.example.com is not a public address')),
    );
    expect(['93.184.216.34', '2606:2800:220:1::1', '8.8.8.8'].map(isInside)).toEqual([false, false, false]);
    expect(['not an address', '', '1.2.3'].map(isInside)).toEqual([true, true, true]);
  });

  it('that redirects is not followed, and one that fails is tried again', async () => {
    const secret = await webhook();
    const redirecting = await webhook(() => ({ to: secret.origin }));
    const failing = await webhook((n) => (n === 1 ? 503 : 200));
    const quiet = agent({ name: 'quiet', instructions: '', model: scripted(() => 'ok') });
    const allow = [redirecting.origin, failing.origin];
    await using server = await serveA2A(new Engine(), quiet, { push: { allow } });
    const client = await connect(server.url);
    const task = await send(client, 'hi');
    await client.createTaskPushNotificationConfig(config(redirecting.origin, { taskId: task.id }));
    await client.createTaskPushNotificationConfig(config(failing.origin, { taskId: task.id }));
    await until(() => vi.mocked(process.emitWarning).mock.calls.some(([text]) => String(text).includes('HTTP 302')));
    await until(() => failing.told.length >= 2);
    expect(secret.told).toEqual([]);
    expect(new Set(states(failing.told))).toEqual(new Set(['completed']));
  });

  it('of a task from before a restart is notified, if the application stores webhooks', async () => {
    const { origin, told } = await webhook();
    const store = new InMemoryPushNotificationStore(() => 'all');
    const pay = tool({
      name: 'pay',
      description: '',
      input: jsonSchema<object>({ type: 'object' }),
      approval: true,
      execute: () => 'paid',
    });
    const model = () => scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'ok' : { toolCalls: [{ name: 'pay', input: {} }] }));
    const journal = memoryJournal();
    const served = () => {
      const payer = agent({ name: 'payer', instructions: '', tools: [pay], model: model() });
      return serveA2A(new Engine({ journal, agents: [payer] }), payer, { push: { allow: [origin], store } });
    };
    const before = await served();
    const asked = await (await connect(before.url)).sendMessage(asking('go', origin));
    await until(() => states(told).includes('input-required'));
    await before.close();
    await using after = await served();
    const done = await send(await connect(after.url), 'approve', { taskId: (asked as { id: string }).id });
    expect(stateOf(done)).toBe('TASK_STATE_COMPLETED');
    await until(() => states(told).includes('completed'));
  });

  it('is refused by a server without push notifications', async () => {
    const client = await connect((await serve()).url);
    await expect(client.sendMessage(asking('hi', 'https://example.com/'))).rejects.toMatchObject({
      reason: 'PUSH_NOTIFICATION_NOT_SUPPORTED',
    });
    expect((await client.getAgentCard()).capabilities?.pushNotifications).toBeFalsy();
  });
});

it.each([['text'], [7], [['no address']], [[7]], [{}]])('allow: %j is refused before the server listens', async (allow) => {
  const quiet = agent({ name: 'quiet', instructions: '', model: scripted([]) });
  const error = await serveA2A(new Engine(), quiet, { push: { allow: allow as never } }).catch((e) => e);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('push.allow is a list of origins') });
});
