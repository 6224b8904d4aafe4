import { AIMessage, AIMessageChunk, type ToolMessage } from '@langchain/core/messages';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { langchainModel } from '../../src/adapters/langchain/index.ts';
import { agent, Engine, type ModelDelta, type ModelRequest, memoryJournal, type Part, tool } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';
import { asking, type Said, Talker, used } from './model.ts';

// it says that a run paused in memory
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));

const request = (o: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: '',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }] }],
  tools: [],
  ...o,
});
const call = () => ({ signal: new AbortController().signal });
const answer = (message: AIMessage, o: object = {}) => langchainModel(new Talker([message]), o).generate(request(), call());

/** Sends what a model said back to it, as the next step of a conversation does. */
async function returned(message: AIMessage): Promise<AIMessage> {
  const talker = new Talker([message, new AIMessage('end')]);
  const model = langchainModel(talker);
  const { content } = await model.generate(request(), call());
  const results = content.flatMap((part) =>
    part.type === 'toolCall' ? [{ type: 'toolResult' as const, id: part.id, output: [{ type: 'text' as const, text: 'r' }] }] : [],
  );
  // as it comes out of a journal
  const kept = JSON.parse(JSON.stringify(content)) as Part[];
  const messages = [
    ...request().messages,
    { role: 'assistant' as const, content: kept },
    ...(results.length ? [{ role: 'tool' as const, content: results }] : []),
  ];
  await model.generate(request({ messages }), call());
  return talker.seen[1]?.[1] as AIMessage;
}

const desk = (said: readonly Said[], sent: string[] = []) => {
  const talker = new Talker(said);
  const mail = tool({
    name: 'mail',
    description: 'Sends mail',
    input: z.object({ to: z.string() }),
    execute: ({ to }) => {
      if (to === 'no-one') throw new Error('no such person');
      sent.push(to);
      return `sent to ${to}`;
    },
  });
  return { talker, clerk: agent({ name: 'clerk', instructions: 'Write.', model: langchainModel(talker), tools: [mail] }) };
};

describe('a chat model drives a Rondo agent', () => {
  test.each([['in one piece'], ['streamed']])('calls, results, usage (%s)', async (how) => {
    const sent: string[] = [];
    const calls = asking(
      { id: 'c1', name: 'mail', args: { to: 'ana' } },
      { id: 'c2', name: 'mail', args: { to: 'no-one' } },
      { id: 'c3', name: 'mail', args: { nonsense: 1 } },
    );
    const { talker, clerk } = desk([calls, new AIMessage({ content: 'All sent.', ...used(20, 6) })], sent);
    const engine = new Engine();
    const run = engine.run(clerk, 'go');
    let text = '';
    if (how === 'streamed') for await (const event of run) if (event.type === 'text.delta') text += event.text;
    expect(await ends(run, 'completed')).toMatchObject({ output: 'All sent.', steps: 2, usage: { input: 30, output: 11 } });
    expect(sent).toEqual(['ana']);
    if (how === 'streamed') expect(text).toBe('All sent.');
    expect(talker.bound[0]).toEqual([
      {
        type: 'function',
        function: { name: 'mail', description: 'Sends mail', parameters: expect.objectContaining({ required: ['to'] }) },
      },
    ]);
    expect(talker.seen[0]?.map((m) => [m.getType(), m.text])).toEqual([
      ['system', 'Write.'],
      ['human', 'go'],
    ]);
    const [, , asked, ...results] = talker.seen[1] as [unknown, unknown, AIMessage, ...ToolMessage[]];
    expect(asked.tool_calls?.map(({ id, args }) => [id, args])).toEqual([
      ['c1', { to: 'ana' }],
      ['c2', { to: 'no-one' }],
      ['c3', { nonsense: 1 }],
    ]);
    expect(results.map(({ tool_call_id, name, status }) => [tool_call_id, name, status])).toEqual([
      ['c1', 'mail', 'success'],
      ['c2', 'mail', 'error'],
      ['c3', 'mail', 'error'],
    ]);
    expect(results[0]?.text).toBe('sent to ana');
    expect(results[1]?.text).toContain('no such person');
    expect(results[2]?.text).toContain('INVALID');
    await engine.close();
  });

  test("chunks of calls; and words of LangChain's own stand-in as they come", async () => {
    const chunk = (args: string, first = false) =>
      new AIMessageChunk({
        content: '',
        tool_call_chunks: [{ index: 0, args, ...(first && { id: 'c1', name: 'mail' }), type: 'tool_call_chunk' }],
      });
    const asks = new Talker([[new AIMessageChunk('I will. '), chunk('{"to":', true), chunk('"ana"}')]]);
    const deltas: ModelDelta[] = [];
    const response = await langchainModel(asks).generate(request({ tools: [{ name: 'mail', description: '', input: {} }] }), {
      ...call(),
      emit: (delta) => void deltas.push(delta),
    });
    expect(response).toEqual({
      content: [
        { type: 'text', text: 'I will. ' },
        { type: 'toolCall', id: 'c1', name: 'mail', input: { to: 'ana' } },
      ],
      stop: 'tools',
    });
    expect(deltas).toEqual([
      { type: 'text', text: 'I will. ' },
      { type: 'toolCall', id: 'c1', name: 'mail', text: '{"to":' },
      { type: 'toolCall', id: 'c1', name: 'mail', text: '"ana"}' },
    ]);

    const list = langchainModel(new FakeListChatModel({ responses: ['a b'] }));
    const words: string[] = [];
    await list.generate(request(), { ...call(), emit: ({ text }) => void words.push(text) });
    expect(words).toEqual(['a', ' ', 'b']);
  });

  test('structured output is requested in the prompt', async () => {
    const talker = new Talker([new AIMessage('{"n":3}')]);
    const counter = agent({ name: 'a', instructions: 'Count.', model: langchainModel(talker), output: z.object({ n: z.number() }) });
    const engine = new Engine();
    expect(await ends(engine.run(counter, 'go'), 'completed')).toMatchObject({ output: { n: 3 } });
    expect(talker.seen[0]?.[0]?.text).toMatch(/^Count\.\n\n.*JSON Schema[\s\S]*"n"/);
    await engine.close();
  });

  test('a pause in the middle of its conversation, resumed by another engine', async () => {
    const signed = { type: 'thinking', thinking: 'hm', signature: 'sig' };
    const use = { type: 'tool_use', id: 'c1', name: 'pay', input: { cents: 1 } };
    const said = [
      new AIMessage({ content: [signed, use] as never, tool_calls: [{ id: 'c1', name: 'pay', args: { cents: 1 }, type: 'tool_call' }] }),
      new AIMessage('paid'),
    ];
    const journal = memoryJournal();
    const world = (talker: Talker) => {
      const pay = tool({ name: 'pay', description: '', input: z.object({ cents: z.number() }), approval: true, execute: () => 'ok' });
      const payer = agent({ name: 'payer', instructions: '', model: langchainModel(talker), tools: [pay] });
      return { engine: new Engine({ journal, agents: [payer] }), payer };
    };
    const one = world(new Talker(said.slice(0, 1)));
    const { runId, approvals } = await ends(one.engine.run(one.payer, 'go'), 'paused');
    const talker = new Talker(said.slice(1));
    const two = world(talker);
    await two.engine.decide(runId, [{ approval: approvals[0]?.id as string, type: 'approve' }], { by: { id: 'ben' } });
    expect(await ends(two.engine.resume(runId), 'completed')).toMatchObject({ output: 'paid' });
    expect(talker.seen[0]?.[1]?.content).toEqual([signed, use]);
  });
});

