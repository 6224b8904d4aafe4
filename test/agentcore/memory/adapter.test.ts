import { BedrockAgentCoreClient, CreateEventCommand, ListEventsCommand } from '@aws-sdk/client-bedrock-agentcore';
import { agentcoreMemory } from 'rondo/agentcore/memory';
import type { MemoryStore } from 'rondo/memory';
import { memoryStoreConformance } from 'rondo/testing';
import { describe, expect, test } from 'vitest';
import { movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { deferred, eventually } from '../../kit/time.ts';
import { type WithMemory, withMemory } from './kit.ts';

const FACTS = { semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } };
const PLACES = ['/facts/{actorId}/'];
const say = (text: string, over = {}) => ({
  actor: 'ana',
  session: 's1',
  items: [{ kind: 'text' as const, role: 'user' as const, text }],
  ...over,
});

describe('conforms over the wire', () => {
  const opened = new WeakMap<MemoryStore, WithMemory>();
  const storeOf = (memory: WithMemory) => {
    const store = agentcoreMemory({ memoryId: memory.memoryId, endpoint: memory.server.url, region: 'us-east-1', namespaces: PLACES });
    opened.set(store, memory);
    return store;
  };
  memoryStoreConformance(async () => storeOf(await withMemory()), {
    test,
    another: (store) => storeOf(opened.get(store) as WithMemory),
    // AWS keeps neither what a record was learned from nor its earlier texts
    provenance: false,
  });
});

test('a note that the model makes is there once, however often its call is tried', async () => {
  const { memoryId, server } = await withMemory({}, { faults: ['error-after=BatchCreateMemoryRecords:0.5'], seed: 3 });
  const store = agentcoreMemory({ memoryId });
  const note = [{ namespace: '/notes/ana/', text: 'Likes tea.', origin: 'assistant' as const }];
  const attempts = Array.from({ length: 4 }, () => store.add(note, { key: 'call-1' }).catch(() => undefined));
  await Promise.all(attempts);
  await eventually(() => store.add(note, { key: 'call-1' }));
  expect(server.calls().filter(({ operation }) => operation === 'BatchCreateMemoryRecords').length).toBeGreaterThan(4);
  expect((await store.list({ namespace: '/notes/ana/' })).items).toHaveLength(1);
});

test('an event that is on its way when it is told to stop is waited for, so that forgetting finds it', async () => {
  const { client, memoryId } = await withMemory();
  const [sent, go] = [deferred(), deferred()];
  const slow = {
    destroy() {},
    async send(...args: [never, never]) {
      sent.resolve();
      await go.promise;
      return client.send(...args);
    },
  } as unknown as BedrockAgentCoreClient;
  const store = agentcoreMemory({ memoryId, client: slow, namespaces: PLACES });
  const stop = new AbortController();
  const added = store.append(say('I like tea.'), { signal: stop.signal });
  await sent.promise;
  stop.abort(new Error('the run is forgotten'));
  go.resolve();
  const { id } = await added;
  expect(await store.event({ actor: 'ana', session: 's1', id })).toBeDefined();
  await store.forget({ actor: 'ana' });
  expect(await store.event({ actor: 'ana', session: 's1', id })).toBeUndefined();
});

test('an event is one call, whatever it holds; what a known key brings again is not a second event, also after a fault', async () => {
  const memory = await withMemory({}, { faults: ['error-after=CreateEvent:0.5'], seed: 3 });
  const { memoryId } = memory;
  const store = agentcoreMemory({ memoryId });
  const call = { tool: 'order_status', input: { orderId: 'o1' }, output: { status: 'on its way' } };
  const items = [
    ...say('Where is my order?').items,
    { kind: 'json' as const, value: call },
    { kind: 'text' as const, role: 'assistant' as const, text: 'On its way.' },
  ];
  for (let n = 0; n < 4; n++) await store.append({ actor: 'ana', session: 's1', items, key: `turn ${n}` }).catch(() => undefined);
  for (let n = 0; n < 4; n++) await eventually(() => store.append({ actor: 'ana', session: 's1', items, key: `turn ${n}` }));
  const { events } = await memory.client.send(new ListEventsCommand({ memoryId, actorId: 'ana', sessionId: 's1' }));
  expect(events).toHaveLength(4);
  expect(events?.[0]?.payload).toEqual([
    { conversational: { role: 'USER', content: { text: 'Where is my order?' } } },
    { json: { content: call } },
    { conversational: { role: 'ASSISTANT', content: { text: 'On its way.' } } },
  ]);
  expect(events?.[0]?.metadata).toEqual({ 'rondo.ordinal': { stringValue: expect.stringMatching(/^\d{16}-[0-9a-f]{32}$/) } });
  await store.close();
});

