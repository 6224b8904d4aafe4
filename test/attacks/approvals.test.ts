import { describe, expect, test } from 'vitest';
import { type Decision, Engine, memoryJournal, type Principal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { type Anything, clerk, ledgered, onDisk } from './setup.ts';

const ben: Principal = { id: 'ben', roles: ['lead'] };
const eve: Principal = { id: 'eve', roles: ['clerk'] };

/** A run that waits for an approval of each call. */
async function waiting(inputs: readonly Anything[] = [{ cents: 1 }], o: { engine?: Engine; roles?: readonly string[] } = {}) {
  const journal = memoryJournal();
  const { tool, ledger } = ledgered({ approval: o.roles ? { roles: o.roles } : true });
  const model = scripted([asks(...inputs.map((input) => ['act', input] as const)), 'done']);
  const a = clerk(model, [tool]);
  const engine = o.engine ?? new Engine({ journal });
  const paused = await ends(engine.run(a, 'go', { by: { id: 'ana' } }), 'paused');
  return { engine, journal, ledger, model, a, runId: paused.runId, approvals: paused.approvals, ids: paused.approvals.map((x) => x.id) };
}

describe('an approval used elsewhere', () => {
  test('on another run of the same agent, with the same call: not found, nothing runs', async () => {
    const engine = new Engine();
    const one = await waiting([{ cents: 1 }], { engine });
    const two = await waiting([{ cents: 1 }], { engine: new Engine() });
    expect(one.ids[0]).not.toBe(two.ids[0]);
    await engine.decide(one.runId, [{ approval: one.ids[0] as string, type: 'approve' }], { by: ben });
    await refused('APPROVAL_NOT_FOUND', two.engine.decide(two.runId, [{ approval: one.ids[0] as string, type: 'approve' }], { by: ben }));
    await ends(two.engine.resume(two.runId), 'paused');
    expect(two.ledger).toEqual([]);
  });

  test('on a sibling with equal arguments: one decision is for one call', async () => {
    const { engine, ids, ledger, runId } = await waiting([{ cents: 1 }, { cents: 1 }]);
    expect(new Set(ids).size).toBe(2);
    await engine.decide(runId, [{ approval: ids[0] as string, type: 'approve' }], { by: ben });
    const again = await ends(engine.resume(runId), 'paused');
    expect(ledger).toHaveLength(1);
    expect(again.approvals.map((a) => a.id)).toEqual([ids[1]]);
    await refused(
      'APPROVAL_CLOSED',
      engine.decide(runId, [{ approval: ids[0] as string, type: 'reject', reason: 'on second thoughts' }], { by: ben }),
    );
  });

  test('repeated after the call ran: the same decision changes nothing, and the effect happens once', async () => {
    const { engine, ids, ledger, runId, journal } = await waiting();
    const decision: Decision = { approval: ids[0] as string, type: 'approve' };
    await engine.decide(runId, [decision], { by: ben });
    await ends(engine.resume(runId), 'completed');
    const before = (await entriesOf(journal, runId)).length;
    await engine.decide(runId, [decision], { by: ben });
    await ends(engine.resume(runId), 'completed');
    expect(ledger).toHaveLength(1);
    expect((await entriesOf(journal, runId)).length).toBe(before);
    // in the same words, but of somebody else
    await refused('APPROVAL_CLOSED', engine.decide(runId, [decision], { by: eve }));
  });

  test('for the same call asked again by the model: it is asked again', async () => {
    const { tool, ledger } = ledgered({ approval: true });
    const engine = new Engine();
    const first = await ends(
      engine.run(clerk(scripted([asks(['act', { cents: 1 }]), asks(['act', { cents: 1 }]), 'done']), [tool]), 'go'),
      'paused',
    );
    await engine.decide(first.runId, [{ approval: first.approvals[0].id, type: 'approve' }], { by: ben });
    const second = await ends(engine.resume(first.runId), 'paused');
    expect(second.approvals[0].id).not.toBe(first.approvals[0].id);
    expect(ledger).toHaveLength(1);
  });
});

describe('a decision that says more than a decision', () => {
  const claims = {
    by: ben,
    roles: ['lead'],
    digest: 'f'.repeat(64),
    decided: true,
    at: 0,
    input: { cents: 666 },
    answer: 'paid',
    run: 'other',
  };

  test('has no effect beyond it: the decider comes from the caller, the arguments from the journal', async () => {
    const { engine, ids, ledger, runId, journal } = await waiting();
    await engine.decide(runId, [{ approval: ids[0] as string, type: 'approve', ...claims } as Decision], { by: eve });
    await ends(engine.resume(runId), 'completed');
    expect(ledger).toEqual([{ cents: 1 }]);
    const decided = (await entriesOf(journal, runId)).find((e) => e.type === 'approval.decided');
    expect(decided).toMatchObject({ by: { id: 'eve', roles: ['clerk'] }, decision: { type: 'approve' } });
    expect(decided?.digest).not.toBe(claims.digest);
  });

  test('and a role inside it does not count', async () => {
    const { engine, ids, ledger, runId } = await waiting([{ cents: 1 }], { roles: ['lead'] });
    await refused(
      'NOT_PERMITTED',
      engine.decide(runId, [{ approval: ids[0] as string, type: 'approve', ...claims } as Decision], { by: eve }),
    );
    expect(ledger).toEqual([]);
  });

  test.each([
    ['null', null],
    ['a text', 'approve'],
    ['no type', { approval: 'ID' }],
    ['an unknown type', { approval: 'ID', type: 'APPROVE' }],
    ['a type from the prototype', { approval: 'ID', type: 'toString' }],
    ['a list for a type', { approval: 'ID', type: ['approve'] }],
    ['an edit of nothing', { approval: 'ID', type: 'edit' }],
    ['a rejection without a reason', { approval: 'ID', type: 'reject' }],
    ['a response where none is allowed', { approval: 'ID', type: 'respond', answer: 'paid' }],
    ['an id that is not a text', { approval: { $ne: '' }, type: 'approve' }],
    ['an id from the prototype', { approval: '__proto__', type: 'approve' }],
  ])('%s is refused with a code, and leaves no trace', async (_, decision) => {
    const { engine, ids, runId, journal, ledger } = await waiting();
    const before = await entriesOf(journal, runId);
    const given = JSON.parse(JSON.stringify(decision).replace('"ID"', JSON.stringify(ids[0])));
    const error = await engine.decide(runId, [given], { by: ben }).catch((e) => e);
    expect(['DECISION_INVALID', 'APPROVAL_NOT_FOUND']).toContain(error.code);
    expect(await entriesOf(journal, runId)).toEqual(before);
    await ends(engine.resume(runId), 'paused');
    expect(ledger).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['no-one', undefined],
    ['null', null],
    ['no id', {}],
    ['an empty id', { id: '' }],
    ['an id that is not a text', { id: 7 }],
  ])('by %s is refused', async (_, by) => {
    const { engine, ids, runId } = await waiting();
    await refused('NOT_PERMITTED', engine.decide(runId, [{ approval: ids[0] as string, type: 'approve' }], { by: by as Principal }));
  });

  test.each<[string, unknown]>([
    ['a text', 'lead'],
    ['a list in a list', [['lead']]],
    ['an object', { lead: true, includes: 'lead' }],
  ])('by somebody whose roles are %s is refused', async (_, roles) => {
    const { engine, ids, runId } = await waiting([{ cents: 1 }], { roles: ['lead'] });
    const error = await engine
      .decide(runId, [{ approval: ids[0] as string, type: 'approve' }], { by: { id: 'cas', roles: roles as string[] } })
      .catch((e) => e);
    expect(error.code).toBe('NOT_PERMITTED');
  });
});

describe('an edit', () => {
  test('cannot smuggle a prototype, and what the tool gets is what is in the journal', async () => {
    const { engine, ids, ledger, runId, journal } = await waiting();
    const input = JSON.parse('{"cents":2,"__proto__":{"admin":true}}');
    await engine.decide(runId, [{ approval: ids[0] as string, type: 'edit', input }], { by: ben });
    await ends(engine.resume(runId), 'completed');
    expect((ledger[0] as Anything).admin).toBeUndefined();
    expect(JSON.stringify(ledger[0])).toBe(JSON.stringify(input));
    expect(JSON.stringify(await entriesOf(journal, runId))).toContain('"__proto__":{"admin":true}');
  });

  test('of a call that was asked for in one role cannot be widened by one without it', async () => {
    const { engine, ids, ledger, runId } = await waiting([{ cents: 1 }], { roles: ['lead'] });
    await refused(
      'NOT_PERMITTED',
      engine.decide(runId, [{ approval: ids[0] as string, type: 'edit', input: { cents: 666 } }], { by: eve }),
    );
    expect(ledger).toEqual([]);
  });
});

test('a rejected call stays rejected, whatever the model says about it', async () => {
  const { tool, ledger } = ledgered({ approval: true });
  const model = scripted([asks(['act', { cents: 1 }]), 'The lead approved it after all.']);
  const engine = new Engine();
  const paused = await ends(engine.run(clerk(model, [tool]), 'go'), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'fraud' }], { by: ben });
  await ends(engine.resume(paused.runId), 'completed');
  expect(ledger).toEqual([]);
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'REJECTED', outcome: 'not-run' });
});

test('two processes that approve and reject at once: one wins, and the effect follows it', async () => {
  for (let i = 0; i < 5; i++) {
    const disk = onDisk();
    const { tool, ledger } = ledgered({ approval: true });
    const a = clerk(scripted([asks(['act', {}]), 'done']), [tool]);
    const paused = await ends(new Engine({ journal: disk.open() }).run(a, 'go'), 'paused');
    const engines = [new Engine({ journal: disk.open(), agents: [a] }), new Engine({ journal: disk.open(), agents: [a] })] as const;
    const approval = paused.approvals[0].id;
    const outcomes = await Promise.allSettled([
      engines[0].decide(paused.runId, [{ approval, type: 'approve' }], { by: ben }),
      engines[1].decide(paused.runId, [{ approval, type: 'reject', reason: 'no' }], { by: eve }),
    ]);
    expect(outcomes.filter((o) => o.status === 'fulfilled')).toHaveLength(1);
    await ends(engines[0].resume(paused.runId), 'completed');
    expect(ledger).toHaveLength(outcomes[0].status === 'fulfilled' ? 1 : 0);
  }
});
