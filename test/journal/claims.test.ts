import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { ClaimChange } from '../../src/journal/claims.ts';
import { memoryJournal } from '../../src/journal/memory/journal.ts';
import { journalCases } from '../../src/testing/conformance.ts';
import { claimCases } from '../../src/testing/journal/claims.ts';
import { claimKeepingCases } from '../../src/testing/journal/claims-kept.ts';
import { entry, head, read } from '../../src/testing/journal/kit.ts';
import { refused } from '../kit/runs.ts';
import { BUGS, type Bug, plainClaims } from './plain-claims.ts';
import { file } from './setup.ts';

// holds claims.I1, claims.I2, claims.I3
describe('the conformance suite', () => {
  const names = new Set([...claimCases, ...claimKeepingCases].map(([name]) => name));
  /** The name of the first test that a store with a bug fails. */
  async function failure(bug?: Bug): Promise<string | undefined> {
    for (const { name, run } of journalCases(() => plainClaims(bug)))
      if (names.has(name))
        try {
          await run();
        } catch {
          return name;
        }
    return undefined;
  }

  test('passes a store whose claims have no bug', async () => expect(await failure()).toBeUndefined());

  test.each(BUGS)('fails a store that %s', async (bug) => expect(await failure(bug)).toBeDefined());

  test('tests nothing of a store without claims, and says so', async () => {
    const cases = journalCases(() => {
      const { claim: _, ...journal } = memoryJournal();
      return journal;
    });
    for (const { name, run } of cases) if (names.has(name)) expect(await run()).toBe('claim');
  });
});

