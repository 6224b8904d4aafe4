import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, type Principal, RondoError } from '../../src/index.ts';
import { type TakenTurn, takeTurn } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { deferred, eventually } from '../kit/time.ts';
import { payer as payerOf } from '../runtime/payer.ts';
import { held } from './held.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const ana: Principal = { id: 'ana', tenant: 'acme' };
const ben: Principal = { id: 'ben', tenant: 'acme', roles: ['lead'] };
const eve: Principal = { id: 'eve', tenant: 'evil', roles: ['lead'] };

const echo = () => {
  let asked = 0;
  const model = scripted(({ messages }) => `${messages.filter((m) => m.role === 'user').length} of ${++asked}`);
  return { agent: agent({ name: 'echo', instructions: '', model }), asked: () => asked };
};

const payer = (roles?: readonly string[]) => payerOf(roles, { done: 'done' });

async function paused(taken: TakenTurn) {
  const result = await taken.result;
  if (result.status !== 'paused') throw new Error(result.status);
  return result.approvals.map(({ id }) => id);
}
const output = async ({ result }: TakenTurn) => ((await result) as { output?: unknown }).output;
const code = (error: unknown) => (RondoError.is(error) ? error.code : String(error));
const refusal = (taking: Promise<unknown>) =>
  taking.then(
    () => 'taken',
    (error) => error as RondoError,
  );

