/** Helpers of all conformance suites. */
import { invalid } from '../errors.ts';
import type { Journal } from '../journal/port.ts';

/** The `test` of vitest, jest or node:test. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

export interface SuiteCase {
  readonly name: string;
  run(): Promise<void>;
}

/** Declares each case with the given test function, or the global one. @throws RondoError `CONFIG_INVALID` if there is neither. */
export function declare(kind: string, cases: readonly SuiteCase[], given: TestFunction | undefined): void {
  const globals = globalThis as { test?: TestFunction; it?: TestFunction };
  const test = given ?? globals.test ?? globals.it;
  if (!test) throw invalid('No test function is global here. Pass the one of vitest, jest or node:test: { test }.');
  for (const { name, run } of cases) test(`${kind}: ${name}`, run);
}

type Another = (journal: Journal) => Journal | Promise<Journal>;

/** Runs a case on a new journal, and closes every handle afterwards. The case can open the storage again if `another` is given. */
export async function onJournal(
  make: () => Journal | Promise<Journal>,
  another: Another | undefined,
  check: (journal: Journal, again: (from?: Journal) => Promise<Journal>) => Promise<void>,
): Promise<void> {
  const journals = [await make()];
  const [journal] = journals as [Journal];
  try {
    await check(journal, async (from = journal) => {
      const second = await (another as Another)(from);
      journals.push(second);
      return second;
    });
  } finally {
    for (const each of journals) await each.close?.();
  }
}
