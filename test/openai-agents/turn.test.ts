import {
  Agent,
  type AgentConfiguration,
  addTraceProcessor,
  handoff,
  Runner,
  setTracingDisabled,
  type Tool,
  tool,
  Usage,
} from '@openai/agents-core';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type OpenAiAgentOptions, openaiTurn } from '../../src/adapters/openai-agents/agent.ts';
import { openaiAgent } from '../../src/adapters/openai-agents/index.ts';
import type { OpenAiState } from '../../src/adapters/openai-agents/state.ts';
import { ToolError } from '../../src/index.ts';
import type { Ask, Turn, TurnResult } from '../../src/ports/foreign.ts';
import type { Decision } from '../../src/ports/tool.ts';
import { context, stored } from '../kit/turns.ts';
import { FakeModel, results, type Said, USED } from './model.ts';

const mail = (sent: string[], name = 'mail') =>
  tool({
    name,
    description: 'Sends mail',
    parameters: z.object({ to: z.string() }),
    needsApproval: async (_ctx, { to }) => to !== 'ana',
    execute: ({ to }) => {
      sent.push(to);
      return `sent to ${to}`;
    },
  });

/** An agent whose mails wait for a person, except those to Ana; made again by each of a test's "processes". */
function desk(
  said: readonly Said[],
  o: { sent?: string[]; tools?: Tool[]; options?: Partial<OpenAiAgentOptions>; agent?: Partial<AgentConfiguration> } = {},
) {
  const model = new FakeModel(said);
  const agent = new Agent({ name: 'desk', model, tools: [mail(o.sent ?? []), ...(o.tools ?? [])], ...o.agent });
  return { model, agent, turn: openaiTurn({ name: 'desk', agent, ...o.options }) };
}

type Result = TurnResult<string, OpenAiState>;
const paused = (result: Result) => {
  if (result.status !== 'paused') throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return result;
};
const start: Turn<OpenAiState> = { type: 'start', input: 'go' };
type Ruled = Decision extends infer D ? (D extends Decision ? Omit<D, 'approval'> : never) : never;
const back = ({ state, asks }: { state: OpenAiState; asks: readonly Ask[] }, ...decisions: Ruled[]): Turn<OpenAiState> => ({
  type: 'resume',
  state: stored(state),
  answers: asks.map(({ id }, i) => ({ id, decision: { approval: id, ...decisions[i] } as Decision })),
});
const call = (id: string, to: string, name = 'mail') => ({ id, name, input: { to } });
const listening = () => context({ emit: () => undefined });

test('a model that tells its usage for some requests, or for none, makes the turn unmetered', async () => {
  const told = new Usage({ requests: 1, inputTokens: 10, outputTokens: 5, totalTokens: 15 });
  for (const [usages, unmetered] of [
    [[told, told], undefined],
    [[told, new Usage({ requests: 1 })], true],
    [[new Usage(), new Usage()], true],
  ] as const) {
    const model = new FakeModel([[call('c1', 'ana')], 'Done.']);
    const { getResponse } = model;
    let n = 0;
    model.getResponse = async (request) => ({ ...(await getResponse.call(model, request)), usage: usages[n++] as Usage });
    const agent = new Agent({ name: 'desk', model, tools: [mail([])] });
    const done = await openaiTurn({ name: 'desk', agent })(start, context());
    expect(done).toMatchObject({ status: 'completed' });
    expect(done.unmetered).toBe(unmetered);
  }
});

test('an answer has its usage, and is streamed if there is a listener', async () => {
  expect(await desk(['Hello there Ana']).turn(start, context())).toEqual({ status: 'completed', output: 'Hello there Ana', usage: USED });
  const deltas: string[] = [];
  const streamed = await desk(['Hello there Ana']).turn(start, context({ emit: (d) => deltas.push(d.text) }));
  expect(streamed).toEqual({ status: 'completed', output: 'Hello there Ana', usage: USED });
  expect(deltas).toEqual(['Hello ', 'there ', 'Ana']);
});

