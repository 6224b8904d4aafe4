/** What is left when something that was learned from is forgotten, and what is learned while records change. */
import { facts, type MemoryStore, type NewEvent, type SqliteMemoryOptions, sqliteMemory, strategy, summary } from 'rondo/memory';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../kit/time.ts';

const open: MemoryStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});
const memory = (o: SqliteMemoryOptions) => {
  const store = sqliteMemory(':memory:', { retry: { delay: 0 }, ...o });
  open.push(store);
  return store;
};
const said = (text: string, session = 's1', actor = 'ana'): NewEvent => ({
  ...{ actor, session },
  items: [{ kind: 'text', role: 'user', text }],
});
const all = async (store: MemoryStore, namespace = '/') => (await store.list({ namespace, limit: 100 })).items;
const texts = async (store: MemoryStore, namespace?: string) => (await all(store, namespace)).map(({ text }) => text).sort();

test('what was said in two sessions is still known when the first of them is forgotten', async () => {
  const store = memory({ strategies: [facts()] });
  await store.append(said('I am vegan. I live in Oslo.', 's1'));
  await store.append(said('I am vegan!', 's2'));
  await store.settled();
  const [vegan] = (await all(store)).filter(({ text }) => text === 'I am vegan.');
  expect(vegan?.from?.map(({ session }) => session)).toEqual(['s1', 's2']);
  expect(vegan?.updatedAt).toBeUndefined();
  await store.forget({ actor: 'ana', session: 's1' });
  await store.settled();
  expect(await texts(store)).toEqual(['I am vegan!']);
  expect((await all(store))[0]?.from?.map(({ session }) => session)).toEqual(['s2']);
  await store.forget({ actor: 'ana', session: 's2' });
  await store.settled();
  expect(await texts(store)).toEqual([]);
});

test('a session that said again what is known goes without the record, which is bounded in how many it names', async () => {
  const store = memory({ strategies: [facts()] });
  for (let n = 0; n < 60; n++) await store.append(said('I am vegan.', `s${n}`));
  await store.settled();
  const [record] = await all(store);
  expect(record?.from).toHaveLength(51);
  for (const n of [1, 7, 55]) await store.forget({ actor: 'ana', session: `s${n}` });
  await store.settled();
  const [after, ...others] = await all(store);
  expect([after?.id, others]).toEqual([record?.id, []]);
  const sessions = after?.from?.map(({ session }) => session) ?? [];
  expect(sessions).toHaveLength(49);
  expect(sessions).not.toContain('s7');
  // another one takes the place
  await store.append(said('I am vegan.', 's99'));
  await store.settled();
  expect((await all(store))[0]?.from?.at(-1)?.session).toBe('s99');
  await store.forget({ actor: 'ana', session: 's0' });
  await store.settled();
  const [again] = await all(store);
  expect(again?.text).toBe('I am vegan.');
  expect(again?.id).not.toBe(record?.id);
  expect(again?.from?.map(({ session }) => session)).not.toContain('s0');
});

test('a record that two sessions made is made again from what is left, and holds nothing of what is not', async () => {
  const store = memory({
    strategies: [
      strategy({
        name: 'pets',
        namespace: '/pets/{actorId}/',
        extract: ({ lines }) => lines.map(({ text }) => text),
        consolidate: ({ text, similar: [known] }) =>
          known ? { do: 'update', id: known.id, text: `${known.text} ${text}` } : { do: 'add' },
      }),
      summary({ namespace: '/about/{actorId}/' }),
    ],
  });
  await store.append(said('The pets: a dog.', 's1'));
  await store.append(said('The pets: a cat.', 's2'));
  await store.append(said('The pets: a fish.', 's3'));
  await store.settled();
  expect(await texts(store, '/pets/')).toEqual(['The pets: a dog. The pets: a cat. The pets: a fish.']);
  await store.forget({ actor: 'ana', session: 's1' });
  await store.settled();
  expect(await texts(store, '/pets/')).toEqual(['The pets: a cat. The pets: a fish.']);
  expect(await texts(store, '/about/')).toEqual(['The pets: a cat.\nThe pets: a fish.']);
  expect(JSON.stringify(await all(store))).not.toContain('dog');
});

