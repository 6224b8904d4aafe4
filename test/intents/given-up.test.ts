/** What is left of an intent when its run ends before it is done: nothing that an operator cannot find and settle. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, delegate, Engine, foreignAgent, graph, NeedsPerson, supervisor, tool } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { asked, caller, order, refunds, support } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const by = ana;

describe.each(journals)('on $name, a keyed call that asked a person', ({ make }) => {
  const pays = (paid: string[]) =>
    refunds({
      effect: 'once',
      amount: () => ({ usd: 5 }),
      execute: ({ orderId }, { asked: answer }) => {
        if (!answer) throw new NeedsPerson({ question: 'Sure?' });
        return `receipt ${paid.push(orderId)}`;
      },
    });
  /** The next call of the same key, in another process. */
  const again = async (journal: Journal) =>
    (await asked(journal, [refunds({ effect: 'once', execute: () => 'receipt' })], order('7'), { by })).calls;

  test.each<[string, (journal: Journal, paid: string[]) => Promise<unknown>]>([
    [
      'is cancelled',
      async (journal, paid) => {
        const a = support([pays(paid)]);
        const engine = new Engine({ journal, agents: [a] });
        const { runId } = await ends(engine.run(a, JSON.stringify(order('7')), { by }), 'paused');
        await engine.cancel(runId, { by });
        expect(await engine.inspect(runId, { by })).toMatchObject({ unknowns: [], status: 'cancelled' });
        const [row] = await all(engine.effects({ by }));
        expect(row).toMatchObject({ outcome: 'not-run' });
        expect(await engine.effectSums({ by })).toMatchObject([{ done: 0, notRun: 1, amounts: {} }]);
      },
    ],
    [
      'is cancelled below another agent',
      async (journal, paid) => {
        const below = agent({ name: 'below', instructions: '', model: caller(), tools: [pays(paid)] });
        const model = scripted([asks(['below', { task: JSON.stringify(order('7')) }]), 'done']);
        const top = supervisor({ name: 'top', instructions: '', agents: [below], model });
        const engine = new Engine({ journal, agents: [top] });
        const { runId } = await ends(engine.run(top, 'go', { by }), 'paused');
        await engine.cancel(runId, { by });
      },
    ],
    [
      'is pruned',
      async (journal, paid) => {
        const a = support([pays(paid)]);
        const engine = new Engine({ journal, agents: [a] });
        await ends(engine.run(a, JSON.stringify(order('7')), { by }), 'paused');
        expect((await engine.prune({ olderThan: 0, status: 'paused' })).runs).toHaveLength(1);
      },
    ],
    [
      'ends with the branch beside it',
      async (journal, paid) => {
        const below = agent({ name: 'below', instructions: '', model: caller(), tools: [pays(paid)] });
        const g = graph({
          name: 'g',
          state: z.object({}),
          nodes: {
            pay: { agent: below, input: () => JSON.stringify(order('7')), output: () => ({}) },
            fail: async () => {
              await new Promise((resolve) => setTimeout(resolve, 50));
              throw new Error('no');
            },
          },
          edges: { start: ['pay', 'fail'], pay: 'end', fail: 'end' },
        });
        await ends(new Engine({ journal }).run(g, {}, { by }), 'failed');
      },
    ],
  ])('and %s gives its key back: nothing was done', async (_, end) => {
    const { journal, another } = make();
    const paid: string[] = [];
    await end(journal, paid);
    expect(await again(another())).toMatchObject([{ ok: true, output: 'receipt' }]);
    expect(paid).toEqual([]);
  });
});

