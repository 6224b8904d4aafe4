import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, foreignAgent, graph, type Json, supervisor, ToolError, type ToolSource, type Turn } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, recording } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { caller, endsOf, order, refunds, support } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };

describe.each(journals)('one intent, once, on $name', ({ make }) => {
  const paying = () => {
    const paid: string[] = [];
    const pays = refunds({
      effect: 'once',
      execute: async ({ orderId }, { idempotencyKey }) => {
        paid.push(idempotencyKey);
        await new Promise(setImmediate);
        return `receipt ${orderId}`;
      },
    });
    return { paid, pays };
  };

  test('among calls of one answer, of which as many run at a time as may', async () => {
    for (const parallel of [1, 2, 8]) {
      const { journal } = make();
      const { paid, pays } = paying();
      const inputs = ['1', '2', '1', '3', '2', '1'].map((id) => order(id));
      const run = new Engine({ journal }).run(support([pays], { parallel }), JSON.stringify(inputs), { by: ana });
      await ends(run, 'completed');
      expect(paid).toHaveLength(3);
      const calls = endsOf(await entriesOf(journal, run.id));
      expect(calls.filter((c) => c.repeated)).toHaveLength(3);
      expect(calls.every((c) => c.ok)).toBe(true);
    }
  });

  test('among more calls than one append may claim: of one answer, and of sub-agents whose appends go together', async () => {
    for (const count of [26, 60]) {
      const { journal, appends } = recording(make().journal);
      const { paid, pays } = paying();
      const inputs = Array.from({ length: count }, (_, i) => order(`${i}`));
      const run = new Engine({ journal }).run(support([pays], { parallel: 100 }), JSON.stringify(inputs), { by: ana });
      await ends(run, 'completed');
      expect(paid).toHaveLength(count);
      expect(Math.max(...appends.map(({ claims = [] }) => claims.length))).toBe(25);
    }
    const { journal, appends } = recording(make().journal);
    const { paid, pays } = paying();
    const below = (name: string) => agent({ name, instructions: '', model: caller(), tools: [pays] });
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const task = (name: string) => JSON.stringify(Array.from({ length: 8 }, (_, i) => order(`${name}${i}`)));
    const calls = names.map((name) => [name, { task: task(name) }] as const);
    const top = supervisor({ name: 'top', instructions: '', agents: names.map(below), model: scripted([asks(...calls), 'done']) });
    await ends(new Engine({ journal }).run(top, 'go', { by: ana }), 'completed');
    expect(paid).toHaveLength(48);
    for (const { claims = [] } of appends) expect(claims.length).toBeLessThanOrEqual(25);
  });

  test('a run that is cancelled with many calls under way leaves each of them unknown to others', async () => {
    const { journal, another } = make();
    const inputs = Array.from({ length: 30 }, (_, i) => order(`${i}`));
    const stop = new AbortController();
    let ran = 0;
    const begun = deferred();
    const pays = refunds({ effect: 'once', execute: () => (++ran === 25 && begun.resolve(), new Promise<never>(() => {})) });
    const run = new Engine({ journal }).run(support([pays], { parallel: 100 }), JSON.stringify(inputs), { by: ana, signal: stop.signal });
    await begun.promise;
    stop.abort();
    await ends(run, 'cancelled');
    const model = caller();
    const other = agent({ name: 'other', instructions: '', model, tools: [paying().pays], parallel: 100 });
    await ends(new Engine({ journal: another() }).run(other, JSON.stringify(inputs.slice(0, 25)), { by: ana }), 'completed');
    const told = shown((model.requests as Parameters<typeof shown>[0][]).at(-1));
    expect(new Set(told.map((each) => failure(each).code))).toEqual(new Set(['OUTCOME_UNKNOWN']));
  });

  test('among sub-agents that work at the same time', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const below = (name: string) => agent({ name, instructions: '', model: caller(), tools: [pays] });
    const task = JSON.stringify(order('7'));
    const top = supervisor({
      name: 'top',
      instructions: '',
      agents: [below('a'), below('b'), below('c')],
      model: scripted([asks(['a', { task }], ['b', { task }], ['c', { task }]), 'done']),
    });
    const run = new Engine({ journal }).run(top, 'go', { by: ana });
    await ends(run, 'completed');
    expect(paid).toHaveLength(1);
    expect(endsOf(await entriesOf(journal, run.id)).filter((c) => c.repeated)).toHaveLength(2);
  });

  // holds intent.I2, start.I3
  test('among runs that start at the same time', async () => {
    const { journal, another } = make();
    const { paid, pays } = paying();
    const runs = Array.from({ length: 6 }, () =>
      new Engine({ journal: another() }).run(support([pays]), JSON.stringify(order('7')), { by: ana }),
    );
    for (const run of runs) await ends(run, 'completed');
    expect(paid).toHaveLength(1);
    let repeated = 0;
    for (const run of runs) repeated += endsOf(await entriesOf(journal, run.id)).filter((c) => c.repeated).length;
    expect(repeated).toBe(5);
  });

  test('among durable steps of a node, in another run too', async () => {
    const { journal } = make();
    let paid = 0;
    const g = graph({
      name: 'g',
      state: z.object({ order: z.string(), receipt: z.string().default('') }),
      nodes: {
        pay: async (state, { durable }) => ({
          receipt: await durable('pay', () => `receipt ${++paid}`, { key: `pay:${state.order}` }),
        }),
      },
      edges: { start: 'pay', pay: 'end' },
    });
    const engine = new Engine({ journal });
    const outputs: Json[] = [];
    for (const id of ['7', '7', '8'])
      outputs.push((await ends(engine.run(g, { order: id, receipt: '' }, { by: ana }), 'completed')).output as Json);
    expect(paid).toBe(2);
    expect(outputs).toMatchObject([{ receipt: 'receipt 1' }, { receipt: 'receipt 1' }, { receipt: 'receipt 2' }]);
  });

  test('of a durable step is of its graph and its node: another one has the same key for itself', async () => {
    const { journal } = make();
    const paid: string[] = [];
    const pays = (name: string, node: string) =>
      graph({
        name,
        state: z.object({}),
        nodes: { [node]: async (_, { durable }) => void (await durable('pay', () => paid.push(`${name} ${node}`), { key: '7' })) },
        edges: { start: node, [node]: 'end' },
      });
    for (const [name, node] of ['g a', 'g b', 'h a', 'g a', 'h a'].map((each) => each.split(' ') as [string, string]))
      await ends(new Engine({ journal }).run(pays(name, node), {}, { by: ana }), 'completed');
    expect(paid).toEqual(['g a', 'g b', 'h a']);
  });

  test('among durable steps of a node with different names: those of a loop, in turn and at once', async () => {
    const { journal } = make();
    const paid: string[] = [];
    const pay = (together: boolean) =>
      graph({
        name: 'g',
        state: z.object({ orders: z.array(z.string()), receipts: z.array(z.string()).default([]) }),
        nodes: {
          pay: async ({ orders }, { durable }) => {
            const step = (order: string, i: number) =>
              durable(`pay-${i}`, () => `receipt ${paid.push(order)}`, { key: `pay:${order}`, effect: 'once' });
            if (together) return { receipts: await Promise.all(orders.map(step)) };
            const receipts: string[] = [];
            for (const [i, order] of orders.entries()) receipts.push(await step(order, i));
            return { receipts };
          },
        },
        edges: { start: 'pay', pay: 'end' },
      });
    const engine = new Engine({ journal });
    const outputs: Json[] = [];
    for (const [orders, together] of [
      [['7'], false],
      [['6', '7'], false],
      [['8', '8'], true],
    ] as const)
      outputs.push((await ends(engine.run(pay(together), { orders: [...orders], receipts: [] }, { by: ana }), 'completed')).output as Json);
    expect(paid).toEqual(['7', '6', '8']);
    expect(outputs).toMatchObject([
      { receipts: ['receipt 1'] },
      { receipts: ['receipt 2', 'receipt 1'] },
      { receipts: ['receipt 3', 'receipt 3'] },
    ]);
  });

  test('of a durable step: one within its function that asks for the same is told at once that it waits for itself', async () => {
    const { journal } = make();
    const done: string[] = [];
    const told: unknown[] = [];
    const paying = graph({
      name: 'paying',
      state: z.object({ out: z.string().default('') }),
      nodes: {
        pay: async (_, { durable }) => ({
          out: await durable(
            'outer',
            async () => {
              const inner = durable('inner', () => done.push('inner'), { key: 'k', effect: 'once' });
              await inner.catch((error: unknown) => told.push(error));
              done.push('outer');
              return 'paid';
            },
            { key: 'k', effect: 'once' },
          ),
        }),
      },
      edges: { start: 'pay', pay: 'end' },
    });
    await ends(new Engine({ journal }).run(paying, {}, { by: ana }), 'completed');
    expect(done).toEqual(['outer']);
    expect(told).toMatchObject([{ code: 'INTENT_BUSY', outcome: 'not-run', message: expect.stringContaining('waits for this one') }]);
  });

  test('a sub-agent that waits for a person holds its intent, and another part of the run is told so at once', async () => {
    const { journal } = make();
    const outside = foreignAgent<string, Json>({
      name: 'outside',
      key: () => 'report',
      turn: async () => ({ status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] }),
    });
    const task = 'march';
    const model = scripted([asks(['outside', { task }]), 'done']);
    const middle = (name: string) => supervisor({ name, instructions: '', agents: [outside], model });
    const told = scripted([asks(['outside', { task }]), asks(['outside', { task }]), 'done']);
    const other = supervisor({ name: 'other', instructions: '', agents: [outside], model: told });
    const top = supervisor({
      name: 'top',
      instructions: '',
      agents: [middle('first'), other],
      parallel: 1,
      model: scripted([asks(['first', { task }], ['other', { task }]), 'done']),
    });
    await ends(new Engine({ journal }).run(top, 'go', { by: ana }), 'paused');
    const busy = { code: 'INTENT_BUSY', outcome: 'not-run', message: expect.stringContaining('waits for a person') };
    expect(failure(shown(told.requests[1]).at(-1))).toMatchObject(busy);
  });

  test('of a foreign agent, from its first turn to its end; while it waits for a person another is told so at once', async () => {
    const { journal } = make();
    let turns = 0;
    const outside = foreignAgent<string, Json>({
      name: 'outside',
      key: (input) => `report:${input}`,
      turn: async (turn: Turn<Json>) => {
        turns++;
        if (turn.type === 'start') return { status: 'paused', state: { at: 1 }, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] };
        return { status: 'completed', output: 'the report' };
      },
    });
    const engine = new Engine({ journal, agents: [outside] });
    const { runId, approvals } = await ends(engine.run(outside, 'march', { by: ana }), 'paused');
    const busy = await ends(engine.run(outside, 'march', { by: ana }), 'failed');
    expect(busy.error).toMatchObject({ code: 'INTENT_BUSY', outcome: 'not-run' });
    expect(busy.error.message).toContain(runId);
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ana });
    expect(await ends(engine.resume(runId, { by: ana }), 'completed')).toMatchObject({ output: 'the report' });
    expect(await ends(engine.run(outside, 'march', { by: ana }), 'completed')).toMatchObject({ output: 'the report' });
    expect(turns).toBe(2);
    await ends(engine.run(outside, 'april', { by: ana }), 'paused');
    expect(turns).toBe(3);
  });

  test('of a foreign agent whose second turn did not run: no one begins the first again, until a person says that it failed', async () => {
    const { journal } = make();
    const keys: string[] = [];
    let broken = true;
    const outside = foreignAgent<string, Json>({
      name: 'outside',
      key: (input) => `order:${input}`,
      turn: async (turn: Turn<Json>, { idempotencyKey }) => {
        keys.push(`${turn.type} ${idempotencyKey}`);
        if (turn.type === 'start') return { status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] };
        if (broken) throw new ToolError('AWAY', 'the service is away', { outcome: 'not-run' });
        return { status: 'completed', output: 'ordered' };
      },
    });
    const engine = new Engine({ journal, agents: [outside] });
    const begin = async () => {
      const { runId, approvals } = await ends(engine.run(outside, '7', { by: ana }), 'paused');
      await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ana });
      return runId;
    };
    const runId = await begin();
    expect((await ends(engine.resume(runId, { by: ana }), 'failed')).error).toMatchObject({ code: 'AWAY', outcome: 'unknown' });
    const told = await ends(engine.run(outside, '7', { by: ana }), 'failed');
    expect(told.error).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    expect(keys).toHaveLength(2);
    // the turns are two requests to the service
    expect(new Set(keys.map((key) => key.split(' ')[1])).size).toBe(2);
    const [unknown] = (await engine.inspect(runId, { by: ana })).unknowns;
    await engine.settle(runId, unknown?.callId ?? '', { outcome: 'failed', by: ana });
    broken = false;
    const again = await begin();
    expect(await ends(engine.resume(again, { by: ana }), 'completed')).toMatchObject({ output: 'ordered' });
    expect(keys).toHaveLength(4);
  });

  test('of a foreign agent whose second turn is settled as not run stays with its run, which goes on; no other begins the first again', async () => {
    const { journal } = make();
    const turns: string[] = [];
    let broken = true;
    const outside = foreignAgent<string, Json>({
      name: 'outside',
      key: (input) => `order:${input}`,
      turn: async (turn: Turn<Json>) => {
        turns.push(turn.type);
        if (turn.type === 'start') return { status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] };
        if (broken) throw new ToolError('AWAY', 'the service is away', { outcome: 'not-run', retryable: true });
        return { status: 'completed', output: 'ordered' };
      },
      retry: { attempts: 1 },
    });
    const engine = new Engine({ journal, agents: [outside] });
    const { runId, approvals } = await ends(engine.run(outside, '7', { by: ana }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ana });
    await ends(engine.resume(runId, { by: ana }), 'failed');
    const [unknown] = (await engine.inspect(runId, { by: ana })).unknowns;
    await engine.settle(runId, unknown?.callId ?? '', { outcome: 'not-run', by: ana });
    expect((await ends(engine.run(outside, '7', { by: ana }), 'failed')).error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(turns).toEqual(['start', 'resume']);
    broken = false;
    expect(await ends(engine.resume(runId, { by: ana }), 'completed')).toMatchObject({ output: 'ordered' });
    expect(await ends(engine.run(outside, '7', { by: ana }), 'completed')).toMatchObject({ output: 'ordered' });
    expect(turns).toEqual(['start', 'resume', 'resume']);
  });

  test('of a tool that was found by search: the fields that differ are those of the named tool', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const source: ToolSource = {
      name: 'shop',
      open: async () => ({ list: async () => [], search: async () => [pays], find: async () => pays, close: async () => {} }),
    };
    const calls = (cents: number) => [
      asks(['find_tools', { query: 'refund' }]),
      asks(['call_tool', { name: 'refund', arguments: { ...order('7', cents) } }]),
      'done',
    ];
    const told: string[] = [];
    for (const cents of [500, 900]) {
      const model = scripted(calls(cents));
      await ends(
        new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go', { by: ana }),
        'completed',
      );
      told.push(shown(model.requests.at(-1)).at(-1)?.text ?? '');
    }
    expect(paid).toHaveLength(1);
    expect(told[1]).toMatch(/INTENT_CONFLICT.*other values of cents\b/);
  });
});
