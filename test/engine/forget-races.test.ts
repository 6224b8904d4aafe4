/** Runs that go on, begin or are damaged while others are forgotten. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, approve, Engine, type Journal, type Memory, reject, tool } from '../../src/index.ts';
import { damaged } from '../../src/journal/errors.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, entryOf, headOf, journals } from '../kit/journals.ts';
import { asks, ends, nothing, refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';

const SECRET = 'FORGETME-4711';
const ana = { id: 'ana' };
const chatter = agent({ name: 'chatter', instructions: '', model: scripted(() => 'ok') });

/** An hour passes, for the store and for the entries. */
function anHourLater(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
}

/** A memory that forgets when it is let. */
function slow() {
  const asked = deferred();
  const may = deferred();
  const memory: Memory = {
    recall: async () => [],
    record: async () => undefined,
    forget: async () => {
      asked.resolve();
      await may.promise;
    },
  };
  return { memory, asked: asked.promise, let: () => may.resolve() };
}

/** An agent that pays, and the payments that were made. */
function payer(approval = false) {
  const paid: string[] = [];
  const begun = deferred();
  const may = deferred();
  const pay = tool({
    name: 'pay',
    description: '',
    input: nothing,
    ...(approval && { approval: true }),
    execute: async () => {
      begun.resolve();
      await may.promise;
      paid.push('paid');
      return 'paid';
    },
  });
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['pay', {}])));
  const a = agent({ name: 'payer', instructions: '', model, tools: [pay] });
  return { a, paid, begun: begun.promise, let: () => may.resolve() };
}

/** A journal with which something happens just before the first run is removed. */
function removing(journal: Journal, act: () => Promise<unknown>): Journal {
  let first = true;
  return around(journal, {
    remove: async (...args) => {
      if (first) {
        first = false;
        await act();
      }
      await journal.remove(...args);
    },
  });
}

