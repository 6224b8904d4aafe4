import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Decision, Engine, type Policy } from '../../src/index.ts';
import { digest } from '../../src/journal/canonical.ts';
import { entriesOf, headOf, journals, typesOf } from '../kit/journals.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { ana, ben, elsewhere, refunding } from './setup.ts';

const input = z.object({ orderId: z.string(), cents: z.number().int().positive() });

describe.each(journals)('decisions on $name', ({ make }) => {
  test('a call that needs a person pauses the run: nothing is paid, and the approval says what is asked', async () => {
    const { journal } = make();
    const { a, ledger, model } = refunding({ rule: { reason: 'over 50 dollars', roles: ['lead'], expires: 60_000 } });
    const before = Date.now();
    const run = new Engine({ journal }).run(a, 'go', { by: ana });
    const paused = await ends(run, 'paused');
    expect(paused.approvals).toEqual([
      {
        id: expect.stringMatching(/^ap_[0-9a-f]{20}$/),
        runId: run.id,
        callId: '1.0',
        path: ['clerk'],
        kind: 'tool',
        tool: 'refund',
        input: { orderId: '7', cents: 6_000 },
        digest: digest({ cents: 6_000, orderId: '7' }),
        reason: 'over 50 dollars',
        roles: ['lead'],
        allow: ['approve', 'edit', 'reject'],
        askedAt: expect.any(Number),
        expiresAt: expect.any(Number),
      },
    ]);
    const [approval] = paused.approvals;
    expect(approval.expiresAt).toBeGreaterThanOrEqual(before + 60_000);
    expect(JSON.parse(JSON.stringify(paused))).toEqual(paused);
    expect([ledger.length, model.requests.length]).toEqual([0, 1]);
    expect(typesOf(await entriesOf(journal, run.id))).toEqual(['run.started', 'model.responded', 'approval.requested', 'run.settled']);
    expect(await headOf(journal, run.id)).toMatchObject({ status: 'paused', wakeAt: approval.expiresAt });
  });

  test('approve: decided in one process, driven by another, paid once', async () => {
    const { journal, another } = make();
    const { a, ledger, model } = refunding();
    const paused = await ends(new Engine({ journal }).run(a, 'go', { by: ana }), 'paused');
    const decider = new Engine({ journal: another() });
    expect(await decider.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve', note: 'seen' }], { by: ben })).toEqual(
      [],
    );
    expect(ledger).toEqual([]);
    const driver = elsewhere(another(), a);
    await ends(driver.resume(paused.runId), 'completed');
    expect(ledger).toEqual([{ orderId: '7', cents: 6_000 }]);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: '{"paid":6000}', isError: false });
    await driver.resume(paused.runId);
    expect(ledger).toHaveLength(1);
  });

  test('who, in which role, when, what they saw and why is recorded', async () => {
    const { journal } = make();
    const { a } = refunding({ rule: { roles: ['lead'] } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const [approval] = paused.approvals;
    const before = Date.now();
    await engine.decide(paused.runId, [{ approval: approval.id, type: 'reject', reason: 'too much', note: 'call me' }], {
      by: { ...ben, tenant: 't' },
    });
    const entry = (await entriesOf(journal, paused.runId)).at(-1);
    expect(entry).toMatchObject({
      type: 'approval.decided',
      id: approval.id,
      decision: { approval: approval.id, type: 'reject', reason: 'too much', note: 'call me' },
      by: { id: 'ben', tenant: 't', roles: ['lead'] },
      digest: approval.kind === 'tool' && approval.digest,
    });
    expect(entry?.at).toBeGreaterThanOrEqual(before);
  });

  test('reject: the agent is told why, and the run goes on', async () => {
    const { journal } = make();
    const { a, ledger, model } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'wrong order', note: 'try 8' }], {
      by: ben,
    });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'REJECTED', outcome: 'not-run', attempts: 0 });
    expect(failure(shown(model.requests[1])[0]).message).toMatch(/wrong order.*try 8/);
  });

  test('edit: the call runs with the new arguments; the model keeps seeing the ones it gave', async () => {
    const { journal, another } = make();
    const { a, ledger, model } = refunding({ input });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    const engine = elsewhere(another(), a);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: { orderId: '7', cents: 100 } }], {
      by: ben,
    });
    const run = engine.resume(paused.runId);
    const started: unknown[] = [];
    for await (const e of run) if (e.type === 'tool.started') started.push(e.input);
    await ends(run, 'completed');
    expect(ledger).toEqual([{ orderId: '7', cents: 100 }]);
    expect(started).toEqual([{ orderId: '7', cents: 100 }]);
    expect(model.requests[1]?.messages[1]?.content[0]).toMatchObject({ type: 'toolCall', input: { orderId: '7', cents: 6_000 } });
  });

  test('edit: invalid arguments are refused if the tool is known', async () => {
    const { journal } = make();
    const { a } = refunding({ input });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const edit = (cents: number): Decision => ({ approval: paused.approvals[0].id, type: 'edit', input: { orderId: '7', cents } });
    const error = await refused('DECISION_INVALID', engine.decide(paused.runId, [edit(-1)], { by: ben }));
    expect(error.message).toContain('cents');
    expect((await engine.inspect(paused.runId)).approvals).toHaveLength(1);
    await engine.decide(paused.runId, [edit(1)], { by: ben });
  });

  test('edit: arguments are validated again before they run, wherever they were decided', async () => {
    const { journal, another } = make();
    const { a, ledger, model } = refunding({ input });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    // this process does not know the tool
    const decider = new Engine({ journal: another() });
    await decider.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: { orderId: '7', cents: -1 } }], {
      by: ben,
    });
    await ends(elsewhere(another(), a).resume(paused.runId), 'completed');
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0]).code).toBe('INVALID_ARGUMENTS');
  });

  test('edit: the policy is asked again, about the new arguments', async () => {
    const { journal } = make();
    const { a, ledger, model } = refunding();
    const asked: unknown[] = [];
    const policy: Policy = {
      decide: async ({ input }) => {
        asked.push(input);
        return { allow: (input as { cents: number }).cents <= 6_000, reason: 'over the limit' };
      },
    };
    const engine = new Engine({ journal, policy });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'edit', input: { orderId: '7', cents: 9_000 } }], {
      by: ben,
    });
    await ends(engine.resume(paused.runId), 'completed');
    expect(asked).toEqual([
      { orderId: '7', cents: 6_000 },
      { orderId: '7', cents: 9_000 },
    ]);
    expect(ledger).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({
      code: 'NOT_PERMITTED',
      message: expect.stringContaining('over the limit'),
    });
  });

  test('respond: a person answers in the place of the tool, where the rule allows it', async () => {
    const { journal } = make();
    const { a, ledger, model } = refunding({ rule: { allow: ['approve', 'respond'] } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    expect(paused.approvals[0].allow).toEqual(['approve', 'respond']);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: { paid: 'by hand' } }], { by: ben });
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toEqual([]);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: '{"paid":"by hand"}', isError: false });
  });

  test.each<[string, Decision]>([
    ['a type that is not offered', { approval: '', type: 'respond', answer: 1 }],
    ['no type that there is', { approval: '', type: 'yes' } as unknown as Decision],
    ['no type at all', { approval: '' } as unknown as Decision],
    ['a type that is an object without a text', { approval: '', type: { toString: 1 } } as unknown as Decision],
    ['a reason that is an object without a text', { approval: '', type: 'reject', reason: { toString: 1 } } as unknown as Decision],
    ['a note that is an object without a text', { approval: '', type: 'approve', note: { toString: 1 } } as unknown as Decision],
    ['a rejection without a reason', { approval: '', type: 'reject' } as unknown as Decision],
    ['an edit without an input', { approval: '', type: 'edit' } as unknown as Decision],
  ])('%s is refused, and the approval stays open', async (_, decision) => {
    const { journal } = make();
    const { a } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await refused('DECISION_INVALID', engine.decide(paused.runId, [{ ...decision, approval: paused.approvals[0].id }], { by: ben }));
    expect((await engine.inspect(paused.runId)).approvals).toEqual(paused.approvals);
  });

  test('the same decision twice is one, and gives the same result', async () => {
    const { journal, another } = make();
    const { a, ledger } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const decisions: Decision[] = [{ approval: paused.approvals[0].id, type: 'approve' }];
    expect(await engine.decide(paused.runId, decisions, { by: ben })).toEqual([]);
    const length = (await entriesOf(journal, paused.runId)).length;
    expect(await new Engine({ journal: another() }).decide(paused.runId, decisions, { by: ben })).toEqual([]);
    expect(await entriesOf(journal, paused.runId)).toHaveLength(length);
    await ends(engine.resume(paused.runId), 'completed');
    expect(await engine.decide(paused.runId, decisions, { by: ben })).toEqual([]);
    expect(ledger).toHaveLength(1);
  });

  test.each<[string, Partial<Decision>, { id: string }]>([
    ['another decision', { type: 'reject', reason: 'no' } as Partial<Decision>, ben],
    ['the same one by somebody else', { type: 'approve' }, { id: 'eve' }],
  ])('%s after the first is refused, with who decided what', async (_, decision, by) => {
    const { journal } = make();
    const { a } = refunding();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const approval = paused.approvals[0].id;
    await engine.decide(paused.runId, [{ approval, type: 'approve' }], { by: ben });
    const error = await refused('APPROVAL_CLOSED', engine.decide(paused.runId, [{ approval, ...decision } as Decision], { by }));
    expect(error.details).toMatchObject({ approval, decision: 'approve', by: 'ben' });
  });

  test('all decisions of one call are taken, or none', async () => {
    const { journal } = make();
    const { a } = refunding({ steps: [asks(['refund', { cents: 1 }], ['refund', { cents: 2 }]), 'done'] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const [one, two] = paused.approvals;
    const bad: Decision[] = [
      { approval: one.id, type: 'approve' },
      { approval: 'ap_none', type: 'approve' },
    ];
    await refused('APPROVAL_NOT_FOUND', engine.decide(paused.runId, bad, { by: ben }));
    await refused('DECISION_INVALID', engine.decide(paused.runId, [bad[0] as Decision, bad[0] as Decision], { by: ben }));
    expect((await engine.inspect(paused.runId)).approvals).toHaveLength(2);
    expect(await engine.decide(paused.runId, [bad[0] as Decision], { by: ben })).toEqual([two]);
  });
});

