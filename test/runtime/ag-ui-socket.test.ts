import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { agUiTurns } from '../../src/adapters/ag-ui/handler.ts';
import { currentInvocation, type ServeOptions } from '../../src/adapters/agentcore/runtime/index.ts';
import { agent, Engine, tool } from '../../src/index.ts';
import { jsonSchema } from '../../src/json-schema.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { obedient } from '../ag-ui/agents.ts';
import { deferred } from '../kit/time.ts';
import { held } from '../server/held.ts';
import { get } from '../server/http.ts';
import { connect, echo, SESSION, serving, session, USER } from './serving.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const ana = { [SESSION]: session(), [USER]: 'ana' };
const O: ServeOptions = { protocol: 'ag-ui', requireSession: true };
const said = (content: string, runId = 'r1', more: object = {}) => ({
  threadId: 'thread',
  runId,
  messages: [{ id: `u-${runId}`, role: 'user', content }],
  ...more,
});
type Client = Awaited<ReturnType<typeof connect>>;
type Event = { type: string; [field: string]: unknown };

/** The events of the next turn. */
async function turn({ next }: Client): Promise<Event[]> {
  const events: Event[] = [await next()];
  while (!/^RUN_(FINISHED|ERROR)$/.test(events.at(-1)?.type ?? '')) events.push(await next());
  return events;
}

