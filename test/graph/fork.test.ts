import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, append, Engine, graph, type Json, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const ben = { id: 'ben', tenant: 'acme' };

describe.each(journals)('a fork on $name', ({ make }) => {
  test('goes on from any entry of an old run with another state, and leaves that run as it is', async () => {
    const { journal, another } = make();
    const ran: string[] = [];
    const made = () =>
      graph({
        name: 'g',
        state: z.object({ n: z.number(), log: z.array(z.string()).default([]) }),
        reducers: { log: append },
        nodes: {
          one: (s) => {
            ran.push('one');
            return { n: s.n + 1, log: ['one'] };
          },
          two: (s) => {
            ran.push('two');
            return { n: s.n * 10, log: ['two'] };
          },
        },
        edges: { start: 'one', one: 'two', two: 'end' },
      });
    const old = new Engine({ journal });
    const run = old.run(made(), { n: 1 });
    await ends(run, 'completed');
    const before = await entriesOf(journal, run.id);
    const at = before.find((e) => e.type === 'call.finished')?.seq ?? -1;
    const { state } = await old.inspect(run.id, { at });
    expect(state).toEqual({ n: 2, log: ['one'] });

    const engine = new Engine({ journal: another(), agents: [made()] });
    ran.length = 0;
    const fork = engine.fork(run.id, { at, state: { n: 7, log: ['by hand'] } });
    expect((await ends(fork, 'completed')).output).toEqual({ n: 70, log: ['by hand', 'two'] });
    expect(ran).toEqual(['two']);
    expect(await entriesOf(journal, run.id)).toEqual(before);
    const started = (await entriesOf(journal, fork.id))[0];
    expect(started).toMatchObject({ type: 'run.started', fork: { run: run.id, at }, input: { n: 1 } });
  });

  describe('with a new state', () => {
    /** A run of a graph, up to the end of its first node, to fork there. */
    async function forkable(state: z.ZodObject, input: Json, update: Json = {}) {
      const nodes = { first: () => update as object, last: () => ({}) };
      const g = graph({ name: 'g', state, nodes, edges: { start: 'first', first: 'last', last: 'end' } });
      const { journal } = make();
      const engine = new Engine({ journal, agents: [g as Agent] });
      const { runId } = await ends(engine.run(g as Agent, input), 'completed');
      const at = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished')?.seq ?? -1;
      const was = (await engine.inspect(runId, { at })).state as { readonly [field: string]: Json };
      return { was, fork: (given: Json) => engine.fork(runId, { at, state: given }) };
    }

    test('has what the schema makes of it', async () => {
      const state = z.object({ n: z.coerce.number(), name: z.string().trim(), tags: z.array(z.string()).default(['d']) });
      const { fork } = await forkable(state, { n: 1, name: 'x', tags: [] });
      expect((await ends(fork({ n: '12', name: ' tea ' }), 'completed')).output).toEqual({ n: 12, name: 'tea', tags: ['d'] });
    });

    const words = z.object({ words: z.string().transform((text) => text.split(' ').length), topic: z.string().trim() });

    test('keeps what the schema has made, which it need not take', async () => {
      const { was, fork } = await forkable(words, { words: 'one two', topic: 'x' });
      expect((await ends(fork(was), 'completed')).output).toEqual({ words: 2, topic: 'x' });
      expect((await ends(fork({ ...was, topic: ' tea ' }), 'completed')).output).toEqual({ words: 2, topic: 'tea' });
      expect((await ends(fork({ words: 'one', topic: 'x' }), 'completed')).output).toEqual({ words: 1, topic: 'x' });
    });

    test('keeps what a node has made, and does not transform it again', async () => {
      const twice = z.object({ n: z.number().transform((n) => n * 2), topic: z.string() });
      const { was, fork } = await forkable(twice, { n: 3, topic: 'x' }, { n: 7 });
      expect((await ends(fork({ ...was, topic: 'tea' }), 'completed')).output).toEqual({ n: 7, topic: 'tea' });
      expect((await ends(fork({ n: 8, topic: 'x' }), 'completed')).output).toEqual({ n: 16, topic: 'x' });
    });

    test('is refused where it does not fit, or lacks a field', async () => {
      const ordered = z.object({ from: z.number(), to: z.number() }).refine((s) => s.from < s.to);
      const { was: range, fork: ranged } = await forkable(ordered as unknown as z.ZodObject, { from: 1, to: 9 }, { to: 5 });
      await refused('CONFIG_INVALID', ranged({ ...range, from: 7 }));
      const { was, fork } = await forkable(words, { words: 'one two', topic: 'x' });
      const odd: Json[] = [{}, { words: was.words as Json }, { ...was, topic: 7 }, { ...was, words: 3 }];
      for (const given of odd) await refused('CONFIG_INVALID', fork(given));
    });
  });

  test('repeats calls that had not ended, with effects of its own and new approvals', async () => {
    const { journal } = make();
    const keys: string[] = [];
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      approval: true,
      effect: 'once',
      execute: (_, { idempotencyKey }) => `paid ${keys.push(idempotencyKey)}`,
    });
    const clerk = () =>
      agent({
        name: 'clerk',
        description: '',
        instructions: '',
        model: scripted((r) => (r.messages.some((m) => m.role === 'tool') ? 'paid' : asks(['pay', { n: 1 }]))),
        tools: [pay],
      });
    const desk = (steps: Parameters<typeof scripted>[0]) =>
      supervisor({ name: 'desk', instructions: '', model: scripted(steps), agents: [clerk()] });
    const engine = new Engine({ journal });
    const first = desk([asks(['clerk', { task: 'pay' }]), 'done']);
    const run = engine.run(first, 'go', { by: ben });
    const paused = await ends(run, 'paused');
    const [approval] = paused.approvals;
    await engine.decide(run.id, [{ approval: approval.id, type: 'approve' }], { by: ben });
    await ends(engine.resume(run.id, { by: ben }), 'completed');
    expect(keys).toHaveLength(1);

    const before = await entriesOf(journal, run.id);
    const started = before.findLast((e) => e.type === 'call.started' && e.frame !== undefined)?.seq ?? -1;
    const later = new Engine({ journal, agents: [desk(['done'])] });
    await expect(later.fork(run.id, { at: started })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    const fork = later.fork(run.id, { at: started, by: ben });
    const again = await ends(fork, 'paused');
    expect(again.approvals).toMatchObject([{ path: ['desk', 'clerk'], tool: 'pay', runId: fork.id }]);
    expect(again.approvals[0].id).not.toBe(approval.id);
    await expect(later.decide(fork.id, [{ approval: approval.id, type: 'approve' }], { by: ben })).rejects.toMatchObject({
      code: expect.stringMatching(/^APPROVAL/),
    });
    await later.decide(fork.id, [{ approval: again.approvals[0].id, type: 'approve' }], { by: ben });
    await ends(later.resume(fork.id, { by: ben }), 'completed');
    expect(new Set(keys).size).toBe(2);
    expect(await entriesOf(journal, run.id)).toEqual(before);
  });

  test('a conversation is forked at any of its entries, and counts only what it spends itself', async () => {
    const { journal } = make();
    const look = tool({ name: 'look', description: '', input: anything, execute: () => 'seen' });
    const usage = { input: 10, output: 5 };
    const a = (steps: Parameters<typeof scripted>[0]) => agent({ name: 'a', instructions: '', model: scripted(steps), tools: [look] });
    const engine = new Engine({ journal });
    const run = engine.run(
      a([
        { ...(asks(['look', {}]) as object), usage },
        { text: 'first', usage },
      ]),
      'go',
    );
    await ends(run, 'completed');
    const entries = await entriesOf(journal, run.id);
    const end = entries.length - 1;
    for (const { seq } of entries.slice(0, -2)) {
      const model = scripted((request) =>
        request.messages.some((m) => m.role === 'tool') ? { text: 'second', usage } : { ...(asks(['look', {}]) as object), usage },
      );
      const other = new Engine({ journal, agents: [agent({ name: 'a', instructions: '', model, tools: [look] })] });
      const result = await ends(other.fork(run.id, { at: seq, limits: { tokens: 1e6 } }), 'completed');
      expect(result.output).toBe('second');
      expect(result.usage.input).toBe(10 * model.requests.length);
      expect(result.steps).toBe(model.requests.length);
    }
    for (const at of [end - 1, end])
      await expect(engine.fork(run.id, { at })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('nothing left'),
      });
  });

  test('invalid options are refused', async () => {
    const { journal } = make();
    const a = agent({ name: 'a', instructions: '', model: scripted(['x']) });
    const engine = new Engine({ journal, agents: [a] });
    const run = engine.run(a, 'go', { by: ben });
    await ends(run, 'completed');
    const code = (o: object, id = run.id) =>
      engine.fork(id, o as { at: number }).then(
        () => 'ok',
        (e) => e.code,
      );
    expect(await code({ at: -1 })).toBe('CONFIG_INVALID');
    expect(await code({})).toBe('CONFIG_INVALID');
    expect(await code({ at: 0 })).toBe('RUN_NOT_FOUND');
    expect(await code({ at: 0, by: { id: 'eve', tenant: 'other' } })).toBe('RUN_NOT_FOUND');
    expect(await code({ at: 99, by: ben })).toBe('CONFIG_INVALID');
    expect(await code({ at: 0, by: ben, state: {} })).toBe('CONFIG_INVALID');
    expect(await code({ at: 0, by: ben, id: run.id })).toBe('RUN_EXISTS');
    expect(await code({ at: 0 }, 'run_none')).toBe('RUN_NOT_FOUND');
    const other = new Engine({ journal });
    await expect(other.fork(run.id, { at: 0, by: ben })).rejects.toMatchObject({ code: 'AGENT_NOT_REGISTERED' });
  });
});
