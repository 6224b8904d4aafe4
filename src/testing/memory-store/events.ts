import assert from 'node:assert/strict';
import { RondoError } from '../../errors.ts';
import type { NewEvent } from '../../ports/memory-store.ts';
import { everything, refuses, type StoreCase, said, say, talk } from './kit.ts';

/** What was said: order, pages, branches, metadata, keys. */
export const EVENT_CASES: readonly StoreCase[] = [
  [
    'an empty store has no events, sessions, actors or records',
    async ({ store }) => {
      assert.deepEqual((await store.events({ actor: 'ana', session: 's1' })).items, []);
      assert.deepEqual((await store.sessions({ actor: 'ana' })).items, []);
      assert.deepEqual((await store.actors({})).items, []);
      assert.deepEqual((await store.list({ namespace: '/facts/ana/' })).items, []);
      assert.deepEqual((await store.search({ namespace: '/facts/ana/', text: 'tea' })).items, []);
    },
  ],
  [
    'events come back as they were added, newest first, over any pages',
    async ({ store }) => {
      const items = [
        { kind: 'text', role: 'assistant', text: 'Tea, then. 🍵' },
        { kind: 'json', value: { tool: 'order', input: { n: 1, nested: [null, true] } } },
        { kind: 'blob', value: ['anything'] },
      ] as const;
      const first = await store.append(say('I like tea.', { at: 1_790_000_000_123, metadata: { topic: 'drinks' } }));
      const second = await store.append(say('', { items, at: 1_790_000_000_124 }));
      assert.match(first.id, /^0000001790000000123#[0-9a-f]{8}$/);
      assert.ok(second.id > first.id);
      assert.deepEqual(await everything((page) => store.events({ actor: 'ana', session: 's1', ...page }), 1), [second, first]);
      assert.deepEqual(second.items, items);
      assert.deepEqual(first.metadata, { topic: 'drinks' });
      assert.deepEqual(await store.event({ actor: 'ana', session: 's1', id: first.id }), first);
      assert.deepEqual((await store.events({ actor: 'ana', session: 's1', items: false })).items[0]?.items, []);
    },
  ],
  [
    'numbers of JSON come back as numbers, also large ones, and a key knows them again',
    async ({ store }) => {
      const value = { large: Number('12345678901234567890'), larger: 1e21, nested: [-1e300, 1e-7, 0.1, 2 ** 53] };
      const items = (['json', 'blob'] as const).map((kind) => ({ kind, value }));
      const first = await store.append(say('', { items, key: 'n'.repeat(40) }));
      assert.deepEqual(first.items, items);
      assert.deepEqual(await store.append(say('', { items, key: 'n'.repeat(40) })), first);
      assert.deepEqual((await store.event({ actor: 'ana', session: 's1', id: first.id }))?.items, items);
    },
  ],
  [
    'events of one millisecond keep the order in which they were added',
    async ({ store }) => {
      const at = 1_790_000_000_000;
      for (let n = 1; n <= 5; n++) await store.append(say(`number ${n}`, { at }));
      assert.deepEqual(
        await talk(store),
        [5, 4, 3, 2, 1].map((n) => `number ${n}`),
      );
      for (let n = 1; n <= 5; n++) await store.append(say(`number ${n}`, { session: 's2' }));
      assert.deepEqual(
        await talk(store, 'ana', 's2'),
        [5, 4, 3, 2, 1].map((n) => `number ${n}`),
      );
    },
  ],
  [
    'an event without a session begins one',
    async ({ store }) => {
      const { session } = await store.append({ actor: 'ana', items: [{ kind: 'text', role: 'user', text: 'hello' }] });
      assert.notEqual(session, '');
      assert.deepEqual(await talk(store, 'ana', session), ['hello']);
    },
  ],
  [
    'the same key again gives the first event, in any process, and adds nothing; other content is a conflict',
    async ({ store, again }) => {
      const first = await store.append(say('once', { key: 'k'.repeat(40) }));
      const other = (await again?.()) ?? store;
      assert.deepEqual(await other.append(say('once', { key: 'k'.repeat(40) })), first);
      const both = await Promise.all([1, 2].map(() => other.append(say('twice at once', { key: 'l'.repeat(40) }))));
      assert.equal(both[0]?.id, both[1]?.id);
      assert.deepEqual((await talk(store)).sort(), ['once', 'twice at once']);
      await refuses(store.append(say('something else', { key: 'k'.repeat(40) })), 'MEMORY_CONFLICT');
      const others: Partial<NewEvent>[] = [{ extract: false }, { at: 1_790_000_000_000 }, { metadata: { a: 'b' } }, { session: 's2' }];
      for (const over of [...others, { branch: { name: 'b', root: first.id } }])
        await refuses(store.append(say('once', { key: 'k'.repeat(40), ...over })), 'MEMORY_CONFLICT');
      assert.equal((await talk(store)).length, 2);
    },
  ],
  [
    'an event whose signal is aborted before it is written is not there',
    async ({ store }) => {
      const reason = new Error('the run is forgotten');
      await assert.rejects(store.append(say('too late', { key: 'late' }), { signal: AbortSignal.abort(reason) }), reason);
      assert.deepEqual(await talk(store), []);
      await store.append(say('in time', { key: 'late' }), { signal: new AbortController().signal });
      assert.deepEqual(await talk(store), ['in time']);
    },
  ],
  [
    'a branch has its own events, and with parents what it shares',
    async ({ store }) => {
      await store.append(say('one'));
      const root = await store.append(say('two'));
      await store.append(say('three'));
      await store.append(say('other three', { branch: { name: 'alt', root: root.id } }));
      const fork = await store.append(say('other four', { branch: { name: 'alt' } }));
      await store.append(say('other five', { branch: { name: 'alt' } }));
      await store.append(say('third five', { branch: { name: 'deep', root: fork.id } }));
      const line = async (name: string, parents: boolean) =>
        (await everything((page) => store.events({ actor: 'ana', session: 's1', branch: { name, parents }, ...page }))).map(said).reverse();
      assert.deepEqual(await line('main', false), ['one', 'two', 'three']);
      assert.deepEqual(await line('alt', false), ['other three', 'other four', 'other five']);
      assert.deepEqual(await line('alt', true), ['one', 'two', 'other three', 'other four', 'other five']);
      assert.deepEqual(await line('deep', true), ['one', 'two', 'other three', 'other four', 'third five']);
      assert.equal((await talk(store)).length, 7);
      await refuses(store.append(say('lost', { branch: { name: 'new' } })), 'MEMORY_INPUT_INVALID');
      await refuses(store.append(say('lost', { branch: { name: 'new', root: '0000000000000000001#00000000' } })), 'MEMORY_INPUT_INVALID');
    },
  ],
  [
    'events are found by metadata: equal, present, absent, and all of several',
    async ({ store }) => {
      await store.append(say('a', { metadata: { topic: 'tea', mood: 'good' } }));
      await store.append(say('b', { metadata: { topic: 'cake' } }));
      await store.append(say('c'));
      const found = async (...metadata: NonNullable<Parameters<typeof store.events>[0]['metadata']>) =>
        (await store.events({ actor: 'ana', session: 's1', metadata })).items.map(said).sort().join('');
      assert.equal(await found({ key: 'topic', is: 'equal', value: 'tea' }), 'a');
      assert.equal(await found({ key: 'topic', is: 'present' }), 'ab');
      assert.equal(await found({ key: 'mood', is: 'absent' }), 'bc');
      assert.equal(await found({ key: 'topic', is: 'present' }, { key: 'mood', is: 'absent' }), 'b');
    },
  ],
  [
    'an event that is removed is gone, once',
    async ({ store }) => {
      const { id } = await store.append(say('gone'));
      await store.append(say('here'));
      assert.equal(await store.removeEvent({ actor: 'ana', session: 's1', id }), true);
      assert.equal(await store.removeEvent({ actor: 'ana', session: 's1', id }), false);
      assert.equal(await store.event({ actor: 'ana', session: 's1', id }), undefined);
      assert.deepEqual(await talk(store), ['here']);
    },
  ],
  [
    'actors and sessions are apart, and listed',
    async ({ store }) => {
      for (const [actor, session] of [
        ['ana', 's1'],
        ['ana', 's2'],
        ['ben', 's1'],
      ] as const)
        await store.append(say(`${actor} in ${session}`, { actor, session }));
      assert.deepEqual(await talk(store, 'ana', 's1'), ['ana in s1']);
      assert.deepEqual(await talk(store, 'ben', 's1'), ['ben in s1']);
      assert.deepEqual(await talk(store, 'ben', 's2'), []);
      assert.deepEqual((await everything((page) => store.sessions({ actor: 'ana', ...page }), 1)).map(({ session }) => session).sort(), [
        's1',
        's2',
      ]);
      assert.deepEqual((await everything((page) => store.actors(page), 1)).map(({ actor }) => actor).sort(), ['ana', 'ben']);
    },
  ],
  [
    'pages have each event once while others are added',
    async ({ store }) => {
      for (let n = 1; n <= 6; n++) await store.append(say(`n${n}`));
      const found: string[] = [];
      let more = 7;
      for (let after: string | undefined; ; ) {
        const { items, next } = await store.events({ actor: 'ana', session: 's1', limit: 2, ...(after !== undefined && { after }) });
        found.push(...items.map(said));
        await store.append(say(`n${more++}`));
        if (next === undefined) break;
        after = next;
      }
      assert.deepEqual(found, ['n6', 'n5', 'n4', 'n3', 'n2', 'n1']);
    },
  ],
  [
    'what is against a limit is refused, and nothing of it is stored',
    async ({ store }) => {
      const bad = [
        say('x'.repeat(100_001)),
        say('', { items: [{ kind: 'json', value: 'x'.repeat(103_000) }] }),
        say('x', { items: Array.from({ length: 101 }, () => ({ kind: 'text', role: 'user', text: 'x' }) as const) }),
        say('x', { actor: '' }),
        say('x', { metadata: Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, 'v'])) }),
        say('x', { at: Number.NaN }),
      ];
      for (const event of bad) await refuses(store.append(event), 'MEMORY_INPUT_INVALID');
      await refuses(store.events({ actor: 'ana', session: 's1', limit: 101 }), 'MEMORY_INPUT_INVALID');
      await refuses(store.events({ actor: 'ana', session: 's1', after: 'nonsense' }), 'MEMORY_INPUT_INVALID');
      assert.deepEqual(await talk(store), []);
    },
  ],
  [
    'input of another kind is refused with its field, wherever it is given',
    async ({ store }) => {
      const none = null as never;
      const proto = JSON.parse('{"__proto__":"x"}') as Record<string, string>;
      const bad: readonly [string, () => Promise<unknown>][] = [
        ['event', () => store.append(none)],
        ['event', () => store.append(undefined as never)],
        ['branch', () => store.append(say('x', { branch: none }))],
        ['items[0]', () => store.append(say('x', { items: [none] }))],
        ['metadata.__proto__', () => store.append(say('x', { metadata: proto }))],
        ['query', () => store.events(undefined as never)],
        ['actor', () => store.events({ actor: '', session: 's1' })],
        ['session', () => store.events({ actor: 'ana', session: none })],
        ['ref', () => store.event(none)],
        ['ref', () => store.removeEvent(none)],
        ['query', () => store.sessions(none)],
        ['query', () => store.actors(none)],
        ['query', () => store.search(undefined as never)],
        ['query', () => store.list(none)],
        ['metadata[0]', () => store.list({ namespace: '/a/', metadata: [none] })],
        ['id', () => store.record('')],
        ['whom', () => store.forget(undefined as never)],
        ['actor', () => store.forget({ actor: '' })],
        ['records', () => store.add(none)],
      ];
      for (const [field, call] of bad)
        await assert.rejects(
          async () => call(),
          (error: unknown) => {
            assert.ok(RondoError.is(error, 'MEMORY_INPUT_INVALID'), `${field}: ${error}`);
            assert.deepEqual(error.details, { field });
            return true;
          },
        );
      const note = { namespace: '/a/', text: 'x' };
      const refusals = [
        ...(await store.add([none, { ...note, from: none }, { ...note, metadata: proto }])),
        ...(await store.correct([none])),
        ...(await store.remove([none])),
      ];
      assert.deepEqual(
        refusals.map((one) => one.ok || `${one.code} ${one.message.split(':')[0]}`),
        ['record', 'from', 'metadata.__proto__', 'change', 'id'].map((field) => `MEMORY_INPUT_INVALID ${field}`),
      );
      assert.deepEqual((await store.list({ namespace: '/a/' })).items, []);
      assert.deepEqual((await store.actors({})).items, []);
    },
  ],
];
