import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type ApprovalRule,
  agent,
  type Decision,
  Engine,
  type Journal,
  type Json,
  memoryJournal,
  type Policy,
  type Schema,
  supervisor,
  ToolError,
  tool,
} from '../../src/index.ts';
import { digest } from '../../src/journal/canonical.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { type Appended, entriesOf, journals, leftBehind, recording } from '../kit/journals.ts';
import { asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { until } from '../kit/time.ts';
import { ana, ben } from './setup.ts';

const cfo = { id: 'cas', roles: ['cfo'] };
const fresh = { initialDelay: 1, attempts: 3 };

/** An agent that asks for one payment. */
function paying(
  input: Schema,
  asked: Json,
  o: { approval?: boolean | ApprovalRule | ((i: never) => boolean | ApprovalRule); execute?: (i: never) => unknown } = {},
) {
  const ran: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pay',
    input,
    effect: 'idempotent',
    retry: fresh,
    ...(o.approval !== undefined && { approval: o.approval as boolean }),
    execute: (i: never) => {
      ran.push(structuredClone(i));
      return (o.execute?.(i) ?? 'paid') as string;
    },
  });
  const model = scripted([asks(['pay', asked]), 'done']);
  return { a: agent({ name: 'clerk', instructions: '', model, tools: [pay] }), model, ran };
}

type Shown = { input: Json; written?: Json; digest: string; id: string; reason?: string; roles?: readonly string[] };
const first = (r: { approvals: readonly unknown[] }) => r.approvals[0] as Shown;

/** Decides the first open approval of a run. */
async function decide(engine: Engine, runId: string, by: typeof ben, decision: object = { type: 'approve' }) {
  const { approvals } = await engine.inspect(runId);
  await engine.decide(runId, [{ approval: approvals[0]?.id, ...decision } as Decision], { by });
}

const made: readonly [string, Schema, Json, Json][] = [
  ['a default', z.object({ to: z.string(), cents: z.number().default(1_000) }), { to: 'eve' }, { to: 'eve', cents: 1_000 }],
  ['a coercion', z.object({ cents: z.coerce.number() }), { cents: '999' }, { cents: 999 }],
  ['trimming and case', z.object({ to: z.string().trim().toLowerCase() }), { to: ' Treasury' }, { to: 'treasury' }],
  ['a stripped key', z.object({ to: z.string() }), { to: 'eve', note: 'the CFO agreed' }, { to: 'eve' }],
  ['a transform', z.object({ euros: z.number().transform((n) => n * 100) }), { euros: 6 }, { euros: 600 }],
  ['a date', z.object({ at: z.string().transform((s) => new Date(s)) }), { at: '2026-01-01' }, { at: '2026-01-01T00:00:00.000Z' }],
  [
    'a Map',
    z.object({ of: z.record(z.string(), z.number()).transform((o) => new Map(Object.entries(o))) }),
    { of: { a: 1 } },
    { of: { a: 1 } },
  ],
  ['a schema that answers later', z.object({ to: z.string().transform(async (s) => s.toUpperCase()) }), { to: 'eve' }, { to: 'EVE' }],
];

