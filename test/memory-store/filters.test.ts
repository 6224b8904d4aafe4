/** Every filter on metadata against a function that says what it means. */
import fc from 'fast-check';
import { type RecordFilter, type RecordValue, sqliteMemory } from 'rondo/memory';
import { expect, test } from 'vitest';

const word = fc.constantFrom('tea', 'cake', 'te', 'a', '', 'Tea', 'té', '"', '1', '["tea"]', '{"date":0}');
const filled = word.filter((each) => each !== '');
const number = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom(0.5, 1.5, -0.5));
const date = fc.integer({ min: 0, max: 3 }).map((day) => ({ date: day * 86_400_000 }));
const texts = fc.array(filled, { minLength: 1, maxLength: 3 });
const value: fc.Arbitrary<RecordValue> = fc.oneof(word, number, date, texts);
const key = fc.constantFrom('a', 'b', 'a.b', '$', "o'k");

const compared = (is: readonly ('before' | 'after' | 'greater' | 'at-least' | 'less' | 'at-most')[], of: fc.Arbitrary<RecordValue>) =>
  fc.record({ key, is: fc.constantFrom(...is), value: of });
const filter: fc.Arbitrary<RecordFilter> = fc.oneof(
  fc.record({ key, is: fc.constantFrom('present' as const, 'absent' as const) }),
  fc.record({ key, is: fc.constant('equal' as const), value }),
  fc.record({ key, is: fc.constant('contains' as const), value: fc.oneof(filled, texts) }),
  compared(['before', 'after'], date),
  compared(['greater', 'at-least', 'less', 'at-most'], number),
);

function holds(metadata: Readonly<Record<string, RecordValue>> | undefined, filter: RecordFilter): boolean {
  const own = metadata && Object.hasOwn(metadata, filter.key) ? metadata[filter.key] : undefined;
  if (filter.is === 'absent') return own === undefined;
  if (own === undefined) return false;
  if (filter.is === 'present') return true;
  const { value } = filter as { value: RecordValue };
  if (filter.is === 'equal') return JSON.stringify(own) === JSON.stringify(value);
  if (filter.is === 'contains') {
    const parts = typeof value === 'string' ? [value] : (value as readonly string[]);
    return (typeof own === 'string' || Array.isArray(own)) && parts.every((part) => (own as string | readonly string[]).includes(part));
  }
  const plain = (of: RecordValue) => (typeof of === 'object' && 'date' in of ? `date ${String(of.date).padStart(16, '0')}` : of);
  const [x, y] = [plain(own), plain(value)];
  if (typeof x !== typeof y || Array.isArray(x)) return false;
  if (typeof x === 'string' && !x.startsWith('date ')) return false;
  if (filter.is === 'before' || filter.is === 'less') return x < y;
  if (filter.is === 'after' || filter.is === 'greater') return x > y;
  return filter.is === 'at-least' ? x >= y : x <= y;
}

test('lists and searches have exactly the records whose metadata holds all filters', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(fc.dictionary(key, value, { maxKeys: 4 }), { nil: undefined }), { minLength: 1, maxLength: 12 }),
      fc.array(fc.array(filter, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 }),
      async (records, queries) => {
        const store = sqliteMemory(':memory:');
        const written = await store.add(
          records.map((metadata, i) => ({ namespace: '/n/', text: `tea ${i}`, ...(metadata && { metadata }) })),
        );
        expect(written.every(({ ok }) => ok)).toBe(true);
        for (const metadata of queries) {
          const expected = records.flatMap((own, i) => (metadata.every((each) => holds(own, each)) ? [`tea ${i}`] : []));
          const query = { namespace: '/n/', metadata, limit: 100 };
          expect((await store.list(query)).items.map(({ text }) => text).sort()).toEqual([...expected].sort());
          expect((await store.search({ ...query, text: 'tea', top: 100 })).items.map(({ text }) => text).sort()).toEqual(
            [...expected].sort(),
          );
        }
        await store.close();
      },
    ),
    { numRuns: 150 },
  );
});

test('a text is not the list, the date or the number that looks like it', async () => {
  const store = sqliteMemory(':memory:');
  const values: RecordValue[] = ['["tea"]', ['tea'], '{"date":1}', { date: 1 }, '1', 1];
  await store.add(values.map((a, i) => ({ namespace: '/n/', text: `${i}`, metadata: { a } })));
  for (const [i, value] of values.entries()) {
    const { items } = await store.list({ namespace: '/n/', metadata: [{ key: 'a', is: 'equal', value }] });
    expect(items.map(({ text }) => text)).toEqual([`${i}`]);
  }
  await store.close();
});

test.each<[string, RecordFilter]>([
  ['a date for a number', { key: 'a', is: 'greater', value: { date: 1 } }],
  ['a text for a date', { key: 'a', is: 'before', value: '2026' }],
  ['a number for contains', { key: 'a', is: 'contains', value: 1 }],
  ['an unknown operator', { key: 'a', is: 'like' } as never],
  ['NaN', { key: 'a', is: 'equal', value: Number.NaN }],
  ['no key', { is: 'present', key: '' }],
])('%s is refused', async (_, filter) => {
  const store = sqliteMemory(':memory:');
  await expect(store.list({ namespace: '/n/', metadata: [filter] })).rejects.toMatchObject({ code: 'MEMORY_INPUT_INVALID' });
  await store.close();
});