describe.each(journals)('on $name, a keyed call that its agent leaves behind', ({ make }) => {
  // holds intent.I1
  test.each(['once', 'idempotent'] as const)('by its limit of time is not waited for by the next one of the key: %s', async (effect) => {
    const { journal } = make();
    const signals: AbortSignal[] = [];
    const pays = refunds({
      effect,
      deadline: 30_000,
      execute: (_, { signal }) => {
        if (signals.push(signal) > 1) return 'receipt';
        return new Promise<string>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      },
    });
    const child = agent({ name: 'child', instructions: '', model: caller(), tools: [pays] });
    const task = JSON.stringify(order('7'));
    const model = scripted([asks(['child', { task }]), asks(['other', { task }]), 'done']);
    const agents = [delegate(child, { limits: { time: 100 } }), delegate(child, { name: 'other' })];
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(supervisor({ name: 'top', instructions: '', agents, model }), 'go', { by }), 'completed');
    const told = (await entriesOf(journal, runId)).filter((e) => e.type === 'call.finished' && e.error);
    const codes = told.map((e) => (e.type === 'call.finished' ? e.error?.code : ''));
    // what may run twice runs again, under the same key; what may not is unknown
    expect(codes).toEqual(effect === 'once' ? ['LIMIT_REACHED', 'OUTCOME_UNKNOWN'] : ['LIMIT_REACHED']);
    const claim = await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' });
    expect(claim).toMatchObject({ state: effect === 'once' ? 'unknown' : 'done' });
  });
});

describe.each(journals)('on $name, an agent that ends with several calls under way', ({ make }) => {
  test('leaves the intent of each that has one unknown, and no other', async () => {
    const { journal, another } = make();
    const hang = (_: unknown, { signal }: { signal: AbortSignal }) =>
      new Promise<string>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const pays = refunds({ effect: 'once', execute: ({ orderId }, ctx) => (orderId === '6' ? 'receipt 6' : hang(0, ctx)) });
    const plain = tool({ name: 'plain', description: '', input: anything, execute: hang });
    const inputs = [
      ['refund', { ...order('6') }],
      ['plain', {}],
      ['refund', { ...order('7') }],
    ] as const;
    const child = agent({ name: 'child', instructions: '', model: scripted([asks(...inputs)]), tools: [pays, plain], parallel: 3 });
    const model = scripted([asks(['child', { task: 'go' }]), 'done']);
    const top = supervisor({ name: 'top', instructions: '', agents: [delegate(child, { limits: { time: 500 } })], model });
    await ends(new Engine({ journal }).run(top, 'go', { by }), 'completed');
    const states = await Promise.all(
      ['6', '7'].map(async (id) => (await another().claim?.({ tenant: 'acme', intent: 'refund', key: `refund:${id}` }))?.state),
    );
    expect(states).toEqual(['done', 'unknown']);
  });
});

describe.each(journals)('on $name, an agent of another framework that was between two turns', ({ make }) => {
  const peer = () =>
    foreignAgent({
      name: 'peer',
      description: '',
      effect: 'once',
      key: () => 'the trip',
      turn: async (turn) =>
        turn.type === 'start'
          ? { status: 'paused', state: {}, asks: [{ id: 'q', kind: 'question', question: 'Which?' }] }
          : { status: 'completed', output: 'booked' },
    });

  test.each(['at the top', 'below another agent'])(
    'is unknown once its run is cancelled, %s: an operator finds it, settles it, and the key goes on',
    async (where) => {
      const { journal } = make();
      const model = () => scripted(({ messages }) => (messages.at(-1)?.role === 'user' ? asks(['peer', { task: 'go' }]) : 'done'));
      const top = where === 'at the top' ? peer() : supervisor({ name: 'top', instructions: '', agents: [peer()], model: model() });
      const engine = new Engine({ journal, agents: [top] });
      const { runId } = await ends(engine.run(top, 'go', { by }), 'paused');
      await engine.cancel(runId, { by });
      const { unknowns } = await engine.inspect(runId, { by });
      expect(unknowns).toMatchObject([{ tool: 'peer' }]);
      const [row] = await all(engine.effects({ by }));
      expect(row).toMatchObject({ callId: unknowns[0]?.callId, outcome: 'unknown' });
      expect(await all(engine.deadLetters({ by }))).toMatchObject([{ kind: 'call', callId: unknowns[0]?.callId }]);
      await engine.rebuildEffects();
      await engine.settle(runId, unknowns[0]?.callId ?? '', { outcome: 'failed', by });
      expect((await engine.inspect(runId, { by })).unknowns).toEqual([]);
      expect(await all(engine.effects({ by }))).toMatchObject([{ outcome: 'failed' }]);
      // a new run may take the key
      const next = await ends(engine.run(top, 'go', { by }), 'paused');
      await engine.decide(next.runId, [{ approval: next.approvals[0]?.id ?? '', type: 'respond', answer: 'this' }], { by });
      await ends(engine.resume(next.runId, { by }), 'completed');
    },
  );
});