test('events that two processes wrote in one millisecond come back by their ordinals', async () => {
  const { client, memoryId } = await withMemory();
  const eventTimestamp = new Date('2026-03-01T12:00:00.123Z');
  const order = ['c', 'a', 'e', 'b', 'd'];
  for (const text of order)
    await client.send(
      new CreateEventCommand({
        memoryId,
        actorId: 'ana',
        sessionId: 's1',
        eventTimestamp,
        payload: [{ conversational: { role: 'USER', content: { text } } }],
        metadata: { 'rondo.ordinal': { stringValue: String(1_790_000_000_000_000 + text.charCodeAt(0)) } },
      }),
    );
  const store = agentcoreMemory({ memoryId });
  const { items } = await store.events({ actor: 'ana', session: 's1' });
  expect(items.map(({ items: [one] }) => (one?.kind === 'text' ? one.text : ''))).toEqual(['e', 'd', 'c', 'b', 'a']);
  await store.close();
});

test('what must not be extracted is not, and records that AWS extracts are found; who wrote a record of ours is known', async () => {
  const { memoryId, strategy } = await withMemory({ memoryStrategies: [FACTS] });
  const store = agentcoreMemory({ memoryId, namespaces: PLACES });
  await store.append(say('I have a dog.', { extract: false }));
  await store.append(say('I like rooibos tea.'));
  const listed = async () => (await store.list({ namespace: '/facts/ana/' })).items;
  await eventually(async () => expect(await listed()).toMatchObject([{ text: 'I like rooibos tea.', strategy: strategy('facts') }]));
  expect((await listed())[0]).not.toHaveProperty('origin');
  await store.add([{ namespace: '/facts/ana/', text: 'Ana may like cocoa.', origin: 'assistant', metadata: { sure: 'no' } }]);
  const [found] = (await store.search({ namespace: '/facts/ana/', text: 'cocoa' })).items;
  expect(found).toMatchObject({ origin: 'assistant', metadata: { sure: 'no' } });
  await store.correct([{ id: found?.id as string, metadata: { sure: 'yes' } }]);
  expect(await store.record(found?.id as string)).toMatchObject({ origin: 'assistant', metadata: { sure: 'yes' } });
  await expect(store.settled()).rejects.toMatchObject({ code: 'MEMORY_CANNOT_TELL' });
  const [refused] = await store.add([{ namespace: '/facts/ana/', text: 'x', expiresAt: Date.now() }]);
  expect(refused).toMatchObject({ ok: false, code: 'MEMORY_INPUT_INVALID' });
  await store.close();
});

test('a user is forgotten with events and records, also below the namespace, and others stay', async () => {
  const { memoryId } = await withMemory();
  const store = agentcoreMemory({ memoryId, namespaces: ['/facts/{actorId}/', '/sums/{actorId}/{sessionId}/'] });
  for (const actor of ['ana', 'anabel']) {
    await store.append(say('hello', { actor }));
    await store.append(say('hello', { actor, session: 's2' }));
    for (const namespace of [`/facts/${actor}/`, `/sums/${actor}/s1/`, `/sums/${actor}/s2/`])
      await store.add([{ namespace, text: namespace }]);
  }
  const left = async () =>
    [...(await store.list({ namespace: '/facts/' })).items, ...(await store.list({ namespace: '/sums/' })).items]
      .map(({ text }) => text)
      .sort();
  const others = ['/facts/anabel/', '/sums/anabel/s1/', '/sums/anabel/s2/'];
  await store.forget({ actor: 'ana', session: 's1' });
  expect(await left()).toEqual([...others, '/facts/ana/', '/sums/ana/s2/'].sort());
  expect((await store.sessions({ actor: 'ana' })).items.map(({ session }) => session)).toEqual(['s2']);
  await store.forget({ actor: 'ana' });
  expect(await left()).toEqual(others);
  expect((await store.actors({})).items).toEqual([{ actor: 'anabel' }]);
  await expect(agentcoreMemory({ memoryId }).forget({ actor: 'anabel' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await store.close();
});

/** A client of a memory with records, of which AWS answers that it did not delete some. */
const failing = (errorCode: number | undefined, ids = ['1', '2'].map((n) => `mem-${n.repeat(36)}`)) => {
  const answers: Record<string, object> = {
    ListSessionsCommand: { sessionSummaries: [] },
    ListMemoryRecordsCommand: {
      memoryRecordSummaries: ids.map((memoryRecordId) => ({
        memoryRecordId,
        content: { text: 'x' },
        namespaces: ['/facts/ana/'],
        createdAt: new Date(),
      })),
    },
    BatchDeleteMemoryRecordsCommand: {
      successfulRecords: [{ memoryRecordId: ids[0], status: 'SUCCEEDED' }],
      failedRecords: [{ memoryRecordId: ids[1], status: 'FAILED', errorCode, errorMessage: 'It is so.' }],
    },
  };
  const client = { destroy() {}, send: async (command: object) => answers[command.constructor.name] } as unknown as BedrockAgentCoreClient;
  return { store: agentcoreMemory({ memoryId: 'support-a1b2c3d4e5', client, namespaces: PLACES }), ids };
};

test.each([
  [404, 'MEMORY_RECORD_UNKNOWN', undefined],
  [400, 'MEMORY_INPUT_INVALID', false],
  [403, 'MEMORY_UNAVAILABLE', true],
  [429, 'MEMORY_UNAVAILABLE', true],
  [500, 'MEMORY_UNAVAILABLE', true],
  [undefined, 'MEMORY_UNAVAILABLE', true],
])('a record that AWS does not delete, with %s, is %s, and an actor is forgotten only when it is gone', async (status, code, retryable) => {
  const { store, ids } = failing(status);
  expect(await store.remove(ids)).toMatchObject([{ ok: true }, { ok: false, id: ids[1], code }]);
  const forgotten = store.forget({ actor: 'ana' });
  if (retryable === undefined) await expect(forgotten).resolves.toBeUndefined();
  else await expect(forgotten).rejects.toMatchObject({ code: 'MEMORY_UNAVAILABLE', details: { records: 1, retryable } });
});

test('an entry that AWS would refuse with its whole batch has its verdict, and the others are written', async () => {
  const { memoryId } = await withMemory();
  const store = agentcoreMemory({ memoryId, namespaces: PLACES });
  const fact = (over: object) => ({ namespace: '/facts/ana/', text: 'tea', ...over });
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'v']));
  const bad: [string, object][] = [
    ['namespace', { namespace: '/fäcts/' }],
    ['strategy', { strategy: 'a b' }],
    ['metadata', { metadata: { 'a!': 'x' } }],
    ['metadata.a', { metadata: { a: 'ü!' } }],
    ['metadata.a', { metadata: { a: Array(6).fill('x') } }],
    ['metadata', { metadata: many, origin: 'user' }],
  ];
  const written = await store.add([fact({ text: 'good' }), ...bad.map(([, over]) => fact(over)), fact({ text: 'better' })]);
  expect(written.map((one) => one.ok || `${one.code} ${one.message.split(': ')[0]}`)).toEqual([
    true,
    ...bad.map(([field]) => `MEMORY_INPUT_INVALID ${field}`),
    true,
  ]);
  const [first] = written;
  const id = first?.ok ? first.id : '';
  const corrected = await store.correct([
    { id, metadata: { a: 'ü!' } },
    { id, text: 'best' },
  ]);
  expect(corrected).toMatchObject([
    { ok: false, id, code: 'MEMORY_INPUT_INVALID' },
    { ok: true, id },
  ]);
  expect((await store.list({ namespace: '/facts/ana/' })).items.map(({ text }) => text).sort()).toEqual(['best', 'better']);
  expect(await store.event({ actor: 'ana', session: 's1', id: 'x' })).toBeUndefined();
  expect(await store.removeEvent({ actor: 'ana', session: 's1', id: 'x' })).toBe(false);
  await store.close();
});

