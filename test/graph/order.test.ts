/** What a second review found: ends of nodes in a store that fails for a moment, and runs that failed and go on. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  agent,
  append,
  Engine,
  foreignAgent,
  graph,
  type Journal,
  memoryJournal,
  type NodeContext,
  RondoError,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, around, asks, ends, entriesOf, expireLease, headOf, settle, until } from '../engine/setup.ts';

const ben = { id: 'ben' };
const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const told = (r: { messages: readonly { role: string }[] }) => r.messages.some((m) => m.role === 'tool');

/** A store that is out for a moment, at the append that ends a call. */
function blip(inner: Journal, call: string): Journal {
  let out = true;
  return around(inner, {
    append(...args) {
      if (out && args[2].some((e) => e.type === 'call.finished' && e.call === call)) {
        out = false;
        throw new RondoError('JOURNAL_UNAVAILABLE', 'for a moment');
      }
      return inner.append(...args);
    },
  });
}

describe.each(['at once', 'later'])('a store that answers %s, and fails at the end of a node,', (when) => {
  test('never has what a later node made of it without it, and the run goes on from there', async () => {
    const inner = memoryJournal();
    const store = blip(inner, '1.0');
    const journal = when === 'at once' ? store : around(store, { append: async (...args) => (await later(1), store.append(...args)) });
    const ran: string[] = [];
    const made = () =>
      graph({
        name: 'g',
        state: z.object({ n: z.number().default(0), l: z.array(z.string()).optional() }),
        reducers: { n: (a, b) => a + b, l: append as never },
        nodes: {
          a: async () => (await later(1), ran.push('a'), { n: 1, l: ['a'] }),
          b: async () => (await later(4), ran.push('b'), { n: 2, l: ['b'] }),
          c: async () => void (await later(15)),
        },
        edges: { start: ['a', 'b', 'c'], a: 'end', b: 'end', c: 'end' },
      });
    const first = new Engine({ journal });
    const run = first.run(made(), {});
    const code = await run.then(
      (result) => result.status,
      (error) => error.code,
    );
    expect(code).toBe('JOURNAL_UNAVAILABLE');
    await settle();
    await expireLease(inner, run.id);
    const engine = new Engine({ journal: inner, agents: [made()] });
    const { output } = await ends(engine.resume(run.id), 'completed');
    expect(output).toMatchObject({ n: 3 });
    expect((output as { l: string[] }).l.toSorted()).toEqual(['a', 'b']);
    expect((await engine.inspect(run.id)).state).toEqual(output);
  });
});

test('a question in a node that is reached again while it waits stays open, and so does the second', async () => {
  const made = () =>
    graph({
      name: 'g',
      state: z.object({}),
      nodes: { a: () => {}, b: () => {}, j: { ask: () => 'ok?', answer: z.string(), output: () => ({}) }, x: () => later(5) },
      edges: { start: ['a', 'x'], a: 'j', b: 'j', x: () => ['b'], j: 'end' },
    });
  const g = made();
  const engine = new Engine({ agents: [g] });
  const paused = await ends(engine.run(g, {}), 'paused');
  expect(paused.approvals).toHaveLength(2);
  for (const { id } of paused.approvals) await engine.decide(paused.runId, [{ approval: id, type: 'respond', answer: 'yes' }], { by: ben });
  await ends(engine.resume(paused.runId), 'completed');
});

