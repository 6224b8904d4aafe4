import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { BESIDE } from '../../src/adapters/journal/sqlite/claim-table.ts';
import type { ClaimChange } from '../../src/journal/claims.ts';
import { entry, head, refused } from '../../src/testing/journal/kit.ts';
import { file, folder } from './setup.ts';

const about = (key: string, call: string) => ({ tenant: undefined, intent: 'pay', key, generation: 0, call });
const taken = (key: string, call = '1.0', seen = 0): ClaimChange => ({ ...about(key, call), to: 'held', digest: 'd', seen });

function hurt(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

test.each(['DELETE FROM claim_secret', 'UPDATE claim_secret SET value = randomblob(32)', "UPDATE claim_secret SET value = 'a text'"])(
  'a secret that was lost or changed is told, not taken for keys that are free: %s',
  async (sql) => {
    const { path, open } = file();
    const journal = open();
    await journal.append('r', 0, [entry(0)], head('r'), { claims: [taken('a')] });
    await journal.close?.();
    hurt(path, sql);
    const again = open();
    await refused('JOURNAL_DAMAGED', async () => again.claim?.(about('a', '1.0')));
    await refused('JOURNAL_DAMAGED', async () => again.append('s', 0, [entry(0)], head('s'), { claims: [taken('a')] }));
    // what has no key goes on
    await again.append('t', 0, [entry(0)], head('t'));
  },
);

test.each([
  "UPDATE claim SET state = 'free'",
  "UPDATE claim SET run = 'other'",
  'UPDATE claim SET until = 1',
  'UPDATE claim SET revision = 0',
])('a claim that was changed is told: %s', async (sql) => {
  const { path, open } = file();
  const journal = open();
  await journal.append('r', 0, [entry(0)], head('r'), { claims: [taken('a')] });
  hurt(path, sql);
  await refused('JOURNAL_DAMAGED', async () => journal.claim?.(about('a', '1.0')));
  await refused('JOURNAL_DAMAGED', async () => journal.append('s', 0, [entry(0)], head('s'), { claims: [taken('a')] }));
  await journal.append('t', 0, [entry(0)], head('t'), { claims: [taken('b')] });
});

test.each([1, 200])(
  'of %i claims, one whose name has a bit turned in the file is told, not taken for a key that is free',
  async (count) => {
    const { path, open } = file();
    const journal = open();
    for (let from = 0; from < count; from += 20) {
      const claims = Array.from({ length: Math.min(20, count - from) }, (_, i) => taken(`key ${from + i}`));
      await journal.append(`r${from}`, 0, [entry(0)], head(`r${from}`), { claims });
    }
    await journal.close?.();
    const db = new DatabaseSync(path);
    const macs = (db.prepare('SELECT mac FROM claim ORDER BY mac').all() as { mac: string }[]).map(({ mac }) => mac);
    db.close();
    const whole = readFileSync(path);
    const copy = join(folder(), 'copy.db');
    const keys = Array.from({ length: count }, (_, i) => `key ${i}`);
    // one in the middle of a page, or in an inner node, is found by another way than one at an end
    for (const [i, mac] of macs.entries()) {
      if (i % 29 !== 0) continue;
      for (const [at, bit] of [
        [0, 1],
        [0, 4],
        [1, 0],
        [7, 3],
        [63, 6],
      ] as const) {
        const turned = Buffer.from(whole);
        // a page that was split may hold an old copy
        for (let byte = turned.indexOf(mac); byte >= 0; byte = turned.indexOf(mac, byte + 1))
          turned[byte + at] = (turned[byte + at] as number) ^ (1 << bit);
        writeFileSync(copy, turned, { mode: 0o600 });
        const again = file(copy).open();
        const found: string[] = [];
        for (const key of keys)
          try {
            found.push((await again.claim?.(about(key, '1.0'))) ? 'held' : 'free');
          } catch (error) {
            found.push((error as { code: string }).code);
          }
        const where = `claim ${i}, byte ${at}, bit ${bit}`;
        expect(found, where).not.toContain('free');
        expect(found, where).toContain('JOURNAL_DAMAGED');
        const claims = [taken(keys[found.indexOf('JOURNAL_DAMAGED')] as string)];
        await refused('JOURNAL_DAMAGED', async () => again.append('s', 0, [entry(0)], head('s'), { claims }));
        await again.close?.();
        // nor by a run that appends alone, and takes the claim without a look
        const alone = file(copy).open();
        for (const seq of [0, 1]) await alone.append('s', seq, [entry(seq)], head('s'));
        await refused('JOURNAL_DAMAGED', async () => alone.append('s', 2, [entry(2)], head('s'), { claims }));
        await alone.close?.();
      }
    }
  },
);

test('what is beside the place of a name is found by the index of names', async () => {
  const { path, open } = file();
  const journal = open();
  await journal.append('r', 0, [entry(0)], head('r'), { claims: [taken('a')] });
  await journal.close?.();
  const db = new DatabaseSync(path);
  const plan = (db.prepare(`EXPLAIN QUERY PLAN ${BESIDE}`).all('x') as { detail: string }[]).map(({ detail }) => detail);
  expect(plan.filter((detail) => / claim\b/.test(detail))).toEqual([
    expect.stringMatching(/^SEARCH claim USING PRIMARY KEY \(mac<\?\)/),
    expect.stringMatching(/^SEARCH claim USING PRIMARY KEY \(mac>\?\)/),
  ]);
  db.close();
});

test('a run with a damaged claim can be forgotten, and the claim stays unknown', async () => {
  const { path, open } = file();
  const journal = open();
  await journal.append('r', 0, [entry(0)], head('r'), { claims: ['a', 'b', 'c'].map((key, i) => taken(key, `1.${i}`)) });
  hurt(path, "UPDATE claim SET state = 'free' WHERE mac = (SELECT max(mac) FROM claim)");
  await journal.remove('r');
  expect([...((await journal.heads({})) as Iterable<unknown>)]).toEqual([]);
  for (const key of ['a', 'b', 'c']) expect(await journal.claim?.(about(key, '1.0'))).toMatchObject({ state: 'unknown' });
});

test('a claim that is given back to a run which was forgotten does not name it', async () => {
  const { open } = file();
  const journal = open();
  const unknown = (call: string, holder?: { run: string; call: string }): ClaimChange => ({ ...about('x', call), to: 'unknown', holder });
  await journal.append('A', 0, [entry(0)], head('A'), { claims: [taken('x')] });
  await journal.append('A', 1, [entry(1)], head('A', { status: 'completed' }), { claims: [unknown('1.0')] });
  await journal.append('B', 0, [entry(0)], head('B'), { claims: [taken('x', '2.0', 2)] });
  await journal.remove('A');
  await journal.append('B', 1, [entry(1)], head('B'), { claims: [unknown('2.0', { run: 'A', call: '1.0' })] });
  const claim = await journal.claim?.(about('x', '1.0'));
  expect(claim).toMatchObject({ state: 'unknown' });
  expect(claim).not.toHaveProperty('holder');
  expect(claim).not.toHaveProperty('digest');
});
