import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { root } from '../../scripts/doors.ts';
import { memoryJournal } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalCases, journalConformance } from '../../src/testing/conformance.ts';
import { lineJournal } from './locked.ts';
import { BUGS, type Bug, PlainJournal } from './plain.ts';
import { folder } from './setup.ts';

/** The name of the first test that a store with a bug fails. */
async function failure(bug?: Bug): Promise<string | undefined> {
  for (const { name, run } of journalCases(async () => new PlainJournal(bug))) {
    try {
      await run();
    } catch {
      return name;
    }
  }
  return undefined;
}

describe('the conformance suite', () => {
  test('passes a plain store without a bug', async () => expect(await failure()).toBeUndefined());

  test.each(BUGS)('fails a store that %s', async (bug) => expect(await failure(bug)).toBeDefined());

  describe('with two processes', () => {
    const make = (lock: boolean) => () => lineJournal(join(folder(), 'lines'), { lock });
    const pathOf = (journal: Journal) => (journal as Journal & { path: string }).path;
    const cases = (lock: boolean) =>
      journalCases(make(lock), {
        another: (journal) => lineJournal(pathOf(journal), { lock }),
        process: (journal) => ({
          module: new URL('./locked.ts', import.meta.url),
          open: 'lineJournal',
          args: [pathOf(journal), { lock }],
          execArgv: [],
        }),
      });
    const races = (lock: boolean) => cases(lock).filter(({ name }) => name.includes('two processes'));
    // the long ones read the whole file for each entry
    const others = (lock: boolean) => cases(lock).filter(({ name }) => !/process|long|1 MB|megabyte/.test(name));

    test('passes a store of files that locks', async () => {
      expect(races(true)).toHaveLength(4);
      for (const { run } of races(true)) await run();
    });

    test('fails one that does not, though it passes all that one process can try', async () => {
      for (const { run } of others(false)) await run();
      const failed = await Promise.all(
        races(false).map(({ run }) =>
          run().then(
            () => false,
            () => true,
          ),
        ),
      );
      expect(failed).toContain(true);
    });

    test('says what went wrong in a process that cannot open the store', async () => {
      const broken = journalCases(make(true), { process: () => ({ module: new URL('./missing.ts', import.meta.url), execArgv: [] }) });
      await expect(broken.at(-1)?.run()).rejects.toThrow(/missing\.ts/);
    });
  });

  test('passes a store that leaves out a torn last append, where it says so, and fails one that says nothing', async () => {
    const damageLast = (journal: Journal) => {
      const { path } = journal as Journal & { path: string };
      writeFileSync(path, readFileSync(path, 'utf8').slice(0, -20));
    };
    const last = (torn: boolean) => journalCases(() => lineJournal(join(folder(), 'lines'), { lock: true, torn }), { damageLast }).at(-1);
    await last(true)?.run();
    await expect(last(false)?.run()).rejects.toThrow();
  });

  test('registers its tests with the function given, or with the global one', () => {
    const names: string[] = [];
    journalConformance(async () => new PlainJournal(), { test: (name) => names.push(name) });
    expect(names.length).toBeGreaterThan(50);
    expect(new Set(names).size).toBe(names.length);
    const global = globalThis as { test?: unknown };
    expect(() => journalConformance(async () => new PlainJournal())).toThrowError(/Pass the one of vitest/);
    const before = global.test;
    const seen: string[] = [];
    global.test = (name: string) => seen.push(name);
    journalConformance(async () => new PlainJournal());
    global.test = before;
    expect(seen).toEqual(names);
  });

  describe('a store that lacks parts', () => {
    const { claim: _, inbox: __, subscribe: ___, effects: ____, ...plain } = memoryJournal();
    // memoryJournal() has no clock of its own
    const PARTS = ['claim', 'effects', 'inbox', 'now', 'subscribe'];

    test('is told of each test which part it lacks', async () => {
      const lacked = new Set<string>();
      for (const { run } of journalCases(() => plain, { another: () => plain })) {
        const part = await run().catch(() => undefined); // a second use of one store: only what it lacks is looked at
        if (part !== undefined) lacked.add(part);
      }
      expect([...lacked].sort()).toEqual(PARTS);
    });

    test('is not shown as tested by vitest and by node:test', async () => {
      const skipped = (context: (why: string) => unknown) => {
        const runs: ((...given: unknown[]) => Promise<void>)[] = [];
        journalConformance(() => plain, { test: (name, run) => name.includes('a listener to one run') && runs.push(run) });
        return runs[0]?.({ skip: context });
      };
      const told: string[] = [];
      await skipped((why) => told.push(why));
      expect(told).toEqual(['it has no subscribe']);
      const file = join(folder(), 'store.test.ts');
      writeFileSync(
        file,
        `import { test } from 'node:test';
import { memoryJournal } from 'rondo';
import { journalConformance } from 'rondo/testing';
journalConformance(() => ({ ...memoryJournal(), inbox: undefined }), { test });`,
      );
      const args = ['--import', join(root, 'scripts', 'source.ts'), '--test', '--test-reporter=tap', file];
      const { NODE_TEST_CONTEXT: ____, ...env } = process.env;
      const { stdout } = await promisify(execFile)(process.execPath, args, { env }).catch((error) => error);
      expect(stdout).toMatch(/# fail 0\n[\s\S]*# skipped [1-9]/);
      expect(stdout).toContain('# SKIP it has no inbox');
      expect(stdout).not.toContain('it has no claim');
    });
  });

  test('closes what it opened, also after a failure', async () => {
    let open = 0;
    const cases = journalCases(async () => {
      open++;
      return Object.assign(new PlainJournal('gives every lease'), {
        close: () => {
          open--;
        },
      });
    });
    let failed = 0;
    for (const { run } of cases) await run().catch(() => failed++);
    expect(failed).toBeGreaterThan(0);
    expect(open).toBe(0);
  });
});
