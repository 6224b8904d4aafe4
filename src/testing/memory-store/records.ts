import assert from 'node:assert/strict';
import type { RecordFilter, Written } from '../../ports/memory-store.ts';
import { everything, known, refuses, type StoreCase, say, talk, texts } from './kit.ts';

const PLACE = '/facts/ana/';
const fact = (text: string, namespace = PLACE) => ({ namespace, text });

/** What was learned: search, lists, corrections, deletion, namespaces, metadata. */
export const RECORD_CASES: readonly StoreCase[] = [
  [
    'a record is found by its words, in another process too',
    async ({ store, again }) => {
      const [id] = await known(store, fact('Ana drinks rooibos tea every morning.'), fact('Ana has a dog.'));
      const other = (await again?.()) ?? store;
      const { items } = await other.search({ namespace: PLACE, text: 'Which tea does Ana drink? Rooibos?' });
      assert.equal(items[0]?.id, id);
      assert.match(id as string, /^mem-.{36,}$/);
      assert.ok(items.every((item, i) => Number.isFinite(item.score) && (i === 0 || item.score <= (items[i - 1]?.score as number))));
      assert.equal((await other.record(id as string))?.text, 'Ana drinks rooibos tea every morning.');
    },
  ],
  [
    'records that are added again under their key are added once, in another process too',
    async ({ store, again }) => {
      const batch = [fact('Ana has a dog.'), fact('Ana has a cat.')];
      const first = await store.add(batch, { key: 'call-1' });
      const second = await ((await again?.()) ?? store).add(batch, { key: 'call-1' });
      const ids = (written: typeof first) => written.map((one) => one.ok && one.id);
      assert.deepEqual(ids(second), ids(first));
      await store.add(batch, { key: 'call-2' });
      assert.equal((await everything((page) => store.list({ namespace: PLACE, ...page }))).length, 4);
    },
  ],
  [
    'top and pages of a search: best first, each once',
    async ({ store }) => {
      await known(store, ...Array.from({ length: 8 }, (_, i) => fact(`Rooibos tea number ${i}`)));
      const found = await everything((page) => store.search({ namespace: PLACE, text: 'rooibos tea', top: 5, ...page }));
      assert.equal(found.length, 5);
      assert.equal(new Set(found.map(({ id }) => id)).size, 5);
    },
  ],
  [
    'a list has all records of a namespace, newest first',
    async ({ store }) => {
      await known(store, ...[1, 2, 3].map((n) => ({ ...fact(`fact ${n}`), at: 1_790_000_000_000 + n })));
      assert.deepEqual(texts(await everything((page) => store.list({ namespace: PLACE, ...page }), 1)), ['fact 3', 'fact 2', 'fact 1']);
    },
  ],
  [
    'a namespace covers those below it by whole segments, and no other',
    async ({ store }) => {
      await known(
        store,
        fact('tea of ana'),
        fact('tea of anna', '/facts/anna/'),
        fact('tea deep', '/facts/ana/work/'),
        fact('tea sheet', '/factsheet/'),
        fact('tea of another', '/facts/ana0/'),
      );
      const found = async (namespace: string, within?: boolean) => {
        const scope = { namespace, ...(within !== undefined && { within }) };
        const listed = texts((await store.list(scope)).items).sort();
        assert.deepEqual(texts((await store.search({ ...scope, text: 'tea' })).items).sort(), listed);
        return listed;
      };
      assert.deepEqual(await found('/facts/ana/'), ['tea deep', 'tea of ana']);
      assert.deepEqual(await found('/facts/ana/', false), ['tea of ana']);
      assert.deepEqual(await found('/facts/'), ['tea deep', 'tea of ana', 'tea of anna', 'tea of another']);
      assert.deepEqual(await found('/facts/an/'), []);
      await refuses(store.list({ namespace: '/facts/{actorId}/' }), 'MEMORY_INPUT_INVALID');
    },
  ],
  [
    'a correction keeps what it does not name, and is found by its new words alone',
    async ({ store }) => {
      const [id] = await known(store, { ...fact('Ana drinks cocoa.'), metadata: { topic: 'drinks' } });
      assert.deepEqual(await store.correct([{ id: id as string, text: 'Ana drinks tea.' }]), [{ ok: true, id }]);
      const record = await store.record(id as string);
      assert.equal(record?.text, 'Ana drinks tea.');
      assert.equal(record?.namespace, PLACE);
      assert.deepEqual(record?.metadata, { topic: 'drinks' });
      assert.deepEqual((await store.search({ namespace: PLACE, text: 'tea' })).items[0]?.id, id);
    },
  ],
  [
    'a record moves to another namespace',
    async ({ store }) => {
      const [id] = await known(store, fact('Ana drinks tea.'));
      await store.correct([{ id: id as string, namespace: '/archive/ana/' }]);
      assert.deepEqual(texts((await store.search({ namespace: PLACE, text: 'tea' })).items), []);
      assert.deepEqual(texts((await store.list({ namespace: '/archive/' })).items), ['Ana drinks tea.']);
      assert.deepEqual(texts((await store.search({ namespace: '/archive/', text: 'tea' })).items), ['Ana drinks tea.']);
    },
  ],
  [
    'a deleted record is gone, and deleting it again says that it is unknown',
    async ({ store }) => {
      const [id] = await known(store, fact('Ana drinks tea.'));
      assert.deepEqual(await store.remove([id as string]), [{ ok: true, id }]);
      assert.equal(await store.record(id as string), undefined);
      assert.deepEqual((await store.search({ namespace: PLACE, text: 'tea' })).items, []);
      const [again] = await store.remove([id as string]);
      assert.ok(again && !again.ok && again.code === 'MEMORY_RECORD_UNKNOWN');
    },
  ],
  [
    'one record that is refused does not stop the others, and verdicts keep their places',
    async ({ store }) => {
      const verdicts = await store.add([fact('one'), fact('x'.repeat(16_001)), fact('', PLACE), fact('two'), fact('three', '/{actorId}/')]);
      assert.deepEqual(
        verdicts.map((written) => (written.ok ? 'ok' : written.code)),
        ['ok', 'MEMORY_INPUT_INVALID', 'MEMORY_INPUT_INVALID', 'ok', 'MEMORY_INPUT_INVALID'],
      );
      assert.deepEqual(texts((await store.list({ namespace: PLACE })).items).sort(), ['one', 'two']);
      await refuses(store.add(Array.from({ length: 101 }, () => fact('x'))), 'MEMORY_INPUT_INVALID');
      const [gone] = await store.correct([{ id: 'mem-00000000-0000-0000-0000-000000000000', text: 'x' }]);
      assert.ok(gone && !gone.ok && gone.code === 'MEMORY_RECORD_UNKNOWN');
    },
  ],
  [
    'an id that no store has given is of no record, and does not stop the others',
    async ({ store }) => {
      const [a, b] = (await known(store, fact('one'), fact('two'))) as [string, string];
      assert.equal(await store.record('fact-1'), undefined);
      const told = (written: readonly Written[]) => written.map((one) => (one.ok ? one.id : `${one.id} ${one.code}`));
      const corrected = await store.correct(['fact-1', a].map((id) => ({ id, text: 'changed' })));
      assert.deepEqual(told(corrected), ['fact-1 MEMORY_RECORD_UNKNOWN', a]);
      assert.deepEqual(told(await store.remove([b, 'fact-1'])), [b, 'fact-1 MEMORY_RECORD_UNKNOWN']);
      assert.deepEqual(texts((await store.list({ namespace: PLACE })).items), ['changed']);
    },
  ],
  [
    'records are found by metadata, with every operator',
    async ({ store }) => {
      const day = (date: number) => ({ date: Date.UTC(2026, 0, date) });
      await known(
        store,
        { ...fact('tea a'), metadata: { kind: 'hot', tags: ['x', 'y'], n: 1, when: day(1) } },
        { ...fact('tea b'), metadata: { kind: 'cold', tags: ['y'], n: 2, when: day(2) } },
        { ...fact('tea c'), metadata: { n: 3 } },
      );
      const found = async (...metadata: RecordFilter[]) => {
        const listed = texts((await store.list({ namespace: PLACE, metadata })).items).sort();
        assert.deepEqual(texts((await store.search({ namespace: PLACE, text: 'tea', metadata })).items).sort(), listed);
        return listed.map((text) => text.at(-1)).join('');
      };
      assert.equal(await found({ key: 'kind', is: 'equal', value: 'hot' }), 'a');
      assert.equal(await found({ key: 'kind', is: 'present' }), 'ab');
      assert.equal(await found({ key: 'kind', is: 'absent' }), 'c');
      assert.equal(await found({ key: 'tags', is: 'contains', value: 'x' }), 'a');
      assert.equal(await found({ key: 'tags', is: 'contains', value: 'y' }), 'ab');
      assert.equal(await found({ key: 'when', is: 'before', value: day(2) }), 'a');
      assert.equal(await found({ key: 'when', is: 'after', value: day(1) }), 'b');
      assert.equal(await found({ key: 'n', is: 'greater', value: 1 }), 'bc');
      assert.equal(await found({ key: 'n', is: 'at-least', value: 2 }), 'bc');
      assert.equal(await found({ key: 'n', is: 'less', value: 2 }), 'a');
      assert.equal(await found({ key: 'n', is: 'at-most', value: 2 }), 'ab');
      assert.equal(await found({ key: 'n', is: 'at-least', value: 2 }, { key: 'kind', is: 'absent' }), 'c');
    },
  ],
  [
    'forgetting a session removes its events, and forgetting an actor removes all of theirs, and nothing of others',
    async ({ store }) => {
      await store.append(say('one', { session: 's1' }));
      await store.append(say('two', { session: 's2' }));
      await store.append(say('three', { actor: 'ben' }));
      await store.forget({ actor: 'ana', session: 's1' });
      assert.deepEqual(await talk(store, 'ana', 's1'), []);
      assert.deepEqual(await talk(store, 'ana', 's2'), ['two']);
      for (let i = 0; i < 2; i++) await store.forget({ actor: 'ana' });
      assert.deepEqual(await talk(store, 'ana', 's2'), []);
      assert.deepEqual(await talk(store, 'ben'), ['three']);
      assert.deepEqual((await store.actors({})).items, [{ actor: 'ben' }]);
    },
  ],
];

