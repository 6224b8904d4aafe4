import { describe, expect, test } from 'vitest';
import { agent, Engine, type EntryOf, type Message, type Middleware, type ModelRequest, type StepInfo, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const roles = (request: ModelRequest | undefined) => (request?.messages ?? []).map(({ role }) => role);

describe.each(journals)('a step wrapper, on $name', ({ make }) => {
  const changes = async (journal: ReturnType<typeof make>['journal'], runId: string) =>
    (await entriesOf(journal, runId)).filter((e): e is EntryOf<'context.changed'> => e.type === 'context.changed').map((e) => e.reshaped);

  test('changes the model request, and the conversation is unchanged', async () => {
    const { journal } = make();
    const seen: StepInfo[] = [];
    const use: Middleware = {
      step(request, info) {
        seen.push(info);
        return {
          ...request,
          instructions: `${request.instructions} Step ${info.step}.`,
          messages: [user('summary'), ...request.messages.slice(-2)],
        };
      },
    };
    const model = scripted([asks(['look', {}]), asks(['look', {}]), 'done', 'next run']);
    const a = agent({ name: 'a', instructions: 'Be kind.', model, tools: [look], use: [use] });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(a, 'go', { session: 's', context: { plan: 'pro' } } as never), 'completed');
    expect(model.requests[2]?.instructions).toBe('Be kind. Step 3.');
    expect(roles(model.requests[2])).toEqual(['user', 'assistant', 'tool']);
    expect(seen[0]).toEqual({ runId, agent: 'a', path: ['a'], step: 1, session: 's', context: { plan: 'pro' } });
    // the next run of the session continues the whole conversation
    await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'again', { session: 's' }), 'completed');
    expect(roles(model.requests[3])).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant', 'user']);
  });

  test('is journaled only when its changes change', async () => {
    const { journal } = make();
    const use: Middleware = {
      step: (request, { step }) => (step < 3 ? { ...request, tools: request.tools.filter(({ name }) => name !== 'pay') } : request),
    };
    const model = scripted([asks(['look', {}]), asks(['look', {}]), asks(['look', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [look, pay], use: [use] });
    const { runId } = await ends(new Engine({ journal }).run(a, 'go'), 'completed');
    expect(await changes(journal, runId)).toEqual([{ tools: ['look'] }, null]);
    expect(model.requests.map(({ tools }) => tools.map(({ name }) => name))).toEqual([
      ['look'],
      ['look'],
      ['look', 'pay'],
      ['look', 'pay'],
    ]);
  });

  test('records the number of removed messages and their replacement, so that entries do not grow with the conversation', async () => {
    const { journal } = make();
    const use: Middleware = {
      step: (request) =>
        request.messages.length < 6 ? request : { ...request, messages: [user('so far: nothing'), ...request.messages.slice(-2)] },
    };
    const turns = 12;
    const model = scripted([...Array.from({ length: turns }, () => asks(['look', {}])), 'done']);
    const { runId } = await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [look], use: [use] }), 'go'),
      'completed',
    );
    const told = await changes(journal, runId);
    expect(told.at(-1)).toEqual({ replaced: turns * 2 - 1, messages: [user('so far: nothing')] });
    expect(Math.max(...told.map((r) => JSON.stringify(r).length))).toBeLessThan(120);
  });

  test.each<[string, (messages: readonly Message[]) => readonly Message[], object]>([
    ['appends one', (messages) => [...messages, user('remember')], { from: 19, messages: [user('remember')] }],
    ['prepends one', (messages) => [user('remember'), ...messages], { messages: [user('remember')] }],
    ['keeps the first and the last ones', ([first, ...rest]) => [first as Message, ...rest.slice(-2)], { from: 1, replaced: 16 }],
    ['replaces one in the middle', (messages) => messages.map((m, i) => (i === 2 ? { ...m } : m)), { from: 2, replaced: 1 }],
    ['replaces the last one', (messages) => [...messages.slice(0, -1), { ...(messages.at(-1) as Message) }], { from: 18, replaced: 1 }],
  ])('that %s stores only what it wrote', async (_, change, last) => {
    const { journal } = make();
    const use: Middleware = { step: (request) => ({ ...request, messages: change(request.messages) }) };
    const model = scripted([...Array.from({ length: 9 }, () => asks(['look', {}])), 'done']);
    const { runId } = await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [look], use: [use] }), 'go'),
      'completed',
    );
    const told = await changes(journal, runId);
    expect(told.at(-1)).toMatchObject(last);
    expect(Math.max(...told.map((r) => JSON.stringify(r).length))).toBeLessThan(200);
  });

  test('after a pause, in another process, is not written again where it changes the same', async () => {
    const store = make();
    const use: Middleware = { step: (request) => ({ ...request, instructions: 'Short.' }) };
    const model = scripted([asks(['pay', {}]), 'done']);
    const a = agent({ name: 'a', instructions: 'Long.', model, tools: [pay], use: [use] });
    const { runId, approvals } = await ends(new Engine({ journal: store.journal }).run(a, 'go'), 'paused');
    const other = new Engine({ journal: store.another(), agents: [a] });
    await other.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(other.resume(runId), 'completed');
    expect(model.requests[1]?.instructions).toBe('Short.');
    expect(await changes(store.journal, runId)).toEqual([{ instructions: 'Short.' }]);
  });
});

