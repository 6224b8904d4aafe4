import { describe, expect, test } from 'vitest';
import { agent, Engine, type Message, type ModelRequest, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, entryOf, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, resultsIn, shown } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const texts = (messages: readonly Message[] | undefined) =>
  (messages ?? []).flatMap((m) => m.content.flatMap((p) => (p.type === 'text' ? [`${m.role}: ${p.text}`] : [`${m.role}: (${p.type})`])));
const userTexts = (r: ModelRequest) => r.messages.filter((m) => m.role === 'user').map((m) => (m.content[0] as { text: string }).text);
const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });

describe.each(journals)('a session on $name', ({ make }) => {
  test('goes on from its history, in another process too', async () => {
    const { journal, another } = make();
    const model = scripted(['Hello Ana.', 'You are Ana.', 'No one.']);
    const a = agent({ name: 'a', instructions: '', model });
    await ends(new Engine({ journal }).run(a, 'I am Ana.', { session: 's' }), 'completed');
    const second = await ends(new Engine({ journal: another() }).run(a, 'Who am I?', { session: 's' }), 'completed');
    expect(texts(model.requests[1]?.messages)).toEqual(['user: I am Ana.', 'assistant: Hello Ana.', 'user: Who am I?']);
    expect(second).toMatchObject({ session: 's', steps: 1 });
    expect((await entriesOf(journal, second.runId)).length).toBe(3);
    await new Engine({ journal }).run(a, 'Who?', { session: 'other' });
    expect(texts(model.requests[2]?.messages)).toEqual(['user: Who?']);
  });

  test('has one open run: another gets its id and its approvals, and does nothing', async () => {
    const { journal, another } = make();
    const model = scripted([asks(['sign', {}]), 'never']);
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { session: 's' }), 'paused');
    const error = await refused('SESSION_BUSY', new Engine({ journal: another() }).run(a, 'more', { session: 's', id: 'second' }));
    expect(error.details).toEqual({ runId: paused.runId, approvals: JSON.parse(JSON.stringify(paused.approvals)) });
    expect(error.message).toContain(paused.runId);
    expect(await entriesOf(journal, 'second')).toEqual([]);
    expect(model.requests).toHaveLength(1);
  });

  test('has one open run: while one runs, and where two start at once', async () => {
    const { journal, another } = make();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const script = () => scripted([asks(['slow', {}]), 'done']);
    const start = (j: typeof journal, id: string) =>
      new Engine({ journal: j }).run(agent({ name: 'a', instructions: '', model: script(), tools: [slow] }), 'go', { session: 's', id });
    const both = [start(journal, 'one'), start(another(), 'two')];
    const outcomes = Promise.allSettled(both);
    const winner = await Promise.any(['one', 'two'].map((id) => entryOf(journal, id, 'call.started').then(() => id)));
    expect((await refused('SESSION_BUSY', start(journal, 'three'))).details).toMatchObject({ runId: winner, approvals: [] });
    hold.resolve();
    const rejected = (await outcomes).filter((o) => o.status === 'rejected');
    expect(rejected).toHaveLength(1);
    expect((rejected[0] as PromiseRejectedResult).reason).toMatchObject({
      code: 'SESSION_BUSY',
      details: { runId: winner, approvals: [] },
    });
  });

  test('goes on after a run that failed, stopped or was cancelled; no call is left without a result', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const model = scripted([asks(['sign', {}, 'c1']), asks(['sign', {}, 'c2']), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    const first = await ends(engine.run(a, 'one', { session: 's' }), 'paused');
    await engine.cancel(first.runId);
    const second = await ends(engine.run(a, 'two', { session: 's' }), 'paused');
    await engine.decide(second.runId, [{ approval: second.approvals[0].id, type: 'reject', reason: 'no' }], { by: { id: 'ben' } });
    await engine.cancel(second.runId);
    await ends(engine.run(a, 'three', { session: 's' }), 'completed');
    const last = model.requests[2];
    expect(last?.messages.map((m) => m.role)).toEqual(['user', 'assistant', 'tool', 'user', 'assistant', 'tool', 'user']);
    const [one, two] = shown(last);
    expect([one?.id, two?.id]).toEqual(['c1', 'c2']);
    expect(failure(one)).toMatchObject({ outcome: 'not-run' });
    expect(one?.isError).toBe(true);
  });

  test('a paused run keeps its history when another process drives it on', async () => {
    const { journal, another } = make();
    const model = scripted(['Hello Ana.', asks(['sign', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    await new Engine({ journal }).run(a, 'I am Ana.', { session: 's' });
    const paused = await ends(new Engine({ journal }).run(a, 'Sign.', { session: 's' }), 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(paused.runId), 'completed');
    expect(texts(model.requests[2]?.messages).slice(0, 3)).toEqual(['user: I am Ana.', 'assistant: Hello Ana.', 'user: Sign.']);
    expect(resultsIn(model.requests[2]?.messages)).toMatchObject([{ text: 'signed' }]);
  });

  test('a stopped run is not resumed while another run of its session is open', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const model = scripted([asks(['sign', {}]), 'never']);
    const short = agent({ name: 'short', instructions: '', model: scripted(['late']), limits: { steps: 0 } });
    const stopped = await ends(engine.run(short, 'one', { session: 's' }), 'stopped');
    const paused = await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [sign] }), 'two', { session: 's' }), 'paused');
    const error = await refused('SESSION_BUSY', engine.resume(stopped.runId, { limits: { steps: 5 } }));
    expect(error.details).toMatchObject({ runId: paused.runId });
    expect((await headOf(journal, stopped.runId))?.leaseUntil ?? 0).toBeLessThanOrEqual(Date.now());
    await engine.cancel(paused.runId);
    await ends(engine.resume(stopped.runId, { limits: { steps: 5 } }), 'completed');
  });

  test("a run's history does not change if the run before it continues later", async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const first = agent({ name: 'first', instructions: '', model: scripted(['an answer that came later']), limits: { steps: 0 } });
    const stopped = await ends(engine.run(first, 'one', { session: 's' }), 'stopped');
    const second = await ends(
      engine.run(agent({ name: 'second', instructions: '', model: scripted(['two']) }), 'two', { session: 's' }),
      'completed',
    );
    const before = await engine.inspect(second.runId);
    await ends(engine.resume(stopped.runId, { limits: { steps: 5 } }), 'completed');
    expect(await engine.inspect(second.runId)).toEqual(before);
  });

  test('of thirty runs: each reads no more than an early one, and no result of a tool is lost', async () => {
    const { journal } = make();
    let reads = 0;
    let entries = 0;
    const counted = around(journal, {
      read: async function* (...args) {
        reads++;
        for await (const entry of journal.read(...args)) {
          entries++;
          yield entry;
        }
      },
    });
    const engine = new Engine({ journal: counted });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: ({ n }) => `found ${n}` });
    const model = scripted((r) =>
      r.messages.at(-1)?.role === 'user' ? asks(['look', { n: userTexts(r).length }, `c${userTexts(r).length}`]) : 'done',
    );
    const a = agent({ name: 'a', instructions: '', model, tools: [look] });
    const cost: [reads: number, entries: number][] = [];
    for (let n = 1; n <= 30; n++) {
      reads = entries = 0;
      await ends(engine.run(a, `say ${n}`, { session: 's' }), 'completed');
      cost.push([reads, entries]);
    }
    const most = (from: number, to: number) => [0, 1].map((i) => Math.max(...cost.slice(from, to).map((c) => c[i] as number)));
    expect(most(20, 30)).toEqual(most(0, 10));
    expect(most(0, 30)[0]).toBeLessThanOrEqual(10);
    const last = model.requests.at(-1);
    expect(userTexts(last as ModelRequest)).toEqual(Array.from({ length: 30 }, (_, i) => `say ${i + 1}`));
    expect(shown(last).map((s) => [s.id, s.text])).toEqual(Array.from({ length: 30 }, (_, i) => [`c${i + 1}`, `found ${i + 1}`]));
    // a run tells its own steps, not those of the session
    expect((await engine.inspect((await engine.run(a, 'x', { session: 's' })).runId)).steps).toBe(2);
  });
});

