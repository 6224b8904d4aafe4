import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type Journal, memoryJournal, RondoError } from '../../src/index.ts';
import type { Draft } from '../../src/journal/entries/entries.ts';
import { apply, emptyFold, type RunFold } from '../../src/journal/fold/fold.ts';
import { headOf } from '../../src/journal/head.ts';
import { Log } from '../../src/journal/log.ts';
import { around } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { asked, asks, begins, claimed, decided, ends, lives, pushed, settled, started, unknown } from './lives.ts';

const R = 'r';
const lease = { owner: 'me', until: 4e12, wall: Number.POSITIVE_INFINITY, monotonic: 1e12 };

const logOf = (journal: Journal, told: string[] = [], run = emptyFold(R, 'a')) => {
  const log: Log = new Log(journal, run, lease, {
    committed: (_, entry) => told.push(`${entry.type} ${run.next - 1}`),
  });
  return log;
};

async function replayed(journal: Journal): Promise<RunFold> {
  const run = emptyFold(R, 'a');
  for await (const entry of journal.read(R)) apply(run, entry);
  return run;
}

async function storedHead(journal: Journal) {
  for await (const head of journal.heads({ runId: R })) return head;
  return undefined;
}

/** As another process would append: it knows nothing of the log under test. */
async function other(journal: Journal, ...drafts: Draft[]): Promise<void> {
  await new Log(journal, await replayed(journal), undefined, undefined, true).append(() => drafts);
}

const full = () => new RondoError('JOURNAL_UNAVAILABLE', 'the disk of this store is full');

// holds log.I2
describe('the stored head is the one that a replay of the entries gives', () => {
  test.each(Object.keys(lives))('%s', async (name) => {
    const journal = memoryJournal();
    const log = logOf(journal);
    for (const drafts of lives[name] as Draft[][]) {
      await log.append(() => structuredClone(drafts));
      const head = headOf(await replayed(journal), lease);
      expect(await storedHead(journal)).toEqual(head);
      expect(headOf(log.run, lease)).toEqual(head);
    }
  });

  test('and has the number of unknown outcomes, the due time, and the owner', async () => {
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started, asks('t', 't'), begins('1.0')]);
    expect(await storedHead(journal)).toMatchObject({ status: 'running', owner: 'me', leaseUntil: 4e12, seq: 3, unknowns: undefined });
    await log.append(() => [ends('1.0', { error: unknown })]);
    expect(await storedHead(journal)).toMatchObject({ unknowns: 1 });
    await log.append(() => [asked('x', '1.1', 2e12), settled('paused')]);
    expect(await storedHead(journal)).toMatchObject({ status: 'paused', owner: undefined, wakeAt: 2e12, unknowns: 1 });
    await log.append(() => [decided('x')]);
    expect(await storedHead(journal)).toMatchObject({ status: 'paused', wakeAt: 0 });
  });
});

// holds log.I2
test('an append that changes only the seq of the head writes the lease of now, and what others appended since', async () => {
  const journal = memoryJournal();
  const log = logOf(journal);
  await log.append(() => [started, asks('t', 't')]);
  await log.append(() => [begins('1.0')]);
  log.lease = { ...lease, until: 5e12 };
  await log.append(() => [begins('1.1')]);
  expect(await storedHead(journal)).toEqual(headOf(await replayed(journal), log.lease));
  await other(journal, settled('completed'));
  await refused('RUN_BUSY', log.adopt());
  log.guest = true;
  await log.adopt();
  await log.append(() => [ends('1.0')]);
  expect(await storedHead(journal)).toMatchObject({ status: 'completed', owner: undefined, seq: 6 });
});

// holds log.I1
test('an append is not visible before the store has accepted it', async () => {
  const { promise, resolve } = deferred();
  const inner = memoryJournal();
  const told: string[] = [];
  const log = logOf(
    around(inner, {
      async append(...args) {
        if (args[1] > 0) await promise;
        return inner.append(...args);
      },
    }),
    told,
  );
  await log.append(() => [started]);
  const pending = log.append(() => [asks('t'), settled('failed')]);
  await setImmediate();
  expect([log.run.next, log.run.status, log.run.root.calls.length, told]).toEqual([1, 'running', 0, ['run.started 0']]);
  resolve();
  await pending;
  // each entry is told when the fold has taken it, and not those after it
  expect(told).toEqual(['run.started 0', 'model.responded 1', 'run.settled 2']);
  expect(log.run.status).toBe('failed');
});

