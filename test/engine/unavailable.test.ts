import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, type Entry, type Journal, memoryJournal, RondoError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, headOf } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const full = () => new RondoError('JOURNAL_UNAVAILABLE', 'the disk is full: make room, then resume the run.');

/** A store that refuses some appends, at once or later. */
function refusing(inner: Journal, refuses: (entries: readonly Entry[], n: number) => boolean, at: 'once' | 'later') {
  const seen = { refused: 0, appends: 0 };
  const journal = around(inner, {
    append(...args) {
      if (refuses(args[2], ++seen.appends)) {
        seen.refused++;
        if (at === 'once') throw full();
        return Promise.reject(full());
      }
      return at === 'once' ? inner.append(...args) : Promise.resolve(inner.append(...args));
    },
  });
  return { journal, seen };
}

describe.each(['once', 'later'] as const)('a store that is full or locked and says so %s', (at) => {
  const paying = () => {
    const ran: unknown[] = [];
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      execute: ({ n }) => {
        ran.push(n);
        return `paid ${n}`;
      },
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'user' ? asks(['pay', { n: 1 }], ['pay', { n: 2 }]) : 'done'));
    return { a: agent({ name: 'a', instructions: '', model, tools: [pay], parallel: 1 }), ran, model };
  };

  test('when a run starts: it does not, and nothing is asked or done', async () => {
    const { a, ran, model } = paying();
    const { journal } = refusing(memoryJournal(), () => true, at);
    const engine = new Engine({ journal });
    await refused('JOURNAL_UNAVAILABLE', engine.run(a, 'go', { id: 'r' }));
    expect([ran.length, model.requests.length]).toEqual([0, 0]);
    await refused('RUN_NOT_FOUND', engine.inspect('r'));
  });

  test('before an effect: nothing runs; the run rejects, typed, and goes on once there is room', async () => {
    const { a, ran, model } = paying();
    const inner = memoryJournal();
    let room = false;
    const { journal } = refusing(inner, (entries) => !room && entries.some((e) => e.type === 'call.started'), at);
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await refused('JOURNAL_UNAVAILABLE', run);
    expect(ran).toEqual([]);
    expect((await headOf(inner, run.id))?.leaseUntil ?? 0).toBeLessThanOrEqual(Date.now());
    room = true;
    await ends(new Engine({ journal, agents: [a] }).resume(run.id), 'completed');
    expect(ran).toEqual([1, 2]);
    expect(model.requests).toHaveLength(3);
  });

  test('after an effect: the result is held, and written as soon as there is room; the effect is not repeated', async () => {
    const { a, ran, model } = paying();
    const inner = memoryJournal();
    let room = false;
    const { journal, seen } = refusing(inner, (entries) => !room && entries.some((e) => e.type === 'call.finished'), at);
    const run = new Engine({ journal }).run(a, 'go');
    await until(() => seen.refused === 1);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(seen.refused).toBeGreaterThan(5);
    // the next effect waits for the result of the one before
    expect(ran).toEqual([1]);
    room = true;
    await vi.advanceTimersByTimeAsync(1_000);
    await ends(run, 'completed');
    expect(ran).toEqual([1, 2]);
    expect(shown(model.requests[1]).map((s) => s.text)).toEqual(['paid 1', 'paid 2']);
  });

  test('for too long after an effect: the run rejects, typed; the next process finds a call that may have run', async () => {
    const { a, ran, model } = paying();
    const inner = memoryJournal();
    const { journal } = refusing(inner, (entries) => entries.some((e) => e.type === 'call.finished'), at);
    const run = new Engine({ journal }).run(a, 'go');
    const outcome = refused('JOURNAL_UNAVAILABLE', run);
    await vi.advanceTimersByTimeAsync(70_000);
    await outcome;
    const engine = new Engine({ journal: inner, agents: [a] });
    await ends(engine.resume(run.id), 'completed');
    expect(ran).toEqual([1, 2]);
    expect((await engine.inspect(run.id)).unknowns).toMatchObject([{ tool: 'pay', input: { n: 1 } }]);
    expect(shown(model.requests.at(-1)).map((s) => s.isError)).toEqual([true, false]);
  });

  test('at the end of a run: the answer is asked for again, no effect is', async () => {
    const { a, ran } = paying();
    const inner = memoryJournal();
    let room = false;
    const { journal } = refusing(inner, (entries) => !room && entries.some((e) => e.type === 'run.settled'), at);
    const run = new Engine({ journal }).run(a, 'go');
    await refused('JOURNAL_UNAVAILABLE', run);
    expect(ran).toEqual([1, 2]);
    room = true;
    await ends(new Engine({ journal, agents: [a] }).resume(run.id), 'completed');
    expect(ran).toEqual([1, 2]);
  });

  test('at a decision or a cancellation: it is refused, typed, and can be repeated', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    let room = false;
    const { journal } = refusing(
      memoryJournal(),
      (entries) => !room && entries.some((e) => e.type === 'approval.decided' || e.type === 'message.received'),
      at,
    );
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const decide = () => engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await refused('JOURNAL_UNAVAILABLE', decide);
    await refused('JOURNAL_UNAVAILABLE', engine.cancel(paused.runId));
    expect((await engine.inspect(paused.runId)).approvals).toHaveLength(1);
    room = true;
    expect(await decide()).toEqual([]);
    await ends(engine.resume(paused.runId), 'completed');
  });
});