test('calls keep to the rates of AWS by themselves, and a throttle that comes all the same is a typed error that can be tried again', async () => {
  const memory = await withMemory({}, { throttle: true, clock: movableClock(), attempts: 3 });
  const store = agentcoreMemory({ memoryId: memory.memoryId, client: memory.client });
  const began = performance.now();
  await Promise.all(Array.from({ length: 8 }, (_, n) => store.append(say(`n${n}`))));
  // 5 a second, of which 2 go at once
  expect(performance.now() - began).toBeGreaterThanOrEqual(6 * 200 - 5);
  expect((await store.events({ actor: 'ana', session: 's1' })).items).toHaveLength(8);
  await store.close();
  const throttled = await withMemory({}, { faults: ['throttle=CreateEvent'] });
  const other = agentcoreMemory({ memoryId: throttled.memoryId, client: throttled.client });
  await expect(other.append(say('x'))).rejects.toMatchObject({
    code: 'MEMORY_UNAVAILABLE',
    details: { retryable: true, aws: 'ThrottledException' },
  });
});

test.each([
  ['an id that is none', { memoryId: 'support' }, 'memoryId is the id'],
  ['an option that there is not', { memoryId: 'support-a1b2c3d4e5', namespace: ['/a/'] }, 'no option "namespace"'],
  ['a namespace without its end', { memoryId: 'support-a1b2c3d4e5', namespaces: ['/facts/{actorId}'] }, 'must end with /'],
  [
    'a namespace that does not begin with the user',
    { memoryId: 'support-a1b2c3d4e5', namespaces: ['/{memoryStrategyId}/{actorId}/'] },
    'first variable',
  ],
])('%s is refused where it is configured', (_, options, message) => {
  expect(() => agentcoreMemory(options as never)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
  );
});

test('a memory that does not exist, and a service that is not there', async () => {
  const { client } = await withMemory();
  const store = agentcoreMemory({ memoryId: 'unknown-a1b2c3d4e5', client });
  const calls = [
    () => store.append(say('x')),
    () => store.record('mem-00000000-0000-0000-0000-000000000000'),
    () => store.event({ actor: 'a', session: 's', id: '1#0' }),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({
      code: 'MEMORY_UNAVAILABLE',
      details: { aws: 'ResourceNotFoundException', retryable: false },
    });
  const gone = new BedrockAgentCoreClient({ endpoint: 'http://127.0.0.1:9', region: 'us-east-1', maxAttempts: 1 });
  const away = agentcoreMemory({ memoryId: 'unknown-a1b2c3d4e5', client: gone });
  await expect(away.append(say('x'))).rejects.toMatchObject({ code: 'MEMORY_UNAVAILABLE', details: { retryable: true } });
  gone.destroy();
});
