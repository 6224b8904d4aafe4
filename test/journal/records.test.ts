import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { memoryJournal } from '../../src/journal/memory/journal.ts';
import type { Journal } from '../../src/journal/port.ts';
import type { Records } from '../../src/journal/records.ts';
import { all } from '../../src/testing/journal/kit.ts';
import { recordsCases, recordsConformance } from '../../src/testing/records.ts';
import { lineJournal } from './locked.ts';
import { PlainJournal } from './plain.ts';
import { BUGS, type Bug, PlainRecords } from './plain-records.ts';
import { file, folder } from './setup.ts';

describe('memory', () => recordsConformance(() => memoryJournal(), { test }));

describe('sqlite', () => {
  const paths = new Map<Journal, string>();
  const open = (path: string) => {
    const journal = sqliteJournal(path);
    paths.set(journal, path);
    return journal;
  };
  recordsConformance(() => open(join(folder(), 'runs.db')), {
    test,
    another: (journal) => open(paths.get(journal) as string),
    process: (journal) => ({
      module: new URL('../../src/adapters/journal/sqlite.ts', import.meta.url),
      open: 'sqliteJournal',
      args: [paths.get(journal)],
      execArgv: [],
    }),
  });

  const write = async () => {
    const { path, open } = file();
    const journal = open();
    for (const n of [0, 1, 2]) await (journal.records as Records).append('n', 'k', [`value ${n}`]);
    await (journal.records as Records).append('n', 'other', ['whole']);
    await journal.close?.();
    return { path, open };
  };

  test.each([
    ['one whose bytes changed', 1, "UPDATE record_value SET body = replace(body, 'value 1', 'value 7')"],
    ['one that is missing', 1, "DELETE FROM record_value WHERE body LIKE '%value 1%'"],
    ['the last one, missing', 2, "DELETE FROM record_value WHERE body LIKE '%value 2%'"],
    ['all of them, missing', 0, "DELETE FROM record_value WHERE body LIKE '%value%'"],
  ])('a damaged value is reported with its position: %s', async (_, seq, damage) => {
    const { path, open } = await write();
    const db = new DatabaseSync(path);
    db.exec(damage);
    db.close();
    const { records } = open() as { records: Records };
    await expect(all(records.read('n', 'k'))).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
      details: { namespace: 'n', key: 'k', seq },
    });
    expect(await all(records.read('n', 'other'))).toEqual(['whole']);
    await records.delete('n', 'k');
    expect(await all(records.list('n'))).toEqual(['other']);
  });

  test('what is deleted is in none of the files', async () => {
    const { path, open } = file();
    const { records } = open() as { records: Records };
    const secret = 'only here is it said';
    await records.append('n', 'k', [secret, 'x'.repeat(50_000) + secret]);
    const found = () => [path, `${path}-wal`].some((name) => readFileSync(name).includes(secret));
    expect(found()).toBe(true);
    await records.delete('n', 'k');
    expect(found()).toBe(false);
  });

  test('a closed journal refuses its records too', async () => {
    const journal = file().open();
    await journal.close?.();
    for (const use of [
      () => journal.records?.append('n', 'k', [1]),
      () => journal.records?.read('n', 'k'),
      () => journal.records?.list('n'),
      () => journal.records?.delete('n', 'k'),
    ])
      await expect((async () => use())()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });
});

describe('the suite', () => {
  const failure = async (bug?: Bug): Promise<string | undefined> => {
    for (const { name, run } of recordsCases(() => new PlainRecords(bug))) {
      try {
        await run();
      } catch {
        return name;
      }
    }
    return undefined;
  };

  test('passes a plain store without a bug', async () => expect(await failure()).toBeUndefined());
  test.each(BUGS)('fails a store that %s', async (bug) => expect(await failure(bug)).toBeDefined());

  test('refuses a journal without records', async () => {
    await expect(recordsCases(() => new PlainJournal())[0]?.run()).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('with two processes: passes a store of files that locks, and fails one that does not', async () => {
    const cases = (lock: boolean) =>
      recordsCases(() => lineJournal(join(folder(), 'lines'), { lock }), {
        process: (journal) => ({
          module: new URL('./locked.ts', import.meta.url),
          open: 'lineJournal',
          args: [(journal as Journal & { path: string }).path, { lock }],
          execArgv: [],
        }),
      });
    const race = (lock: boolean) => cases(lock).filter(({ name }) => name.startsWith('two processes'));
    expect(race(true)).toHaveLength(1);
    await race(true)[0]?.run();
    // on a busy machine two processes may not meet
    let failed = false;
    for (let tries = 0; tries < 20 && !failed; tries++)
      failed = (await Promise.allSettled(race(false).map(({ run }) => run()))).some(({ status }) => status === 'rejected');
    expect(failed).toBe(true);
  });

  test('fails a store that keeps its records in the handle', async () => {
    const cases = recordsCases(() => new PlainRecords(), { another: () => new PlainRecords() });
    const results = await Promise.allSettled(cases.map(({ run }) => run()));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2);
  });
});
