import { join } from 'node:path';
import { ToolError } from 'rondo';
import {
  facts,
  type MemoryRecord,
  type MemoryStore,
  type NewEvent,
  type SqliteMemoryOptions,
  sqliteMemory,
  strategy,
  type Talk,
} from 'rondo/memory';
import { afterEach, expect, test } from 'vitest';
import { folder } from '../kit/folder.ts';

const open: MemoryStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});
const memory = (o: SqliteMemoryOptions, path = ':memory:') => {
  const store = sqliteMemory(path, { retry: { delay: 0 }, ...o });
  open.push(store);
  return store;
};
const file = () => join(folder('extraction'), 'memory.db');
const said = (text: string, over: Partial<NewEvent> = {}): NewEvent => ({
  actor: 'ana',
  session: 's1',
  items: [{ kind: 'text', role: 'user', text }],
  ...over,
});
const all = async (store: MemoryStore, namespace = '/'): Promise<readonly MemoryRecord[]> =>
  (await store.list({ namespace, limit: 100 })).items;
const texts = async (store: MemoryStore, namespace?: string) => (await all(store, namespace)).map(({ text }) => text).sort();

/** A strategy whose extraction is this function. */
const own = (extract: (talk: Talk) => unknown, over: { namespace?: string; name?: string } = {}) =>
  strategy({ name: 'own', namespace: '/own/{actorId}/', extract: (talk) => extract(talk) as string[], ...over });

test('without a model, facts are the sentences of the user that are not questions, each with what it was learned from', async () => {
  const store = memory({ strategies: [facts()] });
  const event = await store.append({
    actor: 'ana',
    session: 's1',
    metadata: { run: 'run-1' },
    items: [
      { kind: 'text', role: 'user', text: 'I am vegan. I live in Oslo! What is for lunch?' },
      { kind: 'text', role: 'assistant', text: 'There is soup.' },
      { kind: 'json', value: { tool: 'menu' } },
      { kind: 'blob', value: 'never' },
    ],
  });
  await store.settled();
  expect(await texts(store, '/facts/ana/')).toEqual(['I am vegan.', 'I live in Oslo!']);
  const [record] = await all(store);
  expect(record).toMatchObject({
    strategy: 'facts',
    origin: 'user',
    createdAt: event.at,
    from: [{ actor: 'ana', session: 's1', events: [event.id], run: 'run-1' }],
  });
  expect(await all(store)).toHaveLength(2);
});

test('a fact that is said again, with other spacing and case, is there once', async () => {
  const store = memory({ strategies: [facts()] });
  await store.append(said('I am vegan. I am VEGAN!'));
  await store.append(said('i  am vegan', { session: 's2' }));
  await store.settled();
  expect(await texts(store)).toEqual(['I am vegan.']);
});

test('append does not wait for extraction, and settled does, for the session that is asked for', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store = memory({ strategies: [own(async ({ session }) => (session === 'slow' ? held.then(() => ['slow']) : ['fast']))] });
  await store.append(said('a', { actor: 'ben', session: 'slow' }));
  await store.append(said('b', { session: 'fast' }));
  await store.settled({ actor: 'ana', session: 'fast' });
  expect(await texts(store)).toEqual(['fast']);
  const stop = new AbortController();
  const waiting = store.settled({ signal: stop.signal });
  stop.abort(new Error('no patience'));
  await expect(waiting).rejects.toThrow('no patience');
  release();
  await store.settled();
  expect(await texts(store)).toEqual(['fast', 'slow']);
});

test('an event that says so is not learned from', async () => {
  const store = memory({ strategies: [facts()] });
  await store.append(said('I am vegan.', { extract: false }));
  await store.settled();
  expect(await all(store)).toEqual([]);
});

test('an event under a known key is learned from once', async () => {
  let asked = 0;
  const store = memory({ strategies: [own(() => [`${++asked}`])] });
  await store.append(said('a', { key: 'k' }));
  await store.append(said('a', { key: 'k' }));
  await store.settled();
  expect(await texts(store)).toEqual(['1']);
});

