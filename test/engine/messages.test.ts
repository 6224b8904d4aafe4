import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type AgentInput,
  agent,
  type ContentRequest,
  delegate,
  Engine,
  foreignAgent,
  graph,
  type InputMessage,
  type Json,
  type Message,
  type ModelRequest,
  type Policy,
  type RecordRequest,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const SECRET = 'FORGETME-4711';
const ana = { id: 'ana' };
const bad = (value: unknown) => value as AgentInput;

/** A conversation of another framework: the user asked, a tool was called, the agent answered, and the user asks again. */
const kept: readonly InputMessage[] = [
  { role: 'user', content: 'Where is order 7?' },
  { role: 'assistant', content: [{ type: 'toolCall', id: 'c1', name: 'look', input: { order: 7 } }] },
  { role: 'tool', content: [{ type: 'toolResult', id: 'c1', output: [{ type: 'text', text: 'in Bremen' }] }] },
  { role: 'assistant', content: 'In Bremen.' },
  { role: 'user', content: 'And order 8?' },
];
const KEPT = ['user: Where is order 7?', 'assistant: <toolCall>', 'tool: <toolResult>', 'assistant: In Bremen.', 'user: And order 8?'];

const told = (messages: readonly Message[] | undefined) =>
  (messages ?? []).map(({ role, content }) => `${role}: ${content.map((p) => (p.type === 'text' ? p.text : `<${p.type}>`)).join(' ')}`);
const asked = (request: ModelRequest | undefined) => told(request?.messages);

function looking(steps: Parameters<typeof scripted>[0] = ['In Kiel.', 'second', 'third']) {
  const calls: Json[] = [];
  const look = tool({
    name: 'look',
    description: '',
    input: anything,
    effect: 'once',
    execute: (input) => {
      calls.push(input as Json);
      return 'found';
    },
  });
  const model = scripted(steps);
  return { model, calls, a: agent({ name: 'a', instructions: 'Be kind.', model, tools: [look] }) };
}

