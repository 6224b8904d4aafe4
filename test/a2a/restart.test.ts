/** Tasks are runs in a journal: they outlive the process that served them, and the callers that asked. */
import { connect as dial } from 'node:net';
import { TaskState } from '@a2a-js/sdk';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { a2aAgent, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, jsonSchema, memoryJournal, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, leftBehind, recording } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { approvalsIn, connect, get, message, output, send, stateOf, stream, type Transport } from './client.ts';
import { journalFile, serve, start } from './process.ts';

const list = { tenant: '', contextId: '', status: 0, pageToken: '', statusTimestampAfter: undefined };

// a pause in a journal of memory is what is meant here
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

it('an interrupted task is continued by the next process', async () => {
  const journal = journalFile();
  const before = await serve({ journal });
  const client = await connect(before.url);
  const first = await send(client, 'hello');
  // the connection breaks with the process
  const broken = stream(client, 'call hang {}', { contextId: first.contextId }).catch((error: unknown) => error);
  await before.saying((line) => line.hangs === true);
  const id = (await client.listTasks(list)).tasks.find((t) => stateOf(t) === 'TASK_STATE_WORKING')?.id ?? '';
  await before.kill();
  expect(await broken).toBeInstanceOf(Error);

  const after = await serve({ journal });
  const again = await connect(after.url, 'HTTP+JSON');
  const last = await until(async () => {
    const task = await get(again, id);
    return stateOf(task) === 'TASK_STATE_WORKING' ? undefined : task;
  });
  // the tool has one chance: no one knows what became of it, which is what the agent was told
  expect(stateOf(last)).toBe('TASK_STATE_COMPLETED');
  expect(output(last)).toContain('OUTCOME_UNKNOWN');
  expect(after.said).toEqual([]);
  expect(last.contextId).toBe(first.contextId);
  expect(await get(again, first.id)).toEqual(first);
  expect((await again.listTasks(list)).tasks.map((t) => t.id)).toEqual([id, first.id]);
  // and the conversation goes on where it was
  expect(output(await send(again, 'history', { contextId: first.contextId }))).toBe('3 messages');
});

it.each<Transport>(['JSONRPC', 'HTTP+JSON', '0.3'])(
  'a caller over %s that hangs up leaves the task as it is, and may come back',
  async (t) => {
    const server = await serve();
    const client = await connect(server.url, t);
    let id = '';
    for await (const event of client.sendMessageStream({
      tenant: '',
      message: message('call hang {}'),
      configuration: undefined,
      metadata: undefined,
    })) {
      if (event.payload?.$case === 'task') id = event.payload.value.id;
      break;
    }
    await server.saying((line) => line.hangs === true);
    expect(stateOf(await get(client, id))).toBe('TASK_STATE_WORKING');
    const kinds: unknown[] = [];
    for await (const { payload } of client.resubscribeTask({ tenant: '', id })) {
      kinds.push(payload?.$case === 'statusUpdate' ? TaskState[payload.value.status?.state ?? 0] : payload?.$case);
      if (kinds.length === 1) await client.cancelTask({ tenant: '', id, metadata: undefined });
    }
    expect(kinds).toEqual(['task', 'TASK_STATE_CANCELED']);
    await server.saying((line) => line.stopped === true);
    expect(server.said).toEqual([{ hangs: true }, { stopped: true }]);
  },
);

