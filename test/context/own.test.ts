import { describe, expect, test } from 'vitest';
import {
  agent,
  approve,
  type Compaction,
  type Conversation,
  clearToolResults,
  Engine,
  keepLast,
  type Message,
  memoryJournal,
  type TraceRecord,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, resultsIn } from '../kit/runs.ts';
import { registerSpans } from '../telemetry/sdk.ts';
import { assertSendable, compactions, lookup, textOf } from './setup.ts';

const turns = (n: number) => scripted((_, i) => (i < n ? asks(['lookup', { i }, `c${i}`]) : 'done'));
const once = (compact: Compaction['compact'], o: Partial<Compaction> = {}): Compaction => {
  let asked = 0;
  return { name: 'own', ...o, compact: (seen) => (seen.messages.length >= 7 && asked++ === 0 ? compact(seen) : undefined) };
};
const run = async (
  compact: readonly Compaction[],
  o: { pin?: () => boolean; n?: number; store?: ReturnType<typeof memoryJournal> } = {},
) => {
  const model = turns(o.n ?? 4);
  const journal = o.store ?? memoryJournal();
  const a = agent({ name: 'a', instructions: 'Go.', model, tools: [lookup(900)], compact, ...(o.pin && { pin: o.pin }) });
  const engine = new Engine({ journal });
  const result = await engine.run(a, 'the task');
  return { model, journal, engine, result, entries: await compactions(journal, result.runId) };
};

