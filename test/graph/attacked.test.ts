/** What a reviewer found: each of these was wrong once. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { acceptedRun } from '../../src/engine/run.ts';
import {
  agent,
  append,
  delegate,
  Engine,
  foreignAgent,
  graph,
  handoff,
  memoryJournal,
  type NodeContext,
  RondoError,
  send,
  supervisor,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, journals, type Kind } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { settle, until } from '../kit/time.ts';

const ben = { id: 'ben' };
const told = (r: { messages: readonly { role: string }[] }) => r.messages.some((m) => m.role === 'tool');
const State = z.object({ n: z.number().default(0), said: z.array(z.string()).default([]) });
type S = z.infer<typeof State>;
const one = (work: (s: S, ctx: NodeContext) => unknown, more: object = {}) =>
  graph({
    name: 'g',
    description: '',
    state: State,
    reducers: { said: append },
    nodes: { work: work as () => void },
    edges: { start: 'work', work: 'end' },
    ...more,
  });
/** The journal is whole: it can be read again. */
const whole = async (engine: Engine, runId: string) => (await engine.inspect(runId)).status;
const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('a durable step', () => {
  test('that is not awaited ends before its node', async () => {
    const engine = new Engine();
    const done: string[] = [];
    const g = one((_, ctx) => {
      void ctx.durable('audit', async () => void (await later(5), done.push('audit')));
      return { n: 1 };
    });
    const run = engine.run(g, {});
    expect((await ends(run, 'completed')).output).toMatchObject({ n: 1 });
    expect(done).toEqual(['audit']);
    expect(await whole(engine, run.id)).toBe('completed');
  });

  test('that starts after its node ended is refused, without harm', async () => {
    const engine = new Engine();
    let late: Promise<unknown> = Promise.resolve();
    const g = one((_, ctx) => {
      late = later(5).then(() => ctx.durable('late', () => expect.fail('it ran')));
      return { n: 1 };
    });
    const run = engine.run(g, {});
    await ends(run, 'completed');
    await expect(late).rejects.toMatchObject({ code: 'STEP_LATE' });
    expect(await whole(engine, run.id)).toBe('completed');
  });

  test("does not start after the run was cancelled, nor after the graph's time limit", async () => {
    const engine = new Engine();
    let paid = 0;
    let began = 0;
    let refused: unknown;
    const slow = one(async (_, ctx) => {
      began++;
      await later(250);
      await ctx
        .durable('pay', () => ++paid)
        .catch((error) => {
          refused = error;
        });
    });
    const run = engine.run(slow, {});
    await until(() => began === 1);
    await engine.cancel(run.id);
    await ends(run, 'cancelled');
    await until(() => refused !== undefined);
    expect(refused).toMatchObject({ code: 'STEP_LATE' });
    refused = undefined;
    const top = supervisor({
      name: 'top',
      instructions: '',
      model: scripted((r) => (told(r) ? 'went on' : asks(['g', {}]))),
      agents: [delegate(slow, { limits: { time: 5 } })],
    });
    const bounded = engine.run(top, 'x');
    expect((await ends(bounded, 'completed')).output).toBe('went on');
    // on a busy machine the time may be over before the node begins
    if (began === 2) await until(() => refused !== undefined);
    expect(await whole(engine, bounded.id)).toBe('completed');
    expect(paid).toBe(0);
  });

  test('that failed with an unknown outcome is not repeated', async () => {
    let paid = 0;
    const g = one((_, { durable }) =>
      durable('pay', () => {
        paid++;
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
      }),
    );
    const engine = new Engine({ agents: [g] });
    const run = engine.run(g, {});
    await ends(run, 'failed');
    expect((await ends(engine.resume(run.id), 'failed')).error).toMatchObject({ outcome: 'unknown' });
    expect(paid).toBe(1);
    const [unknown] = (await engine.inspect(run.id)).unknowns;
    expect(unknown).toMatchObject({ tool: 'pay' });
    await engine.settle(run.id, unknown?.callId ?? '', { outcome: 'done', output: 7, by: ben });
    await ends(engine.resume(run.id), 'failed');
    expect(paid).toBe(1);
  });

  test('keeps its result if the store is unavailable for a moment', async () => {
    let out = 0;
    const inner = memoryJournal();
    const journal = around(inner, {
      append(...args) {
        if (args[2].some((e) => e.type === 'call.finished') && out++ === 0) throw new RondoError('JOURNAL_UNAVAILABLE', 'for a moment');
        return inner.append(...args);
      },
    });
    let paid = 0;
    const g = one(async (_, { durable }) => ({ n: await durable('pay', () => ++paid) }));
    expect((await ends(new Engine({ journal }).run(g, {}), 'completed')).output).toMatchObject({ n: 1 });
    out = 0;
    const alien = foreignAgent({ name: 'alien', turn: async () => ({ status: 'completed', output: `turn ${++paid}` }) });
    expect((await ends(new Engine({ journal }).run(alien, 'x'), 'completed')).output).toBe('turn 2');
  });
});

