import { describe, expect, test } from 'vitest';
import { agent, Engine, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

const by = { id: 'op', roles: ['ops'] };

/** A once tool that is given up at its timeout, and ends when the test says so. */
function tardy(effect: 'once' | 'read' = 'once') {
  const end = deferred<string>();
  const pay = tool({
    name: 'pay',
    description: '',
    input: anything,
    effect,
    timeout: 5,
    retry: { attempts: 1 },
    execute: () => end.promise,
  });
  const model = scripted([asks(['pay', { cents: 5 }]), 'done']);
  return { a: agent({ name: 'a', instructions: '', model, tools: [pay] }), model, end };
}

describe.each(journals)('an unknown outcome on $name', ({ make }) => {
  test('a timeout is a race: the agent is told in time though the tool ignores its signal, and the run goes on', async () => {
    const { journal } = make();
    const { a, model } = tardy();
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', attempts: 1 });
    expect((await engine.inspect(run.id)).unknowns).toEqual([
      { callId: '1.0', tool: 'pay', input: { cents: 5 }, since: expect.any(Number) },
    ]);
    expect((await all(engine.runs()))[0]?.unknowns).toBe(1);
  });

  test.each([
    ['done', (end: ReturnType<typeof tardy>['end']) => end.resolve('paid'), { outcome: 'done', output: 'paid' }],
    [
      'failed',
      (end: ReturnType<typeof tardy>['end']) => end.reject(new ToolError('NO_MONEY', 'no money')),
      { outcome: 'failed', note: 'no money' },
    ],
  ] as const)(
    'a late result (%s) is recorded as such, settles it, and changes nothing that the agent has seen',
    async (_, finish, settled) => {
      const { journal, another } = make();
      const { a, end } = tardy();
      const engine = new Engine({ journal });
      const run = engine.run(a, 'go');
      await ends(run, 'completed');
      const before = await engine.inspect(run.id);
      finish(end);
      expect(await entryOf(journal, run.id, 'outcome.settled')).toMatchObject({ call: '1.0', source: 'late', ...settled });
      const other = new Engine({ journal: another() });
      const now = await other.inspect(run.id);
      expect(now).toEqual({ ...before, unknowns: [], seq: before.seq + 1 });
      expect((await all(other.runs()))[0]?.unknowns).toBe(0);
      expect((await all(other.watch(run.id))).at(-1)).toMatchObject({ type: 'outcome.settled', source: 'late', outcome: settled.outcome });
    },
  );

  test.each([
    ['a plain Error', new Error('the answer could not be read')],
    ['a lost connection', Object.assign(new Error('x'), { code: 'ECONNRESET' })],
    ['a 500', Object.assign(new Error('x'), { status: 500 })],
    ['an abort', AbortSignal.abort().reason],
  ])('%s that comes late proves nothing: it stays unknown', async (_, thrown) => {
    const { journal } = make();
    const { a, end } = tardy();
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'completed');
    end.reject(thrown);
    await settle(3);
    expect(typesOf(await entriesOf(journal, run.id))).not.toContain('outcome.settled');
    expect((await engine.inspect(run.id)).unknowns).toHaveLength(1);
  });

  // holds effects.I4
  test('a late result while the run goes on is recorded in between', async () => {
    const { journal } = make();
    const { a: _, end } = tardy();
    const hold = deferred<string>();
    const pay = tool({ name: 'pay', description: '', input: anything, timeout: 5, execute: () => end.promise });
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const model = scripted([asks(['pay', {}], ['slow', {}]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [pay, slow] }), 'go');
    await entryOf(journal, run.id, 'call.finished');
    end.resolve('late');
    await entryOf(journal, run.id, 'outcome.settled');
    hold.resolve('slept');
    await ends(run, 'completed');
    expect(failure(shown(model.requests[1])[0]).code).toBe('TIMEOUT');
    expect(typesOf(await entriesOf(journal, run.id)).slice(-4)).toEqual([
      'outcome.settled',
      'call.finished',
      'model.responded',
      'run.settled',
    ]);
  });

  test('a late result of a run that was forgotten does not get into another run that has its id now', async () => {
    const { journal, another } = make();
    const { a, end } = tardy();
    const first = new Engine({ journal });
    await ends(first.run(a, 'pay ana', { id: 'r' }), 'completed');
    await first.forget('r');
    const hold = deferred<string>();
    const pay = tool({ name: 'pay', description: '', input: anything, execute: () => hold.promise });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
    const model = scripted([asks(['pay', {}], ...Array.from({ length: 5 }, () => ['look', {}] as const)), 'done']);
    const run = new Engine({ journal: another() }).run(agent({ name: 'b', instructions: '', model, tools: [pay, look] }), 'pay ben', {
      id: 'r',
    });
    await until(async () => (await entriesOf(journal, 'r')).filter(({ type }) => type === 'call.finished').length === 5);
    end.resolve('receipt of ana');
    await settle();
    hold.resolve('receipt of ben');
    await ends(run, 'completed');
    expect(JSON.stringify(await entriesOf(journal, 'r'))).not.toContain('ana');
  });

  test('does not exist for a read: it failed', async () => {
    const { journal } = make();
    const { a, model } = tardy('read');
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'TIMEOUT', outcome: 'failed' });
    expect((await engine.inspect(run.id)).unknowns).toEqual([]);
  });

  test('an operator settles it, from any process: who, what and why are recorded, once', async () => {
    const { journal, another } = make();
    const { a } = tardy();
    const run = new Engine({ journal }).run(a, 'go', { by: { id: 'ana' } });
    await ends(run, 'completed');
    const other = new Engine({ journal: another() });
    await other.settle(run.id, '1.0', { outcome: 'done', note: 'seen at the bank', output: { id: 7 }, by });
    expect(await entryOf(journal, run.id, 'outcome.settled')).toMatchObject({
      source: 'operator',
      outcome: 'done',
      note: 'seen at the bank',
      output: { id: 7 },
      by,
    });
    expect((await other.inspect(run.id)).unknowns).toEqual([]);
    expect((await all(other.runs()))[0]?.unknowns).toBe(0);
    expect((await refused('CALL_NOT_FOUND', other.settle(run.id, '1.0', { outcome: 'failed', by }))).details).toEqual({
      runId: run.id,
      callId: '1.0',
    });
    await refused('CALL_NOT_FOUND', other.settle(run.id, '9.9', { outcome: 'failed', by }));
  });

  test('of two operators at once one settles it, and the other gets an error', async () => {
    const { journal, another } = make();
    const { a } = tardy();
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'completed');
    const outcomes = await Promise.allSettled([
      engine.settle(run.id, '1.0', { outcome: 'done', by }),
      new Engine({ journal: another() }).settle(run.id, '1.0', { outcome: 'not-run', by }),
    ]);
    expect(outcomes.map((o) => (o.status === 'fulfilled' ? 'ok' : (o.reason as { code: string }).code)).sort()).toEqual([
      'CALL_NOT_FOUND',
      'ok',
    ]);
    expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'outcome.settled')).toHaveLength(1);
  });

  test('an invalid statement of an operator is refused', async () => {
    const { journal } = make();
    const { a } = tardy();
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'completed');
    await refused('NOT_PERMITTED', engine.settle(run.id, '1.0', { outcome: 'done' } as never));
    await refused('DECISION_INVALID', engine.settle(run.id, '1.0', { outcome: 'maybe', by } as never));
    expect((await engine.inspect(run.id)).unknowns).toHaveLength(1);
  });

  test('of an earlier step stays listed while the run continues, and not in later runs', async () => {
    const { journal } = make();
    const { end } = tardy();
    const pay = tool({ name: 'pay', description: '', input: anything, timeout: 5, execute: () => end.promise });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
    const model = scripted([asks(['pay', {}]), asks(['look', {}]), asks(['look', {}]), 'done', 'again']);
    const a = agent({ name: 'a', instructions: '', model, tools: [pay, look] });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go', { session: 's' });
    await ends(run, 'completed');
    const next = await engine.run(a, 'go', { session: 's' });
    expect((await engine.inspect(run.id)).unknowns).toMatchObject([{ callId: '1.0', tool: 'pay' }]);
    expect((await engine.inspect(next.runId)).unknowns).toEqual([]);
    end.resolve('paid');
    await until(async () => (await engine.inspect(run.id)).unknowns.length === 0);
    await settle(1);
  });
});
