import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, append, Engine, graph, send } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';

const ben = { id: 'ben', roles: ['lead'] };
const text = (name: string, answers: string[]) => agent({ name, instructions: '', model: scripted(answers) });
const log = z.object({ seen: z.array(z.string()).default([]) });

describe.each(journals)('a graph on $name', ({ make }) => {
  test('runs functions, agents and people in order, and takes their updates into its state', async () => {
    const { journal, another } = make();
    const report = () =>
      graph({
        name: 'report',
        state: z.object({ topic: z.string(), notes: z.array(z.string()).default([]), ok: z.boolean().default(false) }),
        reducers: { notes: append },
        nodes: {
          plan: (s) => ({ topic: s.topic.trim() }),
          web: { agent: text('research', ['from the web']), input: (s) => s.topic, output: (t) => ({ notes: [t] }) },
          sums: { agent: text('finance', ['42']), input: (s) => s.topic, output: (t) => ({ notes: [t] }) },
          sign: {
            ask: (s) => s.notes.toSorted().join(),
            answer: z.object({ ok: z.boolean() }),
            roles: ['lead'],
            output: (a) => ({ ok: a.ok }),
          },
        },
        edges: { start: 'plan', plan: ['web', 'sums'], web: 'sign', sums: 'sign', sign: (s) => (s.ok ? 'end' : 'plan') },
        output: (s) => s.notes.toSorted(),
        limits: { steps: 30 },
      });
    const run = new Engine({ journal }).run(report(), { topic: ' x ' });
    const paused = await ends(run, 'paused');
    expect(paused.approvals).toMatchObject([
      { kind: 'question', question: '42,from the web', allow: ['respond'], path: ['report'], roles: ['lead'] },
    ]);
    const later = new Engine({ journal: another(), agents: [report()] });
    await expect(later.decide(run.id, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben })).rejects.toMatchObject({
      code: 'DECISION_INVALID',
    });
    await later.decide(run.id, [{ approval: paused.approvals[0].id, type: 'respond', answer: { ok: true } }], { by: ben });
    const result = await ends(later.resume(run.id), 'completed');
    expect(result.output).toEqual(['42', 'from the web']);
  });

  // holds joins.I1, joins.I2
  test('waits at a join for all branches that can still reach it, and runs it once', async () => {
    const { journal } = make();
    const say = (name: string) => async () => {
      await new Promise((resolve) => setTimeout(resolve, name === 'slow' ? 20 : 0));
      return { seen: [name] };
    };
    const diamond = graph({
      name: 'diamond',
      state: log,
      reducers: { seen: append },
      nodes: { a: say('a'), fast: say('fast'), slow: say('slow'), then: say('then'), join: say('join') },
      edges: { start: 'a', a: ['fast', 'slow'], fast: 'join', slow: 'then', then: 'join', join: 'end' },
    });
    const result = await ends(new Engine({ journal }).run(diamond, {}), 'completed');
    expect(result.output).toEqual({ seen: ['a', 'fast', 'slow', 'then', 'join'] });
  });

  // holds joins.I1
  test('maps over a list, with send', async () => {
    const { journal } = make();
    const map = graph({
      name: 'map',
      state: z.object({ items: z.array(z.number()), squares: z.array(z.number()).default([]), sum: z.number().default(0) }),
      reducers: { squares: append },
      nodes: {
        square: (_, { item }) => ({ squares: [(item as number) ** 2] }),
        sum: (s) => ({ sum: s.squares.reduce((a, b) => a + b, 0) }),
      },
      edges: {
        start: { to: ['square', 'sum'], choose: (s) => (s.items.length ? s.items.map((n) => send('square', n)) : 'sum') },
        square: 'sum',
        sum: 'end',
      },
      output: (s) => s.sum,
    });
    const engine = new Engine({ journal });
    expect((await ends(engine.run(map, { items: [1, 2, 3] }), 'completed')).output).toBe(14);
    expect((await ends(engine.run(map, { items: [] }), 'completed')).output).toBe(0);
  });

  test('repeats a loop up to the limit, stops before the next node, and continues with a higher limit', async () => {
    const { journal } = make();
    let runs = 0;
    const loop = graph({
      name: 'loop',
      state: z.object({ n: z.number() }),
      nodes: {
        add: (s) => {
          runs++;
          return { n: s.n + 1 };
        },
      },
      edges: { start: 'add', add: { to: ['add', 'end'], choose: (s) => (s.n < 5 ? 'add' : 'end') } },
      limits: { steps: 3 },
    });
    const engine = new Engine({ journal, agents: [loop] });
    const run = engine.run(loop, { n: 0 });
    const stopped = await ends(run, 'stopped');
    expect(stopped.limit).toEqual({ name: 'steps', max: 3, used: 3, needed: 1 });
    expect(runs).toBe(3);
    const result = await ends(engine.resume(run.id, { limits: { steps: 5 } }), 'completed');
    expect(result.output).toMatchObject({ n: 5 });
    expect(runs).toBe(5);
  });

  // holds schedule.I2, schedule.I5
  test('a node that fails ends the graph, after those beside it; a resume runs it again and none that ended', async () => {
    const { journal } = make();
    const ran: string[] = [];
    let broken = true;
    const g = graph({
      name: 'g',
      state: log,
      reducers: { seen: append },
      nodes: {
        good: () => {
          ran.push('good');
          return { seen: ['good'] };
        },
        bad: async () => {
          ran.push('bad');
          await Promise.resolve();
          if (broken) throw Object.assign(new Error('service down'), { code: 'ECONNREFUSED' });
          return { seen: ['bad'] };
        },
        join: () => ({ seen: ['join'] }),
      },
      edges: { start: ['bad', 'good'], bad: 'join', good: 'join', join: 'end' },
    });
    const engine = new Engine({ journal, agents: [g] });
    const run = engine.run(g, {});
    const failed = await ends(run, 'failed');
    expect(failed.error.message).toContain('service down');
    broken = false;
    const result = await ends(engine.resume(run.id), 'completed');
    expect((result.output as { seen: string[] }).seen.toSorted()).toEqual(['bad', 'good', 'join']);
    expect(ran).toEqual(['bad', 'good', 'bad']);
  });

  // holds schedule.I4
  test('parallel writes of one field are an error, not a lost update', async () => {
    const { journal } = make();
    const both = graph({
      name: 'both',
      state: z.object({ who: z.string().default('') }),
      nodes: { a: async () => ({ who: 'a' }), b: async () => ({ who: 'b' }) },
      edges: { start: ['a', 'b'], a: 'end', b: 'end' },
    });
    const failed = await ends(new Engine({ journal }).run(both, {}), 'failed');
    expect(failed.error).toMatchObject({ code: 'UPDATE_CONFLICT' });
    expect(failed.error.message).toContain('reducers: { who');
  });

  test('graphs inside graphs, and agents in them, are frames of one journal', async () => {
    const { journal } = make();
    const inner = graph({
      name: 'inner',
      state: z.object({ q: z.string(), a: z.string().default('') }),
      nodes: { think: { agent: text('thinker', ['thought']), input: (s) => s.q, output: (a) => ({ a }) } },
      edges: { start: 'think', think: 'end' },
      output: (s) => s.a,
    });
    const outer = graph({
      name: 'outer',
      state: z.object({ q: z.string(), a: z.string().default('') }),
      nodes: { in: { agent: inner, input: (s) => ({ q: s.q }), output: (a) => ({ a }) } },
      edges: { start: 'in', in: 'end' },
    });
    const run = new Engine({ journal }).run(outer, { q: 'x' });
    expect((await ends(run, 'completed')).output).toEqual({ q: 'x', a: 'thought' });
    const opened = (await entriesOf(journal, run.id)).filter((e) => e.type === 'frame.opened');
    expect(opened.map((e) => (e.type === 'frame.opened' ? e.agent : ''))).toEqual(['inner', 'thinker']);
  });

  test('an empty graph state, a wrong input and a route to nowhere are clear', async () => {
    const { journal } = make();
    const g = graph({
      name: 'g',
      state: z.object({ n: z.number() }),
      nodes: { a: () => {} },
      edges: { start: 'a', a: () => 'b' as 'end' },
    });
    const engine = new Engine({ journal });
    const wrong = await ends(engine.run(g, { n: 'x' as unknown as number }), 'failed');
    expect(wrong.error.code).toBe('INVALID_INPUT');
    const lost = await ends(engine.run(g, { n: 1 }), 'failed');
    expect(lost.error).toMatchObject({ code: 'ROUTE_INVALID' });
  });
});