// holds log.I4
describe.each(['at once', 'later'])('a store that refuses an append %s', (when) => {
  const refusing = (inner: Journal, refuses: () => boolean) =>
    around(inner, {
      append(...args) {
        if (!refuses()) return when === 'at once' ? inner.append(...args) : Promise.resolve(inner.append(...args));
        if (when === 'at once') throw full();
        return setImmediate().then(() => Promise.reject(full()));
      },
    });

  test('has not changed the run, nor the head of the next append', async () => {
    const inner = memoryJournal();
    let refuses = false;
    const told: string[] = [];
    const log = logOf(
      refusing(inner, () => refuses),
      told,
    );
    await log.append(() => [started, asks('t', 't'), begins('1.0')]);
    refuses = true;
    for (const drafts of [[ends('1.0', { error: unknown }), settled('failed')], [ends('1.0')]])
      await refused('JOURNAL_UNAVAILABLE', (async () => log.append(() => drafts))());
    expect(log.run).toEqual(await replayed(inner));
    expect(told).toHaveLength(3);
    refuses = false;
    await log.append(() => [begins('1.1')]);
    expect(await storedHead(inner)).toEqual(headOf(await replayed(inner), lease));
    expect(await storedHead(inner)).toMatchObject({ status: 'running', unknowns: undefined });
    await log.append(() => [ends('1.0', { output: 1 }), ends('1.1', { output: 2 }), settled('completed')]);
    expect(log.run).toEqual(await replayed(inner));
  });

  test('has added nothing to the lists of a state, which grow in place', async () => {
    const inner = memoryJournal();
    let refuses = false;
    const log = logOf(refusing(inner, () => refuses));
    await log.append(() => [started, { type: 'frame.began', kind: 'graph', state: { notes: [] }, next: [{ node: 'n' }, { node: 'n' }] }]);
    await log.append(() => [ends('1.0', { state: pushed('one'), next: [{ node: 'n' }] })]);
    refuses = true;
    await refused('JOURNAL_UNAVAILABLE', (async () => log.append(() => [ends('1.1', { state: pushed('lost') })]))());
    refuses = false;
    await log.append(() => [ends('1.1', { state: pushed('two') })]);
    expect(log.run.root.state).toEqual({ notes: ['one', 'two'] });
    await log.append(() => [ends('2.0', { state: pushed('three') })]);
    expect(log.run.root.state).toEqual({ notes: ['one', 'two', 'three'] });
    expect((await replayed(inner)).root.state).toEqual(log.run.root.state);
  });
});

// holds log.I3
test('an entry that the fold refuses is not written, and does not affect the next append', async () => {
  const journal = memoryJournal();
  const log = logOf(journal);
  await log.append(() => [started]);
  await refused('JOURNAL_DAMAGED', (async () => log.append(() => [settled('failed'), begins('7.0')]))());
  expect([log.run.next, log.run.status]).toEqual([1, 'running']);
  await log.append(() => [asks('t')]);
  expect(await storedHead(journal)).toMatchObject({ status: 'running', seq: 2 });
});

// holds log.I5
test('appends that arrive during another one are combined into the next, in order', async () => {
  const inner = memoryJournal();
  const sizes: number[] = [];
  let under = 0;
  const log = logOf(
    around(inner, {
      async append(...args) {
        expect(++under).toBe(1);
        sizes.push(args[2].length);
        await setImmediate();
        under--;
        return inner.append(...args);
      },
    }),
  );
  await Promise.all([
    log.append(() => [started]),
    log.append((seq) => [{ ...asks('t', 't'), step: seq } as Draft]),
    log.append((seq) => [begins(`${seq - 1}.0`)]),
    log.append((seq) => [begins(`${seq - 2}.1`)]),
  ]);
  expect(sizes).toEqual([1, 3]);
  expect(log.run.root.calls.map(({ status }) => status)).toEqual(['started', 'started']);
  expect(log.stamped).toBe(2);
});

