/** What does not fit an operation is the caller's fault: -32602 or HTTP 400, no text of the platform, and nothing in the operator's log. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { a2aHandler } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

function server() {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const engine = new Engine({ journal: memoryJournal() });
  const echo = agent({ name: 'echo', description: 'Echoes', instructions: '', model: scripted(() => 'echoed') });
  const handler = a2aHandler(engine, echo, { card: { url: 'http://localhost' }, push: { allow: ['http://localhost:1'] } });
  onTestFinished(async () => {
    handler.close();
    await engine.close();
    warned.mockRestore();
  });
  const ask = async (version: string, method: string, path: string, body?: unknown) => {
    const headers = { 'a2a-version': version, 'content-type': 'application/json' };
    const response = await handler(
      new Request(`http://localhost/a2a${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }),
    );
    return { status: response.status, text: await response.text() };
  };
  const rpc = async (version: string, method: string, params: object) =>
    JSON.parse((await ask(version, 'POST', '', { jsonrpc: '2.0', id: 7, method, params })).text) as {
      id: number;
      error?: { code: number; message: string };
      result?: { task?: { id: string } };
    };
  return { ask, rpc, warned };
}

// a text cannot be made of it
const ODD = { toString: 1 };
const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x' }] };
const old = { kind: 'message', messageId: 'm', role: 'user', parts: [{ kind: 'text', text: 'x' }] };
const long = 'x'.repeat(600);

test.each([
  ['SendMessage', { message: { ...message, parts: [null] } }],
  ['SendStreamingMessage', { message: { ...message, parts: [null] } }],
  ['SendMessage', { message: { ...message, messageId: ODD } }],
  ['SendMessage', { message: { ...message, taskId: ODD } }],
  ['SendMessage', { message, tenant: ODD }],
  ['SendMessage', { message, configuration: { historyLength: ODD } }],
  ['GetTask', { id: ODD }],
  ['SubscribeToTask', { id: ODD }],
  ['ListTasks', { contextId: ODD }],
  ['ListTasks', { contextId: long }],
  ['ListTasks', { contextId: 'a\0b' }],
  ['GetTask', { id: 'a\0b' }],
  ['CreateTaskPushNotificationConfig', { taskId: ODD, url: 'http://localhost:1' }],
])('%s of 1.0 refuses %j', async (method, params) => {
  const { rpc, warned } = server();
  expect(await rpc('1.0', method, params)).toMatchObject({ id: 7, error: { code: -32602, message: expect.not.stringMatching(/Cannot/) } });
  expect(warned).not.toHaveBeenCalled();
});

test.each([
  ['message/send', { message: { ...old, parts: [null] } }],
  ['message/send', { message: { ...old, parts: [{ kind: 'text', text: ODD }] } }],
  ['message/send', { message: { ...old, parts: [{ kind: 'file', file: { bytes: 'aGk=', mimeType: ODD } }] } }],
  ['message/send', { message: { ...old, parts: [{ kind: 'file', file: { bytes: 'aGk=', mimeType: 'image/png', name: ODD } }] } }],
  ['message/stream', { message: { ...old, parts: [{ kind: 'file', file: { uri: ODD } }] } }],
  ['message/send', { message: null }],
  ['message/send', { message: { ...old, taskId: ['x'] } }],
  ['tasks/get', { id: ['x'] }],
  ['tasks/get', { id: 7 }],
  ['tasks/cancel', { id: ODD }],
  ['tasks/resubscribe', { id: {} }],
  ['tasks/pushNotificationConfig/list', { id: [] }],
  ['tasks/pushNotificationConfig/set', {}],
  ['tasks/pushNotificationConfig/set', { taskId: 'x', pushNotificationConfig: null }],
])('%s of 0.3 refuses %j', async (method, params) => {
  const { rpc, warned } = server();
  expect(await rpc('0.3', method, params)).toMatchObject({ id: 7, error: { code: -32602, message: expect.not.stringMatching(/Cannot/) } });
  expect(warned).not.toHaveBeenCalled();
});

test('REST refuses the same with 400', async () => {
  const { ask, warned } = server();
  for (const [method, path, body] of [
    ['POST', '/rest/message:send', { message: { ...message, parts: [null] } }],
    ['POST', '/rest/message:stream', { message: { ...message, contextId: ODD } }],
    ['POST', '/rest/tasks/x/pushNotificationConfigs', { url: ODD }],
    ['GET', `/rest/tasks?contextId=${long}`, undefined],
    ['GET', '/rest/tasks?contextId=a%00b', undefined],
    ['GET', '/rest/tasks/a%00b', undefined],
  ] as const) {
    const { status, text } = await ask('1.0', method, path, body);
    expect([status, text], path).toEqual([400, expect.not.stringMatching(/Cannot/)]);
  }
  expect(warned).not.toHaveBeenCalled();
});

test('a webhook of 0.3 whose fields are no texts is refused', async () => {
  const { rpc } = server();
  const { result } = await rpc('1.0', 'SendMessage', { message });
  const taskId = result?.task?.id;
  const url = 'http://localhost:1';
  for (const pushNotificationConfig of [
    { url: ODD },
    { url, id: 7 },
    { url, token: ODD },
    { url, authentication: { schemes: [ODD], credentials: ODD } },
  ])
    expect(await rpc('0.3', 'tasks/pushNotificationConfig/set', { taskId, pushNotificationConfig })).toMatchObject({
      error: { code: -32602 },
    });
});
