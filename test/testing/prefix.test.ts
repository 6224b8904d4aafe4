import { expect, test } from 'vitest';
import { agent, Engine, keepLast, type Message, type ModelRequest, tool } from '../../src/index.ts';
import { checkPrefixes, prefixes, prefixTokens, scripted } from '../../src/testing/index.ts';
import { anything } from '../kit/runs.ts';

const user = (text: string): Message => ({ role: 'user', content: [{ type: 'text', text }] });
const said = (text: string): Message => ({ role: 'assistant', content: [{ type: 'text', text }] });
const request = (messages: readonly Message[], o: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: 'Be kind.',
  tools: [{ name: 'look', description: 'Looks', input: {} }],
  messages,
  ...o,
});
const first = [user('one'), said('two'), user('three')];
const look = tool({ name: 'look', description: 'Looks', input: anything, effect: 'read', execute: () => 'seen' });
/** Three steps: two with calls of sub-agent or tool `name`, then an answer. */
const twice = (name = 'look') => {
  let n = 0;
  return scripted(({ messages }) =>
    messages.filter(({ role }) => role === 'tool').length < 2 ? { toolCalls: [{ name, input: { n: n++ } }] } : 'Done.',
  );
};

test('requests that grow at their end pass', () => {
  checkPrefixes([request(first), request(structuredClone(first)), request([...first, said('four')])]);
  checkPrefixes([]);
});

test.each([
  [
    'instructions',
    request(first, { instructions: 'Be kind. It is 10:04.' }),
    'instructions: before "Be kind.", now "Be kind. It is 10:04."',
  ],
  ['a tool more', request(first, { tools: [...request(first).tools, { name: 'act', description: '', input: {} }] }), 'tools: now with act'],
  ['a tool fewer', request(first, { tools: [] }), 'tools: now without look'],
  [
    'a tool that is described in other words',
    request(first, { tools: [{ name: 'look', description: 'Sees', input: {} }] }),
    'tools: look: description: before "Looks", now "Sees"',
  ],
  [
    'an earlier message',
    request([user('one'), said('2'), user('three'), said('four')]),
    'message 2 (assistant): content[0].text: before "two", now "2"',
  ],
  ['a message that is gone', request(first.slice(0, 2)), 'message 3 (user): before {"role":"user"'],
  ['a message that came between', request([first[0], user('new'), ...first.slice(1)] as Message[]), 'message 2 (assistant): '],
])('a request that moves fails, and says what moved: %s', (_, now, text) => {
  const check = () => checkPrefixes([request(first.slice(0, 1)), request(first), now]);
  expect(check).toThrow(text);
  expect(check).toThrow(/request 3 does not begin/);
  expect(check).toThrow(expect.objectContaining({ code: 'PREFIX_MOVED' }));
});

test('the order of tools counts, and the order of their fields does not', () => {
  const [a, b] = [
    { name: 'a', description: '', input: {} },
    { name: 'b', description: '', input: {} },
  ];
  expect(() => checkPrefixes([request(first, { tools: [a, b] }), request(first, { tools: [b, a] })])).toThrow(
    'in the order "a, b", now "b, a"',
  );
  checkPrefixes([request(first, { tools: [a] }), request(first, { tools: [{ input: {}, description: '', name: 'a' }] })]);
});

const watched = () => {
  const watch = prefixes();
  return { use: [watch.use], onEvent: watch.onEvent };
};

test('a run of an agent, its sub-agent and another run beside it pass', async () => {
  const helper = agent({ name: 'helper', description: 'Helps', instructions: '', model: twice(), tools: [look] });
  const boss = agent({ name: 'boss', instructions: '', model: twice('helper'), agents: [helper] });
  const engine = new Engine(watched());
  const results = await Promise.all([engine.run(boss, 'a'), engine.run(boss, 'b')]);
  expect(results.map(({ status }) => status)).toEqual(['completed', 'completed']);
});

test('a wrapper below it that changes a request without the journal knowing fails the run', async () => {
  let n = 0;
  const stamp = { model: (r: ModelRequest, next: (r: ModelRequest) => never) => next({ ...r, instructions: `It is ${n++}.` }) };
  const watch = prefixes();
  const engine = new Engine({ use: [stamp as never, watch.use], onEvent: watch.onEvent });
  const result = await engine.run(agent({ name: 'a', instructions: '', model: twice(), tools: [look] }), 'go');
  expect(result).toMatchObject({ status: 'failed', steps: 1 });
  expect(result.status === 'failed' && result.error.message).toMatch(
    /PREFIX_MOVED: the request of step 2 of a .*instructions: before "It is 0\.", now "It is 1\."/s,
  );
});

