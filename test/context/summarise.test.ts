import { describe, expect, test } from 'vitest';
import { type Agent, agent, delegate, Engine, type EngineOptions, type Middleware, memoryJournal, summarise } from '../../src/index.ts';
import { prefixes } from '../../src/testing/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, expireLease, journals, leftBehind, recording } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { assertSendable, broken, compactions, lookup, saidIn, textOf } from './setup.ts';

const turns = (n: number, id = 'main') => scripted((_, i) => (i < n ? asks(['lookup', { i }, `c${i}`]) : 'done'), { id, maxOutput: 100 });
const PRICE = { input: 1, output: 10, source: 'made up', date: '2026-11-29' };
const PRICES: EngineOptions['prices'] = { 'scripted/main': PRICE, 'scripted/writer': PRICE };
const usage = { input: 500, output: 20 };
const writes = (text = 'The order is 4711.') => scripted(() => ({ text, usage }), { id: 'writer', maxOutput: 50 });

interface Worker {
  model: ReturnType<typeof turns>;
  agent: Agent;
}

describe('summarise', () => {
  test('a model of its own writes what stands in the place of older messages, and is charged', async () => {
    const model = turns(8);
    const writer = writes();
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: 'Secret instructions.',
      model,
      tools: [lookup(3_000)],
      compact: [summarise({ model: writer, over: 4_000, keep: 3, prompt: 'Name the order.' })],
    });
    const events: string[] = [];
    const engine = new Engine({ journal, prices: PRICES, onEvent: (e) => events.push(e.type) });
    const result = await ends(engine.run(a, 'the task'), 'completed');
    const entries = await compactions(journal, result.runId);
    expect(entries.length).toBeGreaterThan(1);
    expect(writer.requests).toHaveLength(entries.length);
    expect(entries[0]).toMatchObject({ by: 'summarise', summary: 'The order is 4711.', model: 'scripted/writer', usage, usd: 0.0007 });
    expect(broken(model.requests)).toHaveLength(entries.length);
    for (const { messages } of model.requests) {
      assertSendable(messages);
      expect(messages.filter((m) => m.summary).length).toBeLessThanOrEqual(1);
      expect(saidIn({ messages } as never)).toContain('the task');
    }
    expect(textOf(model.requests.at(-1)?.messages.find((m) => m.summary) as never)).toMatch(/The order is 4711\.$/);
    // the writer gets one text, no tools, and what was summarised before
    const asked = writer.requests[1];
    expect(asked?.tools).toEqual([]);
    expect(asked?.messages).toHaveLength(1);
    expect(saidIn(asked)).toContain('EARLIER: Older messages');
    expect(saidIn(asked)).toContain('Name the order.');
    expect(JSON.stringify(asked)).not.toContain('Secret instructions');
    // its tokens and dollars are in the sums of the run
    const answers = (await entriesOf(journal, result.runId)).filter((e) => e.type === 'model.responded');
    const own = answers.reduce((sum, e) => sum + (e.usage?.input ?? 0), 0);
    expect(result.usage.input).toBe(own + 500 * entries.length);
    expect(result.costUsd).toBeCloseTo(answers.reduce((sum, e) => sum + (e.usd ?? 0), 0) + 0.0007 * entries.length, 9);
    expect(result.steps).toBe(9);
    expect(events.filter((type) => type === 'context.compacted')).toHaveLength(entries.length);
  });

  test('without a model of its own the agent is asked, and its listeners hear nothing of it', async () => {
    const model = scripted(({ tools }, i) => (tools.length === 0 ? 'SUMMARY' : i < 7 ? asks(['lookup', { i }, `c${i}`]) : 'done'));
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(3_000)], compact: [summarise({ over: 4_000, keep: 3 })] });
    const engine = new Engine();
    const run = engine.run(a, 'x');
    let heard = '';
    for await (const event of run) if (event.type === 'text.delta') heard += event.text;
    await ends(run, 'completed');
    expect(heard).toBe('done');
    expect(model.requests.filter(({ tools }) => tools.length === 0).length).toBeGreaterThan(0);
  });

  test('the checker of prefixes lets a compaction pass, and the request of the writer too; a wrapper is told which call that is', async () => {
    const told: boolean[] = [];
    const watch = prefixes();
    const counts: Middleware = {
      model: (request, next, { summary }) => {
        told.push(summary === true);
        return next(request);
      },
    };
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: '',
      model: turns(8),
      tools: [lookup(3_000)],
      compact: [summarise({ over: 4_000, keep: 3, model: writes() })],
    });
    const { runId } = await ends(new Engine({ journal, use: [watch.use, counts], onEvent: watch.onEvent }).run(a, 'x'), 'completed');
    expect(told.filter(Boolean)).toHaveLength((await compactions(journal, runId)).length);
    expect(told.filter((summary) => !summary)).toHaveLength(9);
  });

  test('its failures are retried and journaled; then the run goes on as it is, and tries again when the conversation has grown', async () => {
    const model = turns(8);
    const writer = scripted(() => ({ error: 'THROTTLING' }), { id: 'writer' });
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [lookup(3_000)],
      compact: [summarise({ model: writer, over: 5_000, keep: 2 })],
      reliability: { model: { retry: { attempts: 2, initialDelay: 1 } } },
    });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    expect(await compactions(journal, runId)).toEqual([]);
    expect(broken(model.requests)).toEqual([]);
    const failed = (await entriesOf(journal, runId)).filter((e) => e.type === 'attempt.failed');
    expect(failed.length).toBeGreaterThanOrEqual(2);
    expect(failed.every((e) => e.of === 'summary' && e.code === 'THROTTLING' && e.model === 'scripted/writer')).toBe(true);
    expect(failed.map((e) => e.attempt).slice(0, 2)).toEqual([1, 2]);
    expect(writer.requests.length).toBeLessThan(2 * 6);
  });

  test('an answer without a text is charged, and leaves the conversation as it is', async () => {
    const writer = scripted(() => ({ text: ' ', usage }), { id: 'writer' });
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: '',
      model: turns(4),
      tools: [lookup(3_000)],
      compact: [summarise({ model: writer, over: 2_000, keep: 2 })],
    });
    const result = await ends(new Engine({ journal, prices: PRICES }).run(a, 'x'), 'completed');
    const failed = (await entriesOf(journal, result.runId)).filter((e) => e.type === 'attempt.failed');
    expect(failed[0]).toMatchObject({ of: 'summary', code: 'SUMMARY_EMPTY', lost: { tokens: 520, usd: 0.0007 } });
    expect(await compactions(journal, result.runId)).toEqual([]);
  });

  test('a conversation that is too long for the writer is given with its long texts cut', async () => {
    const writer = scripted(
      (request) => (JSON.stringify(request).length > 9_000 ? { error: 'CONTEXT_TOO_LONG' } : { text: 'short', usage }),
      { id: 'writer' },
    );
    const journal = memoryJournal();
    const a = agent({
      name: 'a',
      instructions: '',
      model: turns(4),
      tools: [lookup(6_000)],
      compact: [summarise({ model: writer, over: 5_000, keep: 2 })],
    });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    const [entry] = await compactions(journal, runId);
    expect(entry?.summary).toBe('short');
    expect(saidIn(writer.requests.at(-1))).toContain('[...]');
  });

  test.each(journals)('the next run of the session continues from the summary, on $name', async ({ make }) => {
    const { journal, another } = make();
    const declared = (model: ReturnType<typeof turns>) =>
      agent({
        name: 'a',
        instructions: '',
        model,
        tools: [lookup(3_000)],
        compact: [summarise({ model: writes(), over: 4_000, keep: 3 })],
      });
    const one = await ends(new Engine({ journal }).run(declared(turns(6)), 'the task', { session: 's' }), 'completed');
    const second = scripted(['ok']);
    const engine = new Engine({ journal: another() });
    await ends(engine.run(declared(second), 'and now?', { session: 's' }), 'completed');
    const { seen } = await engine.inspect(one.runId);
    expect(seen?.length).toBeLessThan(10);
    expect(second.requests[0]?.messages.slice(0, -1)).toEqual(seen);
    // the summary stays with the session when the messages are copied, which happens every eighth run
    let last = second;
    for (let i = 0; i < 9; i++) {
      last = scripted(['ok']);
      await ends(engine.run(declared(last), `${i}`, { session: 's' }), 'completed');
    }
    expect(saidIn(last.requests[0])).toContain('The order is 4711.');
    // also where not all of the messages are copied
    for (let i = 0; i < 14; i++) {
      last = scripted(['ok']);
      const a = agent({ name: 'a', instructions: '', model: last });
      await ends(engine.run(a, `${i} `.padEnd(60_000, 'y'), { session: 's' }), 'completed');
    }
    expect(saidIn(last.requests[0]).length).toBeLessThan(750_000);
    expect(saidIn(last.requests[0])).toContain('The order is 4711.');
    assertSendable(last.requests[0]?.messages ?? []);
  });

  test('what is forgotten is in no summary of a later run', async () => {
    const journal = memoryJournal();
    const declared = (n: number) =>
      agent({
        name: 'a',
        instructions: '',
        model: turns(n),
        tools: [lookup(3_000)],
        compact: [summarise({ model: writes('Ana lives in Graz.'), over: 4_000, keep: 2 })],
      });
    const engine = new Engine({ journal });
    const one = await ends(engine.run(declared(1), 'I am Ana, from Graz.', { session: 's' }), 'completed');
    const two = await ends(engine.run(declared(5), 'go on', { session: 's' }), 'completed');
    const three = await ends(engine.run(declared(0), 'and?', { session: 's' }), 'completed');
    const fork = await ends(engine.fork(three.runId, { at: 0, agent: declared(0) }), 'completed');
    expect(JSON.stringify(await entriesOf(journal, two.runId))).toContain('Graz');
    expect(JSON.stringify(await entriesOf(journal, fork.runId))).toContain('Graz');
    const before = await engine.inspect(two.runId);
    await engine.forget(one.runId);
    for (const { runId } of [two, three, fork]) expect(JSON.stringify(await entriesOf(journal, runId)), runId).not.toContain('Graz');
    // what it cost is still known, and the conversation is whole without the other run
    const after = await engine.inspect(two.runId);
    expect(after.usage).toEqual(before.usage);
    expect(after.seen ?? after.messages).toEqual(after.messages);
    const model = turns(1);
    const next = agent({ name: 'a', instructions: '', model, tools: [lookup(10)] });
    await ends(engine.run(next, 'still there?', { session: 's' }), 'completed');
    for (const { messages } of model.requests) assertSendable(messages);
    expect(saidIn(model.requests[0])).not.toContain('Graz');
  });

  test.each(journals)(
    'a process that dies between a compaction and the next request loses nothing and asks for no second summary, on $name',
    async ({ make }) => {
      const { journal, another } = make();
      const writer = writes();
      const model = turns(8);
      const a = agent({
        name: 'a',
        instructions: '',
        model,
        tools: [lookup(3_000)],
        compact: [summarise({ model: writer, over: 4_000, keep: 3 })],
      });
      let compacted = false;
      const dying = dies(journal, (e) => {
        const due = compacted;
        compacted ||= e.type === 'context.compacted';
        return due;
      });
      const dead = new Engine({ journal: dying, prices: PRICES });
      const started = dead.run(a, 'the task', { id: 'r' });
      await expect(started).rejects.toThrow();
      await expireLease(another(), 'r');
      const written = writer.requests.length;
      const asked = model.requests.length;
      expect(written).toBe(1);
      const engine = new Engine({ journal: another(), agents: [a], prices: PRICES });
      await ends(engine.resume('r'), 'completed');
      // the request that died is made again as it was
      expect(model.requests[asked]?.messages).toEqual(model.requests[asked - 1]?.messages);
      expect(model.requests[asked]?.messages.some((m) => m.summary)).toBe(true);
      expect(broken(model.requests)).toHaveLength((await compactions(another(), 'r')).length);
    },
  );

  test('a process that dies while the writer writes: the most that this can have cost is charged', async () => {
    const { journal, appends } = recording(memoryJournal());
    const writing = deferred();
    const dear: EngineOptions['prices'] = { ...PRICES, 'scripted/writer': { ...PRICE, input: 1_000 } };
    const writer = scripted(() => writing.promise.then(() => ({ text: 'never', usage })), { id: 'writer', maxOutput: 50 });
    const declared = (w: typeof writer) =>
      agent({
        name: 'a',
        instructions: '',
        model: turns(4),
        tools: [lookup(3_000)],
        compact: [summarise({ model: w, over: 2_000, keep: 2 })],
      });
    const engine = new Engine({ journal, prices: dear });
    const run = engine.run(declared(writer), 'x', { id: 'r' });
    run.catch(() => undefined);
    await until(() => writer.requests.length === 1);
    const left = await leftBehind(appends);
    const other = new Engine({ journal: left, agents: [declared(writes())], prices: dear });
    await ends(other.resume('r'), 'completed');
    const claim = (await entriesOf(left, 'r')).find((e) => e.type === 'run.claimed');
    // far more than the agent's own step, which costs a dollar for a million tokens
    expect(claim?.lost?.usd).toBeGreaterThan(0.000_5 * Buffer.byteLength(saidIn(writer.requests[0])));
    writing.resolve();
    await engine.close();
  });

  test('limits hold: a summary that could cross one is not asked for', async () => {
    for (const limits of [{ tokens: 60_000 }, { costUsd: 0.05 }]) {
      const writer = writes();
      const journal = memoryJournal();
      const a = agent({
        name: 'a',
        instructions: '',
        model: turns(60),
        tools: [lookup(3_000)],
        compact: [summarise({ model: writer, over: 4_000, keep: 3 })],
      });
      const result = await ends(new Engine({ journal, prices: PRICES }).run(a, 'x', { limits: { ...limits, steps: 100 } }), 'stopped');
      const { usage: spent } = result;
      if (limits.tokens) expect(spent.input + spent.output).toBeLessThanOrEqual(limits.tokens);
      if (limits.costUsd) expect(result.costUsd).toBeLessThanOrEqual(limits.costUsd);
      expect(writer.requests.length).toBeGreaterThan(1);
    }
  });

  test('a limit of dollars needs the price of the writer', async () => {
    const a = agent({
      name: 'a',
      instructions: '',
      model: turns(1),
      compact: [summarise({ model: scripted(['x'], { provider: 'other' }) })],
    });
    const engine = new Engine({ prices: PRICES });
    const error = await refused('CONFIG_INVALID', engine.run(a, 'x', { limits: { costUsd: 1 } }));
    expect(error.message).toContain('other/script');
  });

  test('each agent of a tree has a conversation of its own, and the limits of the tree hold with their summaries', async () => {
    const writer = writes();
    const compact = [summarise({ model: writer, over: 3_000, keep: 2 })];
    const tree = (n: number) => {
      const [one, two] = ['one', 'two'].map((name) => {
        const model = turns(n);
        return { model, agent: agent({ name, instructions: '', model, tools: [lookup(3_000)], compact, limits: { steps: 200 } }) };
      }) as [Worker, Worker];
      const boss = scripted([asks(['one', { task: 'first' }], ['two', { task: 'second' }]), 'done'], { id: 'main', maxOutput: 100 });
      const top = agent({ name: 'top', instructions: '', model: boss, agents: [delegate(one.agent), delegate(two.agent)], compact });
      return { one, two, top };
    };
    const { one, two, top } = tree(6);
    const journal = memoryJournal();
    const engine = new Engine({ journal, prices: PRICES });
    const result = await ends(engine.run(top, 'x', { limits: { tokens: 1_000_000 } }), 'completed');
    const entries = await compactions(journal, result.runId);
    expect(new Set(entries.map((e) => e.frame))).toEqual(new Set(['1.0', '1.1']));
    for (const [{ model }, task] of [
      [one, 'first'],
      [two, 'second'],
    ] as const) {
      expect(broken(model.requests).length).toBeGreaterThan(0);
      for (const { messages } of model.requests) {
        assertSendable(messages);
        expect(textOf(messages[0] as never)).toBe(task);
      }
    }
    // the sums of the tree have the summaries
    const cost = (await entriesOf(journal, result.runId)).reduce(
      (sum, e) => sum + (e.type === 'model.responded' || e.type === 'context.compacted' ? (e.usage?.input ?? 0) : 0),
      0,
    );
    expect(result.usage.input).toBe(cost);
    for (const limits of [{ tokens: 100_000 }, { costUsd: 0.08 }]) {
      const limited = await ends(engine.run(tree(100).top, 'x', { limits: { ...limits, steps: 500 } }), 'stopped');
      expect(limited.limit.name).toBe(Object.keys(limits)[0]);
      if (limits.tokens) expect(limited.usage.input + limited.usage.output).toBeLessThanOrEqual(limits.tokens);
      if (limits.costUsd) expect(limited.costUsd).toBeLessThanOrEqual(limits.costUsd);
      expect((await compactions(journal, limited.runId)).length).toBeGreaterThan(2);
    }
  });
});