describe('what it said', () => {
  test('usage: cached input is separate, reasoning is part of the output; missing usage stays missing', async () => {
    const details = { input_token_details: { cache_read: 60, cache_creation: 30 }, output_token_details: { reasoning: 4 } };
    const { usage } = await answer(new AIMessage({ content: 'x', ...used(100, 9, details) }));
    expect(usage).toEqual({ input: 10, output: 9, cacheRead: 60, cacheWrite: 30, reasoning: 4 });
    expect(await answer(new AIMessage('x'))).not.toHaveProperty('usage');
  });

  test.each([
    [{ finish_reason: 'length' }, 'length'],
    [{ stop_reason: 'max_tokens' }, 'length'],
    [{ finish_reason: 'content_filter' }, 'blocked'],
    [{ stop_reason: 'refusal' }, 'blocked'],
    [{ finishReason: 'SAFETY' }, 'blocked'],
    [{ stopReason: 'end_turn' }, 'end'],
    [{}, 'end'],
  ] as const)('why it stopped: %j is %s', async (response_metadata, stop) => {
    expect((await answer(new AIMessage({ content: 'x', response_metadata }))).stop).toBe(stop);
  });

  test('reasoning is kept with its signature, and goes back only to the model that made it', async () => {
    const thinking = { type: 'thinking', thinking: 'let me see', signature: 'sig' };
    const message = new AIMessage({ content: [thinking, { type: 'text', text: 'yes' }] as never });
    const { content } = await answer(message);
    expect(content).toMatchObject([
      { type: 'reasoning', text: 'let me see' },
      { type: 'text', text: 'yes' },
    ]);
    expect((await returned(message)).content).toEqual([thinking, { type: 'text', text: 'yes' }]);
    const other = new Talker([new AIMessage('end')]);
    const messages = [...request().messages, { role: 'assistant' as const, content }];
    await langchainModel(other, { id: 'another' }).generate(request({ messages }), call());
    expect(other.seen[0]?.[1]?.content).toBe('yes');
  });

  test('reasoning as a standard block, and beside the content', async () => {
    const standard = new AIMessage({
      contentBlocks: [
        { type: 'reasoning', reasoning: 'hm' },
        { type: 'text', text: 'yes' },
      ],
    });
    expect((await answer(standard)).content).toMatchObject([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'yes' },
    ]);
    const beside = new AIMessage({ content: 'yes', additional_kwargs: { reasoning_content: 'hm', tool_calls: [] } });
    expect((await answer(beside)).content).toMatchObject([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'yes' },
    ]);
    const back = await returned(beside);
    expect(back.content).toBe('yes');
    expect(back.additional_kwargs).toEqual({ reasoning_content: 'hm' });
  });

  test('signatures of calls that are kept beside them come back, next to the calls', async () => {
    const additional_kwargs = { __gemini_function_call_thought_signatures__: { c1: 'sig' } };
    const tool_calls = [{ id: 'c1', name: 'mail', args: { to: 'a' }, type: 'tool_call' as const }];
    const back = await returned(new AIMessage({ content: '', tool_calls, additional_kwargs }));
    expect(back.additional_kwargs).toEqual(additional_kwargs);
    expect(back.tool_calls).toEqual(tool_calls);
  });

  test('calls without ids, with the same id, and with arguments that are no JSON', async () => {
    const args = { to: 'a' };
    const tool_calls = [
      { name: 'a', args },
      { id: '', name: 'b', args },
      { id: 'x', name: 'c', args },
      { id: 'x', name: 'd', args },
    ];
    const { content, stop } = await answer(
      new AIMessage({ content: '', tool_calls, invalid_tool_calls: [{ id: 'x', name: 'e', args: '{"to":' }] }),
    );
    const calls = content.filter((part) => part.type === 'toolCall');
    expect(calls.map(({ name, input }) => [name, input])).toEqual([...['a', 'b', 'c', 'd'].map((name) => [name, args]), ['e', '{"to":']]);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(5);
    expect(stop).toBe('tools');
  });

  test('images of the model are parts with their bytes; a block of a call without the call is not a call', async () => {
    const image = { type: 'image', mimeType: 'image/png', data: new Uint8Array([1, 2]) };
    const { content } = await answer(new AIMessage({ content: [image, { type: 'tool_use', id: 'gone', name: 'x', input: {} }] as never }));
    expect(content).toEqual([{ type: 'image', mediaType: 'image/png', data: 'AQI=' }]);
  });
});

