import { describe, expect, test, vi } from 'vitest';
import type { Entry } from '../../src/journal/entries/entries.ts';
import { memoryJournal as make } from '../../src/journal/memory/journal.ts';
import type { HeadFilter, RunHead } from '../../src/journal/port.ts';
import { all, entries, entry, head } from '../../src/testing/journal/kit.ts';

/** What the port allows, and this store promises: no method answers with a promise. */
interface AtOnce {
  readonly durable: boolean;
  append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead): void;
  read(runId: string): Iterable<Entry>;
  heads(filter: HeadFilter): Iterable<RunHead>;
  renew(runId: string, owner: string, until: number): boolean;
  remove(runId: string): void;
}
const memoryJournal = () => make() as AtOnce;

test('every method is synchronous, without promises', () => {
  const journal = memoryJournal();
  expect(journal.durable).toBe(false);
  expect(journal.append('r', 0, entries(0, 2), head('r'))).toBeUndefined();
  expect(journal.append('r', 2, [entry(2)], head('r'))).toBeUndefined();
  expect([...journal.read('r')]).toHaveLength(3);
  expect([...journal.heads({})]).toHaveLength(1);
  expect(journal.renew('r', 'me', Date.now() + 1_000)).toBe(true);
  expect(journal.remove('r')).toBeUndefined();
  expect(() => journal.append('r', 2, [entry(2)], head('r'))).toThrowError(/holds 0 entries, not 2/);
});

test('entries are stored without a copy', () => {
  const journal = memoryJournal();
  const given = entries(0, 3);
  journal.append('r', 0, given.slice(0, 1), head('r'));
  journal.append('r', 1, given.slice(1), head('r'));
  const read = [...journal.read('r')];
  for (const [i, each] of read.entries()) expect(each).toBe(given[i]);
});

test('an append does not touch the entries before it', () => {
  const journal = memoryJournal();
  journal.append('r', 0, [entry(0)], head('r'));
  // every way to copy an array goes through one of these
  let steps = 0;
  const iterator = Object.getPrototypeOf([][Symbol.iterator]());
  const { next } = iterator;
  const { slice, concat } = Array.prototype;
  const counted = (array: readonly unknown[]) => {
    steps += array.length;
  };
  iterator.next = function (this: unknown) {
    steps++;
    return next.call(this);
  };
  Array.prototype.slice = function (this: unknown[], ...args) {
    counted(this);
    return slice.apply(this, args);
  };
  Array.prototype.concat = function (this: unknown[], ...args: unknown[]) {
    counted(this);
    return concat.apply(this, args as never);
  } as typeof concat;
  try {
    for (let seq = 1; seq <= 1_000; seq++) journal.append('r', seq, [entry(seq)], head('r'));
  } finally {
    iterator.next = next;
    Object.assign(Array.prototype, { slice, concat });
  }
  expect(steps).toBeLessThan(5_000);
});

test('a reader sees the entries that existed when it started, even if it appends itself', () => {
  const journal = memoryJournal();
  journal.append('r', 0, entries(0, 3), head('r'));
  let seq = 3;
  for (const _ of journal.read('r')) {
    journal.append('r', seq, [entry(seq)], head('r'));
    seq++;
  }
  expect(seq).toBe(6);
});

test('a caller may reuse its head object', async () => {
  const journal = memoryJournal();
  const reused = head('r', { session: 's' });
  journal.append('r', 0, [entry(0)], reused);
  Object.assign(reused, { status: 'completed', session: 'x', seq: 9 });
  expect(await all(journal.heads({ session: 's', status: 'running' }))).toMatchObject([{ runId: 'r', seq: 0 }]);
});

test('an older head does not shorten a lease that was renewed since', async () => {
  const journal = memoryJournal();
  const now = Date.now();
  journal.append('r', 0, [entry(0)], head('r', { owner: 'me', leaseUntil: now + 1_000 }));
  journal.renew('r', 'me', now + 60_000);
  journal.append('r', 1, [entry(1)], head('r', { owner: 'me', leaseUntil: now + 1_000 }));
  expect(await all(journal.heads({}))).toMatchObject([{ leaseUntil: now + 60_000 }]);
  journal.append('r', 2, [entry(2)], head('r', { owner: 'you', leaseUntil: now + 5 }));
  expect(await all(journal.heads({}))).toMatchObject([{ owner: 'you', leaseUntil: now + 5 }]);
});

describe('a store with many runs', () => {
  /** Whether a question looks at all runs. */
  function scans(filter: HeadFilter): { runs: string[]; all: boolean } {
    const journal = memoryJournal();
    for (let i = 0; i < 50; i++)
      journal.append(`r${i}`, 0, [entry(0)], head(`r${i}`, { status: i === 7 ? 'paused' : 'completed', session: `s${i}`, startedAt: i }));
    const values = vi.spyOn(Map.prototype, 'values');
    const runs = [...journal.heads(filter)].map(({ runId }) => runId);
    const scanned = values.mock.calls.length > 0;
    values.mockRestore();
    return { runs, all: scanned };
  }

  test('finds a run, a session or the paused ones without looking at all of them', () => {
    expect(scans({ runId: 'r3' })).toEqual({ runs: ['r3'], all: false });
    expect(scans({ session: 's4' })).toEqual({ runs: ['r4'], all: false });
    expect(scans({ status: 'paused' })).toEqual({ runs: ['r7'], all: false });
    // the measure measures
    expect(scans({ agent: 'clerk', limit: 1 })).toEqual({ runs: ['r49'], all: true });
  });
});

test('a limit drops the runs that ended first, and no others', () => {
  const journal = make({ maxRuns: 3 }) as AtOnce;
  const ids = () => [...journal.heads({})].map(({ runId }) => runId).sort();
  for (const id of ['a', 'b', 'c', 'd']) journal.append(id, 0, [entry(0)], head(id, { status: id === 'b' ? 'paused' : 'running' }));
  expect(ids()).toEqual(['a', 'b', 'c', 'd']);
  journal.append('c', 1, [entry(1)], head('c', { status: 'completed' }));
  // the run that was just written stays
  expect(ids()).toEqual(['a', 'b', 'c', 'd']);
  journal.append('a', 1, [entry(1)], head('a', { status: 'failed' }));
  expect(ids()).toEqual(['a', 'b', 'd']);
  journal.append('e', 0, [entry(0)], head('e', { status: 'completed' }));
  expect(ids()).toEqual(['b', 'd', 'e']);
  // one that goes on is open again
  journal.append('e', 1, [entry(1)], head('e'));
  journal.append('f', 0, [entry(0)], head('f', { status: 'completed' }));
  expect(ids()).toEqual(['b', 'd', 'e', 'f']);
});

test('a limit on characters counts the stored entries', () => {
  const journal = make({ maxBytes: 10_000 }) as AtOnce;
  for (let i = 0; i < 50; i++) journal.append(`r${i}`, 0, [entry(0, 'x'.repeat(900))], head(`r${i}`, { status: 'completed' }));
  const kept = [...journal.heads({})];
  expect(kept.length).toBe(9);
  for (const { runId } of kept) journal.remove(runId);
  for (let i = 0; i < 9; i++) journal.append(`s${i}`, 0, [entry(0, 'x'.repeat(900))], head(`s${i}`, { status: 'completed' }));
  expect([...journal.heads({})].length).toBe(9);
  for (const bound of [0, -1, Number.NaN, 'x']) expect(() => make({ maxRuns: bound as number })).toThrowError(/above 0/);
});