describe('a run that failed and is resumed', () => {
  const flaky = (down: () => boolean) => () => {
    if (down()) throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true });
  };

  test('does not make a turn again that may have taken effect, until somebody says what became of it', async () => {
    let turns = 0;
    let down = true;
    const alien = foreignAgent({ name: 'alien', timeout: 10, turn: () => (turns++, new Promise(() => {})) });
    const g = graph({
      name: 'g',
      state: z.object({ said: z.string().default('') }),
      nodes: { al: { agent: alien, input: () => 'x', output: (said) => ({ said }) }, flaky: flaky(() => down) },
      edges: { start: ['al', 'flaky'], al: 'end', flaky: 'end' },
    });
    const engine = new Engine({ agents: [g] });
    const run = engine.run(g, {});
    await ends(run, 'failed');
    down = false;
    await ends(engine.resume(run.id), 'failed');
    expect(turns).toBe(1);
    const [unknown] = (await engine.inspect(run.id)).unknowns;
    await engine.settle(run.id, unknown?.callId ?? '', { outcome: 'done', output: 'by phone', by: ben });
    expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'by phone' });
    expect(turns).toBe(1);
  });

  test('is not resumed where one of its failures cannot be mended, whichever came first', async () => {
    for (const order of [
      [1, 4],
      [4, 1],
    ]) {
      let paid = 0;
      const pay = tool({ name: 'pay', description: '', input: anything, effect: 'once', execute: () => ++paid });
      const broken = agent({
        name: 'broken',
        instructions: '',
        model: scripted(async (r) => {
          if (!told(r)) return asks(['pay', {}]);
          await later(order[0] as number);
          throw new ToolError('BROKEN', 'for good', { retryable: false });
        }),
        tools: [pay],
      });
      const g = graph({
        name: 'g',
        state: z.object({}),
        nodes: {
          broken: { agent: broken, input: () => 'x', output: () => ({}) },
          flaky: async () => (await later(order[1] as number), flaky(() => true)()),
        },
        edges: { start: ['broken', 'flaky'], broken: 'end', flaky: 'end' },
      });
      const engine = new Engine({ agents: [g] });
      const run = engine.run(g, {});
      expect((await ends(run, 'failed')).error.code).toBe('BROKEN');
      expect((await ends(engine.resume(run.id), 'failed')).error.code).toBe('BROKEN');
      expect(paid).toBe(1);
    }
  });

  test('keeps the questions of its other branches open, and can be cancelled', async () => {
    let down = true;
    const left: string[] = [];
    const alien = foreignAgent({
      name: 'alien',
      turn: async (turn) =>
        turn.type === 'resume'
          ? { status: 'completed', output: 'done' }
          : { status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Go on?' }] },
      cancel: async (_, { runId }) => void left.push(runId),
    });
    const g = graph({
      name: 'g',
      state: z.object({}),
      nodes: { al: { agent: alien, input: () => 'x', output: () => ({}) }, flaky: async () => (await later(10), flaky(() => down)()) },
      edges: { start: ['al', 'flaky'], al: 'end', flaky: 'end' },
    });
    const engine = new Engine({ agents: [g] });
    const run = engine.run(g, {});
    await ends(run, 'failed');
    const { approvals, tree } = await engine.inspect(run.id);
    expect(approvals).toMatchObject([{ question: 'Go on?' }]);
    expect(tree.nodes?.find((n) => n.name === 'al')?.status).toBe('waiting');
    await engine.decide(run.id, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ben });
    down = false;
    await ends(engine.resume(run.id), 'completed');

    down = true;
    const other = engine.run(g, {});
    await ends(other, 'failed');
    await engine.cancel(other.id);
    expect((await engine.inspect(other.id)).status).toBe('cancelled');
    await settle();
    expect(left).toEqual([other.id]);
  });
});

describe('a durable step that gives up because its engine closes', () => {
  const g = (effect: 'once' | 'idempotent', done: string[], gives: boolean) =>
    graph({
      name: 'g',
      state: z.object({ said: z.string().default('') }),
      nodes: {
        work: async (_, { durable, signal }: NodeContext) => ({
          said: await durable(
            'pay',
            () => {
              done.push('pay');
              if (!gives) return 'paid';
              return new Promise<string>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
            },
            { effect },
          ),
        }),
      },
      edges: { start: 'work', work: 'end' },
    });

  test.each(['once', 'idempotent'] as const)('is as if the process had been killed: %s', async (effect) => {
    const journal = memoryJournal();
    const done: string[] = [];
    const first = new Engine({ journal: around(journal, { close: () => undefined }) });
    const run = first.run(g(effect, done, true), {});
    const rejected = run.then(
      () => 'ended',
      (error) => error.code,
    );
    await until(() => done.length === 1);
    await first.close();
    expect(await rejected).toBe('ENGINE_CLOSED');
    const engine = new Engine({ journal, agents: [g(effect, done, false)] });
    if (effect === 'idempotent') {
      expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'paid' });
      return;
    }
    expect((await ends(engine.resume(run.id), 'failed')).error.code).toBe('OUTCOME_UNKNOWN');
    expect((await engine.inspect(run.id)).unknowns).toHaveLength(1);
    expect((await headOf(journal, run.id))?.unknowns).toBe(1);
    expect(done).toHaveLength(1);
    // a fork is told of it too, and can be told what became of it
    const at = (await entriesOf(journal, run.id)).length - 2;
    const fork = engine.fork(run.id, { at });
    await fork;
    expect(done.length).toBeLessThanOrEqual(2);
  });
});
