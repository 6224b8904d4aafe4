import { APICallError, generateText, isStepCount, Output, type Agent as SdkAgent, ToolLoopAgent, type ToolSet, tool } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type AiSdkAgentOptions, aiSdkTurn } from '../../src/adapters/ai-sdk/agent.ts';
import { aiSdkAgent } from '../../src/adapters/ai-sdk/index.ts';
import type { AiSdkState } from '../../src/adapters/ai-sdk/state.ts';
import { ToolError } from '../../src/index.ts';
import type { Ask, Turn, TurnResult } from '../../src/ports/foreign.ts';
import type { Decision } from '../../src/ports/tool.ts';
import { context, stored } from '../kit/turns.ts';
import { fakeModel, results, type Said, USED } from './model.ts';

const mail = (sent: string[]) =>
  tool({
    description: 'Sends mail',
    inputSchema: z.object({ to: z.string() }),
    execute: ({ to }) => {
      sent.push(to);
      return `sent to ${to}`;
    },
  });

/** An agent whose mails wait for a person, except those to Ana. */
function desk(
  said: readonly Said[],
  o: { sent?: string[]; tools?: ToolSet; options?: Partial<AiSdkAgentOptions>; settings?: object } = {},
) {
  const model = fakeModel(said);
  const tools: ToolSet = { mail: mail(o.sent ?? []), ...o.tools };
  const agent = new ToolLoopAgent({
    model,
    tools,
    maxRetries: 0,
    toolApproval: { mail: (input: { to: string }) => (input.to === 'ana' ? undefined : 'user-approval') },
    ...o.settings,
  });
  return { model, turn: aiSdkTurn({ name: 'desk', agent, ...(o.options as object) }) };
}

type Result = TurnResult<string, AiSdkState>;
const paused = (result: Result) => {
  if (result.status !== 'paused') throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return result;
};
const start: Turn<AiSdkState> = { type: 'start', input: 'go' };
type Ruled = Decision extends infer D ? (D extends Decision ? Omit<D, 'approval'> : never) : never;
const back = ({ state, asks }: { state: AiSdkState; asks: readonly Ask[] }, ...decisions: Ruled[]): Turn<AiSdkState> => ({
  type: 'resume',
  state: stored(state),
  answers: asks.map(({ id }, i) => ({ id, decision: { approval: id, ...decisions[i] } as Decision })),
});
const call = (id: string, to: string, name = 'mail') => ({ id, name, input: { to } });

test('an answer has its usage, and is streamed if there is a listener', async () => {
  expect(await desk(['Hello there Ana']).turn(start, context())).toEqual({ status: 'completed', output: 'Hello there Ana', usage: USED });
  const deltas: string[] = [];
  const streamed = await desk(['Hello there Ana']).turn(start, context({ emit: (d) => deltas.push(d.text) }));
  expect(streamed).toEqual({ status: 'completed', output: 'Hello there Ana', usage: USED });
  expect(deltas).toEqual(['Hello ', 'there ', 'Ana']);
});

test.each([['generate'], ['stream']])(
  'calls that wait are asked together, and each decision reaches its own call, in another process (%s)',
  async (how) => {
    const ctx = () => context(how === 'stream' ? { emit: () => undefined } : {});
    const sent: string[] = [];
    const { model, turn } = desk([[call('c1', 'ana'), call('c2', 'ben'), call('c3', 'cleo'), call('c4', 'dan')], 'Done.'], { sent });
    const pause = paused(await turn(start, ctx()));
    expect(pause.asks).toEqual(
      ['ben', 'cleo', 'dan'].map((to) => ({
        id: expect.any(String),
        kind: 'tool',
        tool: 'mail',
        input: { to },
        allow: ['approve', 'reject'],
      })),
    );
    expect(sent).toEqual(['ana']);
    // another process: nothing but the state is carried over
    const second = desk(['Done.'], { sent });
    const done = await second.turn(back(pause, { type: 'approve' }, { type: 'reject', reason: 'Cleo left' }, { type: 'approve' }), ctx());
    expect(done).toEqual({ status: 'completed', output: 'Done.', usage: USED });
    expect(sent).toEqual(['ana', 'ben', 'dan']);
    const prompt = (how === 'stream' ? second.model.doStreamCalls : second.model.doGenerateCalls)[0]?.prompt;
    expect(Object.fromEntries(results(prompt))).toEqual({
      c1: { type: 'text', value: 'sent to ana' },
      c2: { type: 'text', value: 'sent to ben' },
      c3: { type: 'execution-denied', reason: 'Cleo left' },
      c4: { type: 'text', value: 'sent to dan' },
    });
    expect(results(prompt)).toHaveLength(4);
    // the model was not asked again for what it had said
    expect(model.doGenerateCalls.length + model.doStreamCalls.length).toBe(1);
  },
);

