import { describe, expect, test } from 'vitest';
import { agent, Engine, type Json, NeedsPerson, type PersonAsked, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { journals } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';
import { ana } from './setup.ts';

/** A tool that asks before it pays: `rounds` questions, each with what it knows so far. */
function paying(
  o: {
    rounds?: number;
    effect?: 'read' | 'idempotent' | 'once';
    asks?: PersonAsked;
    key?: boolean;
    state?: Json;
    approval?: true;
    note?: true;
  } = {},
) {
  const begun: { key: string; asked: unknown }[] = [];
  const paid: Json[] = [];
  const { rounds = 1 } = o;
  const pay = tool({
    name: 'pay',
    description: 'Pay',
    input: anything,
    effect: o.effect ?? 'once',
    retry: { attempts: 3 },
    ...(o.approval && { approval: true }),
    ...(o.key && { key: () => 'pay:7' }),
    execute(_, { asked, idempotencyKey }) {
      begun.push({ key: idempotencyKey, asked });
      const known = (asked?.state ?? []) as Json[];
      const answers = asked?.answer === undefined ? known : [...known, asked.answer];
      const consented = asked && o.asks && 'url' in o.asks;
      if (!consented && answers.length < rounds)
        throw new NeedsPerson(o.asks ?? { question: `Account ${answers.length + 1}?`, answer: { type: 'string' } }, {
          state: o.state ?? answers,
        });
      paid.push(answers);
      return { paid: answers };
    },
  });
  const note = tool({ name: 'note', description: 'Note', input: anything, execute: () => 'noted' });
  const model = scripted([asks(['pay', { cents: 5 }]), ...(o.note ? [asks(['note', {}])] : []), 'done']);
  return { a: agent({ name: 'clerk', instructions: '', model, tools: [pay, note] }), model, begun, paid };
}

describe.each(journals)('a tool that asks a person while it runs, on $name', ({ make }) => {
  test('pauses with the question, and runs again with the answer and what it left, in another process', async () => {
    const { journal, another } = make();
    const { a, model, begun, paid } = paying({ rounds: 2, note: true });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { by: ana, limits: { toolCalls: 2 } }), 'paused');
    expect(paused.approvals).toMatchObject([
      { kind: 'question', question: 'Account 1?', answer: { type: 'string' }, allow: ['respond', 'reject'] },
    ]);
    const engine = new Engine({ journal: another(), agents: [a] });
    await refused(
      'DECISION_INVALID',
      engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 7 }], { by: ana }),
    );
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 'A1' }], { by: ana });
    const again = await ends(engine.resume(paused.runId), 'paused');
    expect(again.approvals).toMatchObject([{ kind: 'question', question: 'Account 2?' }]);
    expect(again.approvals[0].id).not.toBe(paused.approvals[0].id);
    await engine.decide(paused.runId, [{ approval: again.approvals[0].id, type: 'respond', answer: 'B2' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(paid).toEqual([['A1', 'B2']]);
    expect(begun.map(({ asked }) => asked)).toEqual([undefined, { state: [], answer: 'A1' }, { state: ['A1'], answer: 'B2' }]);
    // one call, under one key, that counts once: the limit is 2, with the note
    expect(new Set(begun.map(({ key }) => key)).size).toBe(1);
    expect(shown(model.requests[1])).toMatchObject([{ text: '{"paid":["A1","B2"]}', isError: false }]);
  });

  test('a rejection ends the call without running it again', async () => {
    const { journal } = make();
    const { a, model, begun } = paying();
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'not now' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(begun).toHaveLength(1);
    expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('not now') });
  });

  test('asks for a consent at a URL, whose handle the journal has', async () => {
    const { journal } = make();
    const { a, paid } = paying({ asks: { provider: 'bank', url: 'https://bank.example/consent', handle: 'h1' } });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    expect(paused.approvals).toMatchObject([
      { kind: 'consent', provider: 'bank', url: 'https://bank.example/consent', allow: ['approve', 'reject'] },
    ]);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(paid).toEqual([[]]);
  });

  test('an approval before it is asked for once', async () => {
    const { journal } = make();
    const { a, paid } = paying({ approval: true });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana });
    const asked = await ends(engine.resume(paused.runId), 'paused');
    expect(asked.approvals).toMatchObject([{ kind: 'question' }]);
    await engine.decide(paused.runId, [{ approval: asked.approvals[0].id, type: 'respond', answer: 'A1' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(paid).toEqual([['A1']]);
  });

  test('a key stays with the call that asks, and is done once', async () => {
    const { journal } = make();
    const { a, paid } = paying({ key: true });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    const second = paying({ key: true });
    const other = await ends(engine.run(second.a, 'go', { by: ana }), 'completed');
    expect(other.status).toBe('completed');
    expect(shown(second.model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('INTENT_BUSY') });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 'A1' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(paid).toEqual([['A1']]);
  });

  test('what is too large to be kept ends the call', async () => {
    const { journal } = make();
    const { a, model } = paying({ state: 'x'.repeat(70_000) });
    await ends(new Engine({ journal }).run(a, 'go', { by: ana }), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('longer than 65536') });
  });
});

test('a generator may ask too, and what forgets the user forgets what the call left', async () => {
  const begun: unknown[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pay',
    input: anything,
    async *execute(_, { asked }) {
      begun.push(asked);
      yield 'half';
      if (!asked) throw new NeedsPerson({ question: 'Which?' }, { state: { seen: 'secret-of-ana' } });
      return asked.answer ?? null;
    },
  });
  const engine = new Engine();
  const a = agent({ name: 'a', instructions: '', model: scripted([asks(['pay', {}]), 'done']), tools: [pay] });
  const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 'it' }], { by: ana });
  await ends(engine.resume(paused.runId), 'completed');
  expect(begun).toEqual([undefined, { state: { seen: 'secret-of-ana' }, answer: 'it' }]);
});

test('what it is worth is held against the limit again once it goes on, because others may have used the room meanwhile', async () => {
  const paid: Json[] = [];
  const pay = tool({
    name: 'pay',
    description: 'Pay',
    input: anything,
    amount: () => ({ usd: 10 }),
    execute(input, { asked }) {
      if (input.sure === false && !asked) throw new NeedsPerson({ question: 'Sure?' });
      paid.push(input as Json);
      return 'paid';
    },
  });
  const model = scripted([asks(['pay', { sure: false }], ['pay', { sure: true }]), 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [pay] });
  const engine = new Engine({ agents: [a] });
  const paused = await ends(engine.run(a, 'go', { by: ana, limits: { amounts: { usd: 10 } } }), 'paused');
  expect(paid).toEqual([{ sure: true }]);
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: 'yes' }], { by: ana });
  const { limit } = await ends(engine.resume(paused.runId), 'stopped');
  expect(limit).toEqual({ name: 'amounts', unit: 'usd', max: 10, used: 10, needed: 10 });
  expect(paid).toHaveLength(1);
  await ends(engine.resume(paused.runId, { limits: { amounts: { usd: 20 } } }), 'completed');
  expect(paid).toHaveLength(2);
});