/** Of stores that keep what a record was learned from. */
export const PROVENANCE_CASES: readonly StoreCase[] = [
  [
    'a record tells its origin, what it was learned from, and its earlier texts',
    async ({ store }) => {
      const from = { actor: 'ana', session: 's1', events: ['0000001790000000123#0a1b2c3d'], run: 'r1' };
      const [id] = await known(store, { ...fact('Ana drinks cocoa.'), origin: 'user', from });
      const later = { actor: 'ana', session: 's2' };
      await store.correct([{ id: id as string, text: 'Ana drinks tea.', from: later }]);
      const record = await store.record(id as string);
      assert.equal(record?.origin, 'user');
      assert.ok(record?.updatedAt !== undefined);
      assert.deepEqual(record?.from, [from, later]);
      assert.deepEqual(texts(record?.history ?? []), ['Ana drinks cocoa.']);
    },
  ],
  [
    'what was learned from a forgotten session is forgotten, and the rest stays',
    async ({ store }) => {
      await known(
        store,
        { ...fact('Ana drinks tea.'), from: { actor: 'ana', session: 's1' } },
        { ...fact('Ana has a dog.'), from: { actor: 'ana', session: 's2' } },
        { ...fact('Ana told Ben of tea.', '/facts/ben/'), from: { actor: 'ben', session: 's1' } },
      );
      await store.forget({ actor: 'ana', session: 's1' });
      assert.deepEqual(texts((await store.list({ namespace: '/facts/' })).items).sort(), ['Ana has a dog.', 'Ana told Ben of tea.']);
      await store.forget({ actor: 'ana' });
      assert.deepEqual(texts((await store.list({ namespace: '/facts/' })).items), ['Ana told Ben of tea.']);
    },
  ],
];
