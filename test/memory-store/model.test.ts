/** A memory against a model that holds everything in lists. */
import fc from 'fast-check';
import {
  type EventQuery,
  type MemoryEvent,
  type MemoryPage,
  type MemoryStore,
  type NewEvent,
  type PageQuery,
  sqliteMemory,
} from 'rondo/memory';
import { expect, test } from 'vitest';

const START = 1_790_000_000_000;
const runs = { numRuns: 100 };

type Step =
  | {
      do: 'append';
      actor: string;
      session: string;
      at: number | undefined;
      branch: number | undefined;
      topic: string | undefined;
      key: number | undefined;
    }
  | { do: 'remove'; of: number }
  | { do: 'wait'; ms: number }
  | { do: 'forget'; actor: string; session: string | undefined }
  | {
      do: 'read';
      actor: string;
      session: string;
      limit: number;
      line: 'all' | 'main' | number;
      parents: boolean;
      topic: string | undefined;
      meanwhile: number;
    };

const actor = fc.constantFrom('ana', 'ben');
const session = fc.constantFrom('s1', 's2');
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      actor,
      session,
      // few milliseconds, so that there are many ties
      at: maybe(fc.integer({ min: -3, max: 3 })),
      branch: maybe(fc.nat(2)),
      topic: maybe(fc.constantFrom('tea', 'cake')),
      key: maybe(fc.nat(4)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), of: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 20, 61) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), actor, session: maybe(session) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      actor,
      session,
      limit: fc.integer({ min: 1, max: 4 }),
      line: fc.oneof(fc.constantFrom('all' as const, 'main' as const), fc.nat(2)),
      parents: fc.boolean(),
      topic: maybe(fc.constantFrom('tea', 'cake')),
      meanwhile: fc.nat(2),
    }),
  },
);

interface Kept {
  event: MemoryEvent;
  given: NewEvent;
  expires: number;
  /** The line that the event's branch began from: its root may be removed later. */
  parent: string | undefined;
}

const msOf = ({ id }: MemoryEvent) => Number(id.slice(0, 19));

async function pages<T>(list: (page: PageQuery) => Promise<MemoryPage<T>>, limit: number, between: () => Promise<void>): Promise<T[]> {
  const found: T[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await list({ limit, ...(after !== undefined && { after }) });
    expect(items.length).toBeLessThanOrEqual(limit);
    if (next !== undefined) expect(items).toHaveLength(limit);
    found.push(...items);
    expect(found.length, 'pages that end').toBeLessThan(1_000);
    if (next === undefined) return found;
    after = next;
    await between();
  }
}

/** Expiry of an event. */
const LIFE = 60;

