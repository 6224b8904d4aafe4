import { join } from 'node:path';
import { type Embedder, type MemoryStore, openMemoryDatabase, sqliteMemory } from 'rondo/memory';
import { describe, expect, test, vi } from 'vitest';
import { folder } from '../kit/folder.ts';

const DAY = 86_400_000;
const NOW = 1_790_000_000_000;
const PLACE = '/facts/ana/';
const clock = { now: () => NOW };

const add = async (store: MemoryStore, ...texts: string[]) => store.add(texts.map((text) => ({ namespace: PLACE, text })));
const find = async (store: MemoryStore, text: string) => (await store.search({ namespace: PLACE, text })).items.map((item) => item.text);

/** A vector by a table: the texts of a row mean the same. */
const meanings = (...rows: string[][]): Embedder => ({
  name: 'meanings',
  embed: async (texts) => texts.map((text) => rows.map((row) => Number(row.includes(text))).concat(0.01)),
});

describe('words', () => {
  test.each([
    ['Japanese', '京都の緑茶が好きです。', '緑茶'],
    ['Japanese, a part of a word', '東京タワーに行きました。', 'タワー'],
    ['Japanese in half width', 'コーヒーをのむ', 'ｺｰﾋｰ'],
    ['Chinese', '我喜欢喝绿茶', '绿茶'],
    ['Chinese, one character', '我喜欢喝绿茶', '茶'],
    ['Korean with a particle', '커피를 좋아해요', '커피'],
    ['Thai', 'ฉันชอบชาเขียว', 'ชาเขียว'],
    ['Hindi', 'मुझे हिन्दी पसंद है', 'हिन्दी'],
    ['Arabic', 'أحب الشاي الأخضر', 'الشاي'],
    ['Hebrew', 'אני אוהבת תה ירוק', 'ירוק'],
    ['Russian', 'Я люблю зелёный чай', 'ЗЕЛЁНЫЙ'],
    ['Greek', 'Μου αρέσει το τσάι', 'ΤΣΆΙ'],
    ['German, without the accent', 'Ich mag Grüntee', 'gruntee'],
    ['Vietnamese, composed in another way', 'Tôi thích trà xanh'.normalize('NFD'), 'trà'.normalize('NFC')],
    ['English in another form', 'Ana enjoys painting landscapes', 'paint landscape'],
    ['digits', 'Flight LH-4711 leaves at noon', '4711'],
  ])('are found in %s', async (_, text, query) => {
    const store = sqliteMemory(':memory:');
    await add(store, text, 'Something else entirely');
    expect(await find(store, query)).toEqual([text]);
    await store.close();
  });

  test('a text with the signs of the query language is a text', async () => {
    const store = sqliteMemory(':memory:');
    await add(store, 'Ana likes tea');
    for (const text of ['"tea" AND (', 'tea*', 'terms : x', "'; DROP TABLE record; --", 'NEAR(tea x)', '-tea', '^tea', '"'])
      await find(store, text);
    expect(await find(store, 'NOT tea OR "')).toEqual(['Ana likes tea']);
    expect(await find(store, '?!')).toEqual([]);
    await store.close();
  });

  test('a text with U+0000 is kept to its end, as U+FFFD', async () => {
    const store = sqliteMemory(':memory:');
    await add(store, 'tea\0with milk');
    expect(await find(store, 'milk')).toEqual(['tea\ufffdwith milk']);
    const [found] = (await store.search({ namespace: PLACE, text: 'tea' })).items;
    await store.correct([{ id: found?.id as string, text: 'coffee\0black' }]);
    expect(await find(store, 'black')).toEqual(['coffee\ufffdblack']);
    await store.close();
  });

  test('a rare word counts more than a common one, and more shared words more than few', async () => {
    const store = sqliteMemory(':memory:', { clock });
    await add(store, 'Ana has tea at nine', 'Ana has a saxophone', 'Ana has tea at ten', 'Ana has tea at noon', 'Ana has tea with milk');
    expect((await find(store, 'Does Ana have a saxophone or tea?'))[0]).toBe('Ana has a saxophone');
    expect((await find(store, 'tea with milk'))[0]).toBe('Ana has tea with milk');
    await store.close();
  });
});