describe.each(journals)('a list of messages as input, on $name', ({ make }) => {
  test('starts the conversation: the model sees all of it, and no call in it is made', async () => {
    const { journal, another } = make();
    const { a, model, calls } = looking();
    const run = new Engine({ journal }).run(a, kept);
    const { output, runId, steps } = await ends(run, 'completed');
    expect([output, steps, calls]).toEqual(['In Kiel.', 1, []]);
    expect(asked(model.requests[0])).toEqual(KEPT);
    expect(model.requests[0]?.messages[2]?.content).toEqual(kept[2]?.content);
    // once, in the first entry
    const entries = await entriesOf(journal, runId);
    expect(entries[0]).toMatchObject({ type: 'run.started', input: 'And order 8?', earlier: [{ role: 'user' }, {}, {}, {}] });
    expect(JSON.stringify(entries).split('Where is order 7?')).toHaveLength(2);
    const state = await new Engine({ journal: another() }).inspect(runId);
    expect(told(state.messages)).toEqual([...KEPT, 'assistant: In Kiel.']);
    const [first] = await all(new Engine({ journal: another() }).watch(runId));
    expect(first).toMatchObject({ type: 'run.started', input: 'And order 8?', earlier: [{ role: 'user' }, {}, {}, {}] });
  });

  test('with one message is the same as that message', async () => {
    const { journal } = make();
    const { a, model } = looking();
    const { runId } = await ends(new Engine({ journal }).run(a, [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }]), 'completed');
    expect(asked(model.requests[0])).toEqual(['user: Hi']);
    expect((await entryOf(journal, runId, 'run.started')).earlier).toBeUndefined();
  });

  test('comes after the earlier turns of its session, and later runs of the session are shown both', async () => {
    const { journal, another } = make();
    const { a, model } = looking(() => 'ok');
    await ends(new Engine({ journal }).run(a, 'I am Ana.', { session: 's' }), 'completed');
    await ends(new Engine({ journal: another() }).run(a, kept, { session: 's' }), 'completed');
    for (let i = 0; i < 9; i++) await ends(new Engine({ journal: another() }).run(a, `turn ${i}`, { session: 's' }), 'completed');
    const both = ['user: I am Ana.', 'assistant: ok', ...KEPT];
    expect(asked(model.requests[1])).toEqual(both);
    expect(asked(model.requests.at(-1)).slice(0, both.length + 2)).toEqual([...both, 'assistant: ok', 'user: turn 0']);
  });

  test('is still there when another process resumes the run', async () => {
    const { journal, another } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const model = scripted([asks(['sign', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    const { runId, approvals } = await ends(new Engine({ journal }).run(a, kept), 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: ana });
    await ends(engine.resume(runId), 'completed');
    expect(asked(model.requests[1]).slice(0, KEPT.length)).toEqual(KEPT);
  });

  test('goes with a fork, and is forgotten with its run: in forks and in later runs of the session too', async () => {
    const { journal } = make();
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'found' });
    const secret: InputMessage[] = [{ role: 'user', content: SECRET }, ...kept];
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'user' && messages.length === 6 ? asks(['look', {}]) : 'ok'));
    const a = agent({ name: 'a', instructions: '', model, tools: [look] });
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.run(a, secret, { session: 's', id: 'base' }), 'completed');
    for (let i = 0; i < 9; i++) await ends(engine.run(a, `turn ${i}`, { session: 's', id: `r${i}` }), 'completed');
    const at = (await entryOf(journal, 'base', 'call.finished')).seq;
    await ends(engine.fork('base', { at, id: 'fork' }), 'completed');
    expect(told((await engine.inspect('fork')).messages).slice(0, 6)).toEqual([`user: ${SECRET}`, ...KEPT]);
    await engine.forget('base');
    const left = await Promise.all((await all(journal.heads({}))).map(({ runId }) => entriesOf(journal, runId)));
    expect(left).toHaveLength(10);
    for (const word of [SECRET, 'order 7', 'Bremen', 'order 8']) expect(JSON.stringify(left)).not.toContain(word);
    expect((await engine.inspect('fork')).status).toBe('completed');
    await ends(engine.run(a, 'next', { session: 's' }), 'completed');
    expect(asked(model.requests.at(-1)).slice(0, 2)).toEqual(['user: turn 0', 'assistant: ok']);
  });

  test('is sent into a run too: its messages come in their order', async () => {
    const { journal, another } = make();
    const go = deferred();
    const started = deferred();
    const work = tool({ name: 'work', description: '', input: anything, execute: () => (started.resolve(), go.promise) });
    const model = scripted([asks(['work', {}]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [work] }), 'go');
    const events = all(run);
    await started.promise;
    await new Engine({ journal: another() }).send(run.id, kept, { by: ana });
    go.resolve();
    await ends(run, 'completed');
    expect(asked(model.requests[1]).slice(3)).toEqual(KEPT);
    expect(told((await new Engine({ journal: another() }).inspect(run.id)).messages).slice(3)).toEqual([...KEPT, 'assistant: done']);
    expect((await events).find(({ type }) => type === 'message.received')).toMatchObject({
      content: [{ type: 'text', text: 'And order 8?' }],
      earlier: [{ role: 'user' }, {}, {}, {}],
    });
    for (const input of [[{ role: 'system', content: 'x' }], [], '', [{ type: 'text' }]])
      await refused('INPUT_REFUSED', new Engine({ journal }).send(run.id, bad(input)));
  });
});

test('results that came in several messages, or in another order, are one message in the order asked', async () => {
  const { a, model } = looking();
  const result = (id: string, text: string) => ({ type: 'toolResult', id, output: [{ type: 'text', text }] }) as const;
  const call = (id: string) => ({ type: 'toolCall', id, name: 'look', input: {} }) as const;
  await ends(
    new Engine().run(a, [
      { role: 'assistant', content: [call('one'), call('two')] },
      { role: 'tool', content: [result('two', 'second')] },
      { role: 'tool', content: [{ ...result('one', 'first'), isError: true }] },
      { role: 'user', content: 'Hi' },
    ]),
    'completed',
  );
  expect(model.requests[0]?.messages[1]).toEqual({
    role: 'tool',
    content: [{ ...result('one', 'first'), isError: true }, result('two', 'second')],
  });
});

