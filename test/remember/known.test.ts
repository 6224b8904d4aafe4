import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { agent, Engine, type Principal } from 'rondo';
import { episodes, facts, type MemoryStore, preferences, remember, type SqliteMemoryOptions, sqliteMemory, summary } from 'rondo/memory';
import { scripted } from 'rondo/testing';
import { afterEach, expect, test } from 'vitest';
import { folder } from '../kit/folder.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
const storeOf = (o: SqliteMemoryOptions = {}, path = ':memory:'): MemoryStore => {
  const store = sqliteMemory(path, o);
  open.push(store);
  return store;
};
const ana: Principal = { id: 'ana' };
const ben: Principal = { id: 'ben' };
const others: readonly Principal[] = [ben, { id: 'ana', tenant: 'acme' }];
const fact = (text: string, actor = 'u-ana') => ({ namespace: `/facts/${actor}/`, text, origin: 'user' as const });

test('a user lists what is known of them over all namespaces, page by page', async () => {
  const store = storeOf();
  const memory = remember(store);
  await store.add(Array.from({ length: 7 }, (_, i) => fact(`Fact ${i}.`)));
  await store.add([
    { ...fact('A note.'), namespace: '/notes/u-ana/' },
    fact('Of Ben.', 'u-ben'),
    { ...fact('Shared.'), namespace: '/rules/' },
  ]);
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await memory.of(ana).list({ limit: 3, after });
    expect(page.items.length).toBeLessThanOrEqual(3);
    seen.push(...page.items.map(({ text }) => text));
    after = page.next;
  } while (after);
  expect(seen.sort()).toEqual(['A note.', ...Array.from({ length: 7 }, (_, i) => `Fact ${i}.`)]);
  expect((await memory.of({ id: 'stranger' }).list()).items).toEqual([]);
  await expect(memory.of(ana).list({ after: 'x' })).rejects.toMatchObject({ code: 'MEMORY_INPUT_INVALID' });
});

test('a user corrects and removes their own records, and those of others do not exist for them', async () => {
  const store = storeOf();
  const memory = remember(store, { namespaces: ['/facts/{actorId}/', '/rules/'] });
  const [mine, shared] = await store.add([fact('I live in Oslo.'), { ...fact('No smoking.'), namespace: '/rules/' }]);
  const id = mine?.id as string;
  for (const by of others) {
    const known = memory.of(by);
    const unknown = { code: 'MEMORY_RECORD_UNKNOWN' };
    await expect(known.correct(id, 'x')).rejects.toMatchObject(unknown);
    await expect(known.remove(id)).rejects.toMatchObject(unknown);
    await expect(known.record(id)).rejects.toMatchObject(unknown);
    // the same answer as for what is not there
    await expect(known.record('mem-none')).rejects.toMatchObject(unknown);
    expect((await known.search('Oslo')).map(({ text }) => text)).toEqual([]);
  }
  const known = memory.of(ana);
  await known.correct(id, 'I live in Bergen.');
  expect(await known.record(id)).toMatchObject({ text: 'I live in Bergen.', history: [{ text: 'I live in Oslo.' }] });
  await expect(known.correct(id, '')).rejects.toMatchObject({ code: 'MEMORY_INPUT_INVALID' });
  expect((await known.search('smoking')).map(({ text }) => text)).toEqual(['No smoking.']);
  await expect(known.remove(shared?.id as string)).rejects.toMatchObject({ code: 'MEMORY_RECORD_UNKNOWN' });
  await known.remove(id);
  expect((await known.list()).items).toEqual([]);
  await expect(known.remove(id)).rejects.toMatchObject({ code: 'MEMORY_RECORD_UNKNOWN' });
});

test('forgetting takes what was said, what was derived from it, and what the application added, and nothing of others', async () => {
  const store = storeOf({ strategies: [facts(), summary()] });
  const memory = remember(store);
  let n = 0;
  for (const by of [ana, ...others])
    for (const session of ['s1', 's2'])
      await memory.record({
        by,
        session,
        agent: 'a',
        run: 'r',
        messages: [{ role: 'user', content: [{ type: 'text', text: `I said ${session}.` }] }],
        idempotencyKey: `k${n++}`,
        signal: new AbortController().signal,
      });
  await store.settled();
  await store.add([fact('Added by the application.')]);
  await memory.of(ana).forget('s1');
  const texts = async (by: Principal) => (await memory.of(by).list({ limit: 100 })).items.map(({ text }) => text).sort();
  expect(await texts(ana)).toEqual(['Added by the application.', 'I said s2.', 'I said s2.']);
  expect((await store.events({ actor: 'u-ana', session: 's1' })).items).toEqual([]);
  await memory.of(ana).forget();
  await memory.of(ana).forget();
  expect(await texts(ana)).toEqual([]);
  expect((await store.sessions({ actor: 'u-ana' })).items).toEqual([]);
  for (const by of others) expect(await texts(by)).toHaveLength(4);
});