it('a caller that hangs up is no longer followed', async () => {
  const hang = tool({
    name: 'hang',
    description: '',
    input: jsonSchema<object>({ type: 'object' }),
    execute: (_, { signal }) => new Promise<string>((_done, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const slow = agent({ name: 'slow', instructions: '', tools: [hang], model: scripted([{ toolCalls: [{ name: 'hang', input: {} }] }]) });
  const engine = new Engine();
  const watch = vi.spyOn(engine, 'watch');
  await using server = await serveA2A(engine, slow);
  const client = await connect(server.url);
  let id = '';
  const begin = client.sendMessageStream({ tenant: '', message: message('go'), configuration: undefined, metadata: undefined });
  for await (const { payload } of begin) {
    if (payload?.$case === 'task') id = payload.value.id;
    break;
  }
  for await (const event of client.resubscribeTask({ tenant: '', id })) if (event) break;
  const followed = () => watch.mock.calls.map(([, o]) => o).filter((o) => o?.after !== undefined);
  expect(followed()).toHaveLength(1);
  await until(() => followed()[0]?.signal?.aborted);
  await engine.cancel(id, { by: { id: 'anonymous' } });
});

it('a caller that waits when the server closes gets the current task', async () => {
  const begun = deferred();
  const finish = deferred<string>();
  const wait = tool({
    name: 'wait',
    description: '',
    input: jsonSchema<object>({ type: 'object' }),
    execute: () => {
      begun.resolve();
      return finish.promise;
    },
  });
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'ok' : { toolCalls: [{ name: 'wait', input: {} }] }));
  const slow = agent({ name: 'slow', instructions: '', tools: [wait], model });
  const engine = new Engine();
  const server = await serveA2A(engine, slow);
  const client = await connect(server.url);
  const sending = send(client, 'go');
  await begun.promise;
  await server.close();
  const task = await sending;
  expect(stateOf(task)).toBe('TASK_STATE_WORKING');
  finish.resolve('seen');
  await until(async () => (await engine.inspect(task.id)).status === 'completed');
});

it('a process that dies during a call sends the message again if it may, and the peer works once', async () => {
  const peer = await serve({ options: { usage: true } });
  const remote = a2aAgent(peer.url, { name: 'remote', effect: 'idempotent' });
  const model = () =>
    scripted(({ messages }) =>
      messages.length > 2 ? 'done' : { toolCalls: [{ name: 'remote', input: { task: 'call pay {"to":"ana","cents":5}' } }] },
    );
  const boss = () => supervisor({ name: 'boss', instructions: '', agents: [remote], model: model() });
  const { journal, appends } = recording(memoryJournal());
  const first = new Engine({ journal });
  await ends(first.run(boss(), 'go', { id: 'top' }), 'paused');
  // it died when the peer had been asked, and had not answered
  const cut = appends.findLastIndex(({ entries }) => entries.some((e) => e.type === 'call.started'));
  const second = new Engine({ journal: await leftBehind(appends.slice(0, cut + 1)), agents: [boss()] });
  const [found] = await all(second.recover());
  const paused = await ends((found as NonNullable<typeof found>).run, 'paused');
  expect(paused.approvals).toMatchObject([{ tool: 'pay', path: ['boss', 'remote'] }]);
  const client = await connect(peer.url);
  expect((await client.listTasks(list)).tasks).toHaveLength(1);
  await second.decide('top', [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'me' } });
  await ends(second.resume('top'), 'completed');
  expect(peer.said).toEqual([{ paid: 'ana', cents: 5 }]);
});

it.each([
  ['ours', () => serve(), 'call pay {"to":"ana","cents":5}', 'paid 5 to ana', { type: 'approve' }],
  ["the SDK's", () => start('official', {}), 'ask Which city?', 'it said: Oslo', { type: 'respond', answer: 'Oslo' }],
] as const)('an answer that a peer, %s, took before the process died is not given twice', async (_, serving, task, output, decision) => {
  const peer = await serving();
  const remote = a2aAgent(peer.url, { name: 'remote', effect: 'idempotent' });
  const { journal, appends } = recording(memoryJournal());
  const first = new Engine({ journal });
  const asked = await ends(first.run(remote, task, { id: 'top' }), 'paused');
  await first.decide('top', [{ approval: asked.approvals[0].id, ...decision }], { by: { id: 'me' } });
  await ends(first.resume('top'), 'completed');
  const effects = peer.said.length;
  const cut = appends.findLastIndex(({ entries }) => entries.some((e) => e.type === 'call.started'));
  const second = new Engine({ journal: await leftBehind(appends.slice(0, cut + 1)), agents: [remote] });
  const [found] = await all(second.recover());
  expect(await ends((found as NonNullable<typeof found>).run, 'completed')).toMatchObject({ output });
  expect(peer.said).toHaveLength(effects);
});

it('an answer is not sent to a later question of the peer', async () => {
  const peer = await start('official', {});
  const remote = a2aAgent(peer.url, { name: 'remote', effect: 'idempotent' });
  const { journal, appends } = recording(memoryJournal());
  const first = new Engine({ journal });
  const asked = await ends(first.run(remote, 'ask Are you sure?', { id: 'top' }), 'paused');
  await first.decide('top', [{ approval: asked.approvals[0].id, type: 'respond', answer: 'again' }], { by: { id: 'me' } });
  await ends(first.resume('top'), 'paused');
  const cut = appends.findLastIndex(({ entries }) => entries.some((e) => e.type === 'call.started'));
  const second = new Engine({ journal: await leftBehind(appends.slice(0, cut + 1)), agents: [remote] });
  const [found] = await all(second.recover());
  const paused = await ends((found as NonNullable<typeof found>).run, 'paused');
  expect(paused.approvals).toMatchObject([{ kind: 'question', question: 'Really?' }]);
  expect(peer.said.map((line) => line.said)).toEqual(['ask Are you sure?', 'again']);
});

it('a task that was decided while no server ran continues', async () => {
  const pay = tool({ name: 'pay', description: '', input: jsonSchema<object>({ type: 'object' }), approval: true, execute: () => 'paid' });
  const model = () => scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'ok' : { toolCalls: [{ name: 'pay', input: {} }] }));
  const journal = memoryJournal();
  const open = () => {
    const payer = agent({ name: 'payer', instructions: '', tools: [pay], model: model() });
    return serveA2A(new Engine({ journal, agents: [payer] }), payer);
  };
  const before = await open();
  const asked = await send(await connect(before.url), 'go');
  await before.close();
  const approval = approvalsIn(asked)[0]?.id ?? '';
  await new Engine({ journal }).decide(asked.id, [{ approval, type: 'approve' }], { by: { id: 'somebody here' } });
  await using after = await open();
  const client = await connect(after.url);
  const done = await until(async () => {
    const task = await get(client, asked.id);
    return stateOf(task) === 'TASK_STATE_COMPLETED' ? task : undefined;
  });
  expect(output(done)).toBe('ok');
});