test('data that only the original model can use is left out, and so is vendor data in assistant messages', async () => {
  const { a, model } = looking();
  const vendor = { bedrock: { model: 'm', signature: 'forged' } };
  await ends(
    new Engine().run(a, [
      { role: 'user', content: [{ type: 'text', text: 'Hi', vendor }] },
      { role: 'assistant', content: [{ type: 'reasoning', text: 'hm', vendor }] },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', vendor },
          { type: 'text', text: 'Hello', vendor },
          { type: 'toolCall', id: 'c', name: 'look', input: {}, vendor },
        ],
      },
      { role: 'tool', content: [{ type: 'toolResult', id: 'c', output: [{ type: 'text', text: 'x', vendor }] }] },
      { role: 'user', content: 'Go on' },
    ]),
    'completed',
  );
  expect(model.requests[0]?.messages).toEqual([
    // a cache point is the caller's to set
    { role: 'user', content: [{ type: 'text', text: 'Hi', vendor }] },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'Hello' },
        { type: 'toolCall', id: 'c', name: 'look', input: {} },
      ],
    },
    { role: 'tool', content: [{ type: 'toolResult', id: 'c', output: [{ type: 'text', text: 'x' }] }] },
    { role: 'user', content: [{ type: 'text', text: 'Go on' }] },
  ]);
});

const hi = { role: 'user', content: 'Hi' };
const calls = (...ids: string[]) => ({ role: 'assistant', content: ids.map((id) => ({ type: 'toolCall', id, name: 'look', input: {} })) });
const results = (...ids: string[]) => ({ role: 'tool', content: ids.map((id) => ({ type: 'toolResult', id, output: [] })) });

test.each<[string, unknown, string]>([
  [
    'a system message',
    [{ role: 'system', content: 'Be kind.' }, hi],
    'message 0 has the role "system". What an agent is always told are its instructions',
  ],
  ['a developer message', [{ role: 'developer', content: 'Be kind.' }, hi], 'instructions'],
  ['an unknown role', [hi, { role: 'bot', content: 'x' }], 'message 1 has no role that there is'],
  ['something among messages', [hi, { type: 'text', text: 'x' }], 'message 1 has no role'],
  ['nothing among messages', [hi, null], 'message 1 has no role'],
  ['no content', [{ role: 'user' }, hi], 'message 0 has no content'],
  ['no parts', [{ role: 'user', content: [] }], 'message 0 has no content'],
  ['a last message of the assistant', [hi, { role: 'assistant', content: 'x' }], 'the last message must be of the role user'],
  ['a last message of a tool', [hi, calls('c'), results('c')], 'the last message must be of the role user'],
  ['a call without a result', [calls('c'), hi], 'the call "c" of look has no result'],
  ['a call without a result at the end', [hi, calls('c')], 'the call "c" of look has no result'],
  ['one call of two without a result', [calls('c', 'd'), results('c'), hi], 'the call "d" of look has no result'],
  [
    'a result without a call',
    [hi, results('c'), hi],
    'message 1, part 0 is the result of a call that the message before it does not ask for',
  ],
  ['a result behind another message', [calls('c'), results('c'), hi, results('c'), hi], 'message 3, part 0 is the result'],
  ['two results of a call', [calls('c', 'd'), results('c', 'c'), hi], 'message 1, part 1 is a second result of the call "c"'],
  ['two calls of an id', [calls('c', 'c'), results('c'), hi], 'message 0 has two calls of the id "c"'],
  ['a result in the user`s message', [calls('c'), { role: 'user', content: results('c').content }], 'the call "c" of look has no result'],
  ['a call of the user', [{ role: 'user', content: calls('c').content }], 'message 0, part 0 is not a text, image or document'],
  ['a call without a name', [{ role: 'assistant', content: [{ type: 'toolCall', id: 'c', input: {} }] }, hi], 'a call is'],
  ['a call whose id is half a character', [calls('\ud800'), results('\ud800'), hi], 'message 0, part 0: a call is'],
  [
    'a result without an output',
    [calls('c'), { role: 'tool', content: [{ type: 'toolResult', id: 'c', output: 'x' }] }, hi],
    'a result is',
  ],
  [
    'a result in a result',
    [calls('c'), { role: 'tool', content: [{ type: 'toolResult', id: 'c', output: results('d').content }] }, hi],
    'output 0',
  ],
  ['a text that is none', [{ role: 'user', content: [{ type: 'text', text: 7 }] }], 'message 0, part 0: a text is'],
  ['an image without a type', [{ role: 'user', content: [{ type: 'image', data: 'AAAA' }] }], "{ type: 'image', mediaType, data }"],
  [
    'an image by its address',
    [{ role: 'user', content: [{ type: 'image', mediaType: 'image/png', data: 'https://a.test/x.png' }] }],
    'base64 alone',
  ],
  [
    'a data URL',
    [{ role: 'user', content: [{ type: 'image', mediaType: 'image/png', data: 'data:image/png;base64,AAAA' }] }],
    'base64 alone',
  ],
  ['an empty list', [], 'it must be a text, a list of parts'],
  ['an object', { text: 'Hi' }, 'it must be a text, a list of parts'],
  ['texts in place of parts', ['Hi'], 'part 0 is not a text, image or document'],
  ['an unknown part', [{ type: 'video', data: 'x' }], 'part 0 is not a text, image or document'],
  ['what JSON cannot hold', [{ role: 'user', content: 'Hi', at: new Map() }], 'plain JSON'],
])('%s is refused, and nothing is journalled', async (_, input, word) => {
  const { a, model } = looking();
  const engine = new Engine();
  const { message } = await refused('CONFIG_INVALID', engine.run(a, bad(input)));
  expect(message).toContain(word);
  expect(message).toContain('"a"');
  expect(model.requests).toHaveLength(0);
  expect(await all(engine.runs())).toEqual([]);
});