describe('a decision for something else', () => {
  test('is refused: an approval that there is not, of another run, of a run that there is not', async () => {
    const engine = new Engine();
    const { a } = refunding();
    const other = refunding({ name: 'other' });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const second = await ends(engine.run(other.a, 'go'), 'paused');
    expect(second.approvals[0].id).not.toBe(paused.approvals[0].id);
    const approve = (approval: string): Decision[] => [{ approval, type: 'approve' }];
    await refused('APPROVAL_NOT_FOUND', engine.decide(paused.runId, approve('ap_00000000000000000000'), { by: ben }));
    await refused('APPROVAL_NOT_FOUND', engine.decide(paused.runId, approve(second.approvals[0].id), { by: ben }));
    await refused('DECISION_INVALID', engine.decide(paused.runId, [null as unknown as Decision], { by: ben }));
    await refused('RUN_NOT_FOUND', engine.decide('none', approve(paused.approvals[0].id), { by: ben }));
    await refused('DECISION_INVALID', engine.decide(paused.runId, 'approve' as unknown as Decision[], { by: ben }));
  });

  test('without a principal is refused; a name inside the decision does not count', async () => {
    const engine = new Engine();
    const { a } = refunding();
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const decision = [{ approval: paused.approvals[0].id, type: 'approve', by: ben } as Decision];
    await refused('NOT_PERMITTED', engine.decide(paused.runId, decision, {} as { by: { id: string } }));
    await refused('NOT_PERMITTED', engine.decide(paused.runId, decision, undefined as unknown as { by: { id: string } }));
    await engine.decide(paused.runId, decision, { by: { id: 'eve' } });
    expect((await engine.inspect(paused.runId)).approvals).toEqual([]);
  });

  test('comes too late for a run that was cancelled', async () => {
    const engine = new Engine();
    const { a, ledger } = refunding();
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await engine.cancel(paused.runId);
    await refused('APPROVAL_CLOSED', engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben }));
    expect(ledger).toEqual([]);
  });

  test('every call of a run has an approval of its own, also with equal arguments', async () => {
    const engine = new Engine();
    const same = asks(['refund', { cents: 1 }], ['refund', { cents: 1 }]);
    const { a, ledger } = refunding({ steps: [same, 'done'] });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const [one, two] = paused.approvals;
    expect(one.id).not.toBe(two?.id);
    await engine.decide(
      paused.runId,
      [
        { approval: one.id, type: 'approve' },
        { approval: two?.id as string, type: 'reject', reason: 'once is enough' },
      ],
      { by: ben },
    );
    await ends(engine.resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(1);
  });
});
