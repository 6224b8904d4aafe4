/** What a run costs that an engine gave back when it was closed: what its models were asked for, once, and nothing else. */
import { describe, expect, test } from 'vitest';
import { agent, Engine, type EntryOf, type Journal, type Model, memoryJournal, type Prices, RondoError, tool } from '../../src/index.ts';
import { around, entriesOf, journals, leftBehind, recording } from '../kit/journals.ts';
import { anything, ends, refused } from '../kit/runs.ts';
import { deferred, hurried, until } from '../kit/time.ts';

const prices: Prices = { 'test/m': { input: 0, output: 1_000, source: 'test', date: '2026-11-21' } };
const never = () => new Promise<never>(() => undefined);

/** Each answer costs a dollar, and one that is lost ten dollars or a little more. It calls tools, then says that it is done. */
function dear(calls: readonly (readonly string[])[], gate: (n: number) => unknown = () => undefined) {
  let asked = 0;
  const model: Model = {
    provider: 'test',
    id: 'm',
    maxOutput: 10_000,
    async generate({ messages }) {
      await gate(++asked);
      const names = calls[messages.filter(({ role }) => role === 'assistant').length] ?? [];
      const content = names.map((name, i) => ({ type: 'toolCall', id: `${name}-${i}`, name, input: { task: 'x' } }) as const);
      return content.length > 0
        ? { content, stop: 'tools', usage: { input: 0, output: 1_000 } }
        : { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 0, output: 1_000 } };
    },
  };
  return { model, asked: () => asked };
}

/** A tool that waits in the first process until it may end. */
function slow() {
  const hold = deferred<string>();
  let began = 0;
  const execute = () => (++began, hold.promise);
  return { tool: tool({ name: 'slow', description: '', input: anything, execute }), hold, began: () => began };
}

const claims = async (journal: Journal, run: string) =>
  (await entriesOf(journal, run)).filter((e) => e.type === 'run.claimed') as EntryOf<'run.claimed'>[];

describe.each(journals)('a run that was given back on $name', ({ make }) => {
  test('between two steps costs nothing more, and stays below its limit', async () => {
    const { journal, another } = make();
    const { tool: waits, hold, began } = slow();
    const { model, asked } = dear([['slow']]);
    const a = agent({ name: 'a', instructions: '', model, tools: [waits], limits: { costUsd: 15 } });
    const engine = new Engine({ journal, prices });
    const run = engine.run(a, 'go');
    await until(() => began() === 1);
    const closing = engine.close();
    hold.resolve('slept');
    await refused('ENGINE_CLOSED', run);
    await closing;
    const next = new Engine({ journal: another(), prices, agents: [a] });
    expect(await ends(next.resume(run.id), 'completed')).toMatchObject({ costUsd: 2, usage: { input: 0, output: 2_000 } });
    expect(asked()).toBe(2);
    expect(await claims(another(), run.id)).toMatchObject([{ released: true }]);
  });

  test('while sub-agents stand between two steps costs nothing more either', async () => {
    const { journal, another } = make();
    const { tool: waits, hold, began } = slow();
    const part = (name: string) => agent({ name, description: '', instructions: '', model: dear([['slow']]).model, tools: [waits] });
    const top = agent({ name: 'top', instructions: '', model: dear([['one', 'two']]).model, agents: [part('one'), part('two')] });
    const engine = new Engine({ journal, prices });
    const run = engine.run(top, 'go');
    await until(() => began() === 2);
    const closing = engine.close();
    hold.resolve('slept');
    await refused('ENGINE_CLOSED', run);
    await closing;
    const next = new Engine({ journal: another(), prices, agents: [top] });
    expect(await ends(next.resume(run.id), 'completed')).toMatchObject({ costUsd: 6 });
  });

  test('while its model answers: that call is charged once, by the process that made it', async () => {
    const { journal, another } = make();
    let hangs = true;
    const { model, asked } = dear([], () => hangs && never());
    const a = agent({ name: 'a', instructions: '', model });
    const engine = new Engine({ journal, prices });
    const run = engine.run(a, 'go');
    await until(() => asked() === 1);
    await Promise.all([hurried(() => engine.close()), refused('ENGINE_CLOSED', run)]);
    const [cut] = (await entriesOf(another(), run.id)).filter((e) => e.type === 'attempt.failed') as EntryOf<'attempt.failed'>[];
    expect(cut).toMatchObject({ of: 'model', code: 'CANCELLED', lost: { usd: expect.any(Number) } });
    hangs = false;
    const next = new Engine({ journal: another(), prices, agents: [a] });
    const { costUsd } = await ends(next.resume(run.id), 'completed');
    expect(costUsd).toBeCloseTo(1 + (cut?.lost?.usd ?? 0), 6);
    expect((await claims(another(), run.id))[0]?.lost).toBeUndefined();
  });

  test('while the store does not take what that call may have cost: the next owner charges it', async () => {
    const { journal, another } = make();
    let hangs = true;
    const { model, asked } = dear([], () => hangs && never());
    const a = agent({ name: 'a', instructions: '', model });
    const stuck = around(journal, {
      append: (...args) => (args[2].some((e) => e.type === 'attempt.failed') ? never() : journal.append(...args)),
    });
    const engine = new Engine({ journal: stuck, prices });
    const run = engine.run(a, 'go');
    void run.catch(() => undefined);
    await until(() => asked() === 1);
    await hurried(() => engine.close());
    hangs = false;
    const next = new Engine({ journal: another(), prices, agents: [a] });
    const { costUsd } = await ends(next.resume(run.id), 'completed');
    expect(costUsd).toBeGreaterThan(10);
    expect(await claims(another(), run.id)).toMatchObject([{ released: true, lost: { usd: expect.any(Number) } }]);
  });

  test('and could not be claimed at first, is left as it was found', async () => {
    const { journal, another } = make();
    const { tool: waits, hold, began } = slow();
    const { model } = dear([['slow']]);
    let away = false;
    const source = {
      name: 'source',
      open: async () => {
        if (away) throw new Error('away');
        return { list: async () => [], close: async () => undefined };
      },
    };
    const a = agent({ name: 'a', instructions: '', model, tools: [waits, source] });
    const engine = new Engine({ journal, prices });
    const run = engine.run(a, 'go');
    await until(() => began() === 1);
    const closing = engine.close();
    hold.resolve('slept');
    await refused('ENGINE_CLOSED', run);
    await closing;
    away = true;
    const next = new Engine({ journal: another(), prices, agents: [a] });
    await refused('SOURCE_UNAVAILABLE', next.resume(run.id));
    away = false;
    expect(await ends(next.resume(run.id), 'completed')).toMatchObject({ costUsd: 2 });
    expect(await claims(another(), run.id)).toMatchObject([{ released: true }]);
  });
});

