/** One append changes no more than 25 claims. What starts in it is claimed in any case. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, graph, NeedsPerson, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';
import { caller, order, refunds, support } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };

describe.each(journals)('on $name', ({ make }) => {
  // holds intent.I1
  test('a call that starts in one append with the end of an agent that gives 25 intents back holds its own', async () => {
    const { journal: inner, another } = make();
    const [full, go, begun, pay] = [deferred(), deferred(), deferred(), deferred()];
    const [mark, answer] = [deferred(), deferred()];
    const [reached, gates] = [deferred(), [deferred(), deferred()] as const];
    const held = { next: 0, at: (i: number) => (reached.resolve(), gates[i]?.promise) };
    const journal = around(inner, {
      async append(...a) {
        const [entry] = a[2];
        // the end of the node, then that of the mark
        if (entry?.type === 'call.finished' && (entry.error || entry.output === 'marked') && held.next < 2) await held.at(held.next++);
        await inner.append(...a);
      },
    });
    const ids = Array.from({ length: 25 }, (_, i) => `${i}`);
    let asked = 0;
    const careful = refunds({
      effect: 'once',
      execute: () => {
        if (++asked === ids.length) full.resolve();
        throw new NeedsPerson({ question: 'Sure?' });
      },
    });
    const many = agent({ name: 'many', instructions: '', model: caller(), tools: [careful], parallel: 40 });
    const ending = graph({
      name: 'ending',
      description: '',
      state: z.object({}),
      nodes: {
        pay: { agent: many, input: () => JSON.stringify(ids.map((id) => order(id))), output: () => ({}) },
        fail: () => go.promise.then(() => Promise.reject(new Error('no'))),
      },
      edges: { start: ['pay', 'fail'], pay: 'end', fail: 'end' },
    });
    let paid = 0;
    const pays = refunds({ effect: 'once', execute: () => (paid++, begun.resolve(), pay.promise.then(() => 'receipt')) });
    const one = asks(['refund', { ...order('x') }]);
    const model = scripted(({ messages }) => (messages.length > 1 ? 'done' : answer.promise.then(() => one)));
    const other = agent({ name: 'other', instructions: '', model, tools: [pays] });
    const marks = tool({ name: 'mark', description: '', input: anything, execute: () => mark.promise.then(() => 'marked') });
    const calls = asks(['ending', {}], ['other', { task: 'go' }], ['mark', {}]);
    const top = agent({
      name: 'top',
      instructions: '',
      model: scripted([calls, 'done']),
      tools: [marks],
      agents: [ending, other],
      parallel: 3,
    });
    const run = new Engine({ journal }).run(top, 'go', { by });
    await full.promise;
    await settle();
    go.resolve();
    await reached.promise;
    mark.resolve();
    await settle();
    gates[0].resolve();
    // the end of the agent waits for that of the mark, and then the call beside it does
    await settle();
    answer.resolve();
    await settle();
    gates[1].resolve();
    await begun.promise;
    expect(await another().claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:x' })).toMatchObject({ state: 'held' });
    const second = support([refunds({ effect: 'once', deadline: 50, execute: () => ++paid })]);
    await ends(new Engine({ journal: another() }).run(second, JSON.stringify(order('x')), { by }), 'completed');
    pay.resolve();
    await ends(run, 'completed');
    expect(paid).toBe(1);
  });
});