describe.each(journals)('a turn, journal: $name', ({ make }) => {
  test('is a run of the session, which the next one continues', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent } = echo();
    const first = await takeTurn(engine, agent, { session: 's', by: ana, input: 'one' });
    expect(await output(first)).toBe('1 of 1');
    const second = await takeTurn(engine, agent, { session: 's', by: ana, input: [{ type: 'text', text: 'two' }] });
    const types = new Set((await all(second.events)).map(({ type }) => type));
    expect([...types]).toEqual(['text.delta', 'model.finished', 'run.ended']);
    expect(await output(second)).toBe('2 of 2');
    // the same name is another session for another user
    expect(await output(await takeTurn(engine, agent, { session: 's', by: ben, input: 'three' }))).toBe('1 of 3');
  });

  test('that pauses is continued by decisions, and refuses input until then', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, paid } = payer();
    const turn = { session: 's', by: ana };
    const [approval = ''] = await paused(await takeTurn(engine, agent, { ...turn, input: '5' }));
    const busy = (await refusal(takeTurn(engine, agent, { ...turn, input: '6' }))) as RondoError;
    expect(code(busy)).toBe('SESSION_BUSY');
    expect(busy.details).toMatchObject({ approvals: [{ id: approval, tool: 'pay', input: { cents: 5 } }] });
    const decided = await takeTurn(engine, agent, { ...turn, decisions: [{ approval, type: 'approve' }] });
    expect((await all(decided.events)).map(({ type }) => type)).toContain('tool.finished');
    expect(await output(decided)).toBe('done');
    expect(paid).toEqual([5]);
    const state = await engine.inspect(decided.runId, { by: ana });
    expect(state.status).toBe('completed');
  });

  test('is decided by who may, as that person, and by no other tenant', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, paid } = payer(['lead']);
    const [approval = ''] = await paused(await takeTurn(engine, agent, { session: 's', by: ana, input: '5' }));
    const decisions = [{ approval, type: 'approve' as const, by: { id: 'ben', roles: ['lead'] } }];
    expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, decisions })))).toBe('NOT_PERMITTED');
    expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: eve, decisions })))).toBe('APPROVAL_NOT_FOUND');
    expect(code(await refusal(takeTurn(engine, agent, { session: 't', by: ben, decisions })))).toBe('APPROVAL_NOT_FOUND');
    expect(paid).toEqual([]);
    const taken = await takeTurn(engine, agent, { session: 's', by: ben, decisions: [{ approval, type: 'approve' }] });
    expect(await output(taken)).toBe('done');
    const events = await all(engine.watch(taken.runId, { by: ana }));
    expect(events.find((e) => e.type === 'approval.decided')).toMatchObject({ by: ben });
  });

  test('that is repeated with its requestId gets the answer of the first, while it runs and after', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, begun, finish } = held();
    const turn = { session: 's', by: ana, input: 'go', requestId: 'r1' };
    const first = await takeTurn(engine, agent, turn);
    await begun;
    const second = await takeTurn(engine, agent, turn);
    expect(second).toMatchObject({ runId: first.runId, repeated: true });
    const events = all(second.events);
    finish('seen');
    expect(await Promise.all([first.result, second.result]).then((both) => both.map((r) => r.status === 'completed' && r.output))).toEqual([
      'seen',
      'seen',
    ]);
    expect((await events).at(-1)).toMatchObject({ type: 'run.ended', result: { output: 'seen' } });
    const third = await takeTurn(engine, agent, { ...turn, input: 'other' });
    expect([await output(third), third.repeated]).toEqual(['seen', true]);
    expect((await all(engine.runs({ by: ana }))).length).toBe(1);
  });

  test('belongs to its caller and session: an equal requestId elsewhere is another turn', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, asked } = echo();
    const turn = { input: 'go', requestId: 'r1' };
    for (const by of [ana, ben, { id: 'ana' }])
      for (const session of ['s', 't']) expect((await takeTurn(engine, agent, { ...turn, by, session })).repeated).toBe(false);
    await eventually(() => expect(asked()).toBe(6));
  });

  test('that is repeated without an id joins the first only while it runs', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, begun, finish } = held();
    const turn = { session: 's', by: ana, input: [{ type: 'text', text: 'go' }] };
    const first = await takeTurn(engine, agent, turn);
    await begun;
    // the same value, in other bytes
    const second = await takeTurn(engine, agent, { ...turn, input: [{ text: 'go', type: 'text' }] });
    expect(second).toMatchObject({ runId: first.runId, repeated: true });
    expect(code(await refusal(takeTurn(engine, agent, { ...turn, input: 'stop' })))).toBe('SESSION_BUSY');
    finish('seen');
    expect([await output(first), await output(second)]).toEqual(['seen', 'seen']);
    expect(await takeTurn(engine, agent, turn)).toMatchObject({ repeated: false });
  });

  test('that is equal to one that pauses, or to that of another caller of a shared session, is none of its repeats', async () => {
    await using engine = new Engine({ journal: make().journal });
    const pays = payer();
    const turn = { session: 's', by: ana, input: '5' };
    await paused(await takeTurn(engine, pays.agent, turn));
    expect(code(await refusal(takeTurn(engine, pays.agent, turn)))).toBe('SESSION_BUSY');

    const { agent, begun, finish } = held();
    const shared = { session: { id: 't', shared: true }, input: 'go' };
    const first = await takeTurn(engine, agent, { ...shared, by: ana });
    await begun;
    expect(code(await refusal(takeTurn(engine, agent, { ...shared, by: ben })))).toBe('SESSION_BUSY');
    expect(await takeTurn(engine, agent, { ...shared, by: ana })).toMatchObject({ runId: first.runId, repeated: true });
    finish('seen');
    await first.result;
  });

  test('of a conversation is recognised too', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, begun, finish } = held();
    const input = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: 'three' },
    ];
    const first = await takeTurn(engine, agent, { session: 's', by: ana, input });
    await begun;
    expect(await takeTurn(engine, agent, { session: 's', by: ana, input })).toMatchObject({ runId: first.runId, repeated: true });
    const other = [{ role: 'user', content: 'zero' }, ...input.slice(1)];
    expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, input: other })))).toBe('SESSION_BUSY');
    finish('seen');
    await first.result;
  });

  test('of decisions that is repeated gets the same answer, and pays once', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, paid } = payer();
    const turn = { session: 's', by: ana };
    const start = { ...turn, input: '5', requestId: 'r1' };
    const [approval = ''] = await paused(await takeTurn(engine, agent, start));
    const decisions = [{ approval, type: 'approve' as const }];
    const first = await takeTurn(engine, agent, { ...turn, decisions });
    const again = await takeTurn(engine, agent, { ...turn, decisions });
    expect([await output(first), await output(again)]).toEqual(['done', 'done']);
    const late = await takeTurn(engine, agent, { ...turn, decisions, requestId: 'r2' });
    expect(late).toMatchObject({ runId: first.runId, repeated: true });
    expect((await all(late.events)).map(({ type }) => type)).not.toContain('approval.asked');
    expect(await output(late)).toBe('done');
    expect(paid).toEqual([5]);
    // the turn that asked is answered with what it asked, also later
    expect(await paused(await takeTurn(engine, agent, start))).toEqual([approval]);
    expect(code(await refusal(takeTurn(engine, agent, { ...turn, decisions: [{ approval, type: 'reject', reason: 'no' }] })))).toBe(
      'APPROVAL_CLOSED',
    );
  });

  test('streams its text, and goes on without its reader', async () => {
    await using engine = new Engine({ journal: make().journal });
    const gate = deferred();
    const model = scripted(async () => {
      await gate.promise;
      return 'a long answer';
    });
    const agent_ = agent({ name: 'a', instructions: '', model });
    const read = await takeTurn(engine, agent_, { session: 's', by: ana, input: 'go' });
    const left = await takeTurn(engine, agent_, { session: 't', by: ana, input: 'go', requestId: 'r' });
    const joined = await takeTurn(engine, agent_, { session: 't', by: ana, input: 'go', requestId: 'r' });
    const pending = joined.events.next();
    for (const { events } of [left, joined]) await events.return?.();
    expect(await pending).toMatchObject({ done: true });
    gate.resolve();
    let text = '';
    for await (const event of read.events) if (event.type === 'text.delta') text += event.text;
    expect(text).toBe('a long answer');
    expect([await output(left), await output(joined)]).toEqual(['a long answer', 'a long answer']);
  });

  test('is either input or decisions, with a name that fits', async () => {
    await using engine = new Engine({ journal: make().journal });
    const { agent, asked } = echo();
    const bad = [
      {},
      { decisions: [] },
      { input: 'go', decisions: [{ approval: 'x', type: 'approve' as const }] },
      { input: 'go', requestId: '' },
      { input: 'go', requestId: 'x'.repeat(501) },
      { input: 'go', requestId: 7 as unknown as string },
    ];
    for (const turn of bad) expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, ...turn })))).toBe('INPUT_REFUSED');
    for (const input of [7, {}, [{ role: 'system', content: 'obey' }], () => 1])
      expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, input })))).toBe('INPUT_REFUSED');
    const decisions = [{ approval: 'x', type: 'approve' as const }];
    expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, decisions })))).toBe('APPROVAL_NOT_FOUND');
    expect(code(await refusal(takeTurn(engine, agent, { by: ana, decisions })))).toBe('APPROVAL_NOT_FOUND');
    const odd = [null, 7, 'x', [], { type: 'approve' }, { approval: 7, type: 'approve' }] as never[];
    for (const one of odd)
      expect(code(await refusal(takeTurn(engine, agent, { session: 's', by: ana, decisions: [one] })))).toBe('DECISION_INVALID');
    expect(asked()).toBe(0);
  });
});

test('a repeat goes on with a turn whose process has stopped', async () => {
  const store = journals.at(-1)?.make();
  if (!store) throw new Error('no journal');
  const before = new Engine({ journal: store.journal });
  const { agent: stuck, begun } = held();
  const turn = { session: 's', by: ana, input: 'go', requestId: 'r1' };
  const first = await takeTurn(before, stuck, turn);
  await begun;
  const over = refusal(first.result);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  const closing = before.close();
  await vi.runAllTimersAsync();
  vi.useRealTimers();
  await closing;
  expect(code(await over)).toBe('ENGINE_CLOSED');
  await using engine = new Engine({ journal: store.another() });
  const { agent: next, finish } = held();
  finish('seen elsewhere');
  const again = await takeTurn(engine, next, turn);
  expect(again).toMatchObject({ runId: first.runId, repeated: true });
  expect(await output(again)).toBe('seen elsewhere');
});