describe.each(journals)('on $name', ({ make }) => {
  // with the 9th, the conversation is written out
  test('a message that comes in while the memory forgets its session holds nothing of it', async () => {
    const { journal, another } = make();
    const { memory, asked, let: go } = slow();
    const engine = new Engine({ journal, memory });
    for (let i = 0; i < 8; i++)
      await ends(engine.run(chatter, i === 3 ? SECRET : `turn ${i}`, { session: 's', by: ana, id: `r${i}` }), 'completed');
    const forgetting = engine.forget({ session: 's', by: ana });
    await asked;
    await ends(new Engine({ journal: another() }).run(chatter, 'next', { session: 's', by: ana, id: 'late' }), 'completed');
    expect(JSON.stringify(await entriesOf(journal, 'late'))).toContain(SECRET);
    go();
    const { runs, rewritten } = await forgetting;
    expect(runs.toSorted()).toEqual(Array.from({ length: 8 }, (_, i) => `r${i}`));
    expect(rewritten).toEqual(['late']);
    expect(JSON.stringify(await entriesOf(journal, 'late'))).not.toContain(SECRET);
    expect((await engine.inspect('late', { by: ana })).messages).toHaveLength(2);
  });

  test('while a message that came in runs, no run is forgotten, and later all of it is', async () => {
    const { journal, another } = make();
    const { memory, asked, let: go } = slow();
    const engine = new Engine({ journal, memory });
    for (let i = 0; i < 8; i++) await ends(engine.run(chatter, SECRET, { session: 's', by: ana }), 'completed');
    const forgetting = engine.forget({ session: 's', by: ana });
    await asked;
    const { a, begun, let: pays } = payer();
    const late = new Engine({ journal: another() }).run(a, 'next', { session: 's', by: ana, id: 'late' });
    await begun;
    go();
    expect((await refused('RUN_BUSY', forgetting)).details).toEqual({ runId: 'late' });
    expect(await all(journal.heads({ by: 'ana' }))).toHaveLength(9);
    pays();
    await ends(late, 'completed');
    await engine.forget({ session: 's', by: ana });
    expect(JSON.stringify(await Promise.all((await all(journal.heads({}))).map(({ runId }) => entriesOf(journal, runId))))).not.toContain(
      SECRET,
    );
  });

  // holds erase.I2
  test.each(['another process', 'this engine'])('a run that stopped is not resumed by %s while it is forgotten', async (who) => {
    const { journal, another } = make();
    const { memory, asked, let: go } = slow();
    const { a, paid, let: pays } = payer();
    const engine = new Engine({ journal, memory, agents: [a] });
    const other = who === 'this engine' ? engine : new Engine({ journal: another(), agents: [a] });
    await ends(engine.run(a, 'go', { session: 's', by: ana, id: 'stop', limits: { toolCalls: 0 } }), 'stopped');
    const forgetting = engine.forget({ session: 's', by: ana });
    await asked;
    await refused('RUN_BUSY', other.resume('stop', { by: ana, limits: { toolCalls: 5 } }));
    pays();
    go();
    expect((await forgetting).runs).toEqual(['stop']);
    expect(paid).toEqual([]);
    await refused('RUN_NOT_FOUND', other.resume('stop', { by: ana, limits: { toolCalls: 5 } }));
  });

  test('a run that could not be forgotten can be resumed at once', async () => {
    const { journal } = make();
    const { a, let: pays } = payer();
    const memory: Memory = { ...slow().memory, forget: () => Promise.reject(new Error('down')) };
    const engine = new Engine({ journal, memory, agents: [a] });
    await ends(engine.run(a, 'go', { session: 's', by: ana, id: 'stop', limits: { toolCalls: 0 } }), 'stopped');
    await refused('MEMORY_UNAVAILABLE', engine.forget({ session: 's', by: ana }));
    pays();
    await ends(engine.resume('stop', { limits: { toolCalls: 5 } }), 'completed');
  });

  // holds erase.I1
  test('a run that goes on as it is about to be removed stays, with what it did', async () => {
    const { journal, another } = make();
    const { a, paid, begun, let: pays } = payer();
    const other = new Engine({ journal: another(), agents: [a] });
    let resumed: PromiseLike<unknown> | undefined;
    const racing = removing(journal, async () => {
      // a store whose leases cannot be relied on
      const [head] = await all(journal.heads({ runId: 'stop' }));
      await journal.renew('stop', head?.owner as string, 0);
      resumed = other.resume('stop', { limits: { toolCalls: 5 } });
      await begun;
    });
    const engine = new Engine({ journal: racing, agents: [a] });
    await ends(engine.run(a, 'go', { id: 'stop', limits: { toolCalls: 0 } }), 'stopped');
    expect((await refused('RUN_BUSY', engine.forget('stop'))).details).toEqual({ runId: 'stop' });
    pays();
    expect(await resumed).toMatchObject({ status: 'completed' });
    expect(paid).toEqual(['paid']);
    expect(await all(other.effects())).toHaveLength(1);
  });

  test('a run that gets a message as it is about to be removed is removed with it', async () => {
    const { journal, another } = make();
    const { a } = payer();
    const other = new Engine({ journal: another(), agents: [a] });
    const engine = new Engine({ journal: removing(journal, () => other.send('r', 'and this')), agents: [a] });
    await ends(engine.run(a, 'go', { id: 'r', limits: { toolCalls: 0 } }), 'stopped');
    expect((await engine.forget('r')).runs).toEqual(['r']);
    expect(await headOf(journal, 'r')).toBeUndefined();
  });

  test.each([8, 2])('a message that is written as run %i of its session is removed holds nothing of it', async (n) => {
    const { journal, another } = make();
    const other = new Engine({ journal: another(), agents: [chatter] });
    const racing = removing(journal, () => ends(other.run(chatter, 'next', { session: 's', id: 'late' }), 'completed'));
    const engine = new Engine({ journal: racing });
    for (let i = 0; i < n; i++) await ends(engine.run(chatter, `${SECRET} ${i}`, { session: 's', id: `r${i}` }), 'completed');
    await engine.forget({ session: 's' });
    expect(JSON.stringify(await entriesOf(journal, 'late'))).not.toContain(SECRET);
    expect((await engine.inspect('late')).messages).toHaveLength(2);
    await ends(engine.run(chatter, 'and on', { session: 's' }), 'completed');
  });

  test('a fork that is made as its run is removed holds nothing of it', async () => {
    const { journal, another } = make();
    const { a, begun, let: pays } = payer();
    const other = new Engine({ journal: another(), agents: [a] });
    let fork: PromiseLike<unknown> | undefined;
    const racing = removing(journal, async () => {
      const { seq } = await entryOf(journal, 'r', 'model.responded');
      fork = other.fork('r', { at: seq, id: 'fork', limits: { toolCalls: 5 } });
      await begun;
    });
    const engine = new Engine({ journal: racing, agents: [a] });
    await ends(engine.run(a, SECRET, { id: 'r', limits: { toolCalls: 0 } }), 'stopped');
    expect((await engine.forget('r')).rewritten).toEqual(['fork']);
    pays();
    expect(await fork).toMatchObject({ status: 'cancelled' });
    expect(JSON.stringify(await entriesOf(journal, 'fork'))).not.toContain(SECRET);
  });

  test('a decision on a run that is being removed says that the run is gone', async () => {
    const { journal, another } = make();
    const { a } = payer(true);
    const engine = new Engine({ journal, agents: [a] });
    const paused = await ends(engine.run(a, 'go', { id: 'r' }), 'paused');
    let first = true;
    const racing = around(another(), {
      append: async (...args) => {
        if (first) {
          first = false;
          await engine.cancel('r');
          await engine.forget('r');
        }
        return journal.append(...args);
      },
    });
    const other = new Engine({ journal: racing, agents: [a] });
    await refused('RUN_NOT_FOUND', other.decide('r', [approve(paused.approvals[0])], { by: ana }));
    expect(await headOf(journal, 'r')).toBeUndefined();
  });
});

