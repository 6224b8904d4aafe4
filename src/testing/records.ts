import assert from 'node:assert/strict';
import { invalid } from '../errors.ts';
import type { Journal } from '../journal/port.ts';
import type { RecordListOptions, Records } from '../journal/records.ts';
import type { Json } from '../json.ts';
import { checkOptions } from '../options.ts';
import { all, entry, head, read as readRun, refused } from './journal/kit.ts';
import { type Opening, recordProcessCases } from './journal/processes.ts';
import { declare, onJournal, type SuiteCase, type TestFunction } from './suite.ts';

export interface RecordsConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
  /** Opens the storage of a journal again, as another process would. If given, the suite also tests what survives, and concurrent writers. */
  another?: (journal: Journal) => Journal | Promise<Journal>;
  /** How another process opens the storage, as for `journalConformance`. If given, two real processes write to one record at once. */
  process?: (journal: Journal) => Opening | Promise<Opening>;
}

const SUITE = { test: 'test', another: 'another: (journal) => ...', process: 'process: (journal) => ...' };

type Make = () => Journal | Promise<Journal>;
type Another = (from?: Journal) => Promise<Journal>;
type Check = (records: Records, journal: Journal, another: Another) => Promise<void>;
type Case = readonly [name: string, check: Check];

const SPACE = 'suite';
const readAll = (records: Records, key: string, from?: number, space = SPACE): Promise<Json[]> => all(records.read(space, key, from));
const keysOf = (records: Records, o?: RecordListOptions, space = SPACE): Promise<string[]> => all(records.list(space, o));
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Names that a store may confuse: with object members, with patterns, with each other, or when it joins namespace and key. */
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'a',
  'A',
  'ä',
  'a/b',
  'a:b',
  'a b',
  ' a',
  '%',
  '_',
  "'",
  '"',
  '\\',
  '0',
  '日本',
  '😀',
];

/** Values that a store may alter. */
const VALUES: readonly Json[] = [
  null,
  false,
  0,
  -0.1,
  Number.MAX_SAFE_INTEGER,
  5e-324,
  1.7976931348623157e308,
  '',
  '\u0000 \ufeff \u2028 \ud800 \udfff 😀',
  [],
  {},
  [[], [null]],
  JSON.parse('{"__proto__":{"a":1},"constructor":2,"":3}'),
  { kind: 'x', blobs: { output: 'y' }, seq: 7 },
];

