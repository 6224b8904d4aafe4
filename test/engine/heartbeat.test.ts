import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type Journal, type Model, memoryJournal, RondoError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, headOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { until } from '../kit/time.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** A journal in memory that says it can be reached by others. */
const shared = (over: Partial<Journal> = {}, inner = memoryJournal()) => around(inner, { durable: true, ...over });

/** A model that thinks for ever, and stops when it is told to. */
function thinking() {
  const signals: AbortSignal[] = [];
  const model: Model = {
    provider: 'scripted',
    id: 'thinking',
    generate: (_, { signal }) => {
      signals.push(signal);
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  };
  return { a: agent({ name: 'a', instructions: '', model, reliability: { model: { timeout: 1e9 } } }), signals };
}

test('renews the lease of an idle run, and delivers a cancellation from another process', async () => {
  const journal = shared();
  const { a, signals } = thinking();
  const run = new Engine({ journal }).run(a, 'go');
  await until(() => signals[0]);
  const other = new Engine({ journal, agents: [a] });
  await pass(120_000);
  await refused('RUN_BUSY', other.resume(run.id));
  expect((await headOf(journal, run.id))?.leaseUntil).toBeGreaterThan(Date.now());
  await other.cancel(run.id, { reason: 'from afar' });
  await pass(5_000);
  expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'from afar' });
  // and it stops with the last run
  await pass(5_000);
  expect(vi.getTimerCount()).toBe(0);
});

test('tells an owner that its run was taken over: the run rejects, and what it does is stopped', async () => {
  const journal = shared();
  const { a, signals } = thinking();
  const run = new Engine({ journal }).run(a, 'go');
  await until(() => signals[0]);
  await expireLease(journal, run.id);
  const quick = agent({ name: 'a', instructions: '', model: scripted(['done']) });
  await ends(new Engine({ journal, agents: [quick] }).resume(run.id), 'completed');
  const before = await entriesOf(journal, run.id);
  const outcome = refused('RUN_BUSY', run);
  await pass(5_000);
  await outcome;
  expect(signals[0]?.aborted).toBe(true);
  expect(await entriesOf(journal, run.id)).toEqual(before);
});

test('does not lose a run if the store is unavailable for a while', async () => {
  const inner = memoryJournal();
  let down = false;
  const gone = () => {
    if (down) throw new RondoError('JOURNAL_UNAVAILABLE', 'the store is out of reach for a moment; it will be back.');
  };
  const journal = shared(
    {
      read: (...args) => {
        gone();
        return inner.read(...args);
      },
      renew: (...args) => {
        gone();
        return inner.renew(...args);
      },
    },
    inner,
  );
  let finish: ((value: string) => void) | undefined;
  const slow = tool({
    name: 'slow',
    description: '',
    input: anything,
    timeout: 1e9,
    execute: () => new Promise<string>((resolve) => (finish = resolve)),
  });
  const run = new Engine({ journal }).run(
    agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }),
    'go',
  );
  await until(() => finish);
  down = true;
  await pass(20_000);
  down = false;
  await pass(5_000);
  expect((await headOf(journal, run.id))?.leaseUntil).toBeGreaterThan(Date.now());
  finish?.('slept');
  await ends(run, 'completed');
});

test('a journal that no other process can reach needs none', async () => {
  const { a, signals } = thinking();
  const engine = new Engine();
  const run = engine.run(a, 'go');
  await until(() => signals[0]);
  // the timeout of the model's attempt
  expect(vi.getTimerCount()).toBeLessThanOrEqual(1);
  await engine.cancel(run.id);
  await ends(run, 'cancelled');
});

test.each([
  ['deleted', (path: string) => rmSync(path)],
  [
    'replaced',
    (path: string) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
])('a journal file that was %s under a run: the run stops within a heartbeat, and nothing more is done', async (_, swap) => {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'runs.db');
  const done: string[] = [];
  let finish: (() => void) | undefined;
  const slow = tool({
    name: 'slow',
    description: '',
    input: anything,
    effect: 'idempotent',
    timeout: 1e9,
    execute: (_input, { signal }) =>
      new Promise<string>((resolve, reject) => {
        finish = () => resolve('done');
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  const pay = tool({ name: 'pay', description: '', input: anything, execute: () => done.push('paid') });
  const model = scripted([asks(['slow', {}]), asks(['pay', {}]), 'done']);
  const engine = new Engine({ journal: sqliteJournal(path) });
  const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [slow, pay] }), 'go');
  await until(() => finish);
  swap(path);
  const outcome = refused('JOURNAL_DAMAGED', run);
  await pass(2_100);
  expect((await outcome).message).toContain('while it was open');
  finish?.();
  await pass(5_000);
  expect(model.requests).toHaveLength(1);
  expect(done).toEqual([]);
  await refused('JOURNAL_DAMAGED', engine.resume(run.id));
  await engine.close();
});