describe.each(journals)('a run on $name whose store is away', ({ make }) => {
  test.each([
    ['takes the claim, and says that the run is given back', false],
    ['takes nothing but the claim', true],
  ])('again and again, and %s: is not given up, because no process died', async (_, deaf) => {
    const { journal, another } = make();
    let away = true;
    let gone = false;
    const unavailable = () => Promise.reject(new RondoError('JOURNAL_UNAVAILABLE', 'No space left, says the test. Free some.'));
    const flaky = around(journal, {
      append: (...args) => (away && args[2].some((e) => e.type === 'model.responded') ? unavailable() : journal.append(...args)),
      renew: (run, owner, until) => (gone || (away && deaf && until < Date.now()) ? unavailable() : journal.renew(run, owner, until)),
    });
    const { model } = dear([]);
    const a = agent({ name: 'a', instructions: '', model });
    const engine = new Engine({ journal: flaky, prices, agents: [a] });
    await refused('JOURNAL_UNAVAILABLE', engine.run(a, 'go', { id: 'r' }));
    for (let n = 0; n < 5; n++) {
      await refused('JOURNAL_UNAVAILABLE', engine.resume('r'));
      // now and then not even the lease can be taken
      gone = true;
      await refused('JOURNAL_UNAVAILABLE', engine.resume('r'));
      gone = false;
    }
    away = false;
    await ends(engine.resume('r'), 'completed');
    const own = await claims(another(), 'r');
    expect(own).toHaveLength(6);
    for (const claim of own) expect(claim).toMatchObject({ released: true, lost: { usd: expect.any(Number) } });
  });
});

test('after a crash, a call of a sub-agent that the limit of the run forbids was never made, and is not charged', async () => {
  const rec = recording(memoryJournal());
  const { model } = dear([], never);
  const part = agent({ name: 'part', description: '', instructions: '', model: { ...model, maxOutput: 100_000 } });
  const top = agent({ name: 'top', instructions: '', model: dear([['part']]).model, agents: [part], limits: { costUsd: 15 } });
  const run = await ends(new Engine({ journal: rec.journal, prices }).run(top, 'go'), 'stopped');
  expect(run).toMatchObject({ costUsd: 1 });
  // the process dies right before it says so
  const left = await leftBehind(rec.appends.filter(({ entries }) => !entries.some((e) => e.type === 'run.settled')));
  const next = new Engine({ journal: left, prices, agents: [top] });
  expect(await ends(next.resume(run.runId), 'stopped')).toMatchObject({ costUsd: 1, limit: { name: 'costUsd', max: 15, used: 1 } });
});