/** A text that is nowhere else. */
const SECRET = 'Quokkasauerkraut';
const items = (...found: readonly unknown[]) => JSON.stringify({ items: found });

test('after a user is forgotten, no byte of what they said or of what was learned from it is in the files', async () => {
  const directory = folder('forgotten');
  const path = join(directory, 'memory.db');
  const files = () => readdirSync(directory).map((name) => readFileSync(join(directory, name)).toString('latin1'));
  const found = (word: string) => files().filter((text) => text.toLowerCase().includes(word.toLowerCase())).length;
  const learner = scripted(({ instructions, messages }) => {
    if (!JSON.stringify(messages).includes(SECRET)) return items({ text: 'They like tea.' });
    if (instructions.includes('episodes'))
      return items({ situation: SECRET, tried: SECRET, outcome: SECRET, succeeded: true, advice: SECRET });
    if (instructions.includes('prefers')) return items({ context: SECRET, preference: SECRET, categories: [SECRET] });
    if (instructions.includes('up to date')) return items({ item: 0, do: 'update', record: 0, text: `${SECRET} changed` });
    return items({ text: `Learned: ${SECRET} ${Math.random()}` });
  });
  const embed = { name: 'letters', embed: async (texts: readonly string[]) => texts.map((text) => [text.length, 1, 2]) };
  const store = storeOf(
    { strategies: [facts(), preferences(), summary(), episodes()], model: learner, embed, retry: { attempts: 1 } },
    path,
  );
  const memory = remember(store);
  const clerk = agent({
    name: 'clerk',
    instructions: 'x',
    model: scripted(({ messages }) =>
      messages.length === 1 && JSON.stringify(messages).includes(SECRET)
        ? { toolCalls: [{ name: 'remember', input: { text: `${SECRET} noted` } }] }
        : 'Done.',
    ),
    tools: memory.tools(),
  });
  const engine = new Engine({ memory, agents: [clerk] });
  open.push(engine);
  for (const session of [`${SECRET}-1`, `${SECRET}-2`]) {
    const { status } = await engine.run(clerk, `I like ${SECRET}.`, { by: { id: SECRET }, session });
    expect(status).toBe('completed');
  }
  await engine.run(clerk, 'I like tea.', { by: ben, session: 'ben' });
  // recording is in the background: its outbox is worked through by a sweep
  await engine.sweep();
  await store.settled();
  expect((await memory.of({ id: SECRET }).list({ limit: 100 })).items.length).toBeGreaterThan(5);
  expect(found(SECRET)).toBeGreaterThan(0);

  const { remembered } = await engine.forget({ by: { id: SECRET } });
  expect(remembered).toBeUndefined();
  expect(found(SECRET)).toBe(0);
  expect(found(`u-${SECRET}`)).toBe(0);
  expect((await memory.of(ben).list()).items.length).toBeGreaterThan(0);
  expect(found('I like tea')).toBeGreaterThan(0);
});

test('explain names no namespace of another user', async () => {
  const store = storeOf();
  const memory = remember(store, { namespaces: ['/facts/{actorId}/', '/facts/shared/'], searched: [], summaries: false });
  await store.add([fact('Of Ben.', 'u-ben'), { ...fact('Rules.'), namespace: '/facts/shared/rules/' }]);
  const told = await memory.explain({ by: ana, text: 'tea' });
  expect(JSON.stringify(told)).not.toContain('ben');
  expect(told[0]).toMatchObject({ namespace: '/facts/u-ana/', near: [{ namespace: '/facts/shared/rules/', records: 1 }] });
  // the operator is told of all
  expect((await store.explain?.({ namespace: '/facts/u-ana/', text: 'tea' }))?.near.map(({ namespace }) => namespace)).toContain(
    '/facts/u-ben/',
  );
});

test('no user is inside of the namespace of another, whatever the application calls them and its variables', async () => {
  const store = storeOf({ strategies: [facts()] });
  const memory = remember(store, { actor: (by) => by.id });
  await store.append({ actor: 'ana/private', session: 's1', items: [{ kind: 'text', role: 'user', text: 'A secret.' }] });
  await store.settled();
  for (const id of ['ana/private', 'a{b', 'b}']) expect(() => memory.of({ id })).toThrow(/remember\(\): actor gave/);
  // `red` and `u-ana` are not to be where `redu` and `-ana` are
  for (const template of ['/facts/{team}{actorId}/', '/facts/{actorId}-{team}/', '/{team}.{actorId}/{sessionId}/'])
    expect(() => remember(store, { namespaces: [template] })).toThrow(/another variable beside \{actorId\}/);
  remember(store, { namespaces: ['/facts/of-{actorId}/{team}{city}/'] });
});