describe('vectors', () => {
  const embed = meanings(['Ana is vegan', 'food without animals'], ['Ana plays the cello', 'classical music']);

  test('find what has no word in common, and words still count', async () => {
    const store = sqliteMemory(':memory:', { embed, clock });
    await add(store, 'Ana is vegan', 'Ana plays the cello', 'music box');
    expect((await find(store, 'food without animals'))[0]).toBe('Ana is vegan');
    expect((await find(store, 'classical music')).slice(0, 2).sort()).toEqual(['Ana plays the cello', 'music box']);
    await store.close();
  });

  test('a record that was added without an embedder, or by another process, gets its vector', async () => {
    const path = join(folder('memory-store'), 'memory.db');
    const store = sqliteMemory(path, { embed });
    expect(await find(store, 'food without animals')).toEqual([]);
    const other = sqliteMemory(path);
    await add(other, 'Ana is vegan');
    expect(await find(store, 'food without animals')).toEqual(['Ana is vegan']);
    const id = (await other.list({ namespace: PLACE })).items[0]?.id as string;
    await add(store, 'Ana has a dog');
    await other.correct([{ id, text: 'Ana plays the cello' }]);
    expect((await find(store, 'classical music'))[0]).toBe('Ana plays the cello');
    await other.correct([{ id, text: 'Ana rows' }]);
    await add(store, 'Ana plays the cello');
    expect((await find(store, 'classical music'))[0]).toBe('Ana plays the cello');
    await other.correct([{ id, namespace: '/elsewhere/' }]);
    expect(await find(store, 'classical music')).not.toContain('Ana rows');
    const all = async () => (await store.search({ namespace: '/', text: 'classical music' })).items.map((item) => item.text);
    expect(await all()).toContain('Ana rows');
    await other.remove([id]);
    expect(await all()).not.toContain('Ana rows');
    await Promise.all([store.close(), other.close()]);
  });

  test('an embedder of another name makes all vectors again', async () => {
    const db = openMemoryDatabase(':memory:');
    const asked: string[] = [];
    const named = (name: string): Embedder => ({ name, embed: async (texts) => texts.map((text) => (asked.push(text), [1, 0])) });
    await add(sqliteMemory(db, { embed: named('a') }), 'Ana is vegan');
    await find(sqliteMemory(db, { embed: named('a') }), 'x');
    await find(sqliteMemory(db, { embed: named('b') }), 'y');
    await find(sqliteMemory(db, { embed: named('a') }), 'z');
    expect(asked).toEqual(['Ana is vegan', 'x', 'Ana is vegan', 'y', 'Ana is vegan', 'z']);
    await db.close();
  });

  test.each<[string, Embedder['embed']]>([
    ['throws', async () => Promise.reject(new Error('model is down'))],
    ['answers too few', async () => []],
    ['answers with rubbish', async (texts) => texts.map(() => ['x'] as never)],
    ['answers with NaN', async (texts) => texts.map(() => [Number.NaN])],
    ['answers with different lengths', async (texts) => texts.map((_, i) => Array(i + 1).fill(1))],
  ])('an embedder that %s costs the vectors, not the record, with a warning', async (_, make) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const store = sqliteMemory(':memory:', { embed: { name: 'broken', embed: make } });
    expect((await add(store, 'Ana likes tea', 'Ana likes cake')).every(({ ok }) => ok)).toBe(true);
    expect(await find(store, 'cake')).toEqual(['Ana likes cake']);
    expect(warned).toHaveBeenCalledWith(expect.stringContaining('broken'), 'RondoWarning');
    warned.mockRestore();
    await store.close();
  });
});