describe('a policy of the application', () => {
  test('sees the messages, about how many tokens they have, and what stays', async () => {
    let seen: Conversation | undefined;
    const { result } = await run([
      once((conversation) => {
        seen = conversation;
        return undefined;
      }),
    ]);
    expect(result.status).toBe('completed');
    expect(seen?.messages).toHaveLength(7);
    expect(seen?.pinned).toEqual([true, false, false, false, false, true, true]);
    expect(seen?.sizes.reduce((sum, n) => sum + n, 0)).toBeLessThanOrEqual(seen?.tokens as number);
    expect(seen).toMatchObject({ refusals: 0, room: undefined });
  });

  test('may answer later, drop pairs, put a text in their place and clear results', async () => {
    const { model, entries } = await run([once(async () => ({ drop: [1, 2], clear: [[4, 0]], summary: 'one look' }), { clears: true })]);
    const messages = model.requests[3]?.messages ?? [];
    assertSendable(messages);
    expect(entries).toMatchObject([{ by: 'own', dropped: [[1, 3]], cleared: [[4, 0]], summary: 'one look' }]);
    expect(textOf(messages[1] as Message)).toMatch(/one look$/);
    expect(resultsIn(messages)[0]?.text).toContain('read_result');
  });

  test('cannot drop what is pinned: that stays, with its calls and results', async () => {
    const dropAll = once(({ messages }) => ({ drop: messages.map((_, i) => i) }));
    const { model, entries } = await run([dropAll]);
    expect(entries[0]?.dropped).toEqual([[1, 5]]);
    expect(model.requests[3]?.messages.map(({ role }) => role)).toEqual(['user', 'user', 'assistant', 'tool']);
    const nothing = await run([once(({ messages }) => ({ drop: messages.map((_, i) => i) }))], { pin: () => true });
    expect(nothing.entries).toEqual([]);
  });

  test.each<[string, Compaction, RegExp]>([
    [
      'throws',
      once(() => {
        throw new Error('no idea');
      }),
      /no idea/,
    ],
    ['drops a call without its result', once(() => ({ drop: [1] })), /message 1 without message 2/],
    ['drops a result without its call', once(() => ({ drop: [2] })), /message 2 without message 1/],
    ['drops what is not there', once(() => ({ drop: [99] })), /message 99/],
    ['clears what is not a result', once(() => ({ clear: [[1, 0]] }), { clears: true }), /not a result/],
    ['clears without saying so', once(() => ({ clear: [[2, 0]] })), /clears: true/],
    ['asks for a summary without saying so', once(() => ({ drop: [1, 2], summary: { prompt: 'x' } })), /summarises: true/],
    ['returns something else', once(() => 'drop' as never), /neither an object/],
  ])('that %s ends the run, and says why', async (_, policy, why) => {
    const { result, entries } = await run([policy]);
    expect(result).toMatchObject({ status: 'failed', error: { code: 'COMPACTION_FAILED', message: expect.stringMatching(why) } });
    expect(entries).toEqual([]);
  });

  test('a pin that throws ends the run', async () => {
    const { result } = await run([keepLast(2)], {
      pin: () => {
        throw new Error('bad pin');
      },
    });
    expect(result).toMatchObject({ status: 'failed', error: { code: 'COMPACTION_FAILED', message: expect.stringContaining('bad pin') } });
  });

  test('its summary hides secrets, as the journal does', async () => {
    const token = 'tok_4f9a8b7c6d5e4f3a';
    const model = turns(4);
    const journal = memoryJournal();
    const sign = tool({
      name: 'lookup',
      description: '',
      input: anything,
      effect: 'read',
      credentials: { key: { provider: 'pay' } },
      execute: () => 'x'.repeat(900),
    });
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [sign],
      compact: [once(() => ({ drop: [1, 2], summary: `key ${token}` }))],
    });
    const engine = new Engine({ journal, identity: { get: async () => ({ token }) } });
    const result = await engine.run(a, 'x', { by: { id: 'ana' } });
    expect(result.status).toBe('completed');
    expect(JSON.stringify(await entriesOf(journal, result.runId))).not.toContain(token);
    expect((await compactions(journal, result.runId))[0]?.summary).toMatch(/^key /);
  });

  test('the engine has policies for agents without their own, and [] switches them off', async () => {
    const journal = memoryJournal();
    const engine = new Engine({ journal, compact: [keepLast(2)] });
    const own = (compact?: readonly Compaction[]) =>
      agent({ name: 'a', instructions: '', model: turns(6), tools: [lookup(10)], ...(compact && { compact }) });
    const by = async (a: ReturnType<typeof own>) => (await compactions(journal, (await engine.run(a, 'x')).runId)).length;
    expect(await by(own())).toBeGreaterThan(0);
    expect(await by(own([]))).toBe(0);
  });

  test('a fork from behind a compaction sees what the run saw, and pays nothing for it', async () => {
    const { journal, engine, result, model } = await run([keepLast(2)], { n: 6 });
    const [entry] = await compactions(journal, result.runId);
    const forked = turns(0);
    const a = agent({ name: 'a', instructions: 'Go.', model: forked, tools: [lookup(900)], compact: [keepLast(2)] });
    const fork = await ends(engine.fork(result.runId, { at: entry?.seq as number, agent: a }), 'completed');
    const seq = (await entriesOf(journal, result.runId)).filter((e) => e.type === 'model.responded' && e.seq < (entry?.seq ?? 0)).length;
    expect(forked.requests[0]?.messages).toEqual(model.requests[seq]?.messages);
    expect(fork.steps).toBe(1);
  });

  test('a summary that a fork has copied is paid by the run that had it written', async () => {
    const writer = scripted(() => ({ text: 'SHORT', usage: { input: 70_000, output: 3 } }), { id: 'writer' });
    const { engine, result, entries } = await run([
      once(() => ({ drop: [1, 2], summary: { prompt: 'x' } }), { summarises: true, model: writer }),
    ]);
    expect(result.usage.input).toBeGreaterThan(70_000);
    const a = agent({ name: 'a', instructions: 'Go.', model: turns(0), tools: [lookup(900)] });
    const fork = await ends(engine.fork(result.runId, { at: entries[0]?.seq as number, agent: a }), 'completed');
    expect(fork.usage.input).toBeLessThan(70_000);
  });

  test('what a provider blocked is blanked in what the model sees too', async () => {
    const model = scripted((_, i) => (i < 3 ? asks(['lookup', { i }, `c${i}`]) : i === 3 ? { text: 'bad', stop: 'blocked' } : 'fine'));
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(900)], compact: [once(() => ({ drop: [1, 2] }))] });
    await ends(engine.run(a, 'x', { session: 's' }), 'failed');
    await ends(engine.run(a, 'y', { session: 's' }), 'completed');
    const { messages } = model.requests[4] as { messages: readonly Message[] };
    assertSendable(messages);
    expect(resultsIn(messages).map(({ text }) => text.startsWith('result'))).toEqual([true, false]);
  });

  test('the most that the next request can use is known after it: no limit is crossed', async () => {
    const usage = { input: 10_000, output: 10 };
    const model = scripted(
      (_, i) => (i < 9 ? { toolCalls: [{ name: 'lookup', input: { i }, id: `c${i}` }], usage } : { text: 'done', usage }),
      { maxOutput: 10 },
    );
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(300)], compact: [once(() => ({ drop: [1, 2] }))] });
    const result = await ends(new Engine({ journal }).run(a, 'x', { limits: { tokens: 35_000 } }), 'stopped');
    expect(await compactions(journal, result.runId)).toHaveLength(1);
    expect(result.usage.input + result.usage.output).toBeLessThanOrEqual(35_000);
  });

  test('an engine that offers read_result where the one before did not counts its tool in the next request', async () => {
    const usage = { input: 1_000, output: 0 };
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'ok' });
    const made = () =>
      agent({
        name: 'a',
        instructions: '',
        model: scripted((_, i) => ({ ...(i === 0 && { toolCalls: [{ name: 'sign', input: {}, id: 'c' }] }), usage }), { maxOutput: 10 }),
        tools: [sign],
      });
    const needed = async (compact: readonly Compaction[]) => {
      const journal = memoryJournal();
      const paused = await ends(new Engine({ journal }).run(made(), 'x', { limits: { tokens: 1_500 } }), 'paused');
      const next = new Engine({ journal, agents: [made()], compact });
      const stopped = await ends(next.decide(paused.runId, [approve(paused.approvals[0])], { by: { id: 'ben' }, resume: true }), 'stopped');
      return stopped.limit.needed ?? 0;
    };
    expect((await needed([clearToolResults()])) - (await needed([]))).toBeGreaterThan(300);
  });

  test('steps of wrappers get what the model sees', async () => {
    const model = turns(6);
    const counts: number[] = [];
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [lookup(10)],
      compact: [keepLast(2)],
      use: [
        {
          step(request) {
            counts.push(request.messages.length);
            return { ...request, instructions: 'Be brief.' };
          },
        },
      ],
    });
    await ends(new Engine().run(a, 'x'), 'completed');
    expect(counts).toEqual(model.requests.map(({ messages }) => messages.length));
    expect(Math.max(...counts)).toBeLessThan(8);
  });

  test('messages that arrive stand at the end of what the model sees', async () => {
    const journal = memoryJournal();
    const engine = new Engine({ journal });
    const model = scripted(async ({ messages }, i) => {
      if (i === 3) await engine.send('r', 'and hurry');
      return i < 6 ? asks(['lookup', { i }, `c${i}`]) : `${messages.length}`;
    });
    const a = agent({
      name: 'a',
      instructions: '',
      model,
      tools: [tool({ name: 'lookup', description: '', input: anything, effect: 'read', execute: () => 1 })],
      compact: [keepLast(2)],
    });
    await ends(engine.run(a, 'x', { id: 'r' }), 'completed');
    expect(model.requests[4]?.messages.at(-1)).toMatchObject({ role: 'user', content: [{ text: 'and hurry' }] });
    for (const { messages } of model.requests) assertSendable(messages);
  });
});

