import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { agent, Engine, memoryJournal, NeedsPerson, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends, failure, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { asked, endsOf, order, refunds, support } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };

describe.each(journals)('a once call with a key, on $name', ({ make }) => {
  const paying = (o: Partial<Parameters<typeof refunds>[0]> = {}) => {
    const paid: string[] = [];
    const pays = refunds({
      effect: 'once',
      execute: ({ orderId }, { idempotencyKey }) => {
        paid.push(idempotencyKey);
        return `receipt ${orderId}`;
      },
      ...o,
    });
    return { paid, pays };
  };

  test('of a key that is not known claims it and runs', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const { entries, calls } = await asked(journal, [pays], order('7'), { by: ana });
    expect(paid).toHaveLength(1);
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 1 }]);
    expect(calls[0]?.repeated).toBeUndefined();
    expect(entries.find((e) => e.type === 'call.started')).toMatchObject({ intent: { name: 'refund', key: 'refund:7' } });
    expect(await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'done' });
  });

  // holds intent.I1
  test('of a key that is done gets the first receipt, in the run, in another run and in another session', async () => {
    const { journal, another } = make();
    const { paid, pays } = paying({ toModel: (output) => `Paid: ${JSON.stringify(output)}` });
    const first = await asked(journal, [pays], [order('7'), order('7')], { by: ana, session: 's' });
    const second = await asked(journal, [pays], order('7'), { by: ana, session: 's' });
    const third = await asked(another(), [pays], order('7'), { by: ana, session: 't' });
    expect(paid).toHaveLength(1);
    expect(first.calls.map((c) => [c.ok, c.attempts, c.repeated !== undefined])).toEqual([
      [true, 1, false],
      [true, 0, true],
    ]);
    const [call] = first.calls;
    for (const { calls, told } of [second, third]) {
      expect(calls).toMatchObject([
        { ok: true, output: 'receipt 7', attempts: 0, ms: 0, repeated: { run: first.runId, call: call?.call, at: expect.any(Number) } },
      ]);
      expect(told.at(-1)?.text).toMatch(/done before, at .*not done again.*Paid: "receipt 7"/s);
      expect(told.at(-1)?.isError).toBe(false);
    }
  });

  test('of a key that is done asks no person', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    await asked(journal, [pays], order('7'), { by: ana });
    const careful = refunds({ effect: 'once', approval: true, execute: () => paid.push('again') });
    const { calls } = await asked(journal, [careful], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7' }]);
    expect(paid).toHaveLength(1);
  });

  test('that was approved meanwhile by two people is done once', async () => {
    const { journal } = make();
    const { paid, pays } = paying({ approval: true });
    const a = support([pays]);
    const engine = new Engine({ journal, agents: [a] });
    const runs = [];
    for (const by of [ana, ben]) runs.push(await ends(engine.run(a, JSON.stringify(order('7')), { by }), 'paused'));
    for (const { runId, approvals } of runs) {
      await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: { id: 'lead', tenant: 'acme' } });
      await ends(engine.resume(runId, { by: ana }), 'completed');
    }
    expect(paid).toHaveLength(1);
    expect(endsOf(await entriesOf(journal, runs[1]?.runId ?? ''))).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 0 }]);
  });

  test('whose key differs each time it is computed has that which was asked about, also in another process', async () => {
    const { journal, another } = make();
    let computed = 0;
    const { paid, pays } = paying({ approval: true, key: () => `try ${++computed}` });
    const a = support([pays]);
    const { runId, approvals } = await ends(new Engine({ journal, agents: [a] }).run(a, JSON.stringify(order('7')), { by: ana }), 'paused');
    const engine = new Engine({ journal: another(), agents: [support([pays])] });
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: ben });
    await ends(engine.resume(runId, { by: ana }), 'completed');
    const entries = await entriesOf(journal, runId);
    const keys = entries.flatMap((e) => (e.type === 'approval.requested' || e.type === 'call.started' ? [e.intent?.key] : []));
    expect([keys, paid.length]).toEqual([['try 1', 'try 1'], 1]);
  });

  test('that a person edits is looked up by what it is now', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    await asked(journal, [pays], order('7'), { by: ana });
    const careful = paying({ approval: ({ cents }) => cents > 100 });
    const a = support([careful.pays]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify(order('8')), { by: ana }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'edit', input: { ...order('7') } }], { by: ben });
    await ends(engine.resume(runId, { by: ana }), 'completed');
    expect([paid.length, careful.paid.length]).toEqual([1, 0]);
    expect(endsOf(await entriesOf(journal, runId))).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 0 }]);
  });

  test.each([
    ['all of its arguments', undefined],
    ['some of them', ({ cents }: { cents: number }) => cents],
  ])('that a person edits is claimed under the key of what it is now, where %s must be the same', async (_, same) => {
    const { journal } = make();
    const careful = paying({ approval: true, ...(same && { same }) });
    const a = support([careful.pays]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify(order('7')), { by: ana }), 'paused');
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'edit', input: { ...order('8') } }], { by: ben });
    await ends(engine.resume(runId, { by: ana }), 'completed');
    expect((await entriesOf(journal, runId)).find((e) => e.type === 'call.started')).toMatchObject({ intent: { key: 'refund:8' } });
    const free = paying(same && { same });
    await asked(journal, [free.pays], order('8'), { by: ana });
    expect(free.paid).toEqual([]);
    const { calls } = await asked(journal, [free.pays], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 1 }]);
  });

  test.each([
    ['all of them are compared', undefined],
    ['some of them are', ({ orderId, cents }: { orderId: string; cents: number }) => ({ orderId, cents })],
    ['one value is', ({ cents }: { cents: number }) => cents],
  ])('with other arguments is told the fields that differ, and not the first values, where %s', async (_, same) => {
    const { journal } = make();
    const { paid, pays } = paying(same && { same });
    await asked(journal, [pays], order('7', 500), { by: ana });
    const { told } = await asked(journal, [pays], order('7', 900), { by: ana });
    expect(failure(told.at(-1))).toMatchObject({ code: 'INTENT_CONFLICT', outcome: 'not-run', attempts: 0 });
    expect(told.at(-1)?.text).toMatch(/other values of cents\b/);
    expect(told.at(-1)?.text).not.toContain('500');
    expect(paid).toHaveLength(1);
  });

  test('means the same where `same` says so', async () => {
    const { journal } = make();
    const { paid, pays } = paying({ same: ({ orderId }) => orderId });
    await asked(journal, [pays], order('7', 500), { by: ana });
    const { calls } = await asked(journal, [pays], order('7', 900), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7' }]);
    expect(paid).toHaveLength(1);
  });

  test('shares a key with another tool of the same intent, and not with another tenant, another intent or another key', async () => {
    const { journal } = make();
    const { paid, pays } = paying({ intent: 'payments.refund' });
    const other = refunds({ effect: 'once', intent: 'payments.refund', execute: () => paid.push('other') });
    await asked(journal, [pays], order('7'), { by: ana });
    await asked(journal, [other], order('7'), { by: ana });
    expect(paid).toHaveLength(1);
    await asked(journal, [pays], order('7'), { by: { id: 'eve', tenant: 'evil' } });
    await asked(journal, [pays], order('7'));
    await asked(journal, [pays], order('8'), { by: ana });
    await asked(journal, [paying().pays], order('7'), { by: ana });
    expect(paid).toHaveLength(4);
    expect(new Set(paid).size).toBe(4);
  });

  test('is not told a receipt that its caller may not see', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    await asked(journal, [pays], order('7'), { by: ana });
    const policy = { decide: () => ({ allow: true }), access: ({ point }: { point: string }) => ({ allow: point !== 'inspect' }) };
    const { calls, told } = await asked(journal, [pays], order('7'), { by: ben, options: { policy } });
    expect(paid).toHaveLength(1);
    expect(calls).toMatchObject([{ ok: true, output: null, repeated: {} }]);
    expect(told.at(-1)?.text).toMatch(/done before.*not shown/s);
    expect(told.at(-1)?.text).not.toContain('receipt');
  });

  // holds claims.I1
  test('waits for one of its intent that runs, holding no place, and gets its receipt', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const go = deferred<string>();
    const { paid, pays } = paying({
      execute: (_i, { idempotencyKey }) => (paid.push(idempotencyKey), begun.resolve(), go.promise),
    });
    const first = asked(journal, [pays], order('7'), { by: ana });
    await begun.promise;
    const inner = another();
    const looked = deferred();
    const looking = around(inner, {
      claim: async (key) => {
        const claim = await inner.claim?.(key);
        if (claim?.state === 'held') looked.resolve();
        return claim;
      },
    });
    const second = asked(looking, [pays], [order('7'), order('7')], { by: ben });
    await looked.promise;
    go.resolve('receipt 7');
    await first;
    const { entries, calls } = await second;
    expect(paid).toHaveLength(1);
    expect(calls).toMatchObject([{ output: 'receipt 7' }, { output: 'receipt 7' }]);
    expect(entries.some((e) => e.type === 'call.started')).toBe(false);
  });

  test('that waits asks its policy, key and amount nothing at each look', async () => {
    const { journal, another } = make();
    const [begun, go, looked] = [deferred(), deferred<string>(), deferred()];
    const first = asked(journal, [paying({ execute: () => (begun.resolve(), go.promise) }).pays], order('7'), { by: ana });
    await begun.promise;
    const inner = another();
    const counts = { policy: 0, key: 0, amount: 0 };
    const seen: (typeof counts)[] = [];
    const looking = around(inner, {
      claim: async (key) => {
        const claim = await inner.claim?.(key);
        if (claim?.state === 'held' && seen.push({ ...counts }) === 6) looked.resolve();
        return claim;
      },
    });
    const { pays } = paying({
      key: ({ orderId }) => (counts.key++, `refund:${orderId}`),
      amount: ({ cents }) => (counts.amount++, { usd: cents / 100 }),
    });
    const policy = { decide: () => (counts.policy++, { allow: true }) };
    const second = asked(looking, [pays], order('7'), { by: ben, options: { policy } });
    await looked.promise;
    go.resolve('receipt 7');
    await first;
    expect((await second).calls).toMatchObject([{ output: 'receipt 7', attempts: 0 }]);
    expect(seen.at(5)).toEqual(seen[2]);
    expect(counts.policy).toBeGreaterThan(0);
  });

  test('is told INTENT_BUSY at once by a call of its own run that asked a person midway', async () => {
    const { journal } = make();
    let paid = 0;
    const pays = refunds({
      effect: 'once',
      execute: (_i, { asked: answer }) => {
        if (!answer) throw new NeedsPerson({ question: 'Sure?' });
        return `receipt ${++paid}`;
      },
    });
    const a = support([pays]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, approvals } = await ends(engine.run(a, JSON.stringify([order('7'), order('7')]), { by: ana }), 'paused');
    const [busy] = endsOf(await entriesOf(journal, runId));
    expect(busy).toMatchObject({ ok: false, error: { code: 'INTENT_BUSY', message: expect.stringContaining('waits for a person') } });
    await engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'respond', answer: 'yes' }], { by: ben });
    await ends(engine.resume(runId, { by: ana }), 'completed');
    expect(paid).toBe(1);
  });

  test('is told INTENT_BUSY where the other one has not ended at its deadline', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const go = deferred<string>();
    const { pays } = paying({ deadline: 60_000, execute: () => (begun.resolve(), go.promise) });
    const first = asked(journal, [pays], order('7'), { by: ana });
    await begun.promise;
    const { calls, told } = await asked(another(), [paying({ deadline: 30 }).pays], order('7'), { by: ben });
    expect(calls).toMatchObject([{ ok: false, error: { code: 'INTENT_BUSY', retryable: true, outcome: 'not-run', attempts: 0 } }]);
    expect(failure(told.at(-1)).message).toContain('not ended in 30 ms');
    go.resolve('late');
    await first;
  });

  test('is unknown to others where the process that ran it is gone: they run nothing', async () => {
    const { journal, another } = make();
    const begun = deferred();
    const { paid, pays } = paying({
      execute: (_i, { idempotencyKey }) => (paid.push(idempotencyKey), begun.resolve(), new Promise<never>(() => {})),
    });
    const engine = new Engine({ journal });
    const run = engine.run(support([pays]), JSON.stringify(order('7')), { by: ana });
    run.then(undefined, () => undefined);
    await begun.promise;
    await expireLease(journal, run.id);
    const { told } = await asked(another(), [pays], order('7'), { by: ben });
    expect(failure(told.at(-1))).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown', attempts: 0 });
    expect(paid).toHaveLength(1);
  });

  // holds intent.I1, claims.I2
  test('whose outcome is unknown runs nothing again, until an operator settles it once for all', async () => {
    const { journal } = make();
    let fails = true;
    const { paid, pays } = paying({
      execute: ({ orderId }, { idempotencyKey }) => {
        paid.push(idempotencyKey);
        if (fails) throw new Error('socket hang up');
        return `receipt ${orderId}`;
      },
    });
    const first = await asked(journal, [pays], order('7'), { by: ana });
    expect(first.calls).toMatchObject([{ ok: false, error: { outcome: 'unknown' } }]);
    const engine = new Engine({ journal });
    for (const _ of [1, 2]) {
      const { runId, calls } = await asked(journal, [pays], order('7'), { by: ben, engine });
      expect(calls).toMatchObject([{ ok: false, error: { code: 'OUTCOME_UNKNOWN' } }]);
      // there is one to settle, not three
      expect((await engine.inspect(runId, { by: ben })).unknowns).toEqual([]);
    }
    expect(paid).toHaveLength(1);
    fails = false;
    await engine.settle(first.runId, first.calls[0]?.call ?? '', { outcome: 'not-run', by: ben });
    const again = await asked(journal, [pays], order('7'), { by: ben, engine });
    expect(again.calls).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 1 }]);
    expect(paid).toHaveLength(2);
  });

  test('that an operator found to be done gives what the operator wrote', async () => {
    const { journal } = make();
    const { pays } = paying({ execute: () => Promise.reject(new Error('socket hang up')) });
    const first = await asked(journal, [pays], order('7'), { by: ana });
    const engine = new Engine({ journal });
    await engine.settle(first.runId, first.calls[0]?.call ?? '', { outcome: 'done', output: 'receipt by hand', by: ben });
    const { calls } = await asked(journal, [pays], order('7'), { by: ben, engine });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt by hand', attempts: 0 }]);
  });

  // holds claims.I3
  test('whose result comes late settles the claim too, and the run that asks then gets it', async () => {
    const { journal } = make();
    const go = deferred<string>();
    const { pays } = paying({ timeout: 20, execute: () => go.promise });
    const first = await asked(journal, [pays], order('7'), { by: ana });
    expect(first.calls).toMatchObject([{ ok: false, error: { code: 'TIMEOUT', outcome: 'unknown' } }]);
    go.resolve('late receipt');
    await entryOf(journal, first.runId, 'outcome.settled');
    const { calls } = await asked(journal, [pays], order('7'), { by: ben });
    expect(calls).toMatchObject([{ ok: true, output: 'late receipt', attempts: 0 }]);
  });

  test.each([
    ['it did not run', new ToolError('X', 'x', { outcome: 'not-run' }), true],
    ['its author says that it failed', new ToolError('X', 'x', { outcome: 'failed' }), true],
    ['a service refused it', Object.assign(new Error('x'), { status: 422 }), true],
    ['a service said 409', Object.assign(new Error('x'), { status: 409 }), false],
    ['a service said 408', Object.assign(new Error('x'), { status: 408 }), false],
    ['a service failed', Object.assign(new Error('x'), { status: 500 }), false],
    ['it threw something', new Error('x'), false],
    ['its author does not know', new ToolError('X', 'x', { outcome: 'unknown' }), false],
  ])('that fails frees its key only where it is certain that nothing happened: %s', async (_what, error, freed) => {
    const { journal } = make();
    let first = true;
    const { paid, pays } = paying({
      retry: { attempts: 1 },
      execute: () => {
        paid.push('');
        if (!first) return 'receipt';
        first = false;
        throw error;
      },
    });
    await asked(journal, [pays], order('7'), { by: ana });
    const { calls } = await asked(journal, [pays], order('7'), { by: ana });
    expect(calls[0]?.ok).toBe(freed);
    expect(paid).toHaveLength(freed ? 2 : 1);
  });

  test('is done again under another idempotency key once somebody reopens it, which is recorded', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const engine = new Engine({ journal });
    const { runId, calls } = await asked(journal, [pays], order('7'), { by: ana, engine });
    const effect = { runId, callId: calls[0]?.call ?? '' };
    await refused('DECISION_INVALID', engine.reopen(effect, { by: ben, reason: ' ' }));
    await refused('RUN_NOT_FOUND', engine.reopen(effect, { by: { id: 'eve', tenant: 'evil' }, reason: 'x' }));
    await engine.reopen(effect, { by: ben, reason: 'the bank sent it back' });
    expect(await entryOf(journal, runId, 'intent.reopened')).toMatchObject({ by: ben, reason: 'the bank sent it back' });
    await refused('CALL_NOT_FOUND', engine.reopen(effect, { by: ben, reason: 'twice' }));
    const again = await asked(journal, [pays], order('7'), { by: ana, engine });
    expect(again.calls).toMatchObject([{ ok: true, attempts: 1 }]);
    expect(new Set(paid).size).toBe(2);
    await asked(journal, [pays], order('7'), { by: ana, engine });
    expect(paid).toHaveLength(2);
  });

  test('that was tried, and whose process lost its lease, is not tried again where another call took the intent over', async () => {
    const { journal, another } = make();
    const check = () => ({ outcome: 'not-run' as const });
    const other = paying({ check });
    let tries = 0;
    const { pays } = paying({
      check,
      retry: { attempts: 3, initialDelay: 0 },
      execute: async (_i, { runId }) => {
        tries++;
        await expireLease(journal, runId);
        await asked(another(), [other.pays], order('7'), { by: ben });
        throw new ToolError('BUSY', 'busy', { outcome: 'not-run', retryable: true });
      },
    });
    const { calls } = await asked(journal, [pays], order('7'), { by: ana });
    expect([tries, other.paid.length]).toEqual([1, 1]);
    expect(calls).toMatchObject([{ ok: false, error: { code: 'INTENT_BUSY', outcome: 'not-run' } }]);
    expect(await journal.claim?.({ tenant: 'acme', intent: 'refund', key: 'refund:7' })).toMatchObject({ state: 'done' });
  });

  test('in a fork takes no claim over: it gets the receipt', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const a = support([pays]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId } = await ends(engine.run(a, JSON.stringify(order('7')), { by: ana }), 'completed');
    const { seq } = await entryOf(journal, runId, 'run.started');
    const fork = await ends(engine.fork(runId, { at: seq, by: ana }), 'completed');
    expect(paid).toHaveLength(1);
    expect(endsOf(await entriesOf(journal, fork.runId))).toMatchObject([
      { ok: true, output: 'receipt 7', attempts: 0, repeated: { run: runId } },
    ]);
  });

  test.each(['done', 'unknown', 'freed'] as const)(
    "that a fork copies is its run's claim still, %s: what the fork asks for finds it as it was",
    async (end) => {
      const { journal } = make();
      // without a tenant: what a run does in its first append has none yet
      const by = { id: 'ana' };
      const claim = () => journal.claim?.({ tenant: undefined, intent: 'refund', key: 'refund:7' });
      const { paid, pays } = paying({
        retry: { attempts: 1 },
        execute: () => {
          if (paid.push('') > 1 || end === 'done') return 'receipt 7';
          throw end === 'freed' ? new ToolError('X', 'x', { outcome: 'not-run' }) : new Error('socket hang up');
        },
      });
      const model = scripted(({ messages }) =>
        messages.filter(({ role }) => role === 'tool').length < 2 ? asks(['refund', { ...order('7') }]) : 'done',
      );
      const a = agent({ name: 'twice', instructions: '', model, tools: [pays] });
      const engine = new Engine({ journal, agents: [a] });
      const { runId } = await ends(engine.run(a, 'go', { by }), 'completed');
      const before = await claim();
      const { seq } = await entryOf(journal, runId, 'call.finished');
      const fork = await ends(engine.fork(runId, { at: seq, by }), 'completed');
      expect(await claim()).toEqual(before);
      expect(paid).toHaveLength(end === 'freed' ? 2 : 1);
      const [, again] = endsOf(await entriesOf(journal, fork.runId));
      if (end === 'unknown') expect(again).toMatchObject({ ok: false, error: { code: 'OUTCOME_UNKNOWN' } });
      else expect(again).toMatchObject({ ok: true, output: 'receipt 7', attempts: 0, repeated: { run: runId } });
    },
  );

  test('is done while its run is forgotten, and the receipt is not', async () => {
    const { journal } = make();
    const { paid, pays } = paying();
    const engine = new Engine({ journal });
    const { runId } = await asked(journal, [pays], order('7'), { by: ana, engine });
    await engine.forget(runId, { by: ana });
    const { calls, told } = await asked(journal, [pays], order('7', 900), { by: ana, engine });
    expect(paid).toHaveLength(1);
    expect(calls).toMatchObject([{ ok: true, output: null, repeated: { run: '' } }]);
    expect(told.at(-1)?.text).toMatch(/done before.*erased/s);
  });

  test('may be done again when the time to remember it is over', async () => {
    const { journal } = make();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    onTestFinished(() => void vi.useRealTimers());
    const { paid, pays } = paying({ remember: 60_000 });
    await asked(journal, [pays], order('7'), { by: ana });
    vi.setSystemTime(Date.now() + 59_999);
    await asked(journal, [pays], order('7'), { by: ana });
    expect(paid).toHaveLength(1);
    vi.setSystemTime(Date.now() + 2);
    await asked(journal, [pays], order('7'), { by: ana });
    expect(paid).toHaveLength(2);
  });

  test('with a check finds out what became of a call that is unknown, one asker at a time, and tells the call that is unknown', async () => {
    const { journal, another } = make();
    let asking = 0;
    let most = 0;
    let checks = 0;
    let known: 'done' | 'not-run' | 'unknown' = 'unknown';
    const { paid, pays } = paying({
      execute: (_i, { idempotencyKey }) => {
        paid.push(idempotencyKey);
        throw new Error('socket hang up');
      },
      check: async ({ idempotencyKey }) => {
        expect(idempotencyKey).toBe(paid[0]);
        checks++;
        most = Math.max(most, ++asking);
        await sleep(5);
        asking--;
        return known === 'done' ? { outcome: known, output: 'found receipt' } : { outcome: known };
      },
    });
    const first = await asked(journal, [pays], order('7'), { by: ana });
    const others = await Promise.all([1, 2, 3].map(() => asked(another(), [pays], order('7'), { by: ben })));
    for (const { calls } of others) expect(calls).toMatchObject([{ ok: false, error: { code: 'OUTCOME_UNKNOWN' } }]);
    // the first one asks about itself, as soon as it has failed
    expect([most, checks, paid.length]).toEqual([1, 4, 1]);
    const engine = new Engine({ journal });
    for (const { runId } of others) expect((await engine.inspect(runId, { by: ben })).unknowns).toEqual([]);
    known = 'done';
    const found = await asked(journal, [pays], order('7'), { by: ben });
    expect(found.calls).toMatchObject([{ ok: true, output: 'found receipt', repeated: { run: first.runId } }]);
    expect(paid).toHaveLength(1);
    expect(await entryOf(journal, first.runId, 'outcome.settled')).toMatchObject({
      source: 'check',
      outcome: 'done',
      output: 'found receipt',
    });
    expect((await engine.inspect(first.runId, { by: ana })).unknowns).toEqual([]);
    const later = await asked(journal, [pays], order('7'), { by: ben });
    expect(later.calls).toMatchObject([{ ok: true, output: 'found receipt', repeated: { run: first.runId } }]);
  });

  test('that another one did, as its check finds out, counts once', async () => {
    const { journal } = make();
    let known = false;
    const pays = refunds({
      effect: 'once',
      amount: () => ({ usd: 5 }),
      execute: () => {
        throw new Error('socket hang up');
      },
      check: () => (known ? { outcome: 'done', output: 'receipt' } : { outcome: 'unknown' }),
    });
    const engine = new Engine({ journal });
    await asked(journal, [pays], order('7'), { by: ana, engine });
    known = true;
    await asked(journal, [pays], order('7'), { by: ana, engine, limits: { amounts: { usd: 5 } } });
    const sums = async () => (await engine.effectSums({ by: ana })).map(({ done, unknown, amounts }) => ({ done, unknown, amounts }));
    expect(await sums()).toEqual([{ done: 1, unknown: 0, amounts: { usd: 5 } }]);
    await engine.rebuildEffects();
    expect(await sums()).toEqual([{ done: 1, unknown: 0, amounts: { usd: 5 } }]);
    expect(await all(engine.effects({ by: ana }))).toMatchObject([{ outcome: 'done', again: 1 }]);
  });

  test.each([true, { done: true }, { outcome: 'failed' }, { outcome: 'yes' }, null, 'done'])(
    'whose check answers %j stays unknown, and its author is told',
    async (answer) => {
      const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
      onTestFinished(() => warned.mockRestore());
      const { journal } = make();
      const { paid, pays } = paying({
        execute: () => {
          paid.push('');
          throw new Error('socket hang up');
        },
        check: () => answer as never,
      });
      const first = await asked(journal, [pays], order('7'), { by: ana });
      const { calls } = await asked(journal, [pays], order('7'), { by: ana });
      expect(calls).toMatchObject([{ ok: false, error: { code: 'OUTCOME_UNKNOWN' } }]);
      expect((await new Engine({ journal }).inspect(first.runId, { by: ana })).unknowns).toHaveLength(1);
      expect(warned).toHaveBeenCalledTimes(1);
      expect(warned.mock.calls[0]?.[0]).toContain("{ outcome: 'done', output }");
      expect(paid).toHaveLength(1);
    },
  );

  test.each([true, false])(
    'is asked about at once after a timeout (with a key: %s): done is its result, and not-run is not believed',
    async (keyed) => {
      const { journal } = make();
      for (const [answer, ends] of [
        [
          { outcome: 'done', output: 'receipt' },
          { ok: true, output: 'receipt', attempts: 1 },
        ],
        // the service may still be at work
        [{ outcome: 'not-run' }, { ok: false, error: { code: 'TIMEOUT', outcome: 'unknown' } }],
        [{ outcome: 'unknown' }, { ok: false, error: { code: 'TIMEOUT', outcome: 'unknown' } }],
      ] as const) {
        const id = String(answer.outcome);
        const check = () => answer as { outcome: 'unknown' };
        const pays = refunds({
          effect: 'once',
          timeout: 20,
          execute: () => new Promise<never>(() => {}),
          check,
          ...(!keyed && { key: undefined }),
        });
        const { calls, runId } = await asked(journal, [pays], order(id), { by: ana });
        expect(calls).toMatchObject([ends]);
        const { unknowns } = await new Engine({ journal }).inspect(runId, { by: ana });
        expect(unknowns).toHaveLength(ends.ok ? 0 : 1);
      }
    },
  );

  test('is unknown after a timeout where its check cannot be asked, because its schema does not take the arguments any more', async () => {
    const { journal } = make();
    let open = true;
    const asking = vi.fn(() => ({ outcome: 'done' as const, output: 'receipt' }));
    const pays = tool({
      name: 'refund',
      description: 'Refund an order',
      // what it makes is not JSON, so each reader gets it made again
      input: z.object({ orderId: z.string(), cents: z.number().transform((cents) => new Map([['cents', cents]])) }).refine(() => open),
      effect: 'once',
      timeout: 20,
      execute: () => {
        open = false;
        return new Promise<string>(() => {});
      },
      check: asking,
    });
    const { calls } = await asked(journal, [pays], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: false, error: { code: 'TIMEOUT', outcome: 'unknown' } }]);
    expect(asking).not.toHaveBeenCalled();
  });

  test('runs after all where the check finds that the other call did not', async () => {
    const { journal } = make();
    const { paid, pays } = paying({
      execute: () => {
        paid.push('');
        if (paid.length === 1) throw new Error('socket hang up');
        return 'receipt';
      },
      check: () => ({ outcome: 'not-run' }),
    });
    await asked(journal, [pays], order('7'), { by: ana });
    const { calls } = await asked(journal, [pays], order('7'), { by: ana });
    expect(calls).toMatchObject([{ ok: true, output: 'receipt', attempts: 1 }]);
    const { calls: third } = await asked(journal, [pays], order('7'), { by: ana });
    expect(third).toMatchObject([{ ok: true, output: 'receipt', attempts: 0 }]);
    expect(paid).toHaveLength(2);
  });
});

