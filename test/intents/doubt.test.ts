/** Whose intent it is while it is unknown: an operator who settles the call that may have taken effect settles the key, and no one else does. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, foreignAgent, type Json, NeedsPerson, ToolError } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { working } from '../graph/working.ts';
import { entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';
import { asked, caller, endsOnceAsked, leftAsking, order, refunds } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };
const claimOf = (journal: Journal, id = '7') => journal.claim?.({ tenant: 'acme', intent: 'refund', key: `refund:${id}` });
const hangUp = (): never => {
  throw new Error('socket hang up');
};

describe.each(journals)('on $name, an idempotent call that took over an intent which was unknown', ({ make }) => {
  const pays = (execute: () => string) => refunds({ effect: 'idempotent', retry: { attempts: 1 }, execute });
  /** The call that may have taken effect. */
  const first = async (journal: Journal, id = '7') => {
    const { runId, calls } = await asked(journal, [pays(hangUp)], order(id), { by });
    return { run: runId, call: calls[0]?.call ?? '' };
  };

  test.each(['failed', 'not-run'] as const)('and is %s gives it back: who settles the first call frees the key', async (outcome) => {
    const { journal, another } = make();
    const holder = await first(journal);
    const refuses = () => {
      throw new ToolError('LIMIT', 'try later', { outcome });
    };
    await asked(journal, [pays(refuses)], order('7'), { by });
    expect(await claimOf(another())).toMatchObject({ state: 'unknown', holder });
    await new Engine({ journal: another() }).settle(holder.run, holder.call, { outcome: 'not-run', by });
    expect(await claimOf(journal)).toMatchObject({ state: 'free' });
  });

  test('and is unknown as well keeps it: who settles the first call does not free the key', async () => {
    const { journal, another } = make();
    const before = await first(journal);
    const holder = await first(another());
    await new Engine({ journal: another() }).settle(before.run, before.call, { outcome: 'not-run', by });
    expect(await claimOf(journal)).toMatchObject({ state: 'unknown', holder });
  });

  test('and asked a person in a run that is cancelled with many calls cut off gives it back, and one that was new is free', async () => {
    const { journal, another } = make();
    const holder = await first(journal, 'doubt');
    const begun = deferred();
    let under = 0;
    const mixed = refunds({
      effect: 'idempotent',
      execute: ({ orderId }) => {
        if (++under === 27) begun.resolve();
        if (orderId.startsWith('hang')) return new Promise<never>(() => {});
        throw new NeedsPerson({ question: 'Sure?' });
      },
    });
    const below = (name: string) => agent({ name, instructions: '', model: caller(), tools: [mixed], parallel: 40 });
    const task = (ids: readonly string[]) => JSON.stringify(ids.map((id) => order(id)));
    const hanging = task(Array.from({ length: 25 }, (_, i) => `hang ${i}`));
    const model = scripted([asks(['careful', { task: task(['doubt', 'new']) }], ['hanging', { task: hanging }])]);
    const top = agent({ name: 'top', instructions: '', model, agents: [below('careful'), below('hanging')] });
    const run = new Engine({ journal }).run(top, 'go', { by });
    run.catch(() => undefined);
    await begun.promise;
    await entryOf(journal, run.id, 'approval.requested');
    await settle();
    // its process is gone, so no call ends by itself
    await expireLease(journal, run.id);
    await new Engine({ journal: another() }).cancel(run.id, { by });
    expect(await claimOf(another(), 'doubt')).toMatchObject({ state: 'unknown', holder });
    expect(await claimOf(another(), 'new')).toMatchObject({ state: 'free' });
  });
});

describe.each(journals)('on $name, a keyed call that asked a person, below an agent that ends while its run lives on,', ({ make }) => {
  test.each(['once', 'idempotent'] as const)('leaves its key free, as nothing was done: %s', async (effect) => {
    const { journal, another } = make();
    await leftAsking(journal, effect, by);
    expect(await claimOf(another())).toMatchObject({ state: 'free' });
  });

  test('leaves an intent that was unknown unknown: the call before it may have taken effect', async () => {
    const { journal, another } = make();
    const pays = refunds({ effect: 'idempotent', retry: { attempts: 1 }, execute: hangUp });
    await asked(journal, [pays], order('7'), { by });
    await leftAsking(journal, 'idempotent', by);
    expect(await claimOf(another())).toMatchObject({ state: 'unknown' });
  });
});