const cases: readonly Case[] = [
  [
    'a key that was never written has no values, and can be deleted',
    async (records) => {
      assert.deepEqual(await readAll(records, 'new'), []);
      assert.deepEqual(await keysOf(records), []);
      await records.delete(SPACE, 'new');
      assert.deepEqual(await keysOf(records), [], 'reading and deleting creates no key');
    },
  ],
  [
    'append returns the number of values of the key, and read returns them in order, from an index',
    async (records) => {
      assert.equal(await records.append(SPACE, 'k', ['a']), 1);
      assert.equal(await records.append(SPACE, 'k', ['b', 'c', 'd']), 4);
      assert.deepEqual(await readAll(records, 'k'), ['a', 'b', 'c', 'd']);
      assert.deepEqual(await readAll(records, 'k', 0), ['a', 'b', 'c', 'd']);
      assert.deepEqual(await readAll(records, 'k', 2), ['c', 'd']);
      assert.deepEqual(await readAll(records, 'k', 4), []);
      assert.deepEqual(await readAll(records, 'k', 9), []);
    },
  ],
  [
    'an append that expects a wrong number of values is refused, and stores nothing',
    async (records) => {
      await refused('JOURNAL_CONFLICT', () => records.append(SPACE, 'k', ['x'], { expected: 1 }));
      assert.deepEqual(await keysOf(records), [], 'a refused append creates no key');
      assert.equal(await records.append(SPACE, 'k', ['a', 'b'], { expected: 0 }), 2);
      for (const expected of [0, 1, 3]) {
        const { details } = await refused('JOURNAL_CONFLICT', () => records.append(SPACE, 'k', ['x', 'y'], { expected }));
        assert.deepEqual(details, { namespace: SPACE, key: 'k', expected, held: 2 });
      }
      assert.deepEqual(await readAll(records, 'k'), ['a', 'b']);
      assert.equal(await records.append(SPACE, 'k', ['c'], { expected: 2 }), 3);
      assert.deepEqual(await readAll(records, 'k'), ['a', 'b', 'c']);
    },
  ],
  [
    'an append without values only checks',
    async (records) => {
      assert.equal(await records.append(SPACE, 'k', []), 0);
      assert.deepEqual(await keysOf(records), []);
      await records.append(SPACE, 'k', ['a']);
      assert.equal(await records.append(SPACE, 'k', [], { expected: 1 }), 1);
      await refused('JOURNAL_CONFLICT', () => records.append(SPACE, 'k', [], { expected: 0 }));
      assert.deepEqual(await readAll(records, 'k'), ['a']);
    },
  ],
  [
    'of several appends at once that expect the same number, one is stored',
    async (records) => {
      const tries = await Promise.allSettled(numbers(10).map(async (n) => records.append(SPACE, 'k', [n, n], { expected: 0 })));
      const won = numbers(10).filter((n) => tries[n]?.status === 'fulfilled');
      assert.equal(won.length, 1);
      assert.deepEqual(await readAll(records, 'k'), [won[0], won[0]]);
    },
  ],
  [
    'of several appends at once without an expected number, all are stored, each complete',
    async (records) => {
      await Promise.all(numbers(10).map(async (n) => records.append(SPACE, 'k', [n, n])));
      const values = (await readAll(records, 'k')) as number[];
      const pairs = numbers(10).map((i) => values.slice(2 * i, 2 * i + 2));
      assert.deepEqual(
        pairs.toSorted(([a = 0], [b = 0]) => a - b),
        numbers(10).map((n) => [n, n]),
      );
    },
  ],
  [
    'a run and a record are appended in one unit: both, or neither',
    async (records, journal) => {
      const change = (expected: number, ...values: Json[]) => ({ record: { namespace: SPACE, key: 'k', values, expected } });
      await journal.append('r', 0, [entry(0)], head('r', { seq: 1 }), change(0, 'a'));
      await journal.append('r', 1, [entry(1)], head('r', { seq: 2 }), change(1, 'b', 'c'));
      const { details } = await refused('JOURNAL_CONFLICT', () =>
        journal.append('r', 2, [entry(2)], head('r', { seq: 3 }), change(2, 'late')),
      );
      assert.deepEqual(details, { namespace: SPACE, key: 'k', expected: 2, held: 3 });
      await refused('JOURNAL_CONFLICT', () => journal.append('new', 0, [entry(0)], head('new', { seq: 1 }), change(0, 'late')));
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 1, [entry(1)], head('r', { seq: 2 }), change(3, 'late')));
      // several at once share no fate
      const session = head('open', { seq: 1, session: 's' });
      await journal.append('open', 0, [entry(0)], session);
      const tries = await Promise.allSettled([
        (async () => journal.append('one', 0, [entry(0)], { ...session, runId: 'one' }, change(3, 'busy')))(),
        (async () => journal.append('two', 0, [entry(0)], head('two', { seq: 1 }), change(3, 'd')))(),
        (async () => journal.append('three', 0, [entry(0)], head('three', { seq: 1 }), change(3, 'late')))(),
      ]);
      const [one, two, three] = tries.map(({ status }) => status === 'fulfilled');
      assert.equal(one, false, 'a session that is busy keeps the record as it is');
      assert.notEqual(two, three, 'of two that expect the same number, one is stored');
      const [won, lost] = two ? ['two', 'three'] : ['three', 'two'];
      assert.deepEqual(await readAll(records, 'k'), ['a', 'b', 'c', two ? 'd' : 'late']);
      assert.equal((await readRun(journal, 'r')).length, 2);
      for (const id of ['new', 'one', lost]) assert.deepEqual(await readRun(journal, id), []);
      const ids = (await all(journal.heads({}))).map(({ runId }) => runId);
      assert.deepEqual(ids.toSorted(), ['open', 'r', won], 'what was refused left no head');
      assert.equal(await records.append(SPACE, 'k', [], { expected: 4 }), 4);
    },
  ],
  [
    'namespaces and keys are separate: no two names are mixed up',
    async (records) => {
      for (const space of NAMES) for (const key of NAMES) await records.append(space, key, [`${space} ${key}`], { expected: 0 });
      for (const space of NAMES) {
        for (const key of NAMES) assert.deepEqual(await readAll(records, key, 0, space), [`${space} ${key}`]);
        assert.deepEqual((await keysOf(records, {}, space)).sort(), [...NAMES].sort());
      }
      await records.delete('a', 'b');
      await records.delete('a', 'a');
      assert.deepEqual(await readAll(records, 'a', 0, 'a/b'), ['a/b a']);
      assert.deepEqual(await readAll(records, 'a/b', 0, 'a'), ['a a/b']);
      assert.deepEqual(await readAll(records, 'a', 0, 'A'), ['A a']);
    },
  ],
  [
    'values come back as they were: every kind of JSON, and long ones',
    async (records) => {
      const before = JSON.stringify(VALUES);
      for (const value of VALUES) await records.append(SPACE, 'one by one', [value]);
      await records.append(SPACE, 'together', VALUES);
      for (const key of ['one by one', 'together']) assert.equal(JSON.stringify(await readAll(records, key)), before);
      const long = ['x'.repeat(2_000_000), '😀'.repeat(100_000)];
      await records.append(SPACE, 'long', long);
      // not deepEqual, whose diff would be too long
      assert.ok((await readAll(records, 'long')).every((value, i) => value === long[i]));
    },
  ],
  [
    'a record of many values is read whole and in parts',
    async (records) => {
      for (const n of numbers(30))
        await records.append(
          SPACE,
          'k',
          numbers(50).map((i) => 50 * n + i),
        );
      for (const from of [0, 1, 777, 1_499]) assert.deepEqual(await readAll(records, 'k', from), numbers(1_500).slice(from));
    },
  ],
  [
    'keys are listed page by page, each once, even if the key before a page was deleted',
    async (records) => {
      const made = numbers(25).map((n) => `k${n}`);
      for (const key of made) await records.append(SPACE, key, [1, 2]);
      await records.append('another', 'other', [1]);
      const whole = await keysOf(records);
      assert.deepEqual(whole.toSorted(), made.toSorted());
      assert.deepEqual(await keysOf(records), whole, 'the order is the same each time');
      assert.deepEqual(await keysOf(records, { limit: 4 }), whole.slice(0, 4));
      assert.deepEqual(await keysOf(records, { after: whole[20] as string }), whole.slice(21));
      const paged: string[] = [];
      for (let page = await keysOf(records, { limit: 7 }); page.length > 0; ) {
        paged.push(...page);
        assert.ok(paged.length <= made.length, 'a list goes on behind its end');
        const after = page.at(-1) as string;
        await records.delete(SPACE, after);
        page = await keysOf(records, { after, limit: 7 });
      }
      assert.deepEqual(paged, whole);
    },
  ],
  [
    'a deleted key is gone and can be written again from 0; others stay',
    async (records) => {
      await records.append(SPACE, 'k', ['a', 'b']);
      await records.append(SPACE, 'stays', ['c']);
      await records.delete(SPACE, 'k');
      assert.deepEqual(await readAll(records, 'k'), []);
      assert.deepEqual(await keysOf(records), ['stays']);
      assert.deepEqual(await readAll(records, 'stays'), ['c']);
      await refused('JOURNAL_CONFLICT', () => records.append(SPACE, 'k', ['x'], { expected: 2 }));
      assert.equal(await records.append(SPACE, 'k', ['d'], { expected: 0 }), 1);
      assert.deepEqual(await readAll(records, 'k'), ['d']);
    },
  ],
  [
    'records are not runs, and runs are not records',
    async (records, journal) => {
      await records.append(SPACE, 'r', ['value']);
      assert.deepEqual(await all(journal.heads({})), []);
      assert.deepEqual(await readRun(journal, 'r'), []);
      await journal.append('r', 0, [entry(0)], head('r', { seq: 1, status: 'completed' }));
      assert.deepEqual(await keysOf(records), ['r']);
      assert.deepEqual(await readAll(records, 'r'), ['value']);
      await journal.remove('r');
      assert.deepEqual(await readAll(records, 'r'), ['value'], 'removing a run removes no record');
      await journal.append('r', 0, [entry(0)], head('r', { seq: 1, status: 'completed' }));
      await records.delete(SPACE, 'r');
      assert.equal((await readRun(journal, 'r')).length, 1, 'deleting a record removes no run');
    },
  ],
];