describe('what is told of a compaction', () => {
  test('the trace has a record of it, and of each failed attempt to have a summary written', async () => {
    const model = turns(4);
    let asked = 0;
    const writer = scripted(() => (asked++ === 0 ? { error: 'THROTTLING' } : { text: 'SHORT', usage: { input: 7, output: 3 } }), {
      id: 'writer',
    });
    const journal = memoryJournal();
    const policy = once(() => ({ drop: [1, 2, 3, 4], summary: { prompt: 'Sum up.' } }), { summarises: true, model: writer });
    const engine = new Engine({ journal, reliability: { model: { retry: { attempts: 2, initialDelay: 1 } } } });
    const { runId } = await ends(
      engine.run(agent({ name: 'a', instructions: '', model, tools: [lookup(900)], compact: [policy] }), 'x'),
      'completed',
    );
    const records = (await all<TraceRecord>(engine.exportTrace(runId))).filter((r) => r.type === 'COMPACTION');
    expect(records).toMatchObject([
      { status: 'FAILED', attempt: 1, errorCode: 'THROTTLING', model: 'scripted/writer', step: 4 },
      {
        status: 'SUCCEEDED',
        attempt: 2,
        policy: 'own',
        dropped: 4,
        model: 'scripted/writer',
        usage: { input: 7, output: 3 },
        costUsd: 0,
        step: 4,
      },
    ]);
    expect(JSON.stringify(records)).not.toContain('SHORT');
    const told = (await all<TraceRecord>(engine.exportTrace(runId, { content: true }))).filter((r) => r.type === 'COMPACTION');
    expect(told[1]).toMatchObject({ summary: 'SHORT' });
    // the step after it is counted from its own first attempt
    const steps = (await all<TraceRecord>(engine.exportTrace(runId))).filter((r) => r.type === 'MODEL_INVOCATION');
    expect(steps.map((r) => r.attempt)).toEqual([1, 1, 1, 1, 1]);
  });

  test('the call for a summary has a span of its own, and the agent an event', async () => {
    const sdk = registerSpans();
    const writer = scripted(() => ({ text: 'SHORT', usage: { input: 7, output: 3 } }), { id: 'writer' });
    const policy = once(() => ({ drop: [1, 2], summary: { prompt: 'Sum up.' } }), { summarises: true, model: writer });
    const a = agent({ name: 'a', instructions: '', model: turns(4), tools: [lookup(900)], compact: [policy] });
    await ends(new Engine().run(a, 'x'), 'completed');
    const spans = sdk.spans();
    const chats = spans.filter(({ name }) => name === 'chat writer');
    expect(chats).toHaveLength(1);
    expect(chats[0]?.attributes).toMatchObject({ 'rondo.summary': true, 'gen_ai.usage.input_tokens': 7, 'rondo.step': 4 });
    expect(sdk.named('invoke_agent a').events.find(({ name }) => name === 'rondo.context.compacted')?.attributes).toMatchObject({
      'rondo.compaction.policy': 'own',
      'rondo.compaction.dropped': 2,
      'rondo.compaction.cleared': 0,
    });
  });
});