test('a second pause keeps what was decided in the first', async () => {
  const sent: string[] = [];
  const { model, turn } = desk([[call('c1', 'ben')], [call('c2', 'cleo')], 'Done.'], { sent });
  const one = paused(await turn(start, context()));
  const two = paused(await turn(back(one, { type: 'approve' }), context()));
  expect(sent).toEqual(['ben']);
  const done = await turn(back(two, { type: 'reject', reason: 'enough' }), context());
  expect(done.status).toBe('completed');
  expect(sent).toEqual(['ben']);
  expect(results(model.doGenerateCalls.at(-1)?.prompt)).toEqual([
    ['c1', { type: 'text', value: 'sent to ben' }],
    ['c2', { type: 'execution-denied', reason: 'enough' }],
  ]);
});

test('a tool without a body is answered by a person, also with what is false', async () => {
  const where = tool({ description: 'Where is the user?', inputSchema: z.object({}) });
  for (const [answer, told] of [
    [false, { type: 'json', value: false }],
    [0, { type: 'json', value: 0 }],
    ['', { type: 'text', value: '' }],
    ['Rome', { type: 'text', value: 'Rome' }],
  ] as const) {
    const sent: string[] = [];
    const said: Said[] = [[call('c1', 'ben'), { id: 'c2', name: 'where', input: {} }], 'Done.'];
    const { model, turn } = desk(said, { sent, tools: { where } });
    const pause = paused(await turn(start, context()));
    expect(pause.asks).toMatchObject([
      { kind: 'tool', tool: 'mail' },
      { id: 'c2', kind: 'tool', tool: 'where', input: {}, allow: ['respond', 'reject'] },
    ]);
    await turn(back(pause, { type: 'approve' }, { type: 'respond', answer }), context());
    expect(Object.fromEntries(results(model.doGenerateCalls.at(-1)?.prompt))).toEqual({
      c1: { type: 'text', value: 'sent to ben' },
      c2: told,
    });
    expect(sent).toEqual(['ben']);
  }
});

test("what the agent's own policy decides is not asked", async () => {
  const sent: string[] = [];
  const toolApproval = { mail: ({ to }: { to: string }) => ({ type: to === 'ana' ? 'approved' : 'denied', reason: 'policy' }) };
  const { model, turn } = desk([[call('c1', 'ana'), call('c2', 'ben')], 'Done.'], { sent, settings: { toolApproval } });
  expect(await turn(start, context())).toMatchObject({ status: 'completed', output: 'Done.' });
  expect(sent).toEqual(['ana']);
  expect(results(model.doGenerateCalls[1]?.prompt)).toContainEqual(['c2', { type: 'execution-denied', reason: 'policy' }]);
});

test('a function is wrapped as well as an agent; a signed approval survives the journal', async () => {
  const sent: string[] = [];
  const model = fakeModel([[call('c1', 'ben')], 'Done.']);
  const turn = aiSdkTurn({
    name: 'desk',
    generate: (o) =>
      generateText({
        model,
        tools: { mail: mail(sent) },
        toolApproval: { mail: 'user-approval' },
        experimental_toolApprovalSecret: 's3cret',
        ...o,
      }),
  });
  const pause = paused(await turn(start, context()));
  expect(await turn(back(pause, { type: 'approve' }), context())).toMatchObject({ output: 'Done.' });
  expect(sent).toEqual(['ben']);
  // and one that was tampered with is not an approval
  const other = paused(
    await aiSdkTurn({
      name: 'd',
      generate: (o) =>
        generateText({
          model: fakeModel([[call('c1', 'ben')]]),
          tools: { mail: mail(sent) },
          toolApproval: { mail: 'user-approval' },
          experimental_toolApprovalSecret: 's3cret',
          ...o,
        }),
    })(start, context()),
  );
  const forged = { ...other, state: JSON.parse(JSON.stringify(other.state).replaceAll('ben', 'eve')) as AiSdkState };
  await expect(turn(back(forged, { type: 'approve' }), context())).rejects.toBeInstanceOf(ToolError);
  expect(sent).toEqual(['ben']);
});

