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
import { around, expireLease, headOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { hurried, settle, until } from '../kit/time.ts';

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
  // holds schedule.I3
  test("never has a later node's update without it, and the run continues from there", async () => {
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

  test('does not repeat a turn that may have taken effect, until its outcome is settled', async () => {
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

  // holds schedule.I6
  test('is not resumed if one of its failures is permanent, whichever came first', async () => {
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

describe('a durable step that stops because its engine closes', () => {
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

  test.each(['once', 'idempotent'] as const)(
    'is as if the process had been killed, and the run can be resumed at once (%s)',
    async (effect) => {
      const journal = memoryJournal();
      const done: string[] = [];
      const first = new Engine({ journal: around(journal, { close: () => undefined }) });
      const run = first.run(g(effect, done, true), {});
      const rejected = run.then(
        () => 'ended',
        (error) => error.code,
      );
      await until(() => done.length === 1);
      await hurried(() => first.close());
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
    },
  );

  test('or ends anyway: its result is journaled, and the run has no owner until it is claimed', async () => {
    const journal = memoryJournal();
    let paid = () => {};
    const slow = () =>
      graph({
        name: 'g',
        state: z.object({ said: z.string().default('') }),
        nodes: {
          work: async (_, { durable }: NodeContext) => ({
            said: await durable('pay', () => new Promise<string>((resolve) => (paid = () => resolve('paid')))),
          }),
        },
        edges: { start: 'work', work: 'end' },
      });
    const first = new Engine({ journal: around(journal, { close: () => undefined }) });
    const run = first.run(slow(), {}, { limits: { time: 20 } });
    await ends(run, 'stopped');
    paid();
    await settle();
    const engine = new Engine({ journal, agents: [slow()] });
    expect((await ends(engine.resume(run.id, { limits: { time: 60_000 } }), 'completed')).output).toEqual({ said: 'paid' });
  });
});

test('a result that comes after its engine was closed does not take the run again', async () => {
  const journal = memoryJournal();
  let paid: (() => void) | undefined;
  const made = (hangs: boolean) =>
    graph({
      name: 'g',
      state: z.object({ said: z.string().default('') }),
      nodes: {
        work: async (_, { durable }: NodeContext) => ({
          said: await durable('pay', () => (hangs ? new Promise<string>((resolve) => (paid = () => resolve('paid'))) : 'again')),
        }),
      },
      edges: { start: 'work', work: 'end' },
    });
  const first = new Engine({ journal: around(journal, { close: () => undefined }) });
  const run = first.run(made(true), {});
  const rejected = run.then(
    () => 'ended',
    (error) => error.code,
  );
  await until(() => paid !== undefined);
  await hurried(() => first.close());
  expect(await rejected).toBe('ENGINE_CLOSED');
  paid?.();
  await settle();
  const { output } = await ends(new Engine({ journal, agents: [made(false)] }).resume(run.id), 'completed');
  expect(output).toEqual({ said: 'paid' });
});

test('the time of a sub-agent does not pass while it waits for a person, whatever runs in parallel', async () => {
  const yes = tool({ name: 'yes', description: '', input: anything, approval: true, execute: () => 'yes' });
  const asker = agent({
    name: 'asker',
    description: '',
    instructions: '',
    model: scripted((r) => (told(r) ? 'fine' : asks(['yes', {}]))),
    tools: [yes],
    limits: { time: 500 },
  });
  const g = graph({
    name: 'g',
    state: z.object({ said: z.string().default('') }),
    nodes: { ask: { agent: asker, input: () => 'x', output: (said) => ({ said }) }, slow: () => later(800) },
    edges: { start: ['ask', 'slow'], ask: 'end', slow: 'end' },
  });
  const engine = new Engine({ agents: [g] });
  const paused = await ends(engine.run(g, {}), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
  expect((await ends(engine.resume(paused.runId), 'completed')).output).toEqual({ said: 'fine' });
});
