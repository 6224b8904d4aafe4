import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCode } from '../../errors.ts';
import { RondoError } from '../../errors.ts';
import type { Entry } from '../../journal/entries/entries.ts';
import { VERSION } from '../../journal/entries/entries.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import type { Json } from '../../json.ts';

/** A guarantee of the journal port and its test. `another` opens the storage again. */
export type Case = readonly [name: string, check: (journal: Journal, another: (from?: Journal) => Promise<Journal>) => Promise<void>];

const START = 1_750_000_000_000;

export function head(runId: string, over: Partial<RunHead> = {}): RunHead {
  return { runId, agent: 'clerk', status: 'running', startedAt: START, version: VERSION, seq: 0, ...over };
}

/** A small entry. Its `output` is its number, unless a test needs two different entries of one number. */
export function entry(seq: number, output: Json = seq): Entry {
  return { v: VERSION, seq, at: START + seq, type: 'call.finished', call: `${seq}.0`, ok: true, output, attempts: 1, ms: 1 };
}

export const entries = (from: number, count: number): Entry[] => Array.from({ length: count }, (_, i) => entry(from + i));

/** Starts a run with `count` entries, in one append. */
export async function start(journal: Journal, runId: string, count = 1, over: Partial<RunHead> = {}): Promise<void> {
  await journal.append(runId, 0, entries(0, count), head(runId, { seq: count, ...over }));
}

export async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Reads a list page by page. @param most pages: a store that ignores `after` would return pages for ever. */
export async function paged(read: (after: RunHead | undefined) => Promise<RunHead[]>, most: number): Promise<string[]> {
  const found: string[] = [];
  let page = await read(undefined);
  for (let pages = 1; page.length > 0; pages++) {
    assert.ok(pages <= most, `a list of ${most} heads goes on behind its end`);
    found.push(...page.map(({ runId }) => runId));
    page = await read(page.at(-1));
  }
  return found;
}

/** Compares entries and reports the first that differs. A full diff of two long lists is slow and unreadable. */
export function same(actual: readonly Entry[], expected: readonly Entry[], where = ''): void {
  const at = expected.findIndex((entry, i) => !isDeepStrictEqual(actual[i], entry));
  if (at === -1 && actual.length === expected.length) return;
  const first = at === -1 ? expected.length : at;
  const shown = (entry: Entry | undefined) => (entry ? JSON.stringify(entry).slice(0, 500) : 'nothing');
  assert.fail(
    `${where && `${where}: `}${actual.length} entries where ${expected.length} were expected; number ${first} is ${shown(actual[first])}, not ${shown(expected[first])}`,
  );
}

export const read = (journal: Journal, runId: string, after?: number): Promise<Entry[]> => all(journal.read(runId, after));

/** The head of a run, without undefined fields and without `seq`, which a store may update late. */
export async function headOf(journal: Journal, runId: string): Promise<Json | undefined> {
  const [found] = await all(journal.heads({ runId }));
  return found && plain(found);
}

export function plain({ seq: _, ...rest }: RunHead): Json {
  return JSON.parse(JSON.stringify(rest));
}

/** Asserts that `attempt` throws or rejects with the code. @returns the error. */
export async function refused(code: ErrorCode, attempt: () => unknown): Promise<RondoError> {
  let result: unknown;
  try {
    result = await attempt();
  } catch (error) {
    assert.ok(RondoError.is(error), `expected a RondoError ${code}, got ${error}`);
    assert.equal(error.code, code);
    return error;
  }
  assert.fail(`expected ${code}, but it was accepted (${JSON.stringify(result)})`);
}
