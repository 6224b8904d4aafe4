// An approval is for a call as it was shown. If the call is another one by now, the rule of now says who is asked.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type ApprovalRule,
  agent,
  approve,
  type Decision,
  Engine,
  edit,
  graph,
  type Journal,
  memoryJournal,
  NeedsPerson,
  type Policy,
  type RunResult,
  respond,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const LEAD: ApprovalRule = { roles: ['lead'], expires: 86_400_000 };
const CFO: ApprovalRule = { roles: ['cfo'] };
const lead = { id: 'ben', roles: ['lead'] };
const cfo = { id: 'cleo', roles: ['cfo'] };

type Usd = { usd: number };
const plain = z.object({ usd: z.number() });
/** What is written as 60 is 6,000 by now. */
const cents = z.object({ usd: z.number().transform((n) => n * 100) });

interface Declared {
  description?: string;
  input?: z.ZodType<Usd>;
  approval?: boolean | ApprovalRule | ((input: Usd) => boolean | ApprovalRule);
  /** It asks a person while it runs. */
  midway?: boolean;
}

/** An agent that pays 60, and what was paid. */
function payer({ description = 'Pays.', input = plain, approval, midway = false }: Declared, paid: unknown[] = []) {
  const pay = tool({
    name: 'pay',
    description,
    input,
    ...(approval !== undefined && { approval }),
    execute: ({ usd }, { asked }) => {
      if (midway && !asked) throw new NeedsPerson({ question: 'Which account?' });
      paid.push(midway ? [usd, asked?.answer] : usd);
      return 'paid';
    },
  });
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
  const turns = [asks(['pay', { usd: 60 }]), asks(['look', {}])];
  const model = scripted(({ messages }) => turns[messages.filter(({ role }) => role === 'tool').length] ?? 'done');
  return { agent: agent({ name: 'a', instructions: '', model, tools: [pay, look] }), paid };
}

const asked = (result: RunResult) =>
  result.status === 'paused' ? result.approvals.map((a) => ({ kind: a.kind, roles: a.roles, expires: a.expiresAt !== undefined })) : [];
const first = (result: RunResult) => {
  if (result.status !== 'paused' || !result.approvals[0]) throw new Error(`expected an approval, got ${JSON.stringify(result)}`);
  return result.approvals[0];
};
const paused = (run: PromiseLike<RunResult>) => ends(run, 'paused');

