/** An operator who has settled each call that may have taken effect has settled the key. */
import { describe, expect, test } from 'vitest';
import { Engine, foreignAgent, type Json, NeedsPerson, ToolError } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { asked, leftAsking, order, refunds, support } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };
const pays = (execute: () => string) => refunds({ effect: 'idempotent', retry: { attempts: 1 }, execute });
/** A call that may have taken effect. */
async function unknown(journal: Journal): Promise<[runId: string, callId: string]> {
  const hangUp = () => {
    throw new Error('socket hang up');
  };
  const { runId, calls } = await asked(journal, [pays(hangUp)], order('7'), { by });
  return [runId, calls[0]?.call ?? ''];
}
const isFree = async (journal: Journal) => {
  expect(await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'free' });
  // so the right amount may be paid
  const { calls } = await asked(journal, [pays(() => 'receipt')], order('7', 900), { by });
  expect(calls).toMatchObject([{ ok: true, output: 'receipt' }]);
};

describe.each(journals)('on $name, the key of an idempotent call that was unknown is free once it is settled as not run', ({ make }) => {
  test('where another call of it was unknown too, and is settled first', async () => {
    const { journal, another } = make();
    const calls = [await unknown(journal), await unknown(another())].reverse();
    const engine = new Engine({ journal });
    for (const call of calls) await engine.settle(...call, { outcome: 'not-run', by });
    await isFree(another());
  });

  test('where another call of it asked a person, below an agent that ended', async () => {
    const { journal, another } = make();
    const call = await unknown(journal);
    await leftAsking(another(), 'idempotent', by);
    await new Engine({ journal }).settle(...call, { outcome: 'not-run', by });
    await isFree(another());
  });
});

describe.each(journals)('on $name, the key of an idempotent call that is unknown stays unknown', ({ make }) => {
  test.each(['failed', 'not-run'] as const)('where another call of it asked a person, got an answer and %s', async (outcome) => {
    const { journal, another } = make();
    await unknown(journal);
    const careful = refunds({
      effect: 'idempotent',
      execute: (_, { asked: answer }) => {
        if (!answer) throw new NeedsPerson({ question: 'Sure?' });
        throw new ToolError('LIMIT', 'try later', { outcome });
      },
    });
    const a = support([careful]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify(order('7')), { by }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by });
    await ends(engine.resume(runId, { by }), 'completed');
    expect(await another().claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'unknown' });
    const { calls } = await asked(another(), [pays(() => 'another receipt')], order('7', 900), { by });
    expect(calls).toMatchObject([{ ok: false, error: { code: 'INTENT_CONFLICT' } }]);
  });

  test('where an agent of another framework took it over, asked a person, and failed in its next turn', async () => {
    const { journal, another } = make();
    let first = true;
    const peer = foreignAgent<string, Json>({
      name: 'peer',
      effect: 'idempotent',
      retry: { attempts: 1 },
      key: () => 'trip',
      turn: async ({ type }) => {
        if (type === 'resume') throw new ToolError('FULL', 'full', { outcome: 'failed' });
        if (!first) return { status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] };
        first = false;
        throw new Error('socket hang up');
      },
    });
    const engine = new Engine({ journal, agents: [peer] });
    const claim = () => another().claim?.({ tenant: 'acme', intent: 'peer', key: 'trip' });
    await ends(engine.run(peer, 'rome', { by }), 'failed');
    expect(await claim()).toMatchObject({ state: 'unknown' });
    const { runId, approvals } = await ends(engine.run(peer, 'rome', { by }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by });
    await ends(engine.resume(runId, { by }), 'failed');
    expect(await claim()).toMatchObject({ state: 'unknown' });
  });
});