describe('in a SQLite file', () => {
  const KEY = { tenant: 'tenant-of-ana', intent: 'intent-to-pay', key: 'card 4111 1111' };
  const RUN = 'run-of-ana';
  const CALL = 'call-of-ana';
  const DIGEST = 'digest-of-arguments';
  const change = (to: object, key: object = {}) => ({ ...KEY, ...key, call: CALL, generation: 0, ...to }) as ClaimChange;
  const held = change({ to: 'held', digest: DIGEST, seen: 0 });
  const inFiles = (path: string, text: string) =>
    readdirSync(dirname(path)).filter((name) => readFileSync(join(dirname(path), name)).includes(text));

  test('the key is never readable, and what a forgotten run had is not', async () => {
    const { path, open } = file();
    const journal = open();
    for (const [key, ...more] of [
      ['done', { to: 'done', digest: DIGEST, remember: 60_000 }],
      ['for ever', { to: 'done', digest: DIGEST }],
      ['unknown', { to: 'unknown' }],
      ['held'],
    ] as [string, ...object[]][]) {
      const named = `${KEY.key} ${key}`;
      const log = await read(journal, RUN);
      const claims = [held, ...more.map((each) => change(each))].map((each) => ({ ...each, key: named }));
      await journal.append(RUN, log.length, [entry(log.length)], head(RUN, { tenant: 'of the head' }), { claims });
    }
    const readable = () => [KEY.tenant, KEY.intent, KEY.key].flatMap((text) => inFiles(path, text));
    expect(readable()).toEqual([]);
    // else the test would look in the wrong place
    for (const text of [RUN, CALL, DIGEST]) expect(inFiles(path, text)).not.toEqual([]);
    await journal.remove(RUN);
    for (const text of [RUN, CALL, DIGEST]) expect(inFiles(path, text)).toEqual([]);
    expect(readable()).toEqual([]);
    const db = new DatabaseSync(path);
    expect(db.prepare('SELECT state, run, call, digest, until IS NULL AS ever FROM claim ORDER BY state, ever').all()).toEqual(
      [
        ['done', 0],
        ['done', 1],
        ['unknown', 1],
        ['unknown', 1],
      ].map(([state, ever]) => ({ state, run: null, call: null, digest: null, ever })),
    );
    db.close();
    expect(await journal.claim?.({ ...KEY, key: `${KEY.key} done` })).toMatchObject({ state: 'done' });
  });

  test('another file has another secret, so the same key has another name in it', async () => {
    const names = [];
    for (const { path, open } of [file(), file()]) {
      await open().append(RUN, 0, [entry(0)], head(RUN), { claims: [held] });
      const db = new DatabaseSync(path);
      names.push((db.prepare('SELECT mac FROM claim').get() as { mac: string }).mac);
      db.close();
    }
    expect(new Set(names).size).toBe(2);
  });

  // holds claims.I1
  test('a run that appends alone takes no claim that another connection has changed since it was seen, and ends one that it holds', async () => {
    const { open } = file();
    const [journal, other] = [open(), open()];
    const over = [held, change({ to: 'done', digest: DIGEST, remember: 0 })];
    await journal.append(RUN, 0, [entry(0)], head(RUN), { claims: over });
    await journal.append('next', 0, [entry(0)], head('next'));
    const seen = (await journal.claim?.(KEY))?.revision as number;
    // a removal appends to no run, so the last append is still that of `next`
    await other.remove(RUN);
    const takes = (claims: object[]) => journal.append('next', 1, [entry(1)], head('next'), { claims: claims as ClaimChange[] });
    await refused('INTENT_CLAIMED', async () => takes([{ ...held, seen }]));
    await refused('INTENT_CLAIMED', async () =>
      takes([
        { ...held, key: 'more', seen: 0 },
        { ...held, seen },
      ]),
    );
    expect([await journal.claim?.({ ...KEY, key: 'more' }), (await read(journal, 'next')).length]).toEqual([undefined, 1]);
    await takes([{ ...held, seen: seen + 1 }]);
    await journal.append('next', 2, [entry(2)], head('next'), { claims: [change({ to: 'done', digest: DIGEST })] });
    expect(await other.claim?.(KEY)).toMatchObject({ state: 'done', holder: { run: 'next', call: CALL }, revision: seen + 3 });
  });

  // holds claims.I1
  test('a run that appends alone takes no claim as new which another connection has taken', async () => {
    const { open } = file();
    const [journal, other] = [open(), open()];
    await other.append('other', 0, [entry(0)], head('other'), { claims: [held] });
    for (const seq of [0, 1]) await journal.append('next', seq, [entry(seq)], head('next'));
    const claims = [{ ...held, key: 'more' }, held] as ClaimChange[];
    await refused('INTENT_CLAIMED', async () => journal.append('next', 2, [entry(2)], head('next'), { claims }));
    expect([await journal.claim?.({ ...KEY, key: 'more' }), (await read(journal, 'next')).length]).toEqual([undefined, 2]);
    expect(await journal.claim?.(KEY)).toMatchObject({ state: 'held', holder: { run: 'other' }, revision: 1 });
    await journal.append('next', 2, [entry(2)], head('next'), { claims: claims.slice(0, 1) });
    expect(await other.claim?.({ ...KEY, key: 'more' })).toMatchObject({ state: 'held', holder: { run: 'next' }, revision: 1 });
  });

  test('a claim that was changed in any field is refused, to those who read it and to those who take it, and no other is', async () => {
    const { path, open } = file();
    const journal = open();
    const other = { ...KEY, key: 'other' };
    const claims = [held, change({ to: 'done', digest: DIGEST, remember: 60_000 }), { ...held, ...other }];
    await journal.append(RUN, 0, [entry(0)], head(RUN), { claims });
    const db = new DatabaseSync(path);
    const rows = db.prepare("SELECT * FROM claim WHERE state = 'done'").all() as { [column: string]: string | number }[];
    const [row = {}] = rows;
    for (const [column, value] of Object.entries(row)) {
      if (column === 'mac' || column === 'mac_checksum') continue;
      const texts = typeof value === 'string' ? Array.from(value, (_, i) => flipped(value, i)) : [value + 1, value - 1, value + 2 ** 40];
      for (const changed of [...texts, ...(['run', 'call', 'digest', 'until'].includes(column) ? [null] : [])]) {
        db.prepare(`UPDATE claim SET ${column} = ? WHERE mac = ?`).run(changed, row.mac ?? '');
        await refused('JOURNAL_DAMAGED', async () => journal.claim?.(KEY));
        await refused('JOURNAL_DAMAGED', async () =>
          journal.append('next', 0, [entry(0)], head('next'), { claims: [{ ...held, seen: 2 } as ClaimChange] }),
        );
        db.prepare(`UPDATE claim SET ${column} = ? WHERE mac = ?`).run(value, row.mac ?? '');
      }
    }
    expect(await journal.claim?.(KEY)).toMatchObject({ state: 'done' });
    db.exec("UPDATE claim SET state = 'free' WHERE state = 'done'");
    expect(await journal.claim?.(other)).toMatchObject({ state: 'held' });
    expect(await read(journal, 'next')).toEqual([]);
    db.close();
  });
});

/** A text with one bit of one character turned. */
const flipped = (text: string, at: number) => `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;
