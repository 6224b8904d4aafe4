import { describe, expect, test } from 'vitest';
import { journalCases, journalConformance } from '../../src/testing/conformance.ts';
import { BUGS, type Bug, PlainJournal } from './plain.ts';

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