it('malformed and deeply nested requests do no harm', async () => {
  const quiet = agent({ name: 'quiet', instructions: '', model: scripted(() => 'ok') });
  await using server = await serveA2A(new Engine(), quiet);
  const { hostname, port } = new URL(server.url);
  const raw = (target: string) =>
    new Promise<string>((resolve) => {
      let text = '';
      const socket = dial(Number(port), hostname, () =>
        socket.write(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
      );
      socket.on('data', (data) => {
        text += data;
      });
      socket.on('close', () => resolve(text.slice(9, 12)));
    });
  for (const target of ['//', 'http://[', '*', '/%', '//a2a']) expect([target, await raw(target)]).toEqual([target, '404']);
  const parts = `[{"kind":"data","data":{"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}}]`;
  for (const version of ['1.0', '0.3']) {
    const method = version === '1.0' ? 'SendMessage' : 'message/send';
    const message = `{"messageId":"m","role":"${version === '1.0' ? 'ROLE_USER' : 'user'}","kind":"message","parts":${parts}}`;
    const answer = await fetch(`${server.url}/a2a`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'a2a-version': version },
      body: `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"message":${message}}}`,
    });
    expect(await answer.json()).toMatchObject({ error: { code: -32602, message: expect.stringContaining('nested') } });
  }
  expect(output(await send(await connect(server.url), 'hi'))).toBe('ok');
});
