import type { ContentBlock } from '@aws-sdk/client-bedrock-runtime';
import { describe, expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import type { Json } from '../../src/json.ts';
import type { Message, Part, ToolSpec } from '../../src/ports/model.ts';
import { fails, says } from '../wire/bedrock.ts';
import { ask, assistant, ID, MODES, rejection, request, results, user, wire } from './setup.ts';

const w = wire();
const PNG = 'iVBORw0KGgo=';

const model = (id = ID) => bedrock(id, { endpoint: w.server.url, cache: false });
/** The messages that the service sees. */
async function seen(
  messages: Message[],
  o: { tools?: ToolSpec[]; id?: string } = {},
): Promise<{ role: string; content: ContentBlock[] }[]> {
  w.server.next(says('ok'));
  await ask(model(o.id), request({ messages, tools: o.tools ?? [] }), 'one-shot');
  return w.server.calls.at(-1)?.input.messages;
}
const call = (id: string, name = 'look', input: Json = {}): Part => ({ type: 'toolCall', id, name, input });
const result = (id: string, ...output: (string | Part)[]): Part => ({
  type: 'toolResult',
  id,
  output: output.map((p) => (typeof p === 'string' ? { type: 'text', text: p } : p)),
});
const resultOf = async (...output: (string | Part)[]) =>
  (await seen([user('a'), assistant(call('t')), results(result('t', ...output))]))[2]?.content[0]?.toolResult;

describe('the shape of a conversation', () => {
  test('tool results are the user’s, all in one message, before what the user said next', async () => {
    const messages = await seen([
      user('a'),
      assistant(call('t1'), call('t2')),
      results(result('t1', 'one'), result('t2', 'two')),
      user('next'),
    ]);
    expect(messages.map((m) => m.role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[2]?.content).toEqual([
      { toolResult: { toolUseId: 't1', content: [{ text: 'one' }] } },
      { toolResult: { toolUseId: 't2', content: [{ text: 'two' }] } },
      { text: 'next' },
    ]);
  });

  test('messages of one role in a row are one', async () => {
    const messages = await seen([user('a'), user('b'), assistant('c'), assistant('d'), user('e')]);
    expect(messages.map((m) => m.content.map((b) => b.text))).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  test('it begins with the user', async () => {
    const messages = await seen([assistant('Earlier I said this.'), user('go on')]);
    expect(messages.map((m) => m.role)).toEqual(['user', 'assistant', 'user']);
    expect(messages[1]?.content).toEqual([{ text: 'Earlier I said this.' }]);
  });

  test('blank text is left out, and messages of nothing else with it', async () => {
    const messages = await seen([user('', 'a', ' \n'), assistant(''), user('b')]);
    expect(messages).toEqual([{ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }]);
  });

  test('a conversation of nothing is refused before any request', async () => {
    const error = await rejection(ask(model(), request({ messages: [user('  ')] }), 'one-shot'));
    expect(error).toMatchObject({ code: 'VALIDATION', outcome: 'not-run', retryable: false });
    expect(w.server.calls).toHaveLength(0);
  });
});

describe('media', () => {
  test.each(['png', 'jpeg', 'gif', 'webp'])('image/%s', async (format) => {
    const [message] = await seen([user({ type: 'image', mediaType: `image/${format}`, data: PNG }, 'what is it?')]);
    expect(message?.content[0]?.image?.format).toBe(format);
    expect(Buffer.from(message?.content[0]?.image?.source?.bytes ?? []).toString('base64')).toBe(PNG);
  });

  test.each([
    ['application/pdf', 'pdf'],
    ['text/plain; charset=utf-8', 'txt'],
    ['TEXT/CSV', 'csv'],
    ['text/markdown', 'md'],
    ['text/html', 'html'],
    ['application/msword', 'doc'],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
    ['application/vnd.ms-excel', 'xls'],
    ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
    ['application/json', 'txt'],
    ['text/x-log', 'txt'],
  ])('a document of %s', async (mediaType, format) => {
    const [message] = await seen([user({ type: 'document', mediaType, data: 'aGk=', name: 'a' }, 'read it')]);
    expect(message?.content[0]?.document).toMatchObject({ format, name: 'a' });
  });

  test('document names: only what Bedrock takes, each once', async () => {
    const names = ['Q3 report (final).pdf', 'über_den:Fluss  #1', '..', undefined, 'a'.repeat(300), '..'];
    const documents = names.map(
      (name): Part => ({ type: 'document', mediaType: 'text/plain', data: 'aGk=', ...(name !== undefined && { name }) }),
    );
    const [message] = await seen([user('read', ...documents)]);
    expect(message?.content.slice(1).map((b) => b.document?.name)).toEqual([
      'Q3 report (final)',
      'ber den Fluss 1',
      'document',
      'document (2)',
      'a'.repeat(180),
      'document (3)',
    ]);
  });

  test('a document alone gets the text that Bedrock wants beside it', async () => {
    const [message] = await seen([user({ type: 'document', mediaType: 'text/plain', data: 'aGk=' })]);
    expect(message?.content.map((b) => Object.keys(b)[0])).toEqual(['document', 'text']);
  });

  test.each([
    ['image', 'image/svg+xml', 'An image', 'image/png'],
    ['document', 'application/zip', 'A document', 'application/pdf'],
  ] as const)('an %s of type %s becomes a line that says what is taken', async (type, mediaType, what, taken) => {
    const part: Part = { type, mediaType, data: 'aGk=', name: 'a.x' };
    const line = expect.stringMatching(
      new RegExp(`^\\(${what} "a\\.x" of type ${mediaType.replace('+', '\\+')} was left out here: .*${taken}`),
    );
    const [message] = await seen([user(part, 'look')]);
    expect(message?.content).toEqual([{ text: line }, { text: 'look' }]);
    expect(await resultOf('here', part)).toMatchObject({ content: [{ text: 'here' }, { text: line }] });
  });

  test('an image that is empty or too large becomes a line', async () => {
    const [message] = await seen([
      user({ type: 'image', mediaType: 'image/png', data: '' }, { type: 'image', mediaType: 'image/png', data: 'A'.repeat(5_242_884) }),
    ]);
    expect(message?.content.map((b) => b.text)).toEqual([expect.stringContaining('it is empty'), expect.stringContaining('3932163 bytes')]);
  });

  test('of more media than a request may hold the newest stay', async () => {
    const shots = Array.from({ length: 23 }, (_, i) => i);
    const messages = await seen([
      user('look'),
      ...shots.flatMap((i) => [
        assistant(call(`t${i}`)),
        results(result(`t${i}`, { type: 'image', mediaType: 'image/png', data: Buffer.from([i + 1]).toString('base64') })),
      ]),
    ]);
    const kinds = messages.flatMap((m) => m.content).flatMap((b) => b.toolResult?.content?.map((c) => (c.image ? 'image' : c.text)) ?? []);
    // by the half at a time, so that the next requests begin as this one
    expect(kinds.slice(0, 10)).toEqual(Array(10).fill(expect.stringContaining('newer ones fill')));
    expect(kinds.slice(10)).toEqual(Array(13).fill('image'));
  });

  test('an image that a model drew is not shown back to it', async () => {
    const messages = await seen([user('draw'), assistant('here', { type: 'image', mediaType: 'image/png', data: PNG }), user('thanks')]);
    expect(messages[1]?.content).toEqual([{ text: 'here' }]);
  });
});

describe('tool results', () => {
  test('JSON objects go as JSON, everything else as the text it is', async () => {
    expect(await resultOf('{"a":[1,{"b":null}]}')).toMatchObject({ content: [{ json: { a: [1, { b: null }] } }] });
    for (const text of ['[1,2]', '"s"', '7', '{ "a": 1 }', '{"a":12345678901234567890}', '{"a":', 'plain'])
      expect(await resultOf(text)).toMatchObject({ content: [{ text }] });
  });

  test('several parts, blank ones left out; an image; a document', async () => {
    const image: Part = { type: 'image', mediaType: 'image/png', data: PNG };
    const document: Part = { type: 'document', mediaType: 'text/plain', data: 'aGk=', name: 'log.txt' };
    const { content } = (await resultOf('', 'text', image, document)) ?? {};
    expect(content?.map((c) => Object.keys(c)[0])).toEqual(['text', 'image', 'document']);
    expect(content?.[2]?.document?.name).toBe('log');
  });

  test('no output is said', async () => {
    expect(await resultOf()).toEqual({ toolUseId: 't', content: [{ text: '(no output)' }] });
  });

  test('an error has its status', async () => {
    const failed: Part = { type: 'toolResult', id: 't', output: [{ type: 'text', text: 'no' }], isError: true };
    const messages = await seen([user('a'), assistant(call('t')), results(failed)]);
    expect(messages[2]?.content[0]?.toolResult).toEqual({ toolUseId: 't', content: [{ text: 'no' }], status: 'error' });
  });
});

describe('names', () => {
  const spec = (name: string): ToolSpec => ({ name, description: name, input: { type: 'object' } });
  const hard = ['orders.find', 'gateway___'.padEnd(64, 'x'), 'y'.repeat(65), 'émile', 'a b', 'a_b', ''];

  test('names that Bedrock refuses are told under others, in the tools and in the conversation', async () => {
    await seen(
      [user('a'), assistant(...hard.map((name, i) => call(`t${i}`, name))), results(...hard.map((_, i) => result(`t${i}`, 'x')))],
      {
        tools: hard.map(spec),
      },
    );
    const { toolConfig, messages } = w.server.calls[0]?.input ?? {};
    const told = toolConfig.tools.map((t: { toolSpec: { name: string } }) => t.toolSpec.name);
    expect(messages[1].content.map((b: ContentBlock) => b.toolUse?.name)).toEqual(told);
    expect(new Set(told).size).toBe(hard.length);
    for (const name of told) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    // names that fit are told as they are, the longest too
    expect(told[1]).toBe(hard[1]);
    expect(told[5]).toBe('a_b');
    // the legible part stays
    expect(told[0]).toMatch(/^orders_find_[0-9a-f]{8}$/);
  });

  test.each(MODES)('a call comes back under the tool’s own name (%s)', async (mode) => {
    w.server.next((c) =>
      says({
        content: c.input.toolConfig.tools.map((t: { toolSpec: { name: string } }, i: number) => ({
          toolUse: { toolUseId: `id${i}`, name: t.toolSpec.name, input: {} },
        })),
      })(c),
    );
    const { content } = await ask(model(), request({ tools: hard.map(spec) }), mode);
    expect(content.map((p) => p.type === 'toolCall' && p.name)).toEqual(hard);
  });

  test('a name that is another’s alias stays whose it is', async () => {
    const told = () => w.server.calls.at(-1)?.input.toolConfig.tools.map((t: { toolSpec: { name: string } }) => t.toolSpec.name);
    await seen([user('a')], { tools: [spec('orders.find')] });
    const [taken] = told();
    const names = ['orders.find', taken];
    for (const order of [names, names.toReversed()]) {
      await seen([user('a')], { tools: order.map(spec) });
      expect(new Set(told()).size).toBe(2);
    }
    // the name of a tool on offer goes before that of an old call
    const messages = await seen([user('a'), assistant(call('t', 'orders.find')), results(result('t'))], { tools: [spec(taken)] });
    expect(told()).toEqual([taken]);
    expect(messages[1]?.content[0]?.toolUse?.name).not.toBe(taken);
  });

  test('a tool the model made up keeps the name it made up', async () => {
    w.server.next(says({ content: [{ toolUse: { toolUseId: 'x', name: 'made_up', input: {} } }] }));
    const { content } = await ask(model(), request({ tools: [spec('real')] }), 'one-shot');
    expect(content).toEqual([{ type: 'toolCall', id: 'x', name: 'made_up', input: {} }]);
  });

  test('the same name is told the same way in every request, so that caches hold', async () => {
    const told = async () => {
      await seen([user('a')], { tools: [spec('orders.find')] });
      return w.server.calls.at(-1)?.input.toolConfig.tools[0].toolSpec.name;
    };
    expect(await told()).toBe(await told());
  });

  test('ids of calls that came from elsewhere', async () => {
    const messages = await seen([user('a'), assistant(call('12.0'), call('12_0')), results(result('12.0', 'x'), result('12_0', 'y'))]);
    const ids = messages[1]?.content.map((b) => b.toolUse?.toolUseId);
    expect(messages[2]?.content.map((b) => b.toolResult?.toolUseId)).toEqual(ids);
    expect(ids?.[1]).toBe('12_0');
  });
});

describe('what a model said goes back to it unchanged', () => {
  const content: ContentBlock[] = [
    { reasoningContent: { reasoningText: { text: 'Let me see.', signature: 'c2ln+/=' } } },
    { reasoningContent: { redactedContent: Uint8Array.from([0, 255, 7]) } },
    { text: 'I will look.\n' },
    { toolUse: { toolUseId: 'tooluse_1', name: 'look', input: { deep: [{ a: 1.5, b: null, c: 'é' }], n: -3 } } },
    { toolUse: { toolUseId: 'tooluse_2', name: 'look', input: {} } },
  ];
  const parts = async (mode: (typeof MODES)[number]) => {
    w.server.next(says({ content }));
    return (await ask(model(), request({ tools: [] }), mode)).content;
  };
  const again = (said: readonly Part[], id?: string) =>
    seen([user('hi'), { role: 'assistant', content: said }, results(result('tooluse_1', 'x'), result('tooluse_2', 'y'))], id ? { id } : {});

  test.each(MODES)('%s', async (mode) => {
    const said = JSON.parse(JSON.stringify(await parts(mode)));
    const messages = await again(said);
    expect(messages[1]?.content.map(readable)).toEqual(content.map(readable));
  });

  test('reasoning goes to another model of the same maker, and to no other', async () => {
    const said = await parts('one-shot');
    const kinds = (messages: { content: ContentBlock[] }[]) => messages[1]?.content.map((b) => Object.keys(b)[0]);
    expect(kinds(await again(said, 'eu.anthropic.claude-haiku-4-5-20251001-v1:0'))).toContain('reasoningContent');
    expect(kinds(await again(said, 'amazon.nova-pro-v1:0'))).toEqual(['text', 'toolUse', 'toolUse']);
    const foreign: Part[] = [
      { type: 'reasoning', text: 'hm', vendor: { other: { signature: 's' } } },
      ...said.filter((p) => p.type !== 'reasoning'),
    ];
    expect(kinds(await again(foreign))).toEqual(['text', 'toolUse', 'toolUse']);
  });

  test('a malformed input is told as what it was', async () => {
    const messages = await seen([user('a'), assistant(call('t', 'look', '{"a":')), results(result('t', 'no JSON'))]);
    expect(messages[1]?.content[0]?.toolUse?.input).toEqual({ invalid_input: '{"a":' });
  });
});

// says nothing of whose model it is
const PROFILE = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123';

describe('what some models refuse is learned from the first refusal', () => {
  const failed: Message[] = [
    user('a'),
    assistant({ type: 'reasoning', text: 'hm', vendor: { bedrock: { model: PROFILE, signature: 's' } } }, call('t')),
    results({ type: 'toolResult', id: 't', output: [{ type: 'text', text: 'no' }], isError: true }),
  ];
  const refusals: [string, string, (input: { messages: { content: ContentBlock[] }[] }) => unknown, unknown[]][] = [
    [
      'the status of a tool result',
      "This model doesn't support the status field. Remove status and try again.",
      (i) => i.messages[2]?.content[0]?.toolResult?.status,
      ['error', undefined, undefined],
    ],
    [
      'signatures',
      "This model doesn't support the reasoningContent.reasoningText.signature field. Remove it and try again.",
      (i) => i.messages[1]?.content[0]?.reasoningContent?.reasoningText,
      [{ text: 'hm', signature: 's' }, { text: 'hm' }, { text: 'hm' }],
    ],
    [
      'reasoning',
      "This model doesn't support the reasoningContent field. Remove reasoningContent and try again.",
      (i) => i.messages[1]?.content[0]?.reasoningContent?.reasoningText?.text,
      ['hm', undefined, undefined],
    ],
  ];
  describe.each(MODES)('%s', (mode) => {
    test.each(refusals)('%s', async (_, message, of, values) => {
      const m = model(PROFILE);
      w.server.next(fails('ValidationException', message), says('ok'), says('ok'));
      await ask(m, request({ messages: failed }), mode);
      await ask(m, request({ messages: failed }), mode);
      expect(w.server.calls.map((c) => of(c.input))).toEqual(values);
    });
  });

  test('a refusal of something that was not sent is an error', async () => {
    w.server.next(fails('ValidationException', "This model doesn't support the status field."));
    expect(await rejection(ask(model(), request(), 'one-shot'))).toMatchObject({ code: 'VALIDATION' });
    expect(w.server.calls).toHaveLength(1);
  });
});

function readable(block: ContentBlock): unknown {
  const redacted = block.reasoningContent?.redactedContent;
  return redacted ? { redacted: Buffer.from(redacted).toString('hex') } : block;
}