test('a key that throws, is empty, too long, no text or no Unicode: the call is not made, and the agent is told why', async () => {
  const [{ make }] = journals as [(typeof journals)[0]];
  const keys: [key: () => never, why: RegExp][] = [
    [() => '' as never, /empty/],
    [() => 'x'.repeat(513) as never, /513 characters/],
    [() => 7 as never, /number, not a text/],
    [() => Promise.resolve('x') as never, /returned a promise/],
    [() => ({}) as never, /object, not a text/],
    [() => '\ud800' as never, /Unicode/],
    [
      () => {
        throw new Error('no order');
      },
      /could not be found out.*no order/,
    ],
  ];
  for (const [key, why] of keys) {
    let ran = 0;
    const { told } = await asked(make().journal, [refunds({ effect: 'once', key, execute: () => ran++ })], order('7'));
    expect(failure(told.at(-1))).toMatchObject({ code: 'INTENT_KEY_INVALID', outcome: 'not-run', attempts: 0 });
    expect(failure(told.at(-1)).message).toMatch(why);
    expect(ran).toBe(0);
  }
  // one that Unicode writes in two ways is one key
  let ran = 0;
  const { journal } = make();
  for (const text of ['caf\u00e9', 'cafe\u0301'])
    await asked(journal, [refunds({ effect: 'once', key: () => text, execute: () => ran++ })], order('7'));
  expect(ran).toBe(1);
  // the longest one is counted as it is kept
  for (const text of ['\u00e9'.repeat(512), 'e\u0301'.repeat(512)])
    await asked(journal, [refunds({ effect: 'once', key: () => text, execute: () => ran++ })], order('7'));
  expect(ran).toBe(2);
});

test('a store that keeps no claims is refused at the start of a run whose tools have a key', async () => {
  const { claim: _, ...journal } = memoryJournal();
  const pays = refunds({ effect: 'once', execute: () => 'x' });
  const refusal = await refused('CONFIG_INVALID', new Engine({ journal }).run(support([pays]), JSON.stringify(order('7'))));
  expect(refusal.message).toMatch(/refund.*claim\(\)/);
});