describe('a run that failed midway continues from there:', () => {
  const flaky = (fails: () => boolean) => {
    let paid = 0;
    const pay = tool({ name: 'pay', description: '', input: anything, effect: 'once', execute: () => `paid ${++paid}` });
    const model = scripted((r) => {
      if (!told(r)) return asks(['pay', {}]);
      if (fails()) throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true });
      return 'done';
    });
    const clerk = agent({
      name: 'clerk',
      description: '',
      instructions: '',
      model,
      tools: [pay],
      reliability: { model: { retry: { attempts: 1 } } },
    });
    return { clerk, paid: () => paid };
  };

  test('an agent in a graph, and a graph in a graph, repeat nothing', async () => {
    let down = true;
    const ran: string[] = [];
    const { clerk, paid } = flaky(() => down);
    const inner = graph({
      name: 'inner',
      state: z.object({}),
      nodes: { first: () => void ran.push('first'), pays: { agent: clerk, input: () => 'x', output: () => ({}) } },
      edges: { start: 'first', first: 'pays', pays: 'end' },
    });
    const outer = graph({
      name: 'outer',
      state: z.object({ said: z.string().default('') }),
      nodes: { in: { agent: inner, input: () => ({}), output: () => ({ said: 'done' }) } },
      edges: { start: 'in', in: 'end' },
    });
    const engine = new Engine({ agents: [outer] });
    const run = engine.run(outer, {});
    const failed = await ends(run, 'failed');
    expect(failed.error).toMatchObject({ retryable: true });
    expect((await engine.inspect(run.id)).tree.nodes).toMatchObject([{ name: 'in', status: 'failed' }]);
    down = false;
    expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'done' });
    expect([paid(), ran]).toEqual([1, ['first']]);
  });

  test('a crash between a failure and the end that follows from it changes nothing', async () => {
    const { make } = journals[0] as Kind;
    const { journal, another } = make();
    let ran = 0;
    const made = () =>
      one(() => {
        ran++;
        throw new Error('broken');
      });
    const dying = around(journal, {
      append(...args) {
        if (args[2].some((e) => e.type === 'run.settled')) throw new Error('the process is gone');
        return journal.append(...args);
      },
    });
    const run = new Engine({ journal: dying }).run(made(), {});
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const failed = await ends(new Engine({ journal: another(), agents: [made()] }).resume(run.id), 'failed');
    expect(failed.error.message).toContain('node "work" failed: broken');
    expect(ran).toBe(1);
  });

  test("an operator's statement about a foreign turn in a graph is final", async () => {
    const { make } = journals[0] as Kind;
    const { journal, another } = make();
    let turns = 0;
    const made = () => {
      const alien = foreignAgent({ name: 'alien', turn: () => (turns++, new Promise(() => {})) });
      return graph({
        name: 'g',
        state: z.object({ said: z.string().default('') }),
        nodes: { ask: { agent: alien, input: () => 'x', output: (said) => ({ said }) } },
        edges: { start: 'ask', ask: 'end' },
      });
    };
    const run = new Engine({ journal }).run(made(), {});
    await until(() => turns === 1);
    await settle();
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [made()] });
    expect((await ends(engine.resume(run.id), 'failed')).error.code).toBe('OUTCOME_UNKNOWN');
    const [unknown] = (await engine.inspect(run.id)).unknowns;
    expect(unknown).toMatchObject({ tool: 'alien' });
    await engine.settle(run.id, unknown?.callId ?? '', { outcome: 'done', output: 'by phone', by: ben });
    expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'by phone' });
    expect(turns).toBe(1);
  });

  test('a cut-off step in a graph below a graph is listed, and not done again', async () => {
    const { make } = journals[0] as Kind;
    const { journal, another } = make();
    let paid = 0;
    const made = () =>
      graph({
        name: 'outer',
        state: z.object({}),
        nodes: {
          in: {
            agent: one((_, { durable }) => (durable('pay', () => (paid++, paid === 1 ? new Promise(() => {}) : 1)), later(1e6))),
            input: () => ({}),
            output: () => ({}),
          },
        },
        edges: { start: 'in', in: 'end' },
      });
    const run = new Engine({ journal }).run(made(), {});
    await until(() => paid === 1);
    await expireLease(journal, run.id);
    const again = () =>
      graph({
        name: 'outer',
        state: z.object({}),
        nodes: {
          in: { agent: one(async (_, { durable }) => ({ n: await durable('pay', () => ++paid) })), input: () => ({}), output: () => ({}) },
        },
        edges: { start: 'in', in: 'end' },
      });
    const engine = new Engine({ journal: another(), agents: [again()] });
    await ends(engine.resume(run.id), 'failed');
    expect((await engine.inspect(run.id)).unknowns).toMatchObject([{ tool: 'pay' }]);
    await ends(engine.resume(run.id), 'failed');
    expect(paid).toBe(1);
  });
});

