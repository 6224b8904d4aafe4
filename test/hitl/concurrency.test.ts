import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { agent, type Decision, Engine, memoryJournal, RondoError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { ben, elsewhere, refunding } from './setup.ts';

const codes = (outcomes: readonly PromiseSettledResult<unknown>[]) =>
  outcomes.map((o) => (o.status === 'fulfilled' ? 'ok' : RondoError.is(o.reason) ? o.reason.code : String(o.reason)));

describe.each(journals)('two at once on $name', ({ make }) => {
  test('two different decisions: exactly one wins, the other is told so', async () => {
    const { journal, another } = make();
    const { a, ledger } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const approval = paused.approvals[0].id;
    const yes: Decision = { approval, type: 'approve' };
    const no: Decision = { approval, type: 'reject', reason: 'no' };
    const outcomes = await Promise.allSettled([
      engine.decide(paused.runId, [yes], { by: ben }),
      new Engine({ journal: another() }).decide(paused.runId, [no], { by: { id: 'cas' } }),
    ]);
    expect(codes(outcomes).sort()).toEqual(['APPROVAL_CLOSED', 'ok']);
    const log = await entriesOf(journal, paused.runId);
    expect(log.filter((e) => e.type === 'approval.decided')).toHaveLength(1);
    await ends(elsewhere(another(), a).resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(codes(outcomes)[0] === 'ok' ? 1 : 0);
  });

  test('the same decision delivered twice at once: both get the same result, one entry', async () => {
    const { journal, another } = make();
    const { a } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const yes: Decision[] = [{ approval: paused.approvals[0].id, type: 'approve' }];
    const answers = await Promise.all([
      engine.decide(paused.runId, yes, { by: ben }),
      engine.decide(paused.runId, yes, { by: ben }),
      new Engine({ journal: another() }).decide(paused.runId, yes, { by: ben }),
    ]);
    expect(answers).toEqual([[], [], []]);
    expect((await entriesOf(journal, paused.runId)).filter((e) => e.type === 'approval.decided')).toHaveLength(1);
  });

  test('decisions about two approvals by two people: both are taken', async () => {
    const { journal, another } = make();
    const { a, ledger } = refunding({ steps: [asks(['refund', { cents: 1 }], ['refund', { cents: 2 }]), 'done'] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const [one, two] = paused.approvals;
    await Promise.all([
      engine.decide(paused.runId, [{ approval: one.id, type: 'approve' }], { by: ben }),
      new Engine({ journal: another() }).decide(paused.runId, [{ approval: two?.id as string, type: 'approve' }], { by: { id: 'cas' } }),
    ]);
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(2);
  });

  test('two resumes: one effect, and one clear error for the loser', async () => {
    const { journal, another } = make();
    const { a, ledger } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    const outcomes = await Promise.allSettled([elsewhere(another(), a).resume(paused.runId), elsewhere(another(), a).resume(paused.runId)]);
    expect(codes(outcomes).sort()).toEqual(['RUN_BUSY', 'ok']);
    expect(ledger).toHaveLength(1);
  });

  test('two resumes in one engine: one effect, and one clear error for the second', async () => {
    const { journal } = make();
    const { a, ledger } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    const outcomes = await Promise.allSettled([engine.resume(paused.runId), engine.resume(paused.runId)]);
    expect(codes(outcomes)).toEqual(['ok', 'RUN_BUSY']);
    expect(ledger).toHaveLength(1);
  });

  test('a decision succeeds although the owner of the run keeps appending in between', async () => {
    const { journal, another } = make();
    const doors = [deferred(), deferred(), deferred()];
    const work = tool({ name: 'work', description: '', input: anything, effect: 'read', execute: ({ n }) => doors[n as number]?.promise });
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const model = scripted([asks(['sign', {}], ['work', { n: 0 }], ['work', { n: 1 }], ['work', { n: 2 }]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [work, sign] }), 'go');
    const { id: approval } = await entryOf(journal, run.id, 'approval.requested');
    // before each of the first two appends of the other process, a result of the owner's comes in
    const store = another();
    let n = 0;
    const interrupted = around(store, {
      async append(...args) {
        if (n < 2) {
          const before = (await entriesOf(store, run.id)).length;
          doors[n++]?.resolve();
          await until(async () => (await entriesOf(store, run.id)).length > before);
        }
        return store.append(...args);
      },
    });
    expect(await new Engine({ journal: interrupted }).decide(run.id, [{ approval, type: 'approve' }], { by: ben })).toEqual([]);
    expect(n).toBe(2);
    doors[2]?.resolve();
    await ends(run, 'completed');
  });

  test('a decision is accepted by the former owner that does not know yet that another process claimed the run', async () => {
    const { journal, another } = make();
    const ledger: string[] = [];
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => void ledger.push('signed') });
    const look = (execute: () => unknown) => tool({ name: 'look', description: '', input: anything, effect: 'read', execute });
    const model = scripted(
      ({ messages }) => [asks(['look', {}]), asks(['sign', {}]), 'done'][messages.filter((m) => m.role === 'assistant').length] ?? '',
    );
    const made = (execute: () => unknown) => agent({ name: 'a', instructions: '', model, tools: [look(execute), sign] });
    const former = new Engine({ journal });
    const run = former.run(
      made(() => new Promise(() => undefined)),
      'go',
    );
    await entryOf(journal, run.id, 'call.started');
    await settle();
    await expireLease(journal, run.id);
    const owner = new Engine({ journal: another(), agents: [made(() => 'seen')] });
    const paused = await ends(owner.resume(run.id), 'paused');
    expect(await former.decide(run.id, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben })).toEqual([]);
    await ends(owner.resume(run.id), 'completed');
    expect(ledger).toEqual(['signed']);
  });

  test('a cancellation succeeds although the owner of the run appends in between', async () => {
    const { journal, another } = make();
    const doors = [deferred(), deferred()];
    const work = tool({ name: 'work', description: '', input: anything, effect: 'read', execute: ({ n }) => doors[n as number]?.promise });
    const model = scripted([asks(['work', { n: 0 }], ['work', { n: 1 }]), 'never']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [work] }), 'go');
    await entryOf(journal, run.id, 'call.started');
    const store = another();
    let interrupted = false;
    const engine = new Engine({
      journal: around(store, {
        async append(...args) {
          if (!interrupted) {
            interrupted = true;
            const before = (await entriesOf(store, run.id)).length;
            doors[0]?.resolve();
            await until(async () => (await entriesOf(store, run.id)).length > before);
          }
          return store.append(...args);
        },
      }),
    });
    await engine.cancel(run.id, { reason: 'enough' });
    expect(interrupted).toBe(true);
    doors[1]?.resolve();
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'enough' });
  });
});