describe.each(journals)('on $name', ({ make }) => {
  // one for each tool: the call counts once, however often a person is asked
  const start = async (declared: Declared, policy?: Policy) => {
    const { journal } = make();
    const { agent: one, paid } = payer(declared);
    const engine = new Engine({ journal, agents: [one], ...(policy && { policy }) });
    const result = await paused(engine.run(one, 'go', { by: { id: 'ana' }, limits: { toolCalls: 2 } }));
    const decide = (decision: Decision, by: typeof lead) => engine.decide(result.runId, [decision], { by, resume: true });
    return { journal, paid, result, decide };
  };
  /** The same agent in a process with another declaration. */
  const deployed = (journal: Journal, declared: Declared) => {
    const { agent: one, paid } = payer(declared);
    return { engine: new Engine({ journal, agents: [one] }), paid };
  };

  test('edited arguments of which the schema makes more than was written are asked about by the rule for what it makes', async () => {
    const input = z.object({ usd: z.union([z.string(), z.number()]).transform((x) => Number(String(x).replace('k', '000'))) });
    const approval = ({ usd }: Usd) => (usd > 1_000 ? CFO : LEAD);
    const { paid, result, decide } = await start({ input: input as unknown as z.ZodType<Usd>, approval });
    const again = await decide(edit(first(result), { usd: '6k' }), lead);
    expect(first(again)).toMatchObject({ input: { usd: 6_000 }, roles: ['cfo'] });
    await refused('NOT_PERMITTED', decide(approve(first(again)), lead));
    expect(paid).toEqual([]);
    await ends(decide(approve(first(again)), cfo), 'completed');
    expect(paid).toEqual([6_000]);
  });

  test.each<[string, Declared]>([
    ['a rule that asks others', { description: 'Pays the real account.', approval: CFO }],
    ['a schema of which another amount comes', { input: cents, approval: ({ usd }) => (usd > 1_000 ? CFO : LEAD) }],
  ])('after a deploy with %s, those are asked', async (_, now) => {
    const { journal, result } = await start({ approval: LEAD });
    const { engine, paid } = deployed(journal, now);
    await engine.decide(result.runId, [approve(first(result))], { by: lead });
    const again = await engine.resume(result.runId);
    expect(asked(again)).toEqual([{ kind: 'tool', roles: ['cfo'], expires: false }]);
    expect(first(again).reason).toMatch(/^the tool /);
    await refused('NOT_PERMITTED', engine.decide(result.runId, [approve(first(again))], { by: lead }));
    expect(paid).toEqual([]);
    await ends(engine.decide(result.runId, [approve(first(again))], { by: cfo, resume: true }), 'completed');
    expect(paid).toEqual([now.input ? 6_000 : 60]);
  });

  test('after a deploy with a rule that asks no one, those of before are asked about what changed, as long as before', async () => {
    const { journal, result } = await start({ approval: LEAD });
    const { engine } = deployed(journal, { input: cents, approval: false });
    await engine.decide(result.runId, [approve(first(result))], { by: lead });
    expect(asked(await engine.resume(result.runId))).toEqual([{ kind: 'tool', roles: ['lead'], expires: true }]);
  });

  describe('a call that asked a person while it ran', () => {
    const answered = async (engine: Engine, result: RunResult) => {
      expect(asked(result)).toEqual([{ kind: 'question', roles: undefined, expires: false }]);
      return engine.decide(result.runId, [respond(first(result), 'main')], { by: lead, resume: true });
    };

    test.each<[string, Declared]>([
      ['another description', { description: 'Pays the real account.', approval: LEAD }],
      ['a rule that asks others, and another description', { description: 'Pays more.', approval: CFO }],
      ['a schema of which another amount comes', { input: cents, approval: LEAD }],
    ])('and was approved before is asked about again after a deploy with %s, and keeps its answer', async (_, now) => {
      const { journal, result, decide } = await start({ approval: LEAD, midway: true });
      const question = await decide(approve(first(result)), lead);
      const { engine, paid } = deployed(journal, { ...now, midway: true });
      const again = await answered(engine, question);
      const roles = now.approval === CFO ? ['cfo'] : ['lead'];
      expect(asked(again)).toMatchObject([{ kind: 'tool', roles }]);
      expect(paid).toEqual([]);
      await ends(
        engine.decide(result.runId, [approve(first(again))], { by: now.approval === CFO ? cfo : lead, resume: true }),
        'completed',
      );
      expect(paid).toEqual([[now.input ? 6_000 : 60, 'main']]);
    });

    test('and was approved before is not asked about again where nothing has changed, and the ledger says who allowed it', async () => {
      const { journal, result, decide } = await start({ approval: LEAD, midway: true });
      const question = await decide(approve(first(result)), lead);
      const { engine, paid } = deployed(journal, { approval: LEAD, midway: true });
      await ends(answered(engine, question), 'completed');
      expect(paid).toEqual([[60, 'main']]);
      for await (const { allowed } of engine.effects({ by: { id: 'ana' } })) expect(allowed.by?.id).toBe('ben');
    });

    test('and was allowed without a person is asked about if the policy asks one by now', async () => {
      let strict = false;
      const policy: Policy = { decide: ({ tool: name }) => (strict && name === 'pay' ? { ask: CFO } : { allow: true }) };
      const { paid, result, decide } = await start({ midway: true }, policy);
      strict = true;
      const again = await decide(respond(first(result), 'main'), lead);
      expect(asked(again)).toMatchObject([{ kind: 'tool', roles: ['cfo'] }]);
      expect(paid).toEqual([]);
      await ends(decide(approve(first(again)), cfo), 'completed');
      expect(paid).toEqual([[60, 'main']]);
    });
  });
});

describe('a sub-agent with an input of its own', () => {
  let made = 0;
  const state = (due: z.ZodType<string>) => z.object({ usd: z.coerce.number<string>(), due });
  const run = async (due: z.ZodType<string>) => {
    const got: string[] = [];
    const pay = graph({
      name: 'pay',
      description: '',
      state: state(due),
      nodes: {
        a: (s) => {
          got.push(s.due);
          return {};
        },
      },
      edges: { start: 'a', a: 'end' },
      output: (s) => s.due,
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['pay', { usd: '5' }])));
    const top = agent({ name: 'top', instructions: '', model, agents: [pay] });
    const engine = new Engine({
      journal: memoryJournal(),
      policy: { decide: (r) => (r.tool === 'pay' ? { ask: true } : { allow: true }) },
    });
    const result = await paused(engine.run(top, 'go'));
    const again = await engine.decide(result.runId, [approve(first(result))], { by: lead, resume: true });
    return { shown: first(result), got, again, told: model.requests.at(-1) };
  };

  test('gets what was shown, also where its schema makes other defaults by now', async () => {
    const { shown, got, again } = await run(z.string().default(() => `due ${made++}`));
    expect(again.status).toBe('completed');
    expect(shown).toMatchObject({ input: { usd: 5, due: got[0] } });
    expect(got).toHaveLength(1);
  });

  test('is not called where its schema makes something else of the same each time', async () => {
    const { got, again, told } = await run(
      z
        .string()
        .default('')
        .transform((text) => `${text} ${made++}`) as unknown as z.ZodType<string>,
    );
    expect(again.status).toBe('completed');
    expect(got).toEqual([]);
    expect(JSON.stringify(told?.messages.at(-1))).toContain('INVALID_ARGUMENTS');
  });
});