test('a long session keeps its newest messages, from one of the user on: no result without its call', async () => {
  const engine = new Engine();
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: ({ n }) => `${n} ${'x'.repeat(30_000)}` });
  const model = scripted((r) => (r.messages.at(-1)?.role === 'user' ? asks(['look', { n: userTexts(r).at(-1) as string }]) : 'done'));
  const a = agent({ name: 'a', instructions: '', model, tools: [look] });
  for (let n = 1; n <= 30; n++) await ends(engine.run(a, `${n}`, { session: 's' }), 'completed');
  const last = model.requests.at(-1) as ModelRequest;
  expect(last.messages[0]?.role).toBe('user');
  expect(JSON.stringify(last.messages).length).toBeLessThan(700_000);
  const said = userTexts(last).map(Number);
  expect(said).toEqual(Array.from({ length: said.length }, (_, i) => 30 - said.length + 1 + i));
  const called = last.messages.flatMap((m) => m.content.flatMap((p) => (p.type === 'toolCall' ? [(p.input as { n: string }).n] : [])));
  expect(shown(last).map((s) => s.text.split(' ')[0])).toEqual(called);
});

test('a run that was forgotten is forgotten by its session, which goes on', async () => {
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const model = scripted(['one', 'two', 'three']);
  const a = agent({ name: 'a', instructions: '', model });
  const first = await engine.run(a, 'secret', { session: 's' });
  const second = await engine.run(a, 'next', { session: 's' });
  await journal.remove(first.runId);
  expect(JSON.stringify(await engine.inspect(second.runId))).not.toContain('secret');
  await ends(engine.run(a, 'and now', { session: 's' }), 'completed');
  expect(texts(model.requests[2]?.messages)).toEqual(['user: next', 'assistant: two', 'user: and now']);
});