test('the caller may change its list afterwards', async () => {
  const { a, model } = looking();
  const list: InputMessage[] = [
    { role: 'user', content: [{ type: 'text', text: 'one' }] },
    { role: 'user', content: 'two' },
  ];
  const run = new Engine().run(a, list);
  (list[0] as unknown as { content: { text: string }[] }).content[0] = { text: 'changed' };
  await ends(run, 'completed');
  expect(asked(model.requests[0])).toEqual(['user: one', 'user: two']);
});

describe('a policy of content', () => {
  const ruled = (content: Required<Policy>['content']): Engine => new Engine({ policy: { decide: () => ({ allow: true }), content } });

  test('sees all of a conversation, and refuses the run', async () => {
    const seen: ContentRequest[] = [];
    const engine = ruled((r) => {
      seen.push(r);
      return JSON.stringify(r.value).includes('Bremen') ? { allow: false, reason: 'no places' } : { allow: true };
    });
    const { a } = looking();
    expect((await refused('INPUT_REFUSED', engine.run(a, kept))).message).toContain('no places');
    expect(seen[0]).toMatchObject({ point: 'input', agent: 'a' });
    expect(told(seen[0]?.value as unknown as Message[])).toEqual(KEPT);
    expect(await all(engine.runs())).toEqual([]);
  });

  test('replaces it by other messages, or by a text, which is then the whole conversation', async () => {
    const { a, model } = looking();
    const swapped = (text: string) => JSON.parse(text.replaceAll('Bremen', '<place>')) as Json;
    await ends(
      ruled((r) => ({ allow: true, value: r.point === 'input' ? swapped(JSON.stringify(r.value)) : r.value })).run(a, kept),
      'completed',
    );
    expect(JSON.stringify(model.requests[0]?.messages)).toContain('In <place>.');
    await ends(ruled((r) => ({ allow: true, value: r.point === 'input' ? 'withheld' : r.value })).run(a, kept), 'completed');
    expect(asked(model.requests[1])).toEqual(['user: withheld']);
  });

  test('that returns invalid messages ends the run before it starts', async () => {
    const { a } = looking();
    const engine = ruled((r) => ({ allow: true, value: (r.value as Json[]).filter((m) => (m as { role?: string }).role !== 'tool') }));
    expect((await refused('INPUT_REFUSED', engine.run(a, kept))).message).toContain('the call "c1" of look has no result');
    expect(await all(engine.runs())).toEqual([]);
  });
});

test('it is recorded in a memory with its run, and what is recalled is for the last message', async () => {
  const recorded: RecordRequest[] = [];
  const recalls: string[] = [];
  const memory = {
    recall: async ({ text }: { text: string }) => (recalls.push(text), []),
    record: async (r: RecordRequest) => void recorded.push(r),
  };
  const { a } = looking();
  const engine = new Engine({ memory });
  await ends(engine.run(a, kept, { by: ana, session: 's' }), 'completed');
  await engine.recover();
  await engine.close();
  expect(recalls).toEqual(['And order 8?']);
  expect(recorded.map(({ messages }) => told(messages))).toEqual([[...KEPT, 'assistant: In Kiel.']]);
});

