import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  agent,
  Engine,
  foreignAgent,
  graph,
  type Limits,
  memoryJournal,
  type NodeContext,
  send,
  supervisor,
  tool,
} from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { later } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { settle } from '../kit/time.ts';

const usage = { input: 100, output: 50 };
const price = { input: 10, output: 100, source: 'test', date: '2026-01-01' };
const prices = { 'scripted/script': price, 'scripted/ann': price, 'scripted/bob': price };

/** An agent that calls a tool at every step. */
function counting(limits: Limits, more: { maxOutput?: number } = {}) {
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 'x'.repeat(200) });
  const model = scripted(() => ({ ...(asks(['count', {}]) as object), usage }), { maxOutput: more.maxOutput ?? 1_000 });
  return { a: agent({ name: 'a', instructions: '', model, tools: [count], limits }), model };
}

describe('a limit that stops a run reports what the next call would have needed', () => {
  test.each<['tokens' | 'costUsd', number]>([
    ['tokens', 1_400],
    ['costUsd', 0.11],
  ])('%s: with just so much more the run goes on, with less it does not', async (name, max) => {
    const { a, model } = counting({ [name]: max });
    const engine = new Engine({ prices });
    const run = engine.run(a, 'go');
    const { limit } = await ends(run, 'stopped');
    expect(limit).toMatchObject({ name, max, used: expect.any(Number), needed: expect.any(Number) });
    const enough = (limit.used as number) + (limit.needed as number);
    expect(enough).toBeGreaterThan(max);
    const asked = model.requests.length;
    await ends(engine.resume(run.id, { limits: { [name]: enough * 0.999 } }), 'stopped');
    expect(model.requests).toHaveLength(asked);
    await ends(engine.resume(run.id, { limits: { [name]: enough } }), 'stopped');
    expect(model.requests).toHaveLength(asked + 1);
  });

  test('what ended beside the call that was stopped is in it', async () => {
    const pay = async (_: unknown, { durable, item }: NodeContext) => {
      await durable(`pay-${item}`, () => settle(2), { amount: { usd: 2 } });
      return {};
    };
    const g = graph({
      name: 'g',
      state: z.object({}),
      nodes: { pay },
      edges: { start: () => [1, 2, 3, 4].map((n) => send('pay', n)), pay: 'end' },
    });
    // in a store that answers later, all ask for their place before one has it
    const engine = new Engine({ journal: later(memoryJournal()), agents: [g] });
    const run = engine.run(g, {}, { limits: { amounts: { usd: 6 } } });
    const { limit } = await ends(run, 'stopped');
    expect(limit).toEqual({ name: 'amounts', unit: 'usd', max: 6, used: 6, needed: 2 });
    await ends(engine.resume(run.id, { limits: { amounts: { usd: 8 } } }), 'completed');
  });

  test('steps and tool calls: one more', async () => {
    expect((await ends(new Engine().run(counting({ steps: 2 }).a, 'go'), 'stopped')).limit.needed).toBe(1);
    expect((await ends(new Engine().run(counting({ toolCalls: 2 }).a, 'go'), 'stopped')).limit.needed).toBe(1);
  });

  test('a deadline, or a foreign agent: unknown, so nothing is reported', async () => {
    const late = await ends(new Engine().run(counting({ deadline: 1 }).a, 'go'), 'stopped');
    expect(late.limit).toEqual({ name: 'deadline', max: 1, used: 1 });
    const other = foreignAgent({ name: 'other', turn: async () => ({ status: 'completed', output: 'x' }) });
    const before = await ends(new Engine().run(other, 'go', { limits: { tokens: 0 } }), 'stopped');
    expect(before.limit).toEqual({ name: 'tokens', max: 0, used: 0 });
  });

  test('the event of the end says it, and so does the error of a run whose output was asked for', async () => {
    const { a } = counting({ tokens: 1_400 });
    const run = new Engine().run(a, 'go');
    const ended: unknown[] = [];
    for await (const event of run) if (event.type === 'run.ended') ended.push(event.result);
    const { limit } = await ends(run, 'stopped');
    expect(ended).toMatchObject([{ limit }]);
    const error = await new Engine()
      .run(a, 'go')
      .output()
      .catch((e: Error) => e);
    expect(String(error)).toContain(`tokens 1400, 150 used; the next call needs up to ${limit.needed} more`);
  });

  test('a limit of a sub-agent is reported to its parent', async () => {
    const { a } = counting({ tokens: 1_400 });
    const model = scripted([asks(['a', { task: 'x' }]), 'done']);
    await ends(new Engine().run(supervisor({ name: 'boss', instructions: '', model, agents: [a] }), 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({
      code: 'LIMIT_REACHED',
      message: expect.stringMatching(/tokens 1400, 150 used; the next call needs up to \d+ more/),
    });
  });
});

describe('parallel branches reserve what each may use', () => {
  /** Two sub-agents that are asked at the same moment; each answers after all that can begin beside it has begun. */
  function branches(script: (round: number) => Scripted) {
    let running = 0;
    const seen = { most: 0, answers: 0, looked: 0 };
    const worker = (id: string) => {
      const model = scripted(
        async (r: { messages: readonly { role: string }[] }) => {
          seen.most = Math.max(seen.most, ++running);
          await settle(50);
          running--;
          seen.answers++;
          return script(r.messages.filter((m) => m.role === 'tool').length);
        },
        { maxOutput: 1_000, id },
      );
      const look = tool({ name: 'look', description: '', input: anything, execute: () => ++seen.looked });
      return agent({ name: id, description: '', instructions: '', model, tools: [look] });
    };
    const top = supervisor({
      name: 'top',
      instructions: '',
      model: scripted([{ ...(asks(['ann', { task: 'x' }], ['bob', { task: 'y' }]) as object), usage }, 'done'], { maxOutput: 1_000 }),
      agents: [worker('ann'), worker('bob')],
    });
    return { top, seen };
  }
  // the most that an answer may take is what it takes
  const dear = () => ({ text: 'done', usage: { input: 100, output: 1_000 } });

  test('tokens', async () => {
    const { top, seen } = branches(dear);
    const r = await ends(new Engine().run(top, 'go', { limits: { tokens: 2_000 } }), 'stopped');
    expect(r.usage.input + r.usage.output).toBeLessThanOrEqual(2_000);
    expect(seen).toEqual({ most: 1, answers: 1, looked: 0 });
  });

  test('dollars', async () => {
    const { top, seen } = branches(dear);
    const r = await ends(new Engine({ prices }).run(top, 'go', { limits: { costUsd: 0.2 } }), 'stopped');
    expect(r.costUsd).toBeLessThanOrEqual(0.2);
    expect(seen).toEqual({ most: 1, answers: 1, looked: 0 });
  });

  test('steps', async () => {
    const { top, seen } = branches(dear);
    const r = await ends(new Engine().run(top, 'go', { limits: { steps: 2 } }), 'stopped');
    expect(r.steps).toBe(2);
    expect(seen).toEqual({ most: 1, answers: 1, looked: 0 });
  });

  test('tool calls', async () => {
    const { top, seen } = branches((round) => (round === 0 ? asks(['look', {}]) : 'done'));
    const engine = new Engine({ journal: later(memoryJournal()) });
    const r = await ends(engine.run(top, 'go', { limits: { toolCalls: 3 } }), 'stopped');
    // the two delegations, and one of the two calls that were asked for at the same moment
    expect(r.limit).toMatchObject({ name: 'toolCalls', used: 3 });
    expect(seen.looked).toBe(1);
  });

  test('without a limit both work at once', async () => {
    const { top, seen } = branches(dear);
    await ends(new Engine().run(top, 'go'), 'completed');
    expect(seen).toEqual({ most: 2, answers: 2, looked: 0 });
  });
});