describe('the score', () => {
  test('is between 0 and 1, and falls', async () => {
    const store = sqliteMemory(':memory:', { clock });
    await add(store, ...Array.from({ length: 30 }, (_, n) => `tea ${'and cake '.repeat(n)}`));
    const scores = (await store.search({ namespace: PLACE, text: 'tea', top: 30, limit: 30 })).items.map(({ score }) => score);
    expect(scores).toHaveLength(30);
    expect(scores.every((score, i) => score > 0 && score <= (scores[i - 1] ?? 1))).toBe(true);
    await store.close();
  });

  test('prefers what is new, unless recency is switched off', async () => {
    const order = async (recency: number) => {
      const store = sqliteMemory(':memory:', { clock, ranking: { recency, diversity: 0 } });
      await store.add([
        { namespace: PLACE, text: 'Ana drinks tea', at: NOW },
        { namespace: PLACE, text: 'Ana drinks tea and tea', at: NOW - 400 * DAY },
      ]);
      const found = await find(store, 'tea');
      await store.close();
      return found;
    };
    expect(await order(0.5)).toEqual(['Ana drinks tea', 'Ana drinks tea and tea']);
    expect(await order(0)).toEqual(['Ana drinks tea and tea', 'Ana drinks tea']);
  });

  test('does not repeat itself, unless diversity is switched off', async () => {
    const first = async (diversity: number) => {
      const store = sqliteMemory(':memory:', { clock, ranking: { diversity } });
      await add(
        store,
        'Ana likes green tea',
        'Ana likes green tea.',
        'Ana likes green tea!',
        'The garden of Ana is green in spring and has a pond',
      );
      const found = await store.search({ namespace: PLACE, text: 'green tea', top: 2 });
      await store.close();
      return found.items.map(({ text }) => text.slice(0, 4));
    };
    expect(await first(0.9)).toEqual(['Ana ', 'The ']);
    expect(await first(0)).toEqual(['Ana ', 'Ana ']);
  });

  test.each([{ words: -1 }, { diversity: 2 }, { words: 0, vectors: 0 }, { speed: 1 } as never])('a ranking of %o is refused', (ranking) => {
    expect(() => sqliteMemory(':memory:', { ranking })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('explain', () => {
  const explained = async (store: MemoryStore, over: Partial<Parameters<MemoryStore['search']>[0]> = {}) =>
    store.explain?.({ namespace: PLACE, text: 'tea', ...over });

  test('names the namespaces that are near', async () => {
    const store = sqliteMemory(':memory:');
    await add(store, 'a', 'b', 'c');
    const told = await explained(store, { namespace: '/facts/anna/' });
    expect(told?.why).toBe('No namespace /facts/anna/ has records; /facts/ana/ has 3.');
    expect(told?.near).toEqual([{ namespace: '/facts/ana/', records: 3 }]);
    expect((await explained(store, { namespace: '/elsewhere/' }))?.near).toEqual([{ namespace: '/facts/ana/', records: 3 }]);
    await store.close();
  });

  test('tells at which step the records were lost', async () => {
    let now = NOW;
    const store = sqliteMemory(':memory:', { clock: { now: () => now } });
    await store.add([
      { namespace: PLACE, text: 'tea', strategy: 's1', metadata: { n: 1 }, expiresAt: NOW + DAY },
      { namespace: PLACE, text: 'cake', strategy: 's1', expiresAt: NOW + DAY },
    ]);
    const steps = async (over: Parameters<typeof explained>[1]) => (await explained(store, over))?.steps.map(({ records }) => records);
    expect(await steps({})).toEqual([2, 2, 2, 2, 1, 1]);
    expect(await steps({ strategy: 's2' })).toEqual([2, 0, 0, 0, 0, 0]);
    expect(await steps({ metadata: [{ key: 'n', is: 'present' }] })).toEqual([2, 2, 1, 1, 1, 1]);
    expect((await explained(store, { strategy: 's2' }))?.why).toContain('strategy s2');
    expect((await explained(store, { text: 'bread' }))?.why).toContain('has a word of the text');
    expect((await explained(store, { metadata: [{ key: 'm', is: 'present' }] }))?.why).toContain('m present');
    now += 2 * DAY;
    expect(await steps({})).toEqual([2, 2, 2, 0, 0, 0]);
    expect((await explained(store))?.why).toContain('expired');
    await store.close();
  });
});
