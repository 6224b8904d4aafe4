/** A task that waits for a time asks its caller nothing: it is working, and is followed to its end. */
import { TaskState } from '@a2a-js/sdk';
import { expect, onTestFinished, test } from 'vitest';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine, jsonSchema, memoryJournal, tool, waitTool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { approvalsIn, connect, message, output, send, stateOf, stream, type Transport } from './client.ts';

/** An agent that waits for a second, and asks for an approval if it is told to pay. */
async function served(transport: Transport) {
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input: jsonSchema<object>({ type: 'object' }),
    approval: true,
    execute: () => 'paid',
  });
  const model = scripted(({ messages }) => {
    if (messages.at(-1)?.role !== 'tool') return { toolCalls: [{ name: 'wait', input: { seconds: 1 } }] };
    const paying = JSON.stringify(messages).includes('please pay') && messages.filter(({ role }) => role === 'tool').length === 1;
    return paying ? { toolCalls: [{ name: 'pay', input: {} }] } : 'Woke.';
  });
  const engine = new Engine({ journal: memoryJournal() });
  const server = await serveA2A(
    engine,
    agent({ name: 'sleeper', description: 'Sleeps', instructions: '', tools: [waitTool(), pay], model }),
  );
  onTestFinished(async () => {
    await server.close();
    await engine.close();
  });
  return connect(server.url, transport);
}

test.each<Transport>(['JSONRPC', 'HTTP+JSON', '0.3'])('a message is answered once the wait is over, over %s', async (transport) => {
  const client = await served(transport);
  expect(output(await send(client, 'hello'))).toBe('Woke.');
  const asked = await send(client, 'please pay');
  expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED');
  expect(approvalsIn(asked)).toHaveLength(1);
});

test('a stream and a subscription go on until the task has ended', async () => {
  const client = await served('JSONRPC');
  const last = (await stream(client, 'hello')).at(-1)?.payload;
  expect(last).toMatchObject({ $case: 'statusUpdate', value: { status: { state: TaskState.TASK_STATE_COMPLETED } } });
  const configuration = { acceptedOutputModes: [], returnImmediately: true, taskPushNotificationConfig: undefined };
  const task = await client.sendMessage({ tenant: '', message: message('hello'), configuration, metadata: undefined });
  if ('messageId' in task) throw new Error('no task');
  const states: (number | undefined)[] = [];
  for await (const { payload } of client.resubscribeTask({ tenant: '', id: task.id }))
    if (payload?.$case === 'statusUpdate') states.push(payload.value.status?.state);
  expect(states.at(-1)).toBe(TaskState.TASK_STATE_COMPLETED);
});