test.each([
  ['one piece', context],
  ['streamed', listening],
])('calls that wait are asked together, and each decision reaches its own call, in another process (%s)', async (_, ctx) => {
  const sent: string[] = [];
  const { model, turn } = desk([[call('c1', 'ana'), call('c2', 'ben'), call('c3', 'cleo'), call('c4', 'dan')]], { sent });
  const pause = paused(await turn(start, ctx()));
  expect(pause.usage).toEqual(USED);
  expect(pause.asks).toEqual(
    ['ben', 'cleo', 'dan'].map((to, i) => ({
      id: `${i}.c${i + 2}`,
      kind: 'tool',
      tool: 'mail',
      input: { to },
      allow: ['approve', 'reject'],
    })),
  );
  expect(sent).toEqual(['ana']);
  const second = desk(['Done.'], { sent });
  const done = await second.turn(back(pause, { type: 'approve' }, { type: 'reject', reason: 'Cleo left' }, { type: 'approve' }), ctx());
  // the usage of the turn alone, although the run keeps counting
  expect(done).toEqual({ status: 'completed', output: 'Done.', usage: USED });
  expect(sent).toEqual(['ana', 'ben', 'dan']);
  expect(Object.fromEntries(results(second.model.seen[0]))).toEqual({
    c1: 'sent to ana',
    c2: 'sent to ben',
    c3: 'A person rejected this call: Cleo left',
    c4: 'sent to dan',
  });
  expect(results(second.model.seen[0])).toHaveLength(4);
  expect(model.seen).toHaveLength(1);
});

test('a second pause keeps what was decided in the first', async () => {
  const sent: string[] = [];
  const { model, turn } = desk([[call('c1', 'ben')], [call('c2', 'cleo')], 'Done.'], { sent });
  const one = paused(await turn(start, context()));
  const two = paused(await turn(back(one, { type: 'approve' }), context()));
  expect(sent).toEqual(['ben']);
  expect(await turn(back(two, { type: 'reject', reason: 'enough' }), context())).toMatchObject({ status: 'completed', usage: USED });
  expect(sent).toEqual(['ben']);
  expect(results(model.seen.at(-1))).toEqual([
    ['c1', 'sent to ben'],
    ['c2', 'A person rejected this call: enough'],
  ]);
});

test('an approval inside an agent that is a tool of another, and after a handoff, is reached as well', async () => {
  const sent: string[] = [];
  const make = (said: readonly Said[]) => {
    const model = new FakeModel(said);
    const clerk = new Agent({ name: 'clerk', model, tools: [mail(sent)] });
    const writer = new Agent({ name: 'writer', model, tools: [mail(sent, 'post')] });
    const top = new Agent({
      name: 'top',
      model,
      tools: [clerk.asTool({ toolName: 'clerk', toolDescription: 'Writes' })],
      handoffs: [handoff(writer)],
    });
    return openaiTurn({ name: 'top', agent: top, context: () => ({ key: 'k3y' }) });
  };
  const first = make([[{ id: 't1', name: 'clerk', input: { input: 'write' } }], [call('c1', 'ben')]]);
  const one = paused(await first(start, context()));
  expect(one.asks).toMatchObject([{ kind: 'tool', tool: 'mail', input: { to: 'ben' } }]);
  // what the application gave as its context is in no journal, not even inside the inner run
  expect(JSON.stringify(one.state)).not.toContain('k3y');
  const second = make(['Written.', [{ id: 'h1', name: 'transfer_to_writer', input: {} }], [call('c2', 'cleo', 'post')]]);
  const two = paused(await second(back(one, { type: 'approve' }), context()));
  expect(sent).toEqual(['ben']);
  expect(two.asks).toMatchObject([{ kind: 'tool', tool: 'post', input: { to: 'cleo' } }]);
  expect(await make(['Posted.'])(back(two, { type: 'approve' }), context())).toMatchObject({ status: 'completed', output: 'Posted.' });
  expect(sent).toEqual(['ben', 'cleo']);
});

test('the context of the application is made again for every turn', async () => {
  const seen: unknown[] = [];
  const look = tool({
    name: 'look',
    description: 'Looks',
    parameters: z.object({}),
    needsApproval: true,
    execute: (_, run) => {
      seen.push((run?.context as { key: string } | undefined)?.key);
      return 'seen';
    },
  });
  let n = 0;
  const { turn } = desk([[{ id: 'c1', name: 'look', input: {} }], 'Done.'], {
    tools: [look],
    options: { context: () => ({ key: `secret-${++n}` }) },
  });
  const pause = paused(await turn(start, context()));
  expect(JSON.stringify(pause.state)).not.toContain('secret');
  expect(await turn(back(pause, { type: 'approve' }), context())).toMatchObject({ output: 'Done.', usage: USED });
  expect(seen).toEqual(['secret-2']);
});