describe.each(journals)('what a tool will get, on $name:', ({ make }) => {
  test.each(made)('%s is what the policy sees, with what the model wrote beside it', async (_, input, asked, gets) => {
    const seen: unknown[] = [];
    const policy: Policy = {
      decide: async ({ input: i, written }) => {
        seen.push({ i, ...(written !== undefined && { written }) });
        return { allow: true };
      },
    };
    const { a } = paying(input, asked);
    await ends(new Engine({ journal: make().journal, policy }).run(a, 'go'), 'completed');
    expect(seen).toEqual([{ i: gets, ...(digest(gets) !== digest(asked) && { written: asked }) }]);
  });

  test.each(made)(
    '%s is what the approver sees, what the digest is of, and what runs in another process',
    async (_, input, asked, gets) => {
      const { journal, another } = make();
      const { a, ran } = paying(input, asked, { approval: true });
      const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
      const approval = first(paused);
      expect(approval.input).toEqual(gets);
      expect(approval.written).toEqual(digest(gets) === digest(asked) ? undefined : asked);
      expect(approval.digest).toBe(digest(gets));
      const engine = new Engine({ journal: another(), agents: [a] });
      expect(first(await engine.inspect(paused.runId))).toEqual(approval);
      await decide(engine, paused.runId, ben);
      const started: unknown[] = [];
      const run = engine.resume(paused.runId);
      for await (const e of run) if (e.type === 'tool.started') started.push(e.input);
      await ends(run, 'completed');
      expect(started).toEqual([gets]);
      expect(ran).toEqual([(await (input as unknown as z.ZodType).parseAsync(asked)) as unknown]);
    },
  );

  test.each<[string, Schema, Json]>([
    ['a random default', z.object({ key: z.string().default(() => randomUUID()) }), {}],
    [
      'a random default beside a transform',
      z.object({ euros: z.number().transform((n) => n * 100), key: z.string().default(() => randomUUID()) }),
      { euros: 6 },
    ],
    [
      'a Date by default',
      z.object({
        key: z
          .string()
          .default(() => new Date(Math.floor(Math.random() * 1e12)).toISOString())
          .transform((s) => new Date(s)),
      }),
      {},
    ],
  ])('%s: the approved value is what runs', async (_, input, asked) => {
    const { journal, another } = make();
    const { a, ran } = paying(input, asked, { approval: true });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await decide(engine, paused.runId, ben);
    await ends(engine.resume(paused.runId), 'completed');
    expect(JSON.parse(JSON.stringify(ran))).toEqual([first(paused).input]);
  });

  test('a default of the current time with a transform: asked at most once more, and then the approved value runs', async () => {
    const { journal } = make();
    let now = 1;
    const input = z.object({ euros: z.number().transform((n) => n * 100), at: z.number().default(() => now) });
    const { a, ran } = paying(input, { euros: 6 }, { approval: true });
    const engine = new Engine({ journal });
    let paused = await ends(engine.run(a, 'go'), 'paused');
    now = 2;
    await decide(engine, paused.runId, ben);
    paused = await ends(engine.resume(paused.runId), 'paused');
    expect(first(paused)).toMatchObject({ input: { euros: 600, at: 2 }, reason: expect.stringContaining('something else') });
    now = 3;
    await decide(engine, paused.runId, ben);
    await ends(engine.resume(paused.runId), 'completed');
    expect(ran).toEqual([{ euros: 600, at: 2 }]);
  });

  test('a schema whose next version parses the same arguments differently: asked again', async () => {
    const { journal, another } = make();
    const version = (by: number) =>
      paying(z.object({ euros: z.number().transform((n) => n * by) }), { euros: 6 }, { approval: { roles: ['lead'] } });
    const paused = await ends(new Engine({ journal }).run(version(100).a, 'go', { by: ana }), 'paused');
    const next = version(1_000);
    const engine = new Engine({ journal: another(), agents: [next.a] });
    await decide(engine, paused.runId, ben);
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(first(again)).toMatchObject({ input: { euros: 6_000 }, roles: ['lead'], reason: expect.stringContaining('something else') });
    expect(next.ran).toEqual([]);
  });

  test('a value that cannot be reproduced is refused, and the agent gets an error', async () => {
    const input = z.object({ n: z.number().transform((n) => new Map([[n * 2, Math.random()]])) });
    const { a, ran, model } = paying(input, { n: 1 }, { approval: true });
    const engine = new Engine({ journal: make().journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await decide(engine, paused.runId, ben);
    await ends(engine.resume(paused.runId), 'completed');
    expect(ran).toEqual([]);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
  });

  test('each attempt gets the same arguments, even if the previous one mutated its copy', async () => {
    let left = 2;
    const { a, ran } = paying(
      z.object({ list: z.array(z.number()), key: z.string().default(() => randomUUID()) }),
      { list: [1] },
      {
        execute: (i: { list: number[]; key: string }) => {
          i.list.push(2);
          i.key = 'mine';
          if (left-- > 0) throw new ToolError('BUSY', 'later', { retryable: true, outcome: 'not-run' });
          return 'paid';
        },
      },
    );
    await ends(new Engine({ journal: make().journal }).run(a, 'go'), 'completed');
    expect(ran).toHaveLength(3);
    expect(ran).toEqual([ran[0], ran[0], ran[0]]);
    expect(ran[0]).toMatchObject({ list: [1] });
  });

  test('an approval rule sees what the tool gets, and cannot change it', async () => {
    const seen: unknown[] = [];
    const { a, ran } = paying(
      z.object({ key: z.string().default(() => randomUUID()) }),
      {},
      {
        approval: (i: { key: string }) => {
          seen.push({ ...i });
          i.key = 'mine';
          return false;
        },
      },
    );
    await ends(new Engine({ journal: make().journal }).run(a, 'go'), 'completed');
    expect(ran).toEqual(seen);
  });
});

test('an interrupted call runs again with the arguments that it had', async () => {
  const { journal, appends } = recording(memoryJournal());
  const input = z.object({ key: z.string().default(() => randomUUID()) });
  const hanging = paying(input, {}, { execute: () => new Promise(() => {}) });
  void new Engine({ journal }).run(hanging.a, 'go', { id: 'r' });
  await until(() => hanging.ran.length > 0);
  const next = paying(input, {});
  await ends(new Engine({ journal: await leftBehind(appends), agents: [next.a] }).resume('r'), 'completed');
  expect(next.ran[0]).toEqual(hanging.ran[0]);
});

test('arguments that were shown and then changed in the journal are refused', async () => {
  const { journal, appends } = recording(memoryJournal());
  const { a, ran } = paying(z.object({ to: z.string(), cents: z.number().default(5) }), { to: 'eve' }, { approval: true });
  const engine = new Engine({ journal });
  const paused = await ends(engine.run(a, 'go'), 'paused');
  await decide(engine, paused.runId, ben);
  const forged = appends.map(
    (one): Appended => ({
      ...one,
      entries: one.entries.map((e) => (e.type === 'approval.requested' ? { ...e, input: { to: 'eve', cents: 500_000 } } : e)),
    }),
  );
  await refused('JOURNAL_DAMAGED', new Engine({ journal: await leftBehind(forged), agents: [a] }).resume(paused.runId));
  expect(ran).toEqual([]);
});

describe.each(journals)('an edit on $name', ({ make }) => {
  const input = z.object({ cents: z.number() });
  const tiers = ({ cents }: { cents: number }) => (cents > 1_000_000 ? { roles: ['cfo'] } : cents > 5_000 ? { roles: ['lead'] } : false);

  async function edited(cents: number, approval: Parameters<typeof paying>[2]) {
    const { journal, another } = make();
    const it = paying(input, { cents: 6_000 }, approval);
    const paused = await ends(new Engine({ journal }).run(it.a, 'go', { by: ana }), 'paused');
    const engine = new Engine({ journal: another(), agents: [it.a] });
    await decide(engine, paused.runId, ben, { type: 'edit', input: { cents } });
    return { ...it, engine, runId: paused.runId, journal: another() as Journal, result: await engine.resume(paused.runId) };
  }

  test('to arguments that need another role asks for that role, and runs after its approval', async () => {
    const { engine, runId, result, ran, model } = await edited(9_999_999, { approval: tiers });
    expect(result.status).toBe('paused');
    expect(ran).toEqual([]);
    const again = first(result as never);
    expect(again).toMatchObject({ roles: ['cfo'], input: { cents: 9_999_999 }, written: { cents: 6_000 } });
    await refused('NOT_PERMITTED', decide(engine, runId, ben));
    await decide(engine, runId, cfo);
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([{ cents: 9_999_999 }]);
    expect(shown(model.requests[1])[0]?.text).toContain('{"cents":9999999}');
  });

  test.each([7_000, 10])('to %i, which the editor may approve or which needs no approval, runs', async (cents) => {
    const { result, ran } = await edited(cents, { approval: tiers });
    expect(result.status).toBe('completed');
    expect(ran).toEqual([{ cents }]);
  });

  test('back and forth: each edit passes the rule', async () => {
    const { engine, runId, ran } = await edited(9_999_999, { approval: tiers });
    await decide(engine, runId, cfo, { type: 'edit', input: { cents: 8_000 } });
    // 8,000 is a lead's to decide
    const third = await ends(engine.resume(runId), 'paused');
    expect(first(third)).toMatchObject({ roles: ['lead'], input: { cents: 8_000 } });
    await decide(engine, runId, ben);
    await ends(engine.resume(runId), 'completed');
    expect(ran).toEqual([{ cents: 8_000 }]);
  });

  test('is refused if the rule for the edited arguments does not offer edits', async () => {
    const rule = ({ cents }: { cents: number }): ApprovalRule => (cents > 10_000 ? { allow: ['approve', 'reject'] } : {});
    const { result, ran } = await edited(20_000, { approval: rule });
    expect(result.status).toBe('paused');
    expect(first(result as never)).toMatchObject({ allow: ['approve', 'reject'], input: { cents: 20_000 } });
    expect(ran).toEqual([]);
  });

  test('for which the rule throws does not run', async () => {
    const rule = ({ cents }: { cents: number }) => {
      if (cents !== 6_000) throw new Error('rule bug');
      return true;
    };
    const { result, ran, model } = await edited(7_000, { approval: rule });
    expect(result.status).toBe('completed');
    expect(ran).toEqual([]);
    expect(failure(shown(model.requests[1])[0]).code).toBe('APPROVAL_RULE_FAILED');
  });

  test('that the tool parses to values that its editor has not seen is asked about again', async () => {
    const { journal } = make();
    const it = paying(
      z.object({ euros: z.number().transform((n) => n * 100), note: z.string().default('-') }),
      { euros: 60 },
      { approval: true },
    );
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(it.a, 'go'), 'paused');
    expect(first(paused).input).toEqual({ euros: 6_000, note: '-' });
    // they take what they see for euros
    await decide(engine, paused.runId, ben, { type: 'edit', input: { euros: 5_000 } });
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(first(again)).toMatchObject({ input: { euros: 500_000, note: '-' } });
    await decide(engine, paused.runId, ben, { type: 'edit', input: { euros: 50 } });
    const third = await ends(engine.resume(paused.runId), 'paused');
    await decide(engine, third.runId, ben);
    await ends(engine.resume(paused.runId), 'completed');
    expect(it.ran).toEqual([{ euros: 5_000, note: '-' }]);
  });

  test('without a field that was shown with its default runs with that default', async () => {
    const { journal } = make();
    const it = paying(z.object({ to: z.string(), cents: z.number().default(5) }), { to: 'eve' }, { approval: true });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(it.a, 'go'), 'paused');
    await decide(engine, paused.runId, ben, { type: 'edit', input: { to: 'bo' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(it.ran).toEqual([{ to: 'bo', cents: 5 }]);
    const entries = await entriesOf(journal, paused.runId);
    expect(entries.find((e) => e.type === 'call.started')).toMatchObject({ input: { to: 'bo', cents: 5 } });
    expect(shown(it.model.requests[1])[0]?.text).toContain('{"to":"bo","cents":5}');
  });
});

describe('after an edit', () => {
  const input = z.object({ to: z.string() });
  const mailing = (execute: () => unknown) => paying(input, { to: 'al' }, { approval: true, execute });

  async function oneEdit(it: ReturnType<typeof paying>, top: typeof it.a = it.a) {
    const engine = new Engine();
    const paused = await ends(engine.run(top, 'go'), 'paused');
    await decide(engine, paused.runId, ben, { type: 'edit', input: { to: 'bo' }, note: 'al has left' });
    await ends(engine.resume(paused.runId), 'completed');
    return it.model.requests[1]?.messages.at(-1)?.content[0] as { output: readonly { text: string }[]; isError?: boolean };
  }

  test('the model sees the edited arguments, the reason and the result', async () => {
    const told = await oneEdit(mailing(() => 'sent'));
    expect(told.output).toHaveLength(2);
    expect(told.output[0]?.text).toMatch(/changed the arguments.*\{"to":"bo"\}.*al has left/);
    expect(told.output[1]?.text).toBe('sent');
  });

  test('the same where the call failed', async () => {
    const told = await oneEdit(
      mailing(() => {
        throw new ToolError('NO_BOX', 'no such box');
      }),
    );
    expect(told.isError).toBe(true);
    expect(JSON.parse(told.output[0]?.text ?? '')).toMatchObject({ code: 'NO_BOX', arguments: expect.stringContaining('{"to":"bo"}') });
  });

  test('the same for the model of a sub-agent', async () => {
    const it = mailing(() => 'sent');
    const top = supervisor({ name: 'top', instructions: '', model: scripted([asks(['clerk', { task: 'x' }]), 'done']), agents: [it.a] });
    expect((await oneEdit(it, top)).output[0]?.text).toContain('{"to":"bo"}');
  });

  test('that changes nothing is not reported', async () => {
    const it = paying(input, { to: 'bo' }, { approval: true, execute: () => 'sent' });
    expect((await oneEdit(it)).output.map((part) => part.text)).toEqual(['sent']);
  });
});

test('a problem that is a sentence of its own has one full stop', async () => {
  const input = { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] } as const;
  const find = tool({ name: 'find', description: 'Finds', input, effect: 'read', execute: () => 1 });
  const model = scripted([asks(['find', {}]), 'done']);
  await ends(new Engine().run(agent({ name: 'clerk', instructions: '', model, tools: [find] }), 'go'), 'completed');
  expect(failure(shown(model.requests[1])[0]).message).toMatch(/[^.]\. Correct the arguments and call find again\.$/);
});
