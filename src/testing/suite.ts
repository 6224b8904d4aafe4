/** Helpers of all conformance suites. */
import { invalid } from '../errors.ts';
import type { Journal } from '../journal/port.ts';

/** The `test` of vitest, jest or node:test. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

export interface SuiteCase {
  readonly name: string;
  /** @returns what the thing under test lacks, such as `inbox`: then nothing was tested. Undefined if the guarantee holds. Rejects if not. */
  run(): Promise<string | undefined>;
}

/** Ends a test of a part that the thing under test need not have, and lacks. */
export class Lacking {
  readonly part: string;

  constructor(part: string) {
    this.part = part;
  }
}

/** @throws Lacking if the journal does not have an optional part. */
export function needs<P extends keyof Journal>(journal: Journal, part: P): asserts journal is Journal & Required<Pick<Journal, P>> {
  if (journal[part] === undefined) throw new Lacking(part);
}

/** The result of a case: see `SuiteCase.run`. */
export async function lackingOf(check: () => Promise<void>): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (error instanceof Lacking) return error.part;
    throw error;
  }
}

/** Tells vitest or node:test by the context of its test. Jest has none, and shows the test as passed. */
function skip(context: unknown, why: string): void {
  const { skip: told } = (context ?? {}) as { skip?: (why: string) => void };
  if (typeof told === 'function') told.call(context, why);
}

/** Declares each case with the given test function, or the global one. @throws RondoError `CONFIG_INVALID` if there is neither. */
export function declare(kind: string, cases: readonly SuiteCase[], given: TestFunction | undefined): void {
  const globals = globalThis as { test?: TestFunction; it?: TestFunction };
  const test = given ?? globals.test ?? globals.it;
  if (!test) throw invalid('No test function is global here. Pass the one of vitest, jest or node:test: { test }.');
  // without a declared parameter: for jest a test that has one waits for a callback
  for (const { name, run } of cases)
    test(`${kind}: ${name}`, async (...context: unknown[]) => {
      const lacks = await run();
      if (lacks !== undefined) skip(context[0], `it has no ${lacks}`);
    });
}

type Another = (journal: Journal) => Journal | Promise<Journal>;

/** Runs a case on a new journal, and closes every handle afterwards. The case can open the storage again if `another` is given. */
export async function onJournal(
  make: () => Journal | Promise<Journal>,
  another: Another | undefined,
  check: (journal: Journal, again: (from?: Journal) => Promise<Journal>) => Promise<void>,
): Promise<string | undefined> {
  const journals = [await make()];
  const [journal] = journals as [Journal];
  try {
    return await lackingOf(() =>
      check(journal, async (from = journal) => {
        const second = await (another as Another)(from);
        journals.push(second);
        return second;
      }),
    );
  } finally {
    for (const each of journals) await each.close?.();
  }
}