test('structured output, and output made by the application', async () => {
  const output = Output.object({ schema: z.object({ n: z.number() }) });
  expect(await desk(['{"n":7}'], { settings: { output } }).turn(start, context())).toMatchObject({ output: { n: 7 } });
  const own = { output: (r: { text: string }) => r.text.length } as unknown as Partial<AiSdkAgentOptions>;
  expect(await desk(['seven'], { options: own }).turn(start, context())).toMatchObject({ output: 5 });
});

const failed = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    (value) => ({ fulfilled: value }),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ToolError);
  return error as ToolError;
};
const throttled = () =>
  new APICallError({ message: 'slow down', url: 'u', requestBodyValues: {}, statusCode: 429, responseHeaders: { 'retry-after': '2' } });

test('a throttled model may be asked again, but not once a tool has run; the SDK hides neither behind its own retries', async () => {
  const first = { code: 'THROTTLING', outcome: 'not-run', retryable: true, retryAfter: 2_000 };
  expect(await failed(desk([throttled()]).turn(start, context()))).toMatchObject(first);
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  expect(await failed(desk([throttled()]).turn(start, context({ emit: () => undefined })))).toMatchObject(first);
  vi.restoreAllMocks();
  const sent: string[] = [];
  expect(await failed(desk([[call('c1', 'ana')], throttled()], { sent }).turn(start, context()))).toMatchObject({
    code: 'THROTTLING',
    outcome: 'unknown',
  });
  expect(sent).toEqual(['ana']);
  const whole = aiSdkTurn({ name: 'f', generate: (o) => generateText({ model: fakeModel([throttled()]), maxRetries: 0, ...o }) });
  expect(await failed(whole(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
});

test('for an agent other than the SDK’s own it is unknown what ran, so a throttled model does not run it again', async () => {
  const inner = new ToolLoopAgent({ model: fakeModel([throttled()]), maxRetries: 0 });
  const agent: SdkAgent<never, ToolSet> = {
    version: 'agent-v1',
    id: 'mine',
    tools: {},
    generate: () => inner.generate({ prompt: 'x' }),
    stream: () => inner.stream({ prompt: 'x' }),
  };
  const turn = aiSdkTurn({ name: 'desk', agent });
  expect(await failed(turn(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
});

test('a model that does not tell its usage makes the turn unmetered', async () => {
  const model = new MockLanguageModelV4({
    doGenerate: {
      content: [{ type: 'text', text: 'ok' }],
      finishReason: { unified: 'stop', raw: undefined },
      usage: { inputTokens: UNTOLD, outputTokens: { total: undefined, text: undefined, reasoning: undefined } },
      warnings: [],
    },
  });
  const agent = new ToolLoopAgent({ model });
  expect(await aiSdkTurn({ name: 'desk', agent })(start, context())).toMatchObject({ output: 'ok', unmetered: true });
});
const UNTOLD = { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined };

test('a tool that the provider ran counts as run', async () => {
  const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      if (model.doGenerateCalls.length > 1) throw throttled();
      return {
        content: [
          { type: 'tool-call', toolCallId: 'p1', toolName: 'book', input: '{}', providerExecuted: true },
          { type: 'tool-result', toolCallId: 'p1', toolName: 'book', result: 'booked' },
          { type: 'tool-call', toolCallId: 'c1', toolName: 'mail', input: '{"to":"eve"}' },
        ],
        finishReason: { unified: 'tool-calls', raw: undefined },
        usage,
        warnings: [],
      };
    },
  });
  const book = tool({ type: 'provider', id: 'fake.book', args: {}, inputSchema: z.object({}), isProviderExecuted: true } as never);
  const sent: string[] = [];
  const agent = new ToolLoopAgent({ model, tools: { book, mail: mail(sent) }, maxRetries: 0, toolApproval: { mail: 'denied' } });
  expect(await failed(aiSdkTurn({ name: 'desk', agent })(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
  expect([model.doGenerateCalls.length, sent]).toEqual([2, []]);
});

test('what the application adds to each call is passed on, its callbacks too', async () => {
  const seen: string[] = [];
  const call = (ctx: { runId: string }) => ({
    runtimeContext: { run: ctx.runId },
    onToolExecutionStart: () => void seen.push('tool'),
    onStepFinish: () => void seen.push('step'),
  });
  const prepareStep = ({ runtimeContext }: { runtimeContext: { run?: string } }) => void seen.push(`prepared ${runtimeContext.run}`);
  const said: Said[] = [[{ id: 'c1', name: 'mail', input: { to: 'ana' } }], 'Done.'];
  const { turn } = desk(said, { options: { call } as unknown as Partial<AiSdkAgentOptions>, settings: { prepareStep } });
  await turn(start, context());
  expect(seen).toEqual(['prepared run', 'tool', 'step', 'prepared run', 'step']);
});

test('a stop without an answer is an error, and so is a state that is too large to store', async () => {
  const stopped = desk([[call('c1', 'ana')], 'Done.'], { settings: { stopWhen: isStepCount(1) } });
  expect(await failed(stopped.turn(start, context()))).toMatchObject({ code: 'LIMIT' });
  const small = desk([[call('c1', 'x'.repeat(4_000_000))]]);
  expect(await failed(small.turn(start, context()))).toMatchObject({ code: 'STATE_TOO_LARGE' });
  const pause = paused(await desk([[call('c1', 'ben')]]).turn(start, context()));
  const other = { ...pause, asks: [{ ...pause.asks[0], id: 'else' }] as [Ask] };
  expect(await failed(desk([]).turn(back(other, { type: 'approve' }), context()))).toMatchObject({
    code: 'STATE_UNREADABLE',
    outcome: 'not-run',
  });
});

test.each([['generate'], ['stream']])('cancelling ends the turn with the reason it was given (%s)', async (how) => {
  const controller = new AbortController();
  const model = fakeModel(['never'], async (signal) => {
    controller.abort(new Error('enough'));
    signal?.throwIfAborted();
  });
  const turn = aiSdkTurn({ name: 'desk', agent: new ToolLoopAgent({ model }) });
  const ctx = context({ signal: controller.signal, ...(how === 'stream' && { emit: () => undefined }) });
  await expect(turn(start, ctx)).rejects.toThrow('enough');
});

test('pictures are passed on, and kept over a pause', async () => {
  const { model, turn } = desk([[call('c1', 'ben')], 'Done.']);
  const data = Buffer.from('x').toString('base64');
  const input = [
    { type: 'text', text: 'look' },
    { type: 'image', mediaType: 'image/png', data },
  ] as const;
  const pause = paused(await turn({ type: 'start', input }, context()));
  await turn(back(pause, { type: 'approve' }), context());
  for (const { prompt } of model.doGenerateCalls)
    expect(prompt[0]).toMatchObject({
      role: 'user',
      content: [
        { type: 'text', text: 'look' },
        { type: 'file', mediaType: 'image/png' },
      ],
    });
  const bad: Turn<AiSdkState> = { type: 'start', input: [{ type: 'toolCall', id: 'x', name: 'y', input: {} }] };
  expect(await failed(turn(bad, context()))).toMatchObject({ code: 'VALIDATION', outcome: 'not-run' });
});

test.each<[string, object, string]>([
  ['the settings of an agent', { agent: { model: fakeModel([]), tools: {} } }, 'agent: new ToolLoopAgent('],
  ['nothing to run', {}, 'needs agent or generate'],
  ['a generate that is not a function', { generate: 'x' }, 'generate: (call) =>'],
  ['both', { agent: new ToolLoopAgent({ model: fakeModel([]) }), generate: () => undefined }, 'not both'],
])('%s is refused where it is declared', (_, o, why) => {
  expect(() => aiSdkAgent({ name: 'desk', ...o } as never)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }),
  );
});