test('images and documents of a person and of a tool reach it as standard blocks', async () => {
  const image = { type: 'image' as const, mediaType: 'image/png', data: 'aGk=' };
  const document = { type: 'document' as const, mediaType: 'application/pdf', data: 'cGRm', name: 'a.pdf' };
  const talker = new Talker([new AIMessage('seen')]);
  await langchainModel(talker).generate(
    request({
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'look' }, image, document] },
        { role: 'assistant', content: [{ type: 'toolCall', id: 'c', name: 'shoot', input: 'no object' }] },
        { role: 'tool', content: [{ type: 'toolResult', id: 'c', output: [{ type: 'text', text: 'here' }, image] }] },
      ],
    }),
    call(),
  );
  const [human, asked, result] = talker.seen[0] as [AIMessage, AIMessage, ToolMessage];
  const block = { type: 'image', mimeType: 'image/png', data: 'aGk=' };
  expect(human.contentBlocks).toMatchObject([
    { type: 'text', text: 'look' },
    block,
    { type: 'file', mimeType: 'application/pdf', data: 'cGRm', metadata: { filename: 'a.pdf' } },
  ]);
  expect(asked.tool_calls).toMatchObject([{ id: 'c', args: { arguments: 'no object' } }]);
  expect(result.contentBlocks).toMatchObject([{ type: 'text', text: 'here' }, block]);
});

test('what it is called, and what it can say at most', () => {
  expect(langchainModel(new Talker([]))).toMatchObject({ provider: 'acme', id: 'talker-1' });
  const claude = Object.assign(new Talker([]), {
    maxTokens: 99,
    getLsParams: () => ({ ls_provider: 'amazon_bedrock', ls_model_name: 'us.x' }),
  });
  expect(langchainModel(claude)).toMatchObject({ provider: 'bedrock', id: 'us.x', maxOutput: 99 });
  expect(langchainModel(claude, { provider: 'p', id: 'i', maxOutput: 7 })).toMatchObject({ provider: 'p', id: 'i', maxOutput: 7 });
  const shy = Object.assign(new Talker([]), {
    getLsParams: () => {
      throw new Error('never heard of it');
    },
  });
  expect(langchainModel(shy)).toMatchObject({ provider: 'langchain', id: 'unknown' });
  expect(() => langchainModel({} as never)).toThrow('langchainModel() takes a chat model');
});

test('the choice of a tool is bound with the tools, in the words of LangChain', async () => {
  const talker = new Talker(Array.from({ length: 4 }, () => new AIMessage('ok')));
  const tools = [{ name: 'look', description: '', input: { type: 'object' } }];
  for (const toolChoice of [undefined, 'none', 'required', { tool: 'look' }] as const)
    await langchainModel(talker).generate(request({ tools, ...(toolChoice && { toolChoice }) }), call());
  expect(talker.choices).toEqual([undefined, 'none', 'any', 'look']);
});