describe('an append with an unknown result', () => {
  test.each(['run.started', 'model.responded', 'call.finished', 'run.settled'] as const)('(%s) is not made twice', async (type) => {
    const inner = memoryJournal();
    const ran: unknown[] = [];
    const pay = tool({ name: 'pay', description: '', input: anything, execute: () => ran.push(1) });
    const model = scripted([asks(['pay', {}]), 'done', 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [pay] });
    let lost = false;
    const journal = around(inner, {
      async append(...args) {
        await inner.append(...args);
        if (lost || !args[2].some((e) => e.type === type)) return;
        lost = true;
        throw full();
      },
    });
    const engine = new Engine({ journal, agents: [a] });
    const run = engine.run(a, 'go');
    const outcome = run.then(
      (r) => r.status,
      (e: RondoError) => e.code,
    );
    await vi.advanceTimersByTimeAsync(1_000);
    if ((await outcome) !== 'completed') {
      expect(await outcome).toBe('JOURNAL_UNAVAILABLE');
      const resumed = engine.resume(run.id);
      await vi.advanceTimersByTimeAsync(1_000);
      await ends(resumed, 'completed');
    }
    expect(ran.length).toBeLessThanOrEqual(1);
    const log = await entriesOf(inner, run.id);
    expect(log.filter((e) => e.type === 'call.finished')).toHaveLength(1);
    expect(log.filter((e) => e.type === 'run.settled')).toHaveLength(1);
    if (ran.length === 0) expect((await engine.inspect(run.id)).unknowns).toHaveLength(1);
  });
});

test('a once intent, a decision and a claim are asked to survive power loss; the rest, a killed process', async () => {
  const synced: [string, string | undefined][] = [];
  const inner = memoryJournal();
  const journal = around(inner, {
    append(...args) {
      for (const e of args[2]) synced.push([e.type, args[4]?.sync]);
      return inner.append(...args);
    },
  });
  const read = tool({ name: 'read', description: '', input: anything, effect: 'read', execute: () => 1 });
  const once = tool({ name: 'once', description: '', input: anything, execute: () => 1 });
  const sign = tool({ name: 'sign', description: '', input: anything, effect: 'read', approval: true, execute: () => 1 });
  const model = scripted([asks(['read', {}]), asks(['once', {}]), asks(['sign', {}]), 'done']);
  const engine = new Engine({ journal });
  const paused = await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [read, once, sign] }), 'go'), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
  await ends(engine.resume(paused.runId), 'completed');
  const power = synced.filter(([, sync]) => sync === 'power').map(([type]) => type);
  expect(power).toEqual(['model.responded', 'call.started', 'approval.decided', 'run.claimed']);
});

test('a tool turn costs two transactions, however long the run, and writes no more at the end than at the beginning', async () => {
  const sizes: number[] = [];
  const inner = memoryJournal();
  const journal = around(inner, {
    append(...args) {
      sizes.push(JSON.stringify(args[2]).length + JSON.stringify(args[3]).length);
      return inner.append(...args);
    },
  });
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'x'.repeat(100) });
  const model = scripted(({ messages }) => (messages.length > 400 ? 'done' : asks(['look', { n: 1 }, 'c'])));
  await ends(
    new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [look], limits: { steps: 500 } }), 'go'),
    'completed',
  );
  // the start, 200 turns, the end
  expect(sizes).toHaveLength(1 + 200 * 2 + 1);
  const turn = (n: number) => (sizes[1 + 2 * n] as number) + (sizes[2 + 2 * n] as number);
  expect(turn(199)).toBeLessThan(turn(1) * 1.1);
  await settle(1);
});

test('a journal whose lookups fail refuses, typed, and harms nothing', async () => {
  const inner = memoryJournal();
  const hold = deferred();
  let broken = false;
  const journal = around(inner, {
    read: (...args) => {
      if (broken) throw full();
      return inner.read(...args);
    },
    heads: (f) => {
      if (broken) throw full();
      return inner.heads(f);
    },
  });
  const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
  const engine = new Engine({ journal });
  const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'done']), tools: [slow] }), 'go');
  await settle();
  broken = true;
  await refused('JOURNAL_UNAVAILABLE', new Engine({ journal }).inspect(run.id));
  await refused('JOURNAL_UNAVAILABLE', new Engine({ journal }).resume(run.id));
  hold.resolve();
  broken = false;
  await ends(run, 'completed');
});