test('a list of messages that is changed in its place fails too', async () => {
  const { model } = prefixes().use;
  const messages = [...first];
  const info = { runId: 'r', agent: 'a', path: ['a'], session: undefined, context: {} };
  const ask = (step: number) => model?.(request(messages), async () => ({ content: [], stop: 'end' }), { ...info, step });
  await ask(1);
  messages.push(said('four'));
  await ask(2);
  messages[0] = user('uno');
  await expect(ask(3)).rejects.toThrow('message 1 (user): content[0].text: before "one", now "uno"');
});

test('a time in the instructions fails the run, though the journal records it', async () => {
  for (const options of [watched(), { use: [prefixes().use] }]) {
    let n = 0;
    const a = agent({ name: 'a', instructions: () => `It is ${n++}.`, model: twice(), tools: [look] });
    const result = await new Engine(options).run(a, 'go');
    expect(result).toMatchObject({ status: 'failed', error: { code: 'MIDDLEWARE_FAILED' } });
    expect(result.status === 'failed' && result.error.message).toMatch(/^PREFIX_MOVED: .*instructions: before "It is 0\."/s);
  }
});

test('a step wrapper that drops earlier messages is allowed where events are passed on, and fails where they are not', async () => {
  const call = { toolCalls: [{ name: 'look', input: {} }] };
  const shorter = { step: (r: ModelRequest) => ({ ...r, messages: [r.messages[0] as Message, ...r.messages.slice(1).slice(-2)] }) };
  const dropping = (more: object) => {
    const a = agent({ name: 'a', instructions: '', model: scripted([call, call, 'Done.']), tools: [look] });
    return new Engine(more).run(a, 'go');
  };
  const { use, onEvent } = watched();
  expect((await dropping({ use: [shorter, ...use], onEvent })).status).toBe('completed');
  expect((await dropping({ use: [shorter, ...use] })).status).toBe('failed');
});

test('so is compaction', async () => {
  const call = { toolCalls: [{ name: 'look', input: {} }] };
  const compacting = (more: object) => {
    const model = scripted([call, call, call, call, 'Done.']);
    const a = agent({ name: 'a', instructions: '', model, tools: [look], compact: [keepLast(2)] });
    return new Engine(more).run(a, 'go');
  };
  const { use, onEvent } = watched();
  expect((await compacting({ use, onEvent })).status).toBe('completed');
  expect((await compacting({ use })).status).toBe('failed');
});

test('the tokens of a prefix: whole requests, a part, none, and other conversations', () => {
  const grown = [...first, said('four'), user('five')];
  const usage = (input: number, cacheRead = 0) => ({ input, output: 1_000, cacheRead });
  // the second contains the whole first one; the provider read 80 of its 100 tokens
  expect(
    prefixTokens([
      { request: request(first), usage: usage(100) },
      { request: request(grown), usage: usage(70, 80) },
    ]),
  ).toEqual({
    input: 250,
    prefix: 100,
    highest: 100,
    read: 80,
    unmetered: 0,
  });
  // other instructions: only the tools are a prefix
  const { prefix, highest } = prefixTokens([
    { request: request(first), usage: usage(1_000) },
    { request: request(grown, { instructions: 'Be brief.' }), usage: usage(1_500) },
  ]);
  expect(highest).toBe(1_000);
  expect(prefix).toBeGreaterThan(0);
  expect(prefix).toBeLessThan(500);
  // other tools: nothing is
  expect(
    prefixTokens([
      { request: request(first), usage: usage(9) },
      { request: request(grown, { tools: [] }), usage: usage(9) },
    ]).prefix,
  ).toBe(0);
  // two conversations that take turns do not disturb each other
  const turns = [first, grown].flatMap((messages, i) => [
    { request: request(messages), usage: usage(100 + i * 50), conversation: 'a' },
    { request: request(messages, { instructions: 'Other.' }), usage: usage(200 + i * 50), conversation: 'b' },
  ]);
  expect(prefixTokens(turns)).toEqual({ input: 100 + 200 + 150 + 250, prefix: 300, highest: 300, read: 0, unmetered: 0 });
  // unknown usage is not 0
  const asked = [{ request: request(first) }, { request: request(grown), usage: usage(150) }];
  expect(prefixTokens(asked)).toEqual({ input: 150, prefix: 0, highest: 0, read: 0, unmetered: 1 });
  expect(prefixTokens([])).toEqual({ input: 0, prefix: 0, highest: 0, read: 0, unmetered: 0 });
});