test("the engine's is asked before the agent's, and the later one sees what the earlier one made", async () => {
  const adding = (text: string): Middleware => ({ step: (request) => ({ ...request, instructions: `${request.instructions}${text}` }) });
  const model = scripted(['done']);
  const a = agent({ name: 'a', instructions: '1', model, use: [adding('3')] });
  await ends(new Engine({ use: [adding('2')] }).run(a, 'go'), 'completed');
  expect(model.requests[0]?.instructions).toBe('123');
});

test('a message that it mutates in its copy of the list changes nothing for the next step', async () => {
  const use: Middleware = {
    step(request) {
      (request.messages as Message[]).length = 0;
      return { ...request, messages: [user('only this')] };
    },
  };
  const model = scripted(['a', 'b']);
  const engine = new Engine();
  await ends(engine.run(agent({ name: 'a', instructions: '', model, use: [use] }), 'go', { session: 's' }), 'completed');
  await ends(engine.run(agent({ name: 'a', instructions: '', model }), 'again', { session: 's' }), 'completed');
  expect(roles(model.requests[1])).toEqual(['user', 'assistant', 'user']);
});

test('a limit of tokens counts what it puts in', async () => {
  const use: Middleware = { step: (request) => ({ ...request, instructions: 'x'.repeat(40_000) }) };
  const model = { ...scripted(['done']), maxOutput: 100 };
  const a = agent({ name: 'a', instructions: '', model: { ...model, generate: scripted(['done']).generate }, use: [use] });
  const stopped = await ends(new Engine().run(a, 'go', { limits: { tokens: 5_000 } }), 'stopped');
  expect(stopped.limit).toMatchObject({ name: 'tokens', used: 0 });
});

describe('what makes no sense fails the run, and says what is wrong', () => {
  const request = (over: object) => (r: ModelRequest) => ({ ...r, ...over }) as ModelRequest;
  test.each<[string, NonNullable<Middleware['step']>, string]>([
    ['a wrapper that throws', () => Promise.reject(new Error('no idea')), 'no idea'],
    ['nothing', () => undefined as never, 'no request'],
    ['instructions that are no text', request({ instructions: 5 }), 'not a text'],
    ['messages that are no list', request({ messages: 'hello' }), 'without a list'],
    ['no messages', request({ messages: [] }), 'there are none'],
    ['a tool that there is not', request({ tools: [{ name: 'other', description: '', input: {} }] }), 'the tool "other"'],
    ['a message of an unknown role', request({ messages: [{ role: 'system', content: [] }] }), 'a message is'],
    ['a result without its call', (r) => ({ ...r, messages: r.messages.slice(-1) }), 'is missing'],
    ['a call without its result', (r) => ({ ...r, messages: r.messages.slice(0, -1) }), 'is missing'],
  ])('%s', async (_, step, why) => {
    const model = scripted([asks(['look', {}]), 'done']);
    let n = 0;
    const later: Middleware = { step: (r, info) => (n++ === 0 ? r : step(r, info)) };
    const result = await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [look], use: [later] }), 'go'), 'failed');
    expect(result.error).toMatchObject({ code: 'MIDDLEWARE_FAILED', message: expect.stringContaining(why) });
  });
});