describe.each(journals)('on $name, a once call that an operator settles while another one asks its check', ({ make }) => {
  test('is settled once: what the operator said stays', async () => {
    const { journal, another } = make();
    const { runId, calls } = await asked(journal, [refunds({ effect: 'once', execute: hangUp })], order('7'), { by });
    const check = async () => {
      await new Engine({ journal: another() }).settle(runId, calls[0]?.call ?? '', { outcome: 'done', output: 'by hand', by });
      return { outcome: 'done' as const, output: 'found' };
    };
    await asked(journal, [refunds({ effect: 'once', execute: () => 'receipt', check })], order('7'), { by });
    const settled = (await entriesOf(another(), runId)).filter(({ type }) => type === 'outcome.settled');
    expect(settled).toMatchObject([{ source: 'operator', output: 'by hand' }]);
  });
});

describe.each(journals)('on $name, a once call that was unknown and whose run was forgotten', ({ make }) => {
  test('leaves the next one of its key unknown in its place: who settles that frees the key', async () => {
    const { journal, another } = make();
    const { runId } = await asked(journal, [refunds({ effect: 'once', execute: hangUp })], order('7'), { by });
    const engine = new Engine({ journal: another() });
    await engine.forget(runId, { by });
    const pays = refunds({ effect: 'once', execute: () => 'receipt' });
    const next = await asked(journal, [pays], order('7'), { by });
    expect(next.calls).toMatchObject([{ ok: false, error: { code: 'OUTCOME_UNKNOWN', attempts: 0 } }]);
    const { unknowns } = await engine.inspect(next.runId, { by });
    await engine.settle(next.runId, unknowns[0]?.callId ?? '', { outcome: 'not-run', by });
    expect((await asked(journal, [pays], order('7'), { by })).calls).toMatchObject([{ ok: true, output: 'receipt' }]);
  });

  test('is not done by a durable step: it has no check, and may have happened', async () => {
    const { journal, another } = make();
    let ran = 0;
    const g = working(({ durable }) => durable('pay', () => (ran++, hangUp()), { effect: 'once', key: 'k' }));
    const { runId } = await ends(new Engine({ journal }).run(g, {}, { by }), 'failed');
    const engine = new Engine({ journal: another() });
    await engine.forget(runId, { by });
    const { error } = await ends(engine.run(g, {}, { by }), 'failed');
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    expect(ran).toBe(1);
  });
});

describe.each(journals)('on $name, an agent of another framework that is between two turns', ({ make }) => {
  test('is unknown once the agent above it has ended, while the run lives on', async () => {
    const { journal, another } = make();
    const asking = deferred();
    const turn = async () => {
      asking.resolve();
      return { status: 'paused', state: null, asks: [{ id: 'q', kind: 'question', question: 'Sure?' }] } as const;
    };
    const peer = foreignAgent<string, Json>({ name: 'peer', description: '', effect: 'once', key: () => 'trip', turn });
    const ending = endsOnceAsked({ agent: peer, input: () => 'go', asking: asking.promise });
    const top = agent({ name: 'top', instructions: '', model: scripted([asks(['ending', {}]), 'done']), agents: [ending] });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(top, 'go', { by }), 'completed');
    expect(await another().claim?.({ tenant: 'acme', intent: 'peer', key: 'trip' })).toMatchObject({ state: 'unknown' });
    const { unknowns } = await engine.inspect(runId, { by });
    await engine.settle(runId, unknowns[0]?.callId ?? '', { outcome: 'not-run', by });
    expect(await another().claim?.({ tenant: 'acme', intent: 'peer', key: 'trip' })).toMatchObject({ state: 'free' });
  });
});

describe.each(journals)('on $name, an intent that is remembered for a time', ({ make }) => {
  test('is done until that time, and free from then on', async () => {
    const { journal } = make();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    onTestFinished(() => void vi.useRealTimers());
    let paid = 0;
    const pays = refunds({ effect: 'once', remember: 60_000, execute: () => ++paid });
    await asked(journal, [pays], order('7'), { by });
    const until = (await claimOf(journal))?.until ?? 0;
    for (const [at, times] of [
      [until - 1, 1],
      [until, 2],
    ] as const) {
      vi.setSystemTime(at);
      await asked(journal, [pays], order('7'), { by });
      expect(paid).toBe(times);
    }
  });
});
