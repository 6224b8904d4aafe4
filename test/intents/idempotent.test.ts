import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Engine, NeedsPerson, ToolError } from '../../src/index.ts';
import { all, entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { ends, failure, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { asked, endsOf, order, refunds, support } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };

describe.each(journals)('an idempotent call with a key, on $name', ({ make }) => {
  const paying = (execute: (nth: number) => unknown = () => 'receipt', more: Partial<Parameters<typeof refunds>[0]> = {}) => {
    const keys: string[] = [];
    const pays = refunds({
      effect: 'idempotent',
      retry: { attempts: 1 },
      execute: (_i, { idempotencyKey }) => execute(keys.push(idempotencyKey)) as never,
      ...more,
    });
    return { keys, pays };
  };

  test('runs under the idempotency key of the intent, and a done one gives the first receipt', async () => {
    const { journal, another } = make();
    const { keys, pays } = paying();
    await asked(journal, [pays], order('7'), { by: ana });
    const { calls } = await asked(another(), [pays], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt', attempts: 0, repeated: {} }]);
    expect(keys).toHaveLength(1);
  });

  // holds intent.I3
  test('whose outcome is unknown runs again, under the same idempotency key', async () => {
    const { journal } = make();
    const { keys, pays } = paying((nth) => (nth === 1 ? Promise.reject(new Error('socket hang up')) : 'receipt'));
    await asked(journal, [pays], order('7'), { by: ana });
    const { calls } = await asked(journal, [pays], order('7'), { by: ana, session: 's' });
    expect(calls).toMatchObject([{ ok: true, attempts: 1 }]);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
  });

  test('whose outcome is unknown is not run with other arguments', async () => {
    const { journal } = make();
    const { keys, pays } = paying(() => Promise.reject(new Error('socket hang up')));
    await asked(journal, [pays], order('7', 500), { by: ana });
    const { told } = await asked(journal, [pays], order('7', 900), { by: ana });
    expect(failure(told.at(-1))).toMatchObject({ code: 'INTENT_CONFLICT', outcome: 'not-run' });
    expect(keys).toHaveLength(1);
  });

  test('waits for one that runs', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const go = deferred<string>();
    const { keys, pays } = paying(() => (begun.resolve(), go.promise));
    const first = asked(journal, [pays], order('7'), { by: ana });
    await begun.promise;
    const second = asked(another(), [pays], order('7'), { by: ana });
    await sleep(20);
    go.resolve('receipt');
    await first;
    expect((await second).calls).toMatchObject([{ ok: true, output: 'receipt', attempts: 0 }]);
    expect(keys).toHaveLength(1);
  });

  test('takes the claim of a process that is gone, and what that one says later does not disturb it', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const first = deferred<string>();
    const { keys, pays } = paying((nth) => (nth === 1 ? (begun.resolve(), first.promise) : 'receipt'));
    const lost = new Engine({ journal });
    const run = lost.run(support([pays]), JSON.stringify(order('7')), { by: ana });
    run.then(undefined, () => undefined);
    await begun.promise;
    await expireLease(journal, run.id);
    const { entries, calls } = await asked(another(), [pays], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt', attempts: 1 }]);
    expect(entries.find((e) => e.type === 'call.started')).toMatchObject({ intent: { over: { run: run.id } } });
    expect(new Set(keys).size).toBe(1);
    first.resolve('the late one');
    await Promise.resolve(run).catch(() => undefined);
    const { calls: third } = await asked(another(), [pays], order('7'), { by: ana });
    expect(third).toMatchObject([{ output: 'receipt' }]);
  });

  test('that a crash cut off goes on with its own claim, or gets the receipt of the call that took it', async () => {
    for (const taken of [false, true]) {
      const { journal, another } = make();
      const begun = deferred();
      const { keys, pays } = paying((nth) => (nth === 1 ? (begun.resolve(), new Promise(() => {})) : 'receipt'));
      const a = support([pays]);
      const run = new Engine({ journal }).run(a, JSON.stringify(order('7')), { by: ana });
      run.then(undefined, () => undefined);
      await begun.promise;
      await expireLease(journal, run.id);
      if (taken) await asked(another(), [pays], order('7'), { by: ana });
      const second = another();
      await ends(new Engine({ journal: second, agents: [support([pays])] }).resume(run.id, { by: ana }), 'completed');
      expect(endsOf(await entriesOf(second, run.id))).toMatchObject([{ ok: true, output: 'receipt', attempts: taken ? 0 : 1 }]);
      expect([keys.length, new Set(keys).size]).toEqual([2, 1]);
    }
  });

  test.each([
    ['was refused', { outcome: 'failed' }],
    ['did not run', { outcome: 'not-run' }],
  ] as const)('that %s leaves the intent of an earlier call unknown: that one may have taken effect', async (_, refusal) => {
    for (const forgotten of [false, true]) {
      const { journal } = make();
      const { keys, pays } = paying((nth) => {
        if (nth === 1) throw new Error('socket hang up');
        if (nth === 2) throw new ToolError('LIMIT', 'try later', refusal);
        return 'receipt';
      });
      const { runId } = await asked(journal, [pays], order('7', 500), { by: ana });
      if (forgotten) await new Engine({ journal }).forget(runId, { by: ana });
      await asked(journal, [pays], order('7', 500), { by: ana });
      expect(await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'unknown' });
      const { told } = await asked(journal, [pays], order('7', 900), { by: ana });
      expect(failure(told.at(-1))).toMatchObject({ code: 'INTENT_CONFLICT' });
      expect((await asked(journal, [pays], order('7', 500), { by: ana })).calls).toMatchObject([{ ok: true, output: 'receipt' }]);
      expect([keys.length, new Set(keys).size]).toEqual([3, 1]);
    }
  });

  test('that a crash cut off and that is refused then stays unknown', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const { pays } = paying((nth) => {
      if (nth === 1) return begun.resolve(), new Promise(() => {});
      throw new ToolError('LIMIT', 'try later', { outcome: 'failed' });
    });
    const run = new Engine({ journal }).run(support([pays]), JSON.stringify(order('7')), { by: ana });
    run.then(undefined, () => undefined);
    await begun.promise;
    await expireLease(journal, run.id);
    const second = another();
    await ends(new Engine({ journal: second, agents: [support([pays])] }).resume(run.id, { by: ana }), 'completed');
    expect(await second.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'unknown' });
  });

  test('whose outcome is unknown is a dead letter, blocks no one, and an operator may settle it', async () => {
    for (const outcome of ['done', 'not-run'] as const) {
      const { journal, another } = make();
      const { keys, pays } = paying((nth) => (nth === 1 ? Promise.reject(new Error('socket hang up')) : 'second'));
      const { runId } = await asked(journal, [pays], order('7'), { by: ana });
      const engine = new Engine({ journal: another() });
      const letters = () => all(engine.deadLetters({ by: ana, kind: 'call' }));
      const [letter] = await letters();
      expect(letter).toMatchObject({ runId, effect: 'idempotent', outcome: 'unknown', intent: { key: 'refund:7' } });
      expect((await engine.inspect(runId, { by: ana })).unknowns).toEqual([]);
      if (!letter) return;
      await refused('RUN_ENDED', engine.retry(letter, { by: ana }));
      await refused('RUN_NOT_FOUND', engine.settle(runId, letter.callId, { outcome, by: { id: 'eve', tenant: 'evil' } }));
      await engine.settle(runId, letter.callId, { outcome, output: 'found by hand', by: ana });
      expect(await letters()).toEqual([]);
      const claim = await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' });
      expect(claim).toMatchObject({ state: outcome === 'done' ? 'done' : 'free' });
      await refused('CALL_NOT_FOUND', engine.settle(runId, letter.callId, { outcome, by: ana }));
      const { calls } = await asked(another(), [pays], order('7'), { by: ana });
      if (outcome === 'done') expect(calls).toMatchObject([{ ok: true, output: 'found by hand', attempts: 0, repeated: { run: runId } }]);
      else expect(calls).toMatchObject([{ ok: true, output: 'second', attempts: 1 }]);
      expect([keys.length, new Set(keys).size]).toEqual([outcome === 'done' ? 1 : 2, 1]);
    }
  });

  test('that asked a person after an attempt whose result came late is done, and the answer runs nothing again', async () => {
    const { journal } = make();
    const late = deferred<string>();
    let ran = 0;
    const pays = refunds({
      effect: 'idempotent',
      timeout: 20,
      retry: { attempts: 2, initialDelay: 0 },
      execute: () => {
        if (++ran === 1) return late.promise;
        if (ran === 2) throw new NeedsPerson({ question: 'Sure?' });
        return 'receipt';
      },
    });
    const a = support([pays]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify(order('7')), { by: ana }), 'paused');
    late.resolve('the late receipt');
    await entryOf(journal, runId, 'outcome.settled');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ana });
    await ends(engine.resume(runId, { by: ana }), 'completed');
    expect(endsOf(await entriesOf(journal, runId))).toMatchObject([{ ok: true, output: 'the late receipt', attempts: 0 }]);
    expect(ran).toBe(2);
  });
});