test('no matter what people decide and who resumes, in any order: each call runs at most once, and only if it was approved first', async () => {
  const choice = fc.record({ call: fc.nat(3), who: fc.nat(2), yes: fc.boolean(), resume: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(choice, { maxLength: 8 }), fc.boolean(), async (choices, atOnce) => {
      const journal = memoryJournal();
      const ledger: number[] = [];
      const sign = tool({
        name: 'sign',
        description: '',
        input: anything,
        approval: true,
        execute: ({ n }) => void ledger.push(n as number),
      });
      const model = scripted([asks(...[0, 1, 2, 3].map((n) => ['sign', { n }] as const)), 'done']);
      const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
      const engines = [0, 1, 2].map(() => new Engine({ journal, agents: [a] }));
      const paused = await ends((engines[0] as Engine).run(a, 'go'), 'paused');
      const act = async ({ call, who, yes, resume }: (typeof choices)[number]) => {
        const engine = engines[who] as Engine;
        const approval = paused.approvals[call]?.id as string;
        const decision: Decision = yes ? { approval, type: 'approve' } : { approval, type: 'reject', reason: 'no' };
        await engine.decide(paused.runId, [decision], { by: { id: `p${who}` } }).catch((e) => {
          if (!RondoError.is(e, 'APPROVAL_CLOSED')) throw e;
        });
        if (resume)
          await engine.resume(paused.runId).then(undefined, (e) => {
            if (!RondoError.is(e, 'RUN_BUSY')) throw e;
          });
      };
      if (atOnce) await Promise.all(choices.map(act));
      else for (const c of choices) await act(c);
      await (engines[0] as Engine).resume(paused.runId);
      const decided = (await entriesOf(journal, paused.runId)).flatMap((e) => (e.type === 'approval.decided' ? [e] : []));
      const approved = decided.filter((e) => e.decision.type === 'approve').map((e) => paused.approvals.findIndex((p) => p.id === e.id));
      expect([...ledger].sort()).toEqual(approved.sort());
      expect(new Set(decided.map((e) => e.id)).size).toBe(decided.length);
    }),
    { numRuns: 60 },
  );
});