describe('a graph', () => {
  test('whose start leads to the end completes at once', async () => {
    const engine = new Engine();
    const empty = (start: unknown) =>
      graph({ name: 'g', state: z.object({ items: z.array(z.number()) }), nodes: { n: () => {} }, edges: { start, n: 'end' } as never });
    for (const start of [(s: { items: number[] }) => s.items.map((i) => send('n', i)), { to: ['n', 'end'], choose: () => 'end' }])
      expect((await ends(engine.run(empty(start), { items: [] }), 'completed')).output).toEqual({ items: [] });
  });

  test('can send null', async () => {
    const items: unknown[] = [];
    const g = graph({
      name: 'g',
      state: z.object({}),
      nodes: {
        split: () => {},
        slow: () => later(5),
        n: (_, { item }) => void items.push(item),
      },
      edges: {
        start: ['split', 'slow'],
        split: { to: ['n'], choose: () => [send('n', null), send('n', 1), send('n', null)] },
        slow: 'n',
        n: 'end',
      },
    });
    await ends(new Engine().run(g, {}), 'completed');
    expect(items.filter((i) => i !== undefined)).toHaveLength(3);
    expect(items).toHaveLength(4);
  });

  // holds joins.I2, joins.I3
  test.each([
    ['before', 'x', ['a', 'b', 'j', 'j']],
    ['after', 'b', ['a', 'j', 'j']],
  ])('killed while a join runs, %s it is reached once more, runs it as often as it would have', async (_, last, expected) => {
    const { make } = journals[0] as Kind;
    const { journal, another } = make();
    const made = (ran: string[], hangs: boolean) => {
      const never = () => new Promise<void>(() => {});
      const times = (name: string) => ran.filter((n) => n === name).length;
      return graph({
        name: 'g',
        state: z.object({}),
        nodes: {
          a: () => (ran.push('a'), hangs && times('a') > 1 ? never() : undefined),
          b: () => (ran.push('b'), hangs && last === 'x' ? never() : undefined),
          j: () => (ran.push('j'), hangs ? never() : undefined),
          x: async () => {
            await until(() => !hangs || times('j') > 0);
          },
        },
        // no one sees where x leads: the first j runs by then
        edges: { start: ['a', 'x'], a: 'j', b: 'j', x: () => ['a', 'b'], j: 'end' },
      });
    };
    const run = new Engine({ journal }).run(made([], true), {});
    const names: string[] = [];
    await acceptedRun(run);
    await until(async () => {
      const { nodes = [] } = (await new Engine({ journal: another() }).inspect(run.id)).tree;
      names.splice(0, names.length, ...nodes.filter((n) => n.status === 'completed').map((n) => n.name));
      return names.includes(last);
    });
    await settle();
    await expireLease(journal, run.id);
    const at = (await entriesOf(journal, run.id)).length - 1;
    const ran: string[] = [];
    const engine = new Engine({ journal: another(), agents: [made(ran, false)] });
    await ends(engine.resume(run.id), 'completed');
    expect(ran.toSorted()).toEqual(expected);
    if (last === 'x') return;
    ran.length = 0;
    await ends(engine.fork(run.id, { at }), 'completed');
    expect(ran.toSorted()).toEqual(expected);
  });

  test('rejects unknown fields of its state and crossed limits', async () => {
    const engine = new Engine();
    const typo = await ends(
      engine.run(
        one(() => ({ n: 1, typo: 2 })),
        {},
      ),
      'failed',
    );
    expect(typo.error).toMatchObject({ code: 'UPDATE_INVALID', message: expect.stringContaining('no field "typo". It has n, said') });
    const endless = one(() => {}, { edges: { start: 'work', work: { to: ['work', 'end'], choose: () => 'work' } } });
    const outer = graph({
      name: 'outer',
      state: z.object({}),
      nodes: { in: { agent: endless, input: () => ({}), output: () => ({}) } },
      edges: { start: 'in', in: 'end' },
    });
    expect((await ends(engine.run(outer, {}), 'stopped')).limit).toMatchObject({ name: 'steps', max: 50 });
    const circle: { self?: object } = {};
    circle.self = circle;
    const circular = await ends(
      engine.run(
        one(() => ({ said: [circle] })),
        {},
      ),
      'failed',
    );
    expect(circular.error).toMatchObject({ code: 'UPDATE_INVALID', message: expect.stringContaining('in a circle') });
  });

  test('fails with what its node threw, be it an error of an engine', async () => {
    const other = new Engine();
    const g = one(() => other.inspect('nothing'));
    expect((await ends(new Engine().run(g, {}), 'failed')).error.code).toBe('RUN_NOT_FOUND');
    const nameless = one(() => (undefined as unknown as { y: number }).y);
    expect((await ends(new Engine().run(nameless, {}), 'failed')).error.message).toContain('node "work" failed: Cannot read');
  });

  test('reports write conflicts, whatever the process and people did in between', async () => {
    const { make } = journals[0] as Kind;
    const { journal, another } = make();
    const made = () => {
      const yes = tool({ name: 'yes', description: '', input: anything, approval: true, execute: () => 'yes' });
      const asker = agent({ name: 'asker', instructions: '', model: scripted((r) => (told(r) ? 'a' : asks(['yes', {}]))), tools: [yes] });
      return graph({
        name: 'g',
        state: z.object({ who: z.string().default('') }),
        nodes: { a: { agent: asker, input: () => 'x', output: (who) => ({ who }) }, b: () => ({ who: 'b' }) },
        edges: { start: ['a', 'b'], a: 'end', b: 'end' },
      });
    };
    const run = new Engine({ journal }).run(made(), {});
    const paused = await ends(run, 'paused');
    const engine = new Engine({ journal: another(), agents: [made()] });
    await engine.decide(run.id, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    expect((await ends(engine.resume(run.id), 'failed')).error.code).toBe('UPDATE_CONFLICT');
  });

  test('asks again if an answer does not fit, and says why', async () => {
    const even = z.number().refine((n) => n % 2 === 0, 'it must be even');
    const g = one(() => {}, {
      nodes: { work: { ask: () => 'An even number?', answer: even, output: (n: number) => ({ n }) } },
    });
    const engine = new Engine({ agents: [g] });
    const paused = await ends(engine.run(g, {}), 'paused');
    const answer = async (approval: string, n: number) => {
      await engine.decide(paused.runId, [{ approval, type: 'respond', answer: n }], { by: ben });
      return engine.resume(paused.runId);
    };
    const again = await answer(paused.approvals[0].id, 3);
    if (again.status !== 'paused') throw new Error(again.status);
    expect(again.approvals[0]).toMatchObject({ question: 'An even number?', reason: expect.stringContaining('it must be even') });
    expect(await answer(again.approvals[0]?.id ?? '', 4)).toMatchObject({ status: 'completed', output: { n: 4 } });
  });
});

describe('a sub-agent', () => {
  const leaf = (o: object = {}) => agent({ name: 'leaf', description: '', instructions: '', model: scripted(['fine']), ...o });
  const over = (a: ReturnType<typeof leaf>) => {
    const model = scripted((r) => (told(r) ? JSON.stringify(r.messages.at(-1)) : asks([a.name, { task: 'x' }])));
    return supervisor({ name: 'top', instructions: '', model, agents: [a] });
  };
  const output = async (top: ReturnType<typeof over>) => JSON.stringify((await ends(new Engine().run(top, 'x'), 'completed')).output);

  test('that cannot start is an error for its parent', async () => {
    const share = () => {
      throw new Error('cannot pick');
    };
    expect(await output(over(delegate(leaf(), { share })))).toContain('SHARE_FAILED');
    const down = { name: 'down', open: () => Promise.reject(Object.assign(new Error('server down'), { code: 'ECONNREFUSED' })) };
    expect(await output(over(leaf({ tools: [down] })))).toContain('server down');
  });

  test('has its time limit, over all claims, and its deadline', async () => {
    const unhurried = foreignAgent({
      name: 'leaf',
      description: '',
      turn: async () => {
        await later(20);
        return { status: 'completed', output: 'fine' };
      },
    });
    expect(await output(over(delegate(unhurried, { limits: { time: 30 * 86_400_000 } }) as never))).toContain('fine');
    const slow = foreignAgent({
      name: 'leaf',
      description: '',
      turn: async () => (await later(500), { status: 'completed', output: 'slow' }),
    });
    expect(await output(over(delegate(slow, { limits: { deadline: Date.now() + 20 } }) as never))).toContain('deadline');
  });

  test('to whom a conversation is handed answers in full', async () => {
    const long = 'x'.repeat(200_000);
    const top = supervisor({
      name: 'top',
      instructions: '',
      model: scripted([asks(['handoff_to_leaf', {}])]),
      agents: [handoff(leaf({ model: scripted([long]) }))],
    });
    expect((await ends(new Engine().run(top, 'x'), 'completed')).output).toBe(long);
  });

  test('whose time is over may still be billed: late costs are charged to an open ancestor', async () => {
    const usage = { input: 1_000, output: 100 };
    const hedged = leaf({
      model: scripted(async (_, n) => {
        await later(n === 0 ? 2 : 15);
        return { text: 'fine', usage };
      }),
      use: [{ model: (r: never, next: (r: never) => Promise<unknown>) => Promise.race([next(r), next(r)]) }],
    });
    const engine = new Engine();
    const run = engine.run(over(hedged), 'x');
    await ends(run, 'completed');
    await later(30);
    expect(await whole(engine, run.id)).toBe('completed');
  });
});

test("a fork copies all asks of a foreign agent's turn together", async () => {
  const alien = foreignAgent({
    name: 'alien',
    turn: async (turn) =>
      turn.type === 'resume'
        ? { status: 'completed', output: 'done' }
        : {
            status: 'paused',
            state: null,
            asks: [
              { id: 'a', kind: 'question', question: 'A?' },
              { id: 'b', kind: 'question', question: 'B?' },
            ],
          },
  });
  const journal = memoryJournal();
  const engine = new Engine({ journal, agents: [alien] });
  const run = engine.run(alien, 'x');
  await ends(run, 'paused');
  for (const { seq, type } of await entriesOf(journal, run.id)) {
    if (type === 'run.settled') continue;
    const forked = await ends(engine.fork(run.id, { at: seq }), 'paused');
    expect(
      forked.approvals.map((a) => a.kind === 'question' && a.question),
      `${seq} ${type}`,
    ).toEqual(['A?', 'B?']);
  }
});

test("a fork's state has the fields of its graph, of their types", async () => {
  const g = one(() => ({ n: 1 }));
  const engine = new Engine({ agents: [g] });
  const run = engine.run(g, {});
  await ends(run, 'completed');
  await expect(engine.fork(run.id, { at: 1, state: { n: 1, zzz: 1 } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no field "zzz"'),
  });
  await expect(engine.fork(run.id, { at: 1, state: { n: 'one' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