const openedAgain: readonly Case[] = [
  [
    'records survive the journal that wrote them',
    async (records, journal, another) => {
      await records.append(SPACE, 'k', ['a', 'b']);
      await records.append(SPACE, 'gone', ['c']);
      await records.delete(SPACE, 'gone');
      await journal.close?.();
      const later = recordsOf(await another());
      assert.deepEqual(await readAll(later, 'k'), ['a', 'b']);
      assert.deepEqual(await keysOf(later), ['k']);
      assert.equal(await later.append(SPACE, 'k', ['c'], { expected: 2 }), 3);
    },
  ],
  [
    'two writers see what the other wrote and deleted, and one of them wins',
    async (one, _, another) => {
      const two = recordsOf(await another());
      for (const n of numbers(5)) {
        await one.append(SPACE, 'k', [n], { expected: 2 * n });
        await refused('JOURNAL_CONFLICT', () => two.append(SPACE, 'k', ['late'], { expected: 2 * n }));
        assert.equal(await two.append(SPACE, 'k', [n], { expected: 2 * n + 1 }), 2 * n + 2);
        assert.deepEqual(await readAll(one, 'k', 2 * n), [n, n]);
      }
      await two.delete(SPACE, 'k');
      assert.deepEqual(await readAll(one, 'k'), []);
      assert.equal(await one.append(SPACE, 'k', ['new'], { expected: 0 }), 1);
      assert.deepEqual(await readAll(two, 'k'), ['new']);
    },
  ],
];

function recordsOf(journal: Journal): Records {
  if (!journal.records) throw invalid('recordsConformance() tests Journal.records, and this journal has none.');
  return journal.records;
}

/**
 * Every guarantee of the {@link Records} port as a test. Call it at the top of a test file, or inside a `describe`.
 * @param make opens a new, empty journal with `records`. Called for each test, which closes it.
 */
export function recordsConformance(make: Make, o: RecordsConformanceOptions = {}): void {
  declare('records', recordsCases(make, o), o.test);
}

/** The tests as a list, for other test runners. Each throws if the store breaks the guarantee in its name. */
export function recordsCases(make: Make, o: Omit<RecordsConformanceOptions, 'test'> = {}): readonly SuiteCase[] {
  checkOptions(o, SUITE, 'recordsCases()');
  const { another, process } = o;
  const inProcesses = process
    ? recordProcessCases.map(([name, check]): Case => [name, async (_, journal) => check(journal, await process(journal))])
    : [];
  return [...cases, ...(another ? openedAgain : []), ...inProcesses].map(([name, check]) => ({
    name,
    run: () => onJournal(make, another, (journal, again) => check(recordsOf(journal), journal, again)),
  }));
}