describe.each(journals)('prune() on $name', ({ make }) => {
  /** Two paused runs, old enough; `act` happens once the first is removed. */
  async function pruning(act: (o: { other: Engine; kept: string; approval: Parameters<typeof approve>[0] }) => Promise<unknown>) {
    const { journal, another } = make();
    const { a, paid, begun, let: pays } = payer(true);
    const other = new Engine({ journal: another(), agents: [a] });
    const approvals = new Map<string, Parameters<typeof approve>[0]>();
    let kept = '';
    const racing = around(journal, {
      remove: async (...args) => {
        if (kept === '') {
          kept = args[0] === 'one' ? 'two' : 'one';
          await act({ other, kept, approval: approvals.get(kept) as Parameters<typeof approve>[0] });
        }
        await journal.remove(...args);
      },
    });
    const engine = new Engine({ journal: racing, agents: [a] });
    for (const id of ['one', 'two']) {
      const { approvals: open } = await ends(engine.run(a, 'go', { id }), 'paused');
      approvals.set(id, open[0]);
    }
    anHourLater();
    const pruned = await engine.prune({ olderThan: 60_000, status: 'paused' });
    return { journal, engine, other, paid, begun, pays, pruned, kept };
  }

  test('a run that a person answers meanwhile, and that works, is neither cancelled nor removed', async () => {
    let resumed: PromiseLike<unknown> | undefined;
    const { pruned, kept, pays, paid } = await pruning(async ({ other, kept, approval }) => {
      await other.decide(kept, [approve(approval)], { by: ana });
      resumed = other.resume(kept);
    });
    pays();
    expect(await resumed).toMatchObject({ status: 'completed', output: 'done' });
    expect(paid).toEqual(['paid']);
    expect(pruned.runs).not.toContain(kept);
    expect(pruned.runs).toHaveLength(1);
  });

  test('a run that is answered but does not go on yet stays', async () => {
    const { engine, pruned, kept, pays } = await pruning(({ other, kept, approval }) =>
      other.decide(kept, [approve(approval)], { by: ana }),
    );
    pays();
    expect(pruned.runs).toHaveLength(1);
    expect(pruned.kept).toEqual([]);
    await ends(engine.resume(kept), 'completed');
  });

  test('a run that completes meanwhile stays: it has a status that is not named, and it is not old', async () => {
    const { engine, pruned, kept } = await pruning(async ({ other, kept, approval }) => {
      await other.decide(kept, [reject(approval, 'no')], { by: ana });
      await ends(other.resume(kept), 'completed');
    });
    expect(pruned.runs).toHaveLength(1);
    expect((await engine.inspect(kept)).status).toBe('completed');
  });

  test('a damaged run is kept, and what it was forked from, and all others are removed', async () => {
    const { journal } = make();
    const broke = new Set<string>();
    const broken = around(journal, {
      read: (runId, ...rest) => {
        if (broke.has(runId)) throw damaged(runId, 0);
        return journal.read(runId, ...rest);
      },
    });
    const engine = new Engine({ journal: broken, agents: [chatter] });
    for (let i = 0; i < 5; i++) await ends(engine.run(chatter, 'hi', { id: `r${i}` }), 'completed');
    await ends(engine.fork('r3', { at: 0, id: 'fork' }), 'completed');
    broke.add('r2').add('fork');
    anHourLater();
    const { runs, kept } = await engine.prune({ olderThan: 60_000 });
    expect(runs.toSorted()).toEqual(['r0', 'r1', 'r4']);
    expect(kept.toSorted()).toEqual(['fork', 'r2', 'r3']);
    // they may be of any tenant
    expect((await engine.prune({ olderThan: 60_000, by: { id: 'eve', tenant: 'evil' } })).kept).toEqual([]);
  });

  test('two engines prune at once: each run is removed by one of them', async () => {
    const { journal, another } = make();
    const engines = [journal, another()].map((store) => new Engine({ journal: store }));
    const [first] = engines as [Engine, Engine];
    for (let i = 0; i < 20; i++)
      await ends(first.run(chatter, 'hi', { id: `r${i}`, ...(i % 2 === 0 && { session: 's', by: ana }) }), 'completed');
    anHourLater();
    await Promise.all(engines.map((engine) => engine.prune({ olderThan: 60_000 })));
    await until(async () => (await all(journal.heads({}))).length === 0);
  });
});