test('a failing extractor is tried again, then listed with the positions that it read; redelivered, it makes the record', async () => {
  let works = false;
  let asked = 0;
  const store = memory({
    strategies: [
      own(() => {
        asked++;
        if (!works) throw new TypeError('it quotes: I am vegan.');
        return ['Ana is vegan.'];
      }),
      facts(),
    ],
    retry: { attempts: 3, delay: 0 },
  });
  const event = await store.append({
    actor: 'ana',
    session: 's1',
    items: [
      { kind: 'text', role: 'assistant', text: 'Hello.' },
      { kind: 'text', role: 'user', text: 'I am vegan.' },
      { kind: 'text', role: 'assistant', text: 'Noted.' },
      { kind: 'text', role: 'user', text: 'Thank you.' },
    ],
  });
  await store.settled();
  expect(asked).toBe(3);
  // it cost its own job, and nothing else
  expect(await texts(store)).toEqual(['I am vegan.', 'Thank you.']);
  const { items } = await store.jobs();
  expect(items).toEqual([
    {
      id: expect.stringMatching(/^job-/),
      strategy: 'own',
      actor: 'ana',
      session: 's1',
      status: 'failed',
      reason: 'EXTRACTION_FAILED: the extraction threw a TypeError',
      messages: [
        { event: event.id, item: 1 },
        { event: event.id, item: 3 },
      ],
    },
  ]);
  expect((await store.jobs({ strategy: 'facts' })).items).toEqual([]);
  expect((await store.jobs({ actor: 'ben' })).items).toEqual([]);
  works = true;
  const job = items[0]?.id as string;
  await store.redeliver(job);
  await store.settled();
  expect(await texts(store, '/own/')).toEqual(['Ana is vegan.']);
  expect((await store.jobs()).items).toEqual([]);
  await expect(store.redeliver(job)).rejects.toMatchObject({ code: 'MEMORY_JOB_UNKNOWN' });
});

test.each([
  ['no list', () => 'Ana is vegan.', 'EXTRACTION_INVALID'],
  ['a promise of nothing', async () => undefined, 'EXTRACTION_INVALID'],
  ['a record without a text', () => [{ fact: 'Ana is vegan.' }], 'EXTRACTION_INVALID'],
  ['a text that is too long', () => ['x'.repeat(16_001)], 'EXTRACTION_INVALID'],
  ['half of a surrogate pair', () => ['\ud83d'], 'EXTRACTION_INVALID'],
  ['too many records', () => Array.from({ length: 101 }, (_, i) => `Fact ${i}.`), 'EXTRACTION_INVALID'],
  ['a namespace of another', () => [{ text: 'x', into: 'ben' }], 'EXTRACTION_INVALID'],
  ['metadata of a wrong kind', () => [{ text: 'x', metadata: { deep: { down: 1 } } }], 'MEMORY_INPUT_INVALID'],
  [
    'an error that says that trying again is useless',
    () => {
      throw new ToolError('MODEL_BLOCKED', 'blocked');
    },
    'MODEL_BLOCKED: blocked',
  ],
])('an extractor that answers %s fails its job, and writes nothing', async (_, extract, reason) => {
  const store = memory({ strategies: [own(extract)], retry: { attempts: 2, delay: 0 } });
  await store.append(said('I am vegan.'));
  await store.settled();
  expect(await all(store)).toEqual([]);
  expect((await store.jobs()).items[0]?.reason).toContain(reason);
});

test('a failure waits for its delay by the clock of the memory, and holds back only later events of its strategy and session', async () => {
  let now = 1_000;
  let fails = true;
  const seen: string[] = [];
  const store = memory({
    clock: { now: () => now },
    retry: { attempts: 2, delay: 5_000 },
    strategies: [
      own(({ lines, session }) => {
        const text = lines.map((line) => line.text).join();
        if (fails && text === 'first') throw new ToolError('THROTTLING', 'slow down', { retryable: true });
        seen.push(text);
        return [`${session}: ${text}`];
      }),
    ],
  });
  await store.append(said('first'));
  await store.append(said('second'));
  await store.append(said('other', { session: 's2' }));
  await store.settled({ session: 's2' });
  expect(seen).toEqual(['other']);
  fails = false;
  now += 5_000;
  await store.settled();
  expect(seen).toEqual(['other', 'first', 'second']);
});

test('what was not extracted when the memory was closed is extracted after it is opened again', async () => {
  const path = file();
  const begun: string[] = [];
  const hangs = own(
    ({ event }) =>
      new Promise(() => {
        begun.push(event);
      }),
  );
  const first = sqliteMemory(path, { strategies: [hangs], retry: { attempts: 1 } });
  await first.append(said('I am vegan.'));
  await first.append(said('I am Ana.', { session: 's2' }));
  await expect.poll(() => begun.length).toBeGreaterThan(0);
  await first.close();
  const second = memory({ strategies: [own(({ lines }) => lines.map(({ text }) => text))], retry: { attempts: 1 } }, path);
  await second.settled();
  // an attempt that was given up does not count: the only one is still there
  expect(await texts(second)).toEqual(['I am Ana.', 'I am vegan.']);
});