// holds log.I6
describe('an append that finds entries of others', () => {
  test('adopts entries that any process may append, and is repeated after them', async () => {
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started, asks('t'), asked('x', '1.0')]);
    await other(journal, decided('x'));
    await other(journal, { type: 'message.received', kind: 'cancel' });
    const seen: number[] = [];
    await log.append((seq) => {
      seen.push(seq);
      return [begins('1.0'), settled('failed')];
    });
    expect(seen).toEqual([3, 5]);
    expect([log.run.decisions, log.run.cancelled !== undefined, log.run.unknowns.size]).toEqual([1, true, 1]);
    expect(log.run).toEqual(await replayed(journal));
    expect(await storedHead(journal)).toEqual(headOf(log.run, lease));
  });

  test('does the same if they were adopted before it', async () => {
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started, asks('t'), asked('x', '1.0', 2e12)]);
    await other(journal, decided('x'));
    await log.adopt();
    expect(log.run.decisions).toBe(1);
    await log.append(() => [settled('paused')]);
    expect(await storedHead(journal)).toMatchObject({ status: 'paused', seq: 5, wakeAt: 0 });
    expect(log.run).toEqual(await replayed(journal));
  });

  test('is cancelled if they make it unnecessary', async () => {
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started]);
    await other(journal, { type: 'message.received', kind: 'cancel' });
    await log.append(() => (log.run.cancelled ? [] : [asks('t'), settled('failed')]));
    expect([log.run.next, log.run.status]).toEqual([2, 'running']);
    await log.append(() => [asks('t')]);
    expect(await storedHead(journal)).toMatchObject({ status: 'running', seq: 3 });
  });

  test('ends where another process claimed the run, and has changed nothing', async () => {
    const journal = memoryJournal();
    const log = logOf(journal);
    await log.append(() => [started]);
    await other(journal, claimed('you'), settled('paused'));
    await refused('RUN_BUSY', (async () => log.append(() => [asks('t'), settled('failed')]))());
    expect([log.run.next, log.run.status]).toEqual([1, 'running']);
    expect(await storedHead(journal)).toMatchObject({ status: 'paused', seq: 3 });
    await log.add(() => [{ type: 'outcome.settled', call: '1.0', source: 'late', outcome: 'done' }]);
    expect(await storedHead(journal)).toMatchObject({ status: 'paused', seq: 4 });
  });

  test('fails after some attempts if the store reports conflicts without new entries', async () => {
    const inner = memoryJournal();
    let tries = 0;
    const log = logOf(
      around(inner, {
        append(...args) {
          if (args[1] === 0) return inner.append(...args);
          tries++;
          throw new RondoError('JOURNAL_CONFLICT', 'refused, for a reason that the store does not show');
        },
      }),
    );
    await log.append(() => [started]);
    await refused('JOURNAL_CONFLICT', (async () => log.append(() => [asks('t')]))());
    expect([tries, log.run.next]).toEqual([4, 1]);
  });
});

test.each([
  ['fewer', [started, asks('u')]],
  ['as many', [started, asks('u'), begins('1.0'), settled('paused')]],
  ['more', [started, asks('u', 'u'), begins('1.0'), begins('1.1'), ends('1.1'), settled('paused')]],
] as const)('a late result is not added to another run that has the id of a removed one, and %s entries', async (_, drafts) => {
  const journal = memoryJournal();
  const log = logOf(journal);
  await log.append(() => [started, asks('t'), begins('1.0'), settled('failed')]);
  await journal.remove(R);
  const late = () => log.add(() => [{ type: 'outcome.settled', call: '1.0', source: 'late', outcome: 'done', output: 'receipt' }]);
  await late();
  expect(await storedHead(journal)).toBeUndefined();
  await new Log(journal, emptyFold(R, 'a'), lease, undefined).append(() => drafts.map((draft) => ({ ...draft, owner: 'you' })));
  const before = await storedHead(journal);
  await late();
  expect(await storedHead(journal)).toEqual(before);
  expect((await replayed(journal)).next).toBe(drafts.length);
});

// holds log.I7
test('an append that was reported as failed but is stored is not written twice', async () => {
  const inner = memoryJournal();
  const told: string[] = [];
  let lost = false;
  const log = logOf(
    around(inner, {
      append(...args) {
        void inner.append(...args);
        if (lost) throw new RondoError('JOURNAL_CONFLICT', 'the answer of the store was lost, and the append sent again');
      },
    }),
    told,
  );
  await log.append(() => [started]);
  lost = true;
  await log.append(() => [asks('t'), settled('failed')]);
  lost = false;
  expect(told).toEqual(['run.started 0', 'model.responded 1', 'run.settled 2']);
  await log.append(() => [claimed('me')]);
  expect((await replayed(inner)).next).toBe(4);
  expect(await storedHead(inner)).toEqual(headOf(log.run, lease));
});

test('an append to a run that was removed meanwhile says that it is not there', async () => {
  const journal = memoryJournal();
  const log = logOf(journal);
  await log.append(() => [{ ...started }]);
  await journal.remove(R);
  expect((await refused('RUN_NOT_FOUND', async () => log.append(() => [asks('t')]))).details).toEqual({ runId: R });
  expect(log.run.next).toBe(1);
});
