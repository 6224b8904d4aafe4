import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type ApprovalRule, agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { ana, ben } from './setup.ts';

describe.each(journals)('a tool that changed after it was asked about, on $name', ({ make }) => {
  /** Asks for an approval with one declaration and resumes with another. */
  async function between(before: Parameters<typeof declare>[0], after: Parameters<typeof declare>[0] | undefined) {
    const { journal, another } = make();
    const ran: unknown[] = [];
    const model = scripted([asks(['pay', { cents: 5 }]), 'done']);
    const make1 = (o: Parameters<typeof declare>[0] | undefined) =>
      agent({ name: 'a', instructions: '', model, tools: o ? [declare(o, ran)] : [] });
    const paused = await ends(new Engine({ journal }).run(make1(before), 'go', { by: ana }), 'paused');
    const engine = new Engine({ journal: another(), agents: [make1(after)] });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ben });
    return { engine, runId: paused.runId, first: paused.approvals[0].id, ran, told: () => shown(model.requests[1])[0] };
  }
  const declare = (
    o: { description?: string; input?: z.ZodObject; rule?: ApprovalRule; effect?: 'read' | 'idempotent' | 'once' },
    ran: unknown[],
  ) =>
    tool({
      name: 'pay',
      description: o.description ?? 'Pay',
      input: o.input ?? z.object({ cents: z.number() }),
      approval: o.rule ?? true,
      ...(o.effect && { effect: o.effect }),
      execute: (i) => void ran.push(i),
    });

  test("but not in the model's view of it: the approval is valid", async () => {
    const { engine, runId, ran } = await between({}, {});
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([{ cents: 5 }]);
  });

  test('in its description: it is asked about again, with the same roles, and the old approval is invalid', async () => {
    const { engine, runId, ran, first } = await between(
      { rule: { roles: ['lead'] } },
      { description: 'Pay, and tell everybody', rule: { roles: ['lead'] } },
    );
    const again = await ends(engine.resume(runId), 'paused');
    expect(ran).toEqual([]);
    expect(again.approvals[0].id).not.toBe(first);
    expect(again.approvals[0]).toMatchObject({ roles: ['lead'], input: { cents: 5 }, reason: expect.stringContaining('changed') });
    await refused('NOT_PERMITTED', engine.decide(runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: { id: 'cas' } }));
    await engine.decide(runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: ben });
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([{ cents: 5 }]);
  });

  test.each([
    ['once', 'read'],
    ['once', 'idempotent'],
    ['read', 'once'],
  ] as const)('in what a second call does, from %s to %s: it is asked about again', async (was, now) => {
    const { engine, runId, ran, first } = await between({ effect: was }, { effect: now });
    const again = await ends(engine.resume(runId), 'paused');
    expect(ran).toEqual([]);
    expect(again.approvals[0].id).not.toBe(first);
    expect(again.approvals[0].reason).toContain('changed');
    await engine.decide(runId, [{ approval: again.approvals[0].id, type: 'approve' }], { by: ben });
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([{ cents: 5 }]);
  });

  test('in what it takes: the arguments are validated again', async () => {
    const { engine, runId, ran, told } = await between({}, { input: z.object({ euros: z.number() }) });
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([]);
    expect(failure(told()).code).toBe('INVALID_ARGUMENTS');
  });

  test('and was removed: the agent gets an error', async () => {
    const { engine, runId, told } = await between({}, undefined);
    await ends(engine.resume(runId), 'completed');
    expect(failure(told())).toMatchObject({ code: 'TOOL_NOT_FOUND', outcome: 'not-run' });
  });
});

describe('an approval rule that makes no sense', () => {
  const bad: readonly [string, unknown][] = [
    ['no roles at all', { roles: [] }],
    ['roles that are no list', { roles: 'lead' }],
    ['an expiry of 0', { expires: 0 }],
    ['an expiry that is not a number', { expires: Number.NaN }],
    ['a decision that there is not', { allow: ['maybe'] }],
    ['nothing to decide', { allow: [] }],
    ['a text', 'yes'],
  ];
  test.each(bad.filter(([, rule]) => typeof rule === 'object'))('%s is refused where it is declared', async (_, rule) => {
    await refused('CONFIG_INVALID', () =>
      tool({ name: 'x', description: '', input: anything, approval: rule as ApprovalRule, execute: () => 1 }),
    );
  });

  test.each([...bad, ['nothing', undefined], ['null', null], ['a number', 1]])(
    '%s, from a function, lets nothing through',
    async (_, rule) => {
      let ran = 0;
      const pay = tool({ name: 'pay', description: '', input: anything, approval: () => rule as ApprovalRule, execute: () => ++ran });
      const model = scripted([asks(['pay', {}]), 'done']);
      const result = await new Engine().run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go');
      expect(ran).toBe(0);
      if (result.status === 'completed') expect(failure(shown(model.requests[1])[0]).code).toBe('APPROVAL_RULE_FAILED');
      else expect(result.status).toBe('paused');
    },
  );
});