describe('agents of other kinds', () => {
  test('what a sub-agent of a fork was shown of it is forgotten with its run', async () => {
    const { journal } = (journals[0] as (typeof journals)[number]).make();
    const sub = agent({ name: 'sub', instructions: '', model: scripted(() => 'from below') });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => `found ${SECRET}` });
    const model = scripted(({ messages }) => {
      const calls = messages.flatMap(({ content }) => content.filter((p) => p.type === 'toolCall')).length;
      return calls === 1 ? asks(['look', {}]) : calls === 2 ? asks(['sub', { task: 'help' }]) : 'done';
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [look], agents: [delegate(sub, { share: 'history' })] });
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.run(a, [{ role: 'user', content: SECRET }, ...kept], { id: 'base' }), 'completed');
    const at = (await entryOf(journal, 'base', 'call.finished')).seq;
    await ends(engine.fork('base', { at, id: 'fork' }), 'completed');
    expect(JSON.stringify(await entryOf(journal, 'fork', 'frame.opened'))).toContain(SECRET);
    await engine.forget('base');
    expect(JSON.stringify(await entriesOf(journal, 'fork'))).not.toContain(SECRET);
    expect(JSON.stringify(await entriesOf(journal, 'fork'))).toContain('from below');
  });

  test('a sub-agent that shares the conversation is shown it, its calls in words', async () => {
    const below = scripted(['from below']);
    const sub = agent({ name: 'sub', instructions: '', model: below });
    const model = scripted([asks(['sub', { task: 'help' }]), 'done']);
    await ends(
      new Engine().run(agent({ name: 'a', instructions: '', model, agents: [delegate(sub, { share: 'history' })] }), kept),
      'completed',
    );
    expect(JSON.stringify(below.requests[0]?.messages)).toContain('[called look with');
    expect(JSON.stringify(below.requests[0]?.messages)).toContain('And order 8?');
  });

  test('a foreign agent, whose turn takes a prompt, is told it as one, its calls in words', async () => {
    const inputs: unknown[] = [];
    const f = foreignAgent({
      name: 'f',
      turn: async (turn) => ({ status: 'completed', output: String(inputs.push(turn.type === 'start' && turn.input)) }),
    });
    await ends(new Engine().run(f, kept), 'completed');
    expect((inputs[0] as { text: string }[]).map(({ text }) => text)).toEqual([
      'user:',
      'Where is order 7?',
      'assistant:',
      '[called look with {"order":7}]',
      'user:',
      '[it gave:]',
      'in Bremen',
      'assistant:',
      'In Bremen.',
      'user:',
      'And order 8?',
    ]);
  });

  test('to a graph with a schema of its own, messages are data; an agent in it takes them as a conversation', async () => {
    const { a, model } = looking();
    const message = z.object({ role: z.enum(['user', 'assistant']), content: z.string() });
    const g = graph({
      name: 'g',
      state: z.object({ messages: z.array(message), answer: z.string().optional() }),
      nodes: { ask: { agent: a, input: ({ messages }) => messages, output: (answer) => ({ answer }) } },
      edges: { start: 'ask', ask: 'end' },
    });
    const messages = [
      { role: 'user' as const, content: 'Hi' },
      { role: 'assistant' as const, content: 'Hello' },
      { role: 'user' as const, content: 'And order 8?' },
    ];
    const { output } = await ends(new Engine().run(g, { messages }), 'completed');
    expect(output).toMatchObject({ messages, answer: 'In Kiel.' });
    expect(asked(model.requests[0])).toEqual(['user: Hi', 'assistant: Hello', 'user: And order 8?']);
    const error = await ends(new Engine().run(g, { messages: messages.slice(0, 2) }), 'failed');
    expect(error.error.message).toContain('node "ask" failed: its input cannot be taken: the last message must be of the role user');
  });
});

test('a run of a former version, whose input looks like messages, is read as it was: as one text', async () => {
  const { journal } = (journals[0] as (typeof journals)[number]).make();
  const { a } = looking();
  const engine = new Engine({ journal });
  const { runId } = await ends(engine.run(a, 'x'), 'completed');
  const [first] = await entriesOf(journal, runId);
  await journal.rewrite?.(runId, [{ ...first, input: [{ role: 'user', content: 'Hi' }] } as typeof first & object]);
  expect(told((await engine.inspect(runId)).messages)[0]).toBe('user: [{"role":"user","content":"Hi"}]');
});
