/** What one answer, one tool or one message leaves behind must not make the later requests of its session fail. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import { agent, Engine, jsonSchema, tool } from '../../src/index.ts';
import type { Message, Part, ToolSpec } from '../../src/ports/model.ts';
import { ends } from '../kit/runs.ts';
import { fails, says } from '../wire/bedrock.ts';
import type { Answer } from '../wire/server.ts';
import { ask, assistant, ID, MODES, rejection, request, results, user, wire } from './setup.ts';

const w = wire();
const PROFILE = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123';
const model = (id = ID) => bedrock(id, { endpoint: w.server.url });
const last = () => w.server.calls.at(-1)?.input;
const call = (id: string, name = 'look'): Part => ({ type: 'toolCall', id, name, input: {} });
const result = (id: string, ...output: Part[]): Part => ({
  type: 'toolResult',
  id,
  output: output.length ? output : [{ type: 'text', text: 'x' }],
});
const png: Part = { type: 'image', mediaType: 'image/png', data: 'iVBORw0KGgo=' };

test('a conversation that an application hands over can be sent, whatever it holds, and so can the next turn of its session', async () => {
  const a = agent({ name: 'a', instructions: 'Help.', model: model() });
  const engine = new Engine({ agents: [a] });
  w.server.next(says('first'), says('second'));
  const long = `${'x'.repeat(100)}.:/`;
  await ends(
    engine.run(
      a,
      [
        { role: 'assistant', content: 'How can I help? \ud83d' },
        { role: 'user', content: [{ type: 'text', text: '' }, { ...png, mediaType: 'image/tiff' } as Part] },
        {
          role: 'assistant',
          content: [
            call(long, 'a tool that there is not'),
            { type: 'reasoning', text: 'hm', vendor: { bedrock: { model: ID, signature: 'forged' } } },
          ],
        },
        { role: 'tool', content: [result(long, { type: 'text', text: 'half \udc00' }, { ...png, data: '' } as Part)] },
        { role: 'user', content: 'one \ud83d' },
        { role: 'user', content: 'two' },
      ],
      { session: 's' },
    ),
    'completed',
  );
  const sent = JSON.stringify(w.server.calls[0]?.input);
  expect(sent).not.toContain('forged');
  for (const text of ['How can I help?', 'one', 'two']) expect(sent).toContain(text);
  expect(await ends(engine.run(a, 'three', { session: 's' }), 'completed')).toMatchObject({ output: 'second' });
  await engine.close();
});

describe('a turn that a guardrail refused', () => {
  const guard: Answer = (c) =>
    says(
      /FORBIDDEN|canned/.test(JSON.stringify(c.input.messages))
        ? { content: [{ text: 'a canned text' }], stopReason: 'guardrail_intervened' }
        : 'fine',
    )(c);

  test('what the user said stays out of what is sent next', async () => {
    w.server.next(guard, guard, guard);
    const a = agent({ name: 'a', instructions: 'Help.', model: model() });
    const engine = new Engine({ agents: [a] });
    await ends(engine.run(a, 'one', { session: 's' }), 'completed');
    expect((await ends(engine.run(a, 'FORBIDDEN', { session: 's' }), 'failed')).error.code).toBe('MODEL_BLOCKED');
    expect(await ends(engine.run(a, 'three', { session: 's' }), 'completed')).toMatchObject({ output: 'fine' });
    const sent = JSON.stringify(last().messages);
    for (const text of ['one', 'three', 'refused it']) expect(sent).toContain(text);
    await engine.close();
  });

  test('what a tool answered stays out; that it was called does not', async () => {
    const asks = says({ content: [{ toolUse: { toolUseId: 't', name: 'pay', input: { cents: 3 } } }] });
    w.server.next(asks, guard, guard);
    const pay = tool({
      name: 'pay',
      description: 'pays',
      input: z.object({ cents: z.number() }),
      effect: 'read',
      execute: () => 'FORBIDDEN',
    });
    const a = agent({ name: 'a', instructions: 'Help.', model: model(), tools: [pay] });
    const engine = new Engine({ agents: [a] });
    await ends(engine.run(a, 'pay', { session: 's' }), 'failed');
    await ends(engine.run(a, 'and now?', { session: 's' }), 'completed');
    const [, asked, answered] = last().messages;
    expect(asked.content[0].toolUse).toMatchObject({ name: 'pay', input: { cents: 3 } });
    expect(answered.content[0].toolResult.content[0].text).toContain('refused it');
    await engine.close();
  });
});

test('a conversation that fills the context is told as such', async () => {
  w.server.next(says({ content: [{ text: 'half' }], stopReason: 'model_context_window_exceeded' }));
  const a = agent({ name: 'a', instructions: 'Help.', model: model() });
  const engine = new Engine({ agents: [a] });
  const { error } = await ends(engine.run(a, 'go'), 'failed');
  expect(error).toMatchObject({ code: 'CONTEXT_TOO_LONG', message: expect.stringContaining('larger context') });
  expect(error.message).not.toMatch(/maxTokens/);
  await engine.close();
});

test('an answer that the provider calls malformed is asked for again', async () => {
  w.server.next(says({ content: [{ text: '<x>' }], stopReason: 'malformed_tool_use' }), says('fine'));
  const a = agent({
    name: 'a',
    instructions: 'Help.',
    model: model(),
    reliability: { model: { retry: { attempts: 2, initialDelay: 1 } } },
  });
  const engine = new Engine({ agents: [a] });
  expect(await ends(engine.run(a, 'go'), 'completed')).toMatchObject({ output: 'fine' });
  await engine.close();
});

test('arguments go by names that the model takes, at every depth, and come back under their own', async () => {
  const input = jsonSchema<unknown>({
    type: 'object',
    properties: {
      $top: { type: 'number', description: 'How many.' },
      list: { type: 'array', items: { type: 'object', properties: { 'a b': { type: 'string' } }, required: ['a b'] } },
    },
    required: ['$top'],
  });
  const got: unknown[] = [];
  const find = tool({ name: 'find', description: 'finds', effect: 'read', input, execute: (i) => void got.push(i) });
  const a = agent({ name: 'a', instructions: 'Help.', model: model(), tools: [find] });
  let told: Record<string, unknown> = {};
  w.server.next((c) => {
    const { properties, required } = c.input.toolConfig.tools[0].toolSpec.inputSchema.json;
    const [top, list] = Object.keys(properties);
    const [inner] = Object.keys(properties[list as string].items.properties);
    expect(required).toEqual([top]);
    expect(properties[top as string].description).toBe('How many. Its name is "$top".');
    told = { [top as string]: 3, [list as string]: [{ [inner as string]: 'x' }] };
    return says({ content: [{ toolUse: { toolUseId: 't', name: 'find', input: told as never } }] })(c);
  }, says('done'));
  const engine = new Engine({ agents: [a] });
  await ends(engine.run(a, 'go'), 'completed');
  expect(got).toEqual([{ $top: 3, list: [{ 'a b': 'x' }] }]);
  expect(last().messages[1].content[0].toolUse.input).toEqual(told);
  await engine.close();
});

describe('schemas of tools', () => {
  const schema = async (input: ToolSpec['input'], id?: string) => {
    w.server.next(says('ok'));
    await ask(model(id), request({ tools: [{ name: 't', description: 't', input }] }), 'one-shot');
    return last().toolConfig.tools[0].toolSpec.inputSchema.json;
  };
  const either = {
    type: 'object',
    oneOf: [
      { properties: { a: { type: 'string' }, k: { const: 1 } }, required: ['a', 'k'] },
      { properties: { b: { type: 'string' }, k: { const: 2 } }, required: ['b', 'k'] },
    ],
  } as const;

  test('a choice at the top becomes one object for Claude, and is told in words', async () => {
    expect(await schema(either)).toEqual({
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' }, k: { anyOf: [{ const: 1 }, { const: 2 }] } },
      required: ['k'],
      description: expect.stringMatching(/^Fits exactly one of these: \[/),
    });
  });
  test('all of several are one object, a reference what it points at', async () => {
    const sent = await schema({
      $ref: '#/$defs/x',
      $defs: {
        x: {
          allOf: [
            { properties: { a: {} }, required: ['a'] },
            { properties: { b: {} }, required: ['b'] },
          ],
        },
      },
    });
    expect(sent).toMatchObject({ type: 'object', properties: { a: {}, b: {} }, required: ['a', 'b'] });
  });
  test('Nova is told type, properties and what is required, with references written out', async () => {
    const sent = await schema(
      { type: 'object', properties: { a: { $ref: '#/$defs/x' } }, additionalProperties: false, $defs: { x: { type: 'string' } } },
      'amazon.nova-lite-v1:0',
    );
    expect(sent).toEqual({ type: 'object', properties: { a: { type: 'string' } } });
  });
  test('what older drafts wrote is written as today', async () => {
    const sent = await schema({
      $schema: 'http://json-schema.org/draft-04/schema#',
      type: 'object',
      properties: { n: { minimum: 1, exclusiveMinimum: true }, t: { items: [{ type: 'string' }] }, o: { type: 'any', required: true } },
    });
    expect(sent).toEqual({ type: 'object', properties: { n: { exclusiveMinimum: 1 }, t: { prefixItems: [{ type: 'string' }] }, o: {} } });
  });
  test('another model is told the schema as it is', async () => {
    expect(await schema(either, 'openai.gpt-oss-120b-1:0')).toEqual(either);
  });
});

describe.each(MODES)('a refusal that names what the model does not take is learned (%s)', (mode) => {
  const calls: Message[] = [user('a'), assistant(call('t')), results(result('t', png))];
  const thoughts = assistant({ type: 'reasoning', text: 'hm', vendor: { bedrock: { model: PROFILE, signature: 's' } } }, 'ok');
  const look: ToolSpec = {
    name: 'look',
    description: 'l',
    input: { type: 'object', properties: {}, allOf: [{ $ref: '#/$defs/x' }], $defs: { x: {} } },
  };
  const cases: [
    string,
    Message[],
    { tools?: ToolSpec[]; cache?: true; instructions?: string; always?: false; id?: string; name?: string },
  ][] = [
    [
      'User messages cannot contain reasoning content. Please remove the reasoning content and try again.',
      [user('a'), thoughts, user('b')],
      {},
    ],
    ['messages.1.content.0: Invalid `signature` in `thinking` block', [user('a'), thoughts, user('b')], { always: false }],
    [
      'messages.3.content.8: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.',
      [user('a'), thoughts, user('b')],
      { always: false },
    ],
    ['Conversation blocks and tool result blocks cannot be provided in the same turn.', [...calls, user('and?')], {}],
    ["This model doesn't support the image field for user messages. Remove image and try again.", calls, {}],
    ["This model doesn't support tool use.", calls, {}],
    [
      'The model returned the following errors: messages.2.content.0.image: The image was specified using the image/png media type, but the image appears to be a image/jpeg image',
      calls,
      {},
    ],
    ['The model returned the following errors: Could not process image', calls, { always: false }],
    ['The model returned the following errors: too many images and documents: 1 + 0 > 0', calls, { always: false }],
    ["This model doesn't support system messages. Try again without a system message.", [user('a')], { instructions: 'Help.' }],
    [
      'Malformed input request: #/toolConfig/tools/1: extraneous key [cachePoint] is not permitted',
      [user('a')],
      { cache: true, tools: [look] },
    ],
    ['Malformed input request: #/messages/0/content/1: extraneous key [cachePoint] is not permitted', [user('a')], { cache: true }],
    [
      'You invoked an unsupported model or your request did not allow prompt caching. See the documentation.',
      [user('a')],
      { cache: true, name: 'AccessDeniedException' },
    ],
    [
      'tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level',
      [user('a')],
      { tools: [look], id: 'openai.gpt-oss' },
    ],
    [
      'tools.0.custom.input_schema.properties: Property keys should match pattern',
      [user('a')],
      { tools: [{ ...look, input: { type: 'object', properties: { $a: {} } } }], id: 'openai.gpt-oss' },
    ],
    ['tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12', [user('a')], { tools: [look] }],
  ];
  test.each(cases)('%s', async (message, messages, { always, id = PROFILE, name = 'ValidationException', cache, ...o }) => {
    const m = bedrock(id, { endpoint: w.server.url, ...(cache && { cache }) });
    const refuse = fails(name, message);
    w.server.next(refuse, says('ok'));
    await ask(m, request({ ...o, messages }), mode);
    const [first, second] = w.server.calls.map((c) => JSON.stringify(c.input));
    if (!message.includes('media type') && !message.includes('too many')) expect(second).not.toBe(first);
    expect(w.server.calls).toHaveLength(2);
    // what says nothing about the model is asked of it again
    w.server.next(...(always === false ? [refuse] : []), says('ok'));
    await ask(m, request({ ...o, messages }), mode);
    expect(w.server.calls).toHaveLength(always === false ? 4 : 3);
  });

  test('tools on offer to a model that takes none are an error', async () => {
    w.server.next(fails('ValidationException', "This model doesn't support tool use."));
    expect(await rejection(ask(model(PROFILE), request({ messages: calls, tools: [look] }), mode))).toMatchObject({ code: 'VALIDATION' });
  });
});

test.each(["This model doesn't support tool use in streaming mode.", 'The model is unsupported for streaming.'])(
  'a model that cannot stream is asked in one piece, and is heard all the same: %s',
  async (message) => {
    const m = model(PROFILE);
    const tools = [{ name: 'look', description: 'l', input: { type: 'object' } }];
    w.server.next(fails('ValidationException', message), says('all at once'), says('again'));
    const { deltas, content } = await ask(m, request({ tools }), 'stream');
    expect(deltas).toEqual([{ type: 'text', text: 'all at once' }]);
    expect(content).toEqual([{ type: 'text', text: 'all at once' }]);
    await ask(m, request({ tools }), 'stream');
    expect(w.server.calls.map((c) => c.operation)).toEqual(['ConverseStream', 'Converse', 'Converse']);
  },
);
