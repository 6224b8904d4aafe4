import { describe, expect, test } from 'vitest';
import { type Agent, type Ask, Engine, foreignAgent, memoryJournal, supervisor, ToolError, type Turn } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { clock } from '../hitl/setup.ts';
import { expireLease, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { deferred, hurried, settle, until } from '../kit/time.ts';

const ben = { id: 'ben' };
const desk = (agents: readonly Agent[], last = 'done') => {
  const model = scripted(({ messages }) => (messages.length === 1 ? asks([agents[0]?.name as string, { task: 'go' }]) : last));
  return { model, agent: supervisor({ name: 'desk', instructions: '', model, agents }) };
};

describe.each(journals)('a foreign agent on $name', ({ make }) => {
  test('asks several questions, and continues from its state when all are answered, in another engine', async () => {
    const { journal, another } = make();
    const turns: Turn[] = [];
    const made = () =>
      foreignAgent({
        name: 'alien',
        async turn(turn) {
          turns.push(JSON.parse(JSON.stringify(turn)));
          if (turn.type === 'start')
            return {
              status: 'paused',
              state: { at: 1 },
              asks: [
                { id: 'a', kind: 'question', question: 'Which?' },
                { id: 'b', kind: 'tool', tool: 'pay', input: { cents: 5 }, allow: ['approve', 'reject'] },
              ],
            };
          return {
            status: 'completed',
            output: turn.answers.map((a) => `${a.id}:${a.decision.type}`).join(),
            usage: { input: 3, output: 2 },
          };
        },
      });
    const first = new Engine({ journal });
    const paused = await ends(first.run(desk([made()]).agent, 'hi'), 'paused');
    expect(paused.approvals).toMatchObject([
      { kind: 'question', question: 'Which?', path: ['desk', 'alien'] },
      { kind: 'tool', tool: 'pay', input: { cents: 5 }, allow: ['approve', 'reject'] },
    ]);
    const [a, b] = paused.approvals.map((x) => x.id) as [string, string];
    const second = new Engine({ journal: another(), agents: [desk([made()]).agent] });
    await second.decide(paused.runId, [{ approval: b, type: 'approve' }], { by: ben });
    await ends(second.resume(paused.runId), 'paused');
    expect(turns).toHaveLength(1);
    await second.decide(paused.runId, [{ approval: a, type: 'respond', answer: '' }], { by: ben });
    const result = await ends(second.resume(paused.runId), 'completed');
    expect(turns[1]).toMatchObject({ type: 'resume', state: { at: 1 }, answers: [{ id: 'a' }, { id: 'b' }] });
    // what it used is counted, what it cost is unknown
    expect(result).toMatchObject({ output: 'done', costUsd: undefined });
    expect(result.usage.output).toBeGreaterThanOrEqual(2);
  });

  test('offers the decisions that each ask allows, of any kind', async () => {
    const asked: readonly Ask[] = [
      { id: 'a', kind: 'question', question: 'Which?' },
      { id: 'b', kind: 'tool', tool: 'pay', input: null },
      { id: 'c', kind: 'consent', provider: 'bank', url: 'https://bank.example' },
    ];
    const only = asked.map((ask): Ask => ({ ...ask, id: `${ask.id}2`, allow: ['approve'] }));
    const alien = foreignAgent({
      name: 'alien',
      turn: async (turn) =>
        turn.type === 'start'
          ? { status: 'paused', state: 1, asks: [...asked, ...only] as [Ask, ...Ask[]] }
          : { status: 'completed', output: turn.answers.map(({ id }) => id).join() },
    });
    const { journal } = make();
    const engine = new Engine({ journal, agents: [alien] });
    const { approvals, runId } = await ends(engine.run(alien, 'hi'), 'paused');
    expect(approvals.map(({ allow }) => allow.join())).toEqual([
      'respond,reject',
      'approve,edit,reject',
      'approve,reject',
      'approve',
      'approve',
      'approve',
    ]);
    const consent = approvals.at(-1)?.id as string;
    await refused('DECISION_INVALID', engine.decide(runId, [{ approval: consent, type: 'reject', reason: 'no' }], { by: ben }));
    await engine.decide(runId, [{ approval: consent, type: 'approve' }], { by: ben });
  });

  test('an interrupted turn is not repeated, unless its effect allows it', async () => {
    for (const [effect, times, said] of [
      ['once', 1, 'OUTCOME_UNKNOWN'],
      ['idempotent', 2, 'back'],
    ] as const) {
      const { journal, another } = make();
      const keys: string[] = [];
      const made = (turn: () => Promise<never> | Promise<{ status: 'completed'; output: string }>) =>
        foreignAgent({ name: 'alien', effect, turn: (_, ctx) => (keys.push(ctx.idempotencyKey), turn()) });
      const run = new Engine({ journal }).run(desk([made(() => new Promise<never>(() => undefined))]).agent, 'hi');
      await until(async () => keys.length === 1 || undefined);
      await settle();
      await expireLease(journal, run.id);
      const { agent, model } = desk([made(async () => ({ status: 'completed', output: 'back' }))]);
      await ends(new Engine({ journal: another(), agents: [agent] }).resume(run.id), 'completed');
      expect(keys).toHaveLength(times);
      expect(new Set(keys).size).toBe(1);
      expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain(said);
    }
  });
});

describe('a foreign agent that waits for people while its run is cancelled', () => {
  const made = (told: unknown[], more: object = {}) =>
    foreignAgent({
      name: 'alien',
      description: '',
      turn: async (turn) =>
        turn.type === 'resume'
          ? { status: 'completed', output: 'done' }
          : { status: 'paused', state: { task: 7 }, asks: [{ id: 'q', kind: 'question', question: 'Go on?' }] },
      cancel: async (state, { runId, thread, signal }) => {
        told.push({ state, runId, thread, aborted: signal.aborted });
        throw new Error('out of reach');
      },
      ...more,
    });

  test('is notified once, with its state, wherever it is cancelled', async () => {
    const [kind] = journals;
    const { journal, another } = (kind as (typeof journals)[number]).make();
    const told: { runId: string }[] = [];
    const { agent } = desk([made(told)]);
    const run = new Engine({ journal }).run(agent, 'x');
    await ends(run, 'paused');
    const elsewhere = new Engine({ journal: another(), agents: [desk([made(told)]).agent] });
    await elsewhere.cancel(run.id);
    await elsewhere.cancel(run.id);
    await settle();
    expect(told).toEqual([{ state: { task: 7 }, runId: run.id, thread: expect.stringMatching(/^[0-9a-f]{32}$/), aborted: false }]);
    expect((await elsewhere.inspect(run.id)).status).toBe('cancelled');
  });

  test('is notified while another frame runs, but not during its own turn', async () => {
    const told: object[] = [];
    let hangs = 0;
    const hanging = made([], {
      name: 'hanging',
      turn: () => new Promise(() => hangs++),
      cancel: async () => expect.fail('it does not wait'),
    });
    const model = scripted([asks(['alien', { task: 'x' }], ['hanging', { task: 'y' }])]);
    const top = supervisor({ name: 'desk', instructions: '', model, agents: [made(told), hanging] });
    const engine = new Engine();
    const run = engine.run(top, 'x');
    await until(async () => hangs === 1 && (await engine.inspect(run.id)).approvals.length === 1);
    await engine.cancel(run.id);
    await ends(run, 'cancelled');
    await settle();
    expect(told).toHaveLength(1);
  });

  test('is not notified of other ends, nor by an engine that does not know it', async () => {
    const told: object[] = [];
    const { agent } = desk([made(told)]);
    const journal = memoryJournal();
    const engine = new Engine({ journal });
    const done = await ends(engine.run(agent, 'x'), 'paused');
    await engine.decide(done.runId, [{ approval: done.approvals[0].id, type: 'respond', answer: 1 }], { by: ben });
    await ends(engine.resume(done.runId), 'completed');
    await engine.cancel(done.runId);
    const left = await ends(engine.run(agent, 'x'), 'paused');
    await new Engine({ journal }).cancel(left.runId);
    await settle();
    expect(told).toEqual([]);
  });
});

describe('what a foreign agent asks', () => {
  const asking = (ask: object) =>
    foreignAgent({
      name: 'alien',
      turn: async (turn) =>
        turn.type === 'resume'
          ? { status: 'completed', output: JSON.stringify(turn.answers) }
          : { status: 'paused', state: null, asks: [{ id: 'a', kind: 'tool', tool: 'pay', input: 1, ...ask } as Ask] },
    });

  test('may be decided only by its roles', async () => {
    const alien = asking({ roles: ['lead'], reason: 'much money' });
    const engine = new Engine({ agents: [alien] });
    const paused = await ends(engine.run(alien, 'x'), 'paused');
    const [{ id, ...approval }] = paused.approvals;
    expect(approval).toMatchObject({ roles: ['lead'], reason: 'much money' });
    const approve = [{ approval: id, type: 'approve' }] as const;
    await expect(engine.decide(paused.runId, approve, { by: { id: 'eve' } })).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
    await engine.decide(paused.runId, approve, { by: { id: 'ben', roles: ['lead'] } });
    expect((await ends(engine.resume(paused.runId), 'completed')).output).toContain('"approve"');
  });

  test('is rejected if no one decided in time', async () => {
    const alien = asking({ expires: 60_000 });
    const { journal, time } = clock(memoryJournal(), Date.now());
    const engine = new Engine({ journal, agents: [alien] });
    const paused = await ends(engine.run(alien, 'x'), 'paused');
    time.now += 60_001;
    const late = engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await expect(late).rejects.toMatchObject({ code: 'APPROVAL_EXPIRED' });
    const { output } = await ends(engine.resume(paused.runId), 'completed');
    expect(output).toContain('"reject"');
    expect(output).toContain('No one decided in time.');
  });

  test.each([[{ roles: 'lead' }], [{ roles: [] }], [{ expires: -1 }], [{ allow: ['yes'] }], [{ id: 7 }]])(
    'makes sense, or is a failure: %j',
    async (ask) => {
      const alien = asking(ask);
      const failed = await ends(new Engine().run(alien, 'x'), 'failed');
      expect(failed.error.message).toMatch(/ask/);
    },
  );
});

test('runs at the top, and a failure of it is a typed one', async () => {
  const engine = new Engine();
  const echo = foreignAgent({
    name: 'echo',
    turn: async (t) => ({ status: 'completed', output: `you said ${t.type === 'start' && t.input}` }),
  });
  expect(await ends(engine.run(echo, 'hello'), 'completed')).toMatchObject({ output: 'you said hello', costUsd: 0 });
  const bad = foreignAgent({ name: 'bad', turn: async () => ({}) as never });
  const failed = await ends(engine.run(bad, 'hello'), 'failed');
  expect(failed.error).toMatchObject({ code: 'TOOL_FAILED' });
  expect(failed.error.message).toContain("{ status: 'completed' }");
});

describe('a run of a foreign agent alone', () => {
  test.each(['once', 'idempotent', 'read'] as const)('whose turn (%s) is running is cancelled', async (effect) => {
    const [kind] = journals;
    const { journal } = (kind as (typeof journals)[number]).make();
    const begun = deferred();
    const alien = foreignAgent({
      name: 'alien',
      effect,
      turn: (_, { signal }) => (begun.resolve(), new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))),
    });
    const engine = new Engine({ journal });
    const run = engine.run(alien, 'x');
    await begun.promise;
    await engine.cancel(run.id, { reason: 'enough' });
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'enough' });
    const { unknowns } = await engine.inspect(run.id);
    expect(unknowns).toHaveLength(effect === 'once' ? 1 : 0);
  });

  test('that is halted between attempts can be resumed: the turn had not started', async () => {
    const [kind] = journals;
    const { journal, another } = (kind as (typeof journals)[number]).make();
    let turns = 0;
    const alien = () =>
      foreignAgent({
        name: 'alien',
        retry: { attempts: 2, initialDelay: 1e9, maxDelay: 1e9 },
        turn: async () => {
          if (++turns === 1) throw new ToolError('BUSY', 'later', { outcome: 'not-run', retryable: true });
          return { status: 'completed', output: 'done' };
        },
      });
    const first = new Engine({ journal });
    const run = first.run(alien(), 'x');
    await until(async () => turns === 1 || undefined);
    await settle();
    await Promise.allSettled([hurried(() => first.close()), run]);
    const second = new Engine({ journal: another(), agents: [alien()] });
    expect((await ends(second.resume(run.id), 'completed')).output).toBe('done');
    expect(turns).toBe(2);
  });

  test.each<[string, object, readonly string[]]>([
    ['a cost that is not a number', { usage: { input: 1, output: 1 }, costUsd: Number.NaN }, ['costUsd']],
    ['a negative cost', { usage: { input: 0, output: 0 }, costUsd: -100 }, ['costUsd']],
    ['an endless cost', { usage: { input: 1, output: 1 }, costUsd: Number.POSITIVE_INFINITY }, ['costUsd']],
    ['a cost in words, and nothing else', { costUsd: '5' }, ['costUsd', 'tokens']],
    ['negative tokens', { usage: { input: -1e9, output: 0 }, costUsd: 0 }, ['tokens']],
    ['tokens in words', { usage: { input: '5', output: '5' }, costUsd: 0 }, ['tokens']],
    ['tokens that are no number', { usage: { input: Number.NaN, output: 1 } }, ['costUsd', 'tokens']],
    ['more tokens than there are', { usage: { input: 1e300, output: 0 }, costUsd: 0 }, ['tokens']],
    ['usage that is a text', { usage: 'much' }, ['costUsd', 'tokens']],
  ])('says that it used %s: what is limited is unknown then, and stops', async (_, spent, unknown) => {
    for (const [name, max] of [
      ['costUsd', 30],
      ['tokens', 100_000],
    ] as const) {
      const alien = foreignAgent({ name: 'alien', turn: async () => ({ status: 'completed', output: 'x', ...spent }) as never });
      const model = Object.assign(scripted([asks(['alien', { task: 'x' }]), 'on']), { provider: 'p', id: 'm' });
      const top = supervisor({ name: 'desk', instructions: '', model, agents: [alien], limits: { [name]: max } });
      const engine = new Engine({ journal: memoryJournal(), prices: { 'p/m': { input: 1, output: 1, source: 's', date: '2026-01-01' } } });
      const result = await engine.run(top, 'x');
      if (unknown.includes(name)) expect(result).toMatchObject({ status: 'stopped', limit: { name, max, used: null } });
      else expect(result.status).toBe('completed');
      const { usage, costUsd } = await engine.inspect(result.runId);
      expect([usage.input, usage.output, costUsd ?? 0].every((n) => Number.isFinite(n) && n >= 0)).toBe(true);
    }
  });
});