// holds work.I2
test('two memories on one file never work on an actor at the same time, and each event is learned from once', async () => {
  const path = file();
  let now = 0;
  let most = 0;
  const extract = own(async ({ lines }) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setImmediate(resolve));
    now--;
    return lines.map(({ text }) => text);
  });
  const stores = [memory({ strategies: [extract] }, path), memory({ strategies: [extract] }, path)];
  for (let i = 0; i < 20; i++) await stores[i % 2]?.append(said(`Fact number ${i}.`, { session: `s${i % 3}` }));
  await Promise.all(stores.map((store) => store.settled()));
  expect(most).toBe(1);
  expect(await all(stores[0] as MemoryStore)).toHaveLength(20);
});

test('while one memory on a file learns from an actor, another waits, also for other sessions', async () => {
  const path = file();
  const begun: string[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const extract = own(async ({ lines }) => {
    begun.push(...lines.map(({ text }) => text));
    await held;
    return lines.map(({ text }) => text);
  });
  const [first, second] = [memory({ strategies: [extract] }, path), memory({ strategies: [extract] }, path)];
  await first.append(said('One.'));
  await expect.poll(() => begun).toEqual(['One.']);
  await second.append(said('Two.', { session: 's2' }));
  const settled = second.settled();
  // it has looked again and again meanwhile
  for (let i = 0; i < 50; i++) await second.jobs();
  expect(begun).toEqual(['One.']);
  release();
  await settled;
  expect(await texts(first)).toEqual(['One.', 'Two.']);
});

test('a namespace with a variable without a value: the event is stored, that strategy is skipped, and explain says so', async () => {
  const store = memory({ strategies: [facts({ namespace: '/teams/{team}/{actorId}/' }), own(() => ['own'])] });
  const event = await store.append(said('I am vegan.'));
  await store.append(said('I am Ana.', { variables: { team: 'red' } }));
  await store.append(said('I climb out.', { variables: { team: '../../x' } }));
  await store.settled();
  expect((await store.event({ actor: 'ana', session: 's1', id: event.id }))?.items).toHaveLength(1);
  expect(await texts(store)).toEqual(['I am Ana.', 'own']);
  expect((await store.jobs()).items).toEqual([]);
  const explained = await store.explain?.({ namespace: '/teams/blue/ana/', text: 'vegan' });
  expect(explained?.why).toContain('The strategy "facts" skipped 2 events, without a value for {team}.');
});

// holds work.I2
test('a session that is forgotten while it is learned from leaves nothing', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const begun: string[] = [];
  const store = memory({
    strategies: [
      own(async ({ session, lines }) => {
        begun.push(session);
        await held;
        return lines.map(({ text }) => text);
      }),
    ],
  });
  await store.append(said('I am vegan.'));
  await expect.poll(() => begun).toEqual(['s1']);
  await store.append(said('I am Ana.', { session: 's2' }));
  await store.forget({ actor: 'ana', session: 's1' });
  release();
  await store.settled();
  expect(await texts(store)).toEqual(['I am Ana.']);
  expect((await store.events({ actor: 'ana', session: 's1' })).items).toEqual([]);
});

test('an actor that is forgotten while it is learned from leaves nothing, and failed jobs go too', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const begun: string[] = [];
  const failing = own(
    () => {
      throw new Error('no');
    },
    { name: 'failing' },
  );
  const slow = own(async ({ event, lines }) => {
    begun.push(event);
    await held;
    return lines.map(({ text }) => text);
  });
  const store = memory({ strategies: [failing, slow], retry: { attempts: 1, delay: 0 } });
  await store.append(said('I am vegan.'));
  await expect.poll(() => begun.length).toBe(1);
  expect((await store.jobs()).items).toHaveLength(1);
  await store.forget({ actor: 'ana' });
  release();
  await store.settled();
  expect(await all(store)).toEqual([]);
  expect((await store.jobs()).items).toEqual([]);
});

test('strategies may change at run time: an event is learned from by those of its time', async () => {
  let now = [own(() => ['one'], { name: 'one' })];
  const store = memory({ strategies: () => now });
  await store.append(said('a'));
  await store.settled();
  now = [own(() => ['two'], { name: 'two' })];
  await store.append(said('b'));
  await store.settled();
  expect((await all(store)).map(({ text, strategy: by }) => [text, by])).toEqual([
    ['two', 'two'],
    ['one', 'one'],
  ]);
});