test('what the model skips as known counts as learned from there too', async () => {
  const store = memory({
    strategies: [
      strategy({
        name: 'likes',
        namespace: '/likes/{actorId}/',
        extract: ({ lines }) => lines.map(({ text }) => text),
        consolidate: ({ similar }) => (similar.length > 0 ? { do: 'skip' } : { do: 'add' }),
      }),
    ],
  });
  await store.append(said('Likes green tea.', 's1'));
  await store.append(said('Tea, the green one.', 's2'));
  await store.settled();
  await store.forget({ actor: 'ana', session: 's1' });
  await store.settled();
  expect(await texts(store)).toEqual(['Tea, the green one.']);
});

test('what is being learned from one session writes nothing of another that is forgotten meanwhile', async () => {
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const seen: string[][] = [];
  const store = memory({
    strategies: [
      strategy({
        name: 'story',
        namespace: '/story/{actorId}/',
        merge: 'append',
        async extract({ session, lines }, learning) {
          const before = (await learning.known()).map(({ text }) => text);
          if (session === 's2') {
            seen.push(before);
            if (seen.length === 1) await held;
          }
          return [[...before, ...lines.map(({ text }) => text)].join(' ')];
        },
      }),
    ],
  });
  await store.append(said('A secret.', 's1'));
  await store.settled();
  await store.append(said('Good news.', 's2'));
  await eventually(() => expect(seen).toHaveLength(1));
  await store.forget({ actor: 'ana', session: 's1' });
  goOn();
  await store.settled();
  expect(await texts(store)).toEqual(['Good news.']);
  expect(seen).toEqual([['A secret.'], []]);
});

test('a correction of the user is not written over by what was decided before it', async () => {
  const known: string[] = [];
  let correct = async (_id: string) => {};
  const store = memory({
    strategies: [
      strategy({
        name: 'home',
        namespace: '/home/{actorId}/',
        extract: ({ lines }) => lines.map(({ text }) => text),
        async consolidate({ text, similar: [record] }) {
          if (!record) return { do: 'add' };
          known.push(record.text);
          if (known.length === 1) await correct(record.id);
          return { do: 'update', id: record.id, text: `${record.text} ${text}` };
        },
      }),
    ],
  });
  await store.append(said('Lives in Oslo.'));
  await store.settled();
  correct = async (id) => void (await store.correct([{ id, text: 'Lives in Bergen.' }]));
  await store.append(said('Lives with a dog.'));
  await store.settled();
  expect(known).toEqual(['Lives in Oslo.', 'Lives in Bergen.']);
  expect(await texts(store)).toEqual(['Lives in Bergen. Lives with a dog.']);
  expect((await store.jobs()).items).toEqual([]);
});

test('two actors who learn for one shared namespace at once make one record of it', async () => {
  let both = 0;
  let meet = () => {};
  const met = new Promise<void>((resolve) => {
    meet = resolve;
  });
  const store = memory({
    strategies: [
      strategy({
        name: 'rules',
        namespace: '/rules/',
        merge: 'replace',
        async extract({ lines }, learning) {
          const [record] = await learning.known({ limit: 1 });
          if (++both === 2) meet();
          await met;
          return [[record?.text, ...lines.map(({ text }) => text)].filter(Boolean).join(' ')];
        },
      }),
    ],
  });
  await Promise.all([store.append(said('No shoes.', 's1', 'ana')), store.append(said('No smoking.', 's1', 'ben'))]);
  await store.settled();
  const [record, ...others] = await all(store);
  expect(others).toEqual([]);
  expect(record?.text.split(/(?<=\.) /).sort()).toEqual(['No shoes.', 'No smoking.']);
});

test('a record that is changed has the metadata of the event too, and keeps what that does not say', async () => {
  const store = memory({
    strategies: [
      strategy({
        name: 'visits',
        namespace: '/visits/{actorId}/',
        extract: ({ lines, metadata }) => lines.map(({ text }) => ({ text, metadata })),
        consolidate: ({ text, similar: [known] }) => (known ? { do: 'update', id: known.id, text } : { do: 'add' }),
      }),
    ],
  });
  await store.append({ ...said('Was in Rome.'), metadata: { team: 'red', by: 'train' } });
  await store.append({ ...said('Was in Rome again.'), metadata: { team: 'blue' } });
  await store.settled();
  expect(await all(store)).toMatchObject([{ text: 'Was in Rome again.', metadata: { team: 'blue', by: 'train' } }]);
});
