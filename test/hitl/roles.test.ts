import { describe, expect, test } from 'vitest';
import { type Decision, Engine, type Principal } from '../../src/index.ts';
import { journals } from '../kit/journals.ts';
import { ends, refused } from '../kit/runs.ts';
import { ana, ben, elsewhere, refunding } from './setup.ts';

describe.each(journals)('roles on $name', ({ make }) => {
  const asked = async (by: Principal | undefined, roles: readonly string[]) => {
    const { journal, another } = make();
    const { a, ledger } = refunding({ rule: { roles } });
    const paused = await ends(new Engine({ journal }).run(a, 'go', by && { by }), 'paused');
    const decision: Decision = { approval: paused.approvals[0].id, type: 'approve' };
    const engine = elsewhere(another(), a);
    return { decide: (who: Principal) => engine.decide(paused.runId, [decision], { by: who }), engine, runId: paused.runId, ledger };
  };

  test.each<[string, Principal]>([
    ['no role', { id: 'cas' }],
    ['another role', { id: 'cas', roles: ['clerk'] }],
    ['a role of a similar name', { id: 'cas', roles: ['leader', 'LEAD', 'lead '] }],
  ])('who has %s may not decide', async (_, who) => {
    const { decide, engine, runId, ledger } = await asked(ana, ['lead', 'boss']);
    const error = await refused('NOT_PERMITTED', decide(who));
    expect(error.message).toContain('lead');
    expect((await engine.inspect(runId)).approvals).toHaveLength(1);
    await ends(engine.resume(runId), 'paused');
    expect(ledger).toEqual([]);
  });

  test('one of the roles is enough', async () => {
    const { decide, engine, runId, ledger } = await asked(ana, ['lead', 'boss']);
    await decide({ id: 'cas', roles: ['clerk', 'boss'] });
    await ends(engine.resume(runId), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('the requester may not decide, whatever roles they have or take', async () => {
    const { decide } = await asked({ id: 'ana', roles: ['lead'] }, ['lead']);
    await refused('NOT_PERMITTED', decide({ id: 'ana', roles: ['lead'] }));
    await refused('NOT_PERMITTED', decide({ id: 'ana', roles: ['lead', 'boss'], tenant: 'elsewhere' }));
    await decide(ben);
  });

  test('the requester may neither approve nor reject', async () => {
    const { engine, runId } = await asked({ id: 'ana', roles: ['lead'] }, ['lead']);
    const [approval] = (await engine.inspect(runId)).approvals;
    const reject: Decision = { approval: approval?.id as string, type: 'reject', reason: 'mine' };
    await refused('NOT_PERMITTED', engine.decide(runId, [reject], { by: { id: 'ana', roles: ['lead'] } }));
  });

  test('without roles in the rule anyone may decide, the requester too', async () => {
    const { journal } = make();
    const { a } = refunding({ rule: true });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    expect(await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana })).toEqual([]);
  });
});