test('events: order, ties, branches, filters, keys, expiry and pages are those of the model, while others write', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      let now = START;
      const store = sqliteMemory(':memory:', { clock: { now: () => now }, eventExpiry: LIFE });
      let kept: Kept[] = [];
      let n = 0;
      const alive = () => kept.filter(({ expires }) => expires > now);
      const of = (a: string, s: string) => alive().filter(({ event }) => event.actor === a && event.session === s);

      const append = async (given: NewEvent, parent?: string) => {
        const event = await store.append(given);
        const taken = kept
          .filter((each) => each.event.actor === given.actor && each.event.session === given.session)
          .map((each) => msOf(each.event));
        expect(taken, 'a millisecond of its own').not.toContain(msOf(event));
        if (given.at !== undefined) {
          // the first free one
          let free = given.at;
          while (taken.includes(free)) free++;
          expect(msOf(event)).toBe(free);
        } else expect(msOf(event)).toBeGreaterThanOrEqual(now);
        expect(event.at).toBe(msOf(event));
        kept.push({ event, given, expires: now + LIFE, parent });
      };

      for (const each of steps) {
        if (each.do === 'wait') now += each.ms;
        if (each.do === 'append') await appendStep(each);
        if (each.do === 'remove') {
          const target = kept[each.of];
          if (!target) continue;
          const there = alive().includes(target);
          expect(await store.removeEvent(target.event)).toBe(there);
          if (there) kept = kept.filter((one) => one !== target);
        }
        if (each.do === 'forget') {
          await store.forget({ actor: each.actor, ...(each.session !== undefined && { session: each.session }) });
          kept = kept.filter(
            ({ event }) => !(event.actor === each.actor && (each.session === undefined || event.session === each.session)),
          );
        }
        if (each.do === 'read') await read(each);
        // what has expired is removed by a write, so a millisecond of it is free again
        kept = alive();
      }
      await store.close();

      async function appendStep({ actor, session, at, branch, topic, key }: Step & { do: 'append' }): Promise<void> {
        const name = `b${branch}`;
        const here = of(actor, session);
        const first = here.find(({ event }) => event.branch?.name === name);
        const last = here.at(-1)?.event;
        const root = last?.id;
        const given: NewEvent = {
          actor,
          session,
          items: [{ kind: 'text', role: 'user', text: `number ${n++}` }],
          ...(at !== undefined && { at: START + at }),
          ...(topic !== undefined && { metadata: { topic } }),
          ...(branch !== undefined && (first || root !== undefined) && { branch: { name, ...(!first && { root: root as string }) } }),
          ...(key !== undefined && { key: `key ${key}` }),
        };
        const known = key === undefined ? undefined : alive().find((one) => one.given.key === given.key);
        if (!known) return append(given, given.branch && (first ? first.parent : (last?.branch?.name ?? 'main')));
        expect(await store.append(known.given), 'the first event').toEqual(known.event);
        await expect(store.append(given)).rejects.toMatchObject({ code: 'MEMORY_CONFLICT' });
      }

      async function read({ actor, session, limit, line, parents, topic, meanwhile }: Step & { do: 'read' }): Promise<void> {
        const events = of(actor, session);
        const name = typeof line === 'number' ? `b${line}` : line;
        const query: EventQuery = {
          actor,
          session,
          ...(name !== 'all' && { branch: { name, parents } }),
          ...(topic !== undefined && { metadata: [{ key: 'topic', is: 'equal', value: topic }] }),
        };
        const expected = (name === 'all' ? events : lineOf(events, name, parents))
          .map(({ event }) => event)
          .filter(({ metadata }) => topic === undefined || metadata?.topic === topic)
          .sort((a, b) => (a.id < b.id ? 1 : -1));
        let left = meanwhile;
        const found = await pages(
          (page) => store.events({ ...query, ...page }),
          limit,
          async () => {
            // newer than all that is read
            if (left-- > 0)
              await append({ actor, session, at: now + 1_000 + n, items: [{ kind: 'text', role: 'user', text: `late ${n++}` }] });
          },
        );
        expect(found).toEqual(expected);
        const actors = new Set(alive().map((each) => each.event.actor));
        expect(
          await pages(
            (page) => store.actors(page),
            limit,
            async () => undefined,
          ),
        ).toEqual([...actors].sort().map((each) => ({ actor: each })));
        const sessions = new Set(
          alive()
            .filter((each) => each.event.actor === actor)
            .map((each) => each.event.session),
        );
        const listed = await pages(
          (page) => store.sessions({ actor, ...page }),
          limit,
          async () => undefined,
        );
        expect(listed.map((each) => each.session).sort()).toEqual([...sessions].sort());
      }
    }),
    runs,
  );
});

/** The events of a line; with parents, of each line that it began from, up to what is shared. */
function lineOf(events: readonly Kept[], name: string, parents: boolean): Kept[] {
  const own = events.filter(({ event: { branch } }) => (name === 'main' ? branch === undefined : branch?.name === name));
  const [{ event, parent } = {}] = own;
  const root = event?.branch?.root;
  if (!parents || root === undefined || parent === undefined) return own;
  return [...own, ...lineOf(events, parent, true).filter((above) => above.event.id <= root)];
}

test('a branch keeps what it shares when its root is removed', async () => {
  const store: MemoryStore = sqliteMemory(':memory:');
  const say = (text: string, over: Partial<NewEvent> = {}) =>
    store.append({ actor: 'ana', session: 's1', items: [{ kind: 'text', role: 'user', text }], ...over });
  await say('one');
  const root = await say('two');
  await say('three');
  const first = await say('other', { branch: { name: 'alt', root: root.id } });
  await say('other still', { branch: { name: 'alt' } });
  await store.removeEvent(root);
  await store.removeEvent(first);
  const { items } = await store.events({ actor: 'ana', session: 's1', branch: { name: 'alt', parents: true } });
  expect(items.map((event) => (event.items[0] as { text: string }).text)).toEqual(['other still', 'one']);
  await store.close();
});