test('a turn gives the events of /invocations, each in a message', async () => {
  const { url } = await serving(obedient().clerk, O);
  const client = await connect(url, ana);
  client.say(said('hello'));
  const events = await turn(client);
  const response = await fetch(`${url}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...ana },
    body: JSON.stringify(said('hello', 'r1', { threadId: 'other' })),
  });
  const streamed = [...(await response.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string) as Event);
  // for a reader that is slower than the model, the pieces of a text are put together
  const plain = (list: Event[]) => {
    const plain: Event[] = [];
    for (const { type, delta, result } of list) {
      const last = plain.at(-1);
      if (delta !== undefined && last?.type === type) last.delta = `${last.delta}${delta}`;
      else plain.push({ type, delta, result });
    }
    return plain;
  };
  expect(plain(events)).toEqual(plain(streamed));
  expect(events.at(0)).toEqual({ type: 'RUN_STARTED', threadId: 'thread', runId: 'r1' });
  expect(events.at(-1)).toMatchObject({ type: 'RUN_FINISHED', result: 'You said: hello' });
});

test('a socket keeps nothing of the turns that it has had', async () => {
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const of = echo();
  engine.register(of);
  const gone = new AbortController();
  const turns = agUiTurns(engine, of, {});
  for (const id of ['r1', 'r2', 'r3']) {
    const types: string[] = [];
    for await (const { type } of turns(JSON.stringify(said('hi', id)), { by: { id: 'ana' }, assertion: undefined }, gone.signal))
      types.push(type);
    expect(types.at(-1)).toBe('RUN_FINISHED');
  }
  await expect.poll(() => getEventListeners(gone.signal, 'abort')).toEqual([]);
});

test('an interrupt is answered on the same socket, by the user whom the platform names', async () => {
  const { clerk, paid } = obedient();
  const { url, engine } = await serving(clerk, O);
  const client = await connect(url, ana);
  client.say(said('call pay {"to":"eve","cents":5}', 'r1', { protocolVersion: '1.0' }));
  const { outcome } = (await turn(client)).at(-1) as unknown as { outcome: { type: string; interrupts: { id: string }[] } };
  expect(outcome).toMatchObject({ type: 'interrupt', interrupts: [{ id: expect.any(String) }] });
  const resume = [{ interruptId: outcome.interrupts[0]?.id, status: 'resolved', payload: { approved: true } }];
  client.say({ threadId: 'thread', runId: 'r2', messages: [], resume });
  expect((await turn(client)).at(-1)).toMatchObject({ type: 'RUN_FINISHED', result: 'Done: paid 5 to eve' });
  expect(paid).toEqual([{ to: 'eve', cents: 5 }]);
  const runs = [];
  for await (const run of engine.runs({ by: { id: 'ana' } })) runs.push(run);
  expect(runs).toHaveLength(1);
});

test('a turn is part of its invocation', async () => {
  const seen: unknown[] = [];
  const look = tool({
    name: 'look',
    description: 'Looks',
    input: jsonSchema<object>({ type: 'object' }),
    execute: () => void seen.push(currentInvocation()?.session),
  });
  const model = scripted(({ messages }) => (messages.length === 1 ? { toolCalls: [{ name: 'look', input: {} }] } : 'seen'));
  const looking = agent({ name: 'looking', instructions: '', model, tools: [look] });
  const context = (_: unknown, invocation: { session: string }) => void seen.push(invocation.session);
  const { url } = await serving(looking, { ...O, context });
  const client = await connect(url, ana);
  client.say(said('go'));
  await turn(client);
  expect(seen).toEqual([session(), session()]);
});

test('inputs that come while a turn goes on wait for it, and too many close the socket', async () => {
  const gate = deferred();
  const model = scripted(async ({ messages }) => {
    if (messages.length === 1) await gate.promise;
    return `message ${messages.length}`;
  });
  const { url } = await serving(agent({ name: 'a', instructions: '', model }), O);
  const client = await connect(url, ana);
  client.say(said('one', 'r1'));
  client.say(said('two', 'r2'));
  expect(await client.next()).toMatchObject({ type: 'RUN_STARTED', runId: 'r1' });
  gate.resolve();
  const [first, second] = [await turn(client), await turn(client)];
  expect(first.at(-1)).toMatchObject({ type: 'RUN_FINISHED', runId: 'r1', result: 'message 1' });
  expect(second.at(0)).toMatchObject({ type: 'RUN_STARTED', runId: 'r2' });
  expect(second.at(-1)).toMatchObject({ type: 'RUN_FINISHED', runId: 'r2', result: 'message 3' });

  const { agent: stuck, finish } = held();
  const flooding = await connect((await serving(stuck, O)).url, ana);
  for (let i = 0; i < 12; i++) flooding.say(said('go', `r${i}`));
  expect(await flooding.closed).toBe(1008);
  finish('seen');
});

test('a socket that closes leaves the run, which another joins by its run id', async () => {
  const { agent: looking, begun, finish } = held();
  const { url } = await serving(looking, O);
  const first = await connect(url, ana);
  first.say(said('go'));
  await begun;
  first.socket.terminate();
  await first.closed;
  expect((await get(`${url}/ping`)).body.status).toBe('HealthyBusy');
  const second = await connect(url, ana);
  second.say(said('go'));
  expect(await second.next()).toMatchObject({ type: 'RUN_STARTED' });
  finish('seen');
  expect((await turn(second)).at(-1)).toMatchObject({ type: 'RUN_FINISHED', result: 'seen' });
});

test('what is wrong with an input is an event, and the socket goes on', async () => {
  const { url } = await serving(echo(), O);
  const client = await connect(url, ana);
  for (const bad of ['{', '[]', '{}', '{"threadId":"t","runId":"r","messages":[]}', '{"threadId":"t","runId":"r","messages":"x"}']) {
    client.say(bad);
    expect([bad, await client.next()]).toEqual([bad, { type: 'RUN_ERROR', code: 'BAD_REQUEST', message: expect.any(String) }]);
  }
  client.say(said('hi'));
  expect((await turn(client)).at(-1)).toMatchObject({ result: 'message 1' });
  // another user's thread
  const ben = await connect(url, { ...ana, [USER]: 'ben' });
  ben.say(said('hi', 'r2'));
  expect((await turn(ben)).at(-1)).toMatchObject({ result: 'message 1' });
  client.say(said('x'.repeat(70_000), 'r3'));
  expect(await client.closed).toBe(1009);
  ben.socket.send(Buffer.from('{}'), { binary: true });
  expect(await ben.closed).toBe(1003);
});