test('nothing is traced unless the runner of the application does', async () => {
  const traces: string[] = [];
  const nothing = async () => undefined;
  addTraceProcessor({
    onTraceStart: async (t) => void traces.push(t.name),
    onTraceEnd: nothing,
    onSpanStart: nothing,
    onSpanEnd: nothing,
    shutdown: nothing,
    forceFlush: nothing,
  });
  setTracingDisabled(false);
  try {
    await desk(['Done.']).turn(start, context());
    expect(traces).toEqual([]);
    await desk(['Done.'], { options: { runner: new Runner({ workflowName: 'traced' }) } }).turn(start, context());
    expect(traces).toEqual(['traced']);
  } finally {
    setTracingDisabled(true);
  }
});

const failed = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    (value) => ({ fulfilled: value }),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ToolError);
  return error as ToolError;
};
const throttled = () => Object.assign(new Error('slow down'), { status: 429, headers: { 'retry-after': '2' } });

test.each([
  ['one piece', context],
  ['streamed', listening],
])('a throttled model may be asked again, but not once a tool has run (%s)', async (_, ctx) => {
  const first = { code: 'THROTTLING', outcome: 'not-run', retryable: true, retryAfter: 2_000 };
  expect(await failed(desk([throttled()]).turn(start, ctx()))).toMatchObject(first);
  const sent: string[] = [];
  const late = desk([[call('c1', 'ana')], throttled()], { sent });
  expect(await failed(late.turn(start, ctx()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
  expect(sent).toEqual(['ana']);
});

test('after a handoff the turn has begun as well', async () => {
  const model = new FakeModel([[{ id: 'h1', name: 'transfer_to_writer', input: {} }], throttled()]);
  const writer = new Agent({ name: 'writer', model });
  const turn = openaiTurn({ name: 'top', agent: new Agent({ name: 'top', model, handoffs: [handoff(writer)] }) });
  expect(await failed(turn(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
});

test('a run without an answer is an error: too many turns, a guardrail, a state that cannot be read', async () => {
  const looping = desk([[call('c1', 'ana')], [call('c2', 'ana')], 'late'], { options: { maxTurns: 1 } });
  expect(await failed(looping.turn(start, context()))).toMatchObject({ code: 'LIMIT' });
  const guarded = desk(['rude'], {
    agent: { outputGuardrails: [{ name: 'polite', execute: async () => ({ tripwireTriggered: true, outputInfo: {} }) }] },
  });
  expect(await failed(guarded.turn(start, context()))).toMatchObject({ code: 'BLOCKED' });
  expect(await failed(desk([[call('c1', 'x'.repeat(4_000_000))]]).turn(start, context()))).toMatchObject({ code: 'STATE_TOO_LARGE' });
  const { turn } = desk([[call('c1', 'ben')], 'Done.']);
  const pause = paused(await turn(start, context()));
  const unreadable = { code: 'STATE_UNREADABLE', outcome: 'not-run' };
  const old = { ...pause, state: { run: { ...pause.state.run, $schemaVersion: '99' } } };
  expect(await failed(turn(back(old, { type: 'approve' }), context()))).toMatchObject(unreadable);
  const other = { ...pause, asks: [{ ...pause.asks[0], id: 'else' }] as [Ask] };
  expect(await failed(turn(back(other, { type: 'approve' }), context()))).toMatchObject(unreadable);
});

test.each([
  ['one piece', context],
  ['streamed', listening],
])('cancelling ends the turn with the reason it was given (%s)', async (_, ctx) => {
  const controller = new AbortController();
  const { model, turn } = desk(['never']);
  model.onCall = (signal) => {
    controller.abort(new Error('enough'));
    signal?.throwIfAborted();
  };
  await expect(turn(start, { ...ctx(), signal: controller.signal })).rejects.toThrow('enough');
});

test('pictures and structured output are passed on', async () => {
  const data = Buffer.from('x').toString('base64');
  const { model, turn } = desk(['{"n":7}'], { agent: { outputType: z.object({ n: z.number() }) as never } });
  const input = [
    { type: 'text', text: 'look' },
    { type: 'image', mediaType: 'image/png', data },
    { type: 'document', mediaType: 'application/pdf', data },
  ] as const;
  expect(await turn({ type: 'start', input }, context())).toMatchObject({ output: { n: 7 } });
  expect(model.seen[0]?.input).toMatchObject([
    { role: 'user', content: [{ type: 'input_text' }, { type: 'input_image' }, { type: 'input_file' }] },
  ]);
});

test('what is not an agent of the SDK is refused where it is declared', () => {
  for (const agent of [{}, { name: 'desk', instructions: '' }, undefined])
    expect(() => openaiAgent({ name: 'desk', agent } as never)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('agent: new Agent(') }),
    );
});
