import { BeforeToolCallEvent, FileStorage, ModelThrottledError, SessionManager, type Tool, tool } from '@strands-agents/sdk';
import { HumanInTheLoop } from '@strands-agents/sdk/vended-interventions/hitl';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type StrandsAgentOptions, strandsTurn } from '../../src/adapters/strands/agent.ts';
import { strandsAgent } from '../../src/adapters/strands/index.ts';
import type { StrandsState } from '../../src/adapters/strands/state.ts';
import { ToolError } from '../../src/index.ts';
import type { Ask, Turn, TurnResult } from '../../src/ports/foreign.ts';
import type { Decision } from '../../src/ports/tool.ts';
import { context, stored } from '../kit/turns.ts';
import { FakeModel, mail, results, type Said, strands } from './model.ts';

/** The agent of a test as each of its "processes" would make it: one script, one log, and nothing else shared. */
function desk(
  said: readonly Said[],
  o: Partial<StrandsAgentOptions> & { tools?: Tool[]; hitl?: boolean; hook?(e: BeforeToolCallEvent): void } = {},
) {
  const model = new FakeModel(said);
  const { tools = [], hitl, hook, ...rest } = o;
  let made = 0;
  const turn = strandsTurn({
    name: 'desk',
    agent: () => {
      made++;
      const agent = strands({ model, tools, ...(hitl && { interventions: [new HumanInTheLoop()] }) });
      if (hook) agent.addHook(BeforeToolCallEvent, hook);
      return agent;
    },
    ...rest,
  });
  return { model, turn, made: () => made };
}

type Result = TurnResult<string, StrandsState>;
const paused = (result: Result) => {
  if (result.status !== 'paused') throw new Error(`expected a pause, got ${JSON.stringify(result)}`);
  return result;
};
const start: Turn<StrandsState> = { type: 'start', input: 'go' };
type Ruled = Decision extends infer D ? (D extends Decision ? Omit<D, 'approval'> : never) : never;
const back = ({ state, asks }: { state: StrandsState; asks: readonly Ask[] }, ...decisions: Ruled[]): Turn<StrandsState> => ({
  type: 'resume',
  state: stored(state),
  answers: asks.map(({ id }, i) => ({ id, decision: { approval: id, ...decisions[i] } as Decision })),
});
const call = (id: string, to: string, name = 'mail') => ({ id, name, input: { to } });

test('an answer has its usage, and is streamed', async () => {
  const { turn } = desk(['Hello there Ana']);
  const deltas: string[] = [];
  const result = await turn(start, context({ emit: (d) => deltas.push(d.text) }));
  expect(result).toEqual({ status: 'completed', output: 'Hello there Ana', usage: { input: 6, output: 5, cacheRead: 4 } });
  expect(deltas).toEqual(['Hello ', 'there ', 'Ana']);
});

test('a model that does not tell its usage makes the turn unmetered', async () => {
  const { turn, model } = desk(['Done.']);
  const { stream } = model;
  model.stream = async function* (...args) {
    for await (const event of stream.apply(model, args)) if (event.type !== 'modelMetadataEvent') yield event;
  };
  expect(await turn(start, context())).toMatchObject({ status: 'completed', usage: { input: 0, output: 0 }, unmetered: true });
});

test.each([
  ['part of the input', { inputTokens: 100, outputTokens: 5, totalTokens: 105, cacheReadInputTokens: 80 }, 20],
  ['beside it', { inputTokens: 20, outputTokens: 5, totalTokens: 105, cacheReadInputTokens: 80 }, 20],
  ['beside it, and left out of the total', { inputTokens: 20, outputTokens: 5, totalTokens: 25, cacheReadInputTokens: 80 }, 20],
])('cached tokens are counted once, if the provider reports them as %s', async (_, usage, input) => {
  const { model, turn } = desk(['Hello']);
  const stream = model.stream.bind(model);
  model.stream = async function* (...args) {
    for await (const event of stream(...args)) yield event.type === 'modelMetadataEvent' ? { ...event, usage } : event;
  };
  expect((await turn(start, context())).usage).toEqual({ input, output: 5, cacheRead: 80 });
});

test('calls that wait for a person are asked together; approve, edit and reject each reach their own call, in another process', async () => {
  const sent: string[] = [];
  const { model, turn, made } = desk([[call('c1', 'ana'), call('c2', 'ben'), call('c3', 'cleo')], 'Done.'], {
    tools: [mail(sent)],
    hitl: true,
  });
  const pause = paused(await turn(start, context()));
  expect(pause.asks).toEqual(
    ['ana', 'ben', 'cleo'].map((to, i) => ({
      id: `hook:beforeToolCall:c${i + 1}:strands:human-in-the-loop`,
      kind: 'tool',
      tool: 'mail',
      input: { to },
      allow: ['approve', 'edit', 'reject'],
      reason: expect.stringContaining('Approve "mail"'),
    })),
  );
  expect(sent).toEqual([]);
  const done = await turn(
    back(pause, { type: 'approve' }, { type: 'edit', input: { to: 'bob' } }, { type: 'reject', reason: 'Cleo left the company' }),
    context(),
  );
  expect(done).toMatchObject({ status: 'completed', output: 'Done.', usage: { output: 5 } });
  expect(sent).toEqual(['ana', 'bob']);
  expect(results(model.seen.at(-1))).toEqual([
    ['c1', 'success', 'sent to ana'],
    ['c2', 'success', 'sent to bob'],
    ['c3', 'error', 'A person rejected this call: Cleo left the company'],
  ]);
  // the model was not asked again for the calls it had made
  expect(model.seen).toHaveLength(2);
  expect(made()).toBe(2);
});

test('a rejection is enforced even if the hook allows everything', async () => {
  const sent: string[] = [];
  const { model, turn } = desk([[call('c1', 'ana')], 'Done.'], {
    tools: [mail(sent)],
    hook: (event) => void event.interrupt({ name: 'confirm' }),
  });
  const pause = paused(await turn(start, context()));
  await turn(back(pause, { type: 'reject', reason: 'no' }), context());
  expect(sent).toEqual([]);
  expect(results(model.seen.at(-1))).toEqual([['c1', 'error', 'A person rejected this call: no']]);
});

test('rulings survive a second pause of the same calls, but end with the calls: a model may reuse an id', async () => {
  const sent: string[] = [];
  let second = true;
  const { model, turn } = desk([[call('c1', 'ana'), call('c2', 'ben')], [call('c2', 'dora'), call('c1', 'eve')], 'Done.'], {
    tools: [mail(sent)],
    hook: (event) => {
      if (sent.length === 0) event.interrupt({ name: 'first' });
      if (second && event.toolUse.toolUseId === 'c1' && sent.length === 0)
        event.interrupt({ name: 'second', reason: { to: (event.toolUse.input as { to: string }).to } });
    },
  });
  const one = paused(await turn(start, context()));
  const two = paused(await turn(back(one, { type: 'edit', input: { to: 'zoe' } }, { type: 'reject', reason: 'not Ben' }), context()));
  // what is asked next is about the edited call
  expect(two.asks).toMatchObject([{ kind: 'tool', tool: 'mail', input: { to: 'zoe' }, reason: '{"to":"zoe"}' }]);
  second = false;
  const done = await turn(back(two, { type: 'approve' }), context());
  expect(done.status).toBe('completed');
  expect(sent).toEqual(['zoe', 'dora', 'eve']);
  expect(results(model.seen[1])).toEqual([
    ['c1', 'success', 'sent to zoe'],
    ['c2', 'error', 'A person rejected this call: not Ben'],
  ]);
});

test('a tool that asks gets the answer, also a false one; what had finished beside it is not repeated', async () => {
  const sent: string[] = [];
  const asking = tool({
    name: 'confirm',
    description: 'Asks',
    inputSchema: z.object({}),
    callback: (_input, ctx) => `answered ${JSON.stringify(ctx?.interrupt({ name: 'sure', reason: 'Are you sure?' }))}`,
  });
  for (const answer of [false, 0, '', 'yes', { deep: [1] }]) {
    sent.length = 0;
    const { model, turn } = desk([[call('c1', 'ana'), { id: 'c2', name: 'confirm', input: {} }], 'Done.'], { tools: [mail(sent), asking] });
    const pause = paused(await turn(start, context()));
    expect(pause.asks).toEqual([{ id: 'tool:c2:sure', kind: 'question', question: 'Are you sure?', allow: ['respond', 'reject'] }]);
    expect(sent).toEqual(['ana']);
    await turn(back(pause, { type: 'respond', answer }), context());
    expect(sent).toEqual(['ana']);
    expect(results(model.seen.at(-1))).toEqual([
      ['c1', 'success', 'sent to ana'],
      ['c2', 'success', `answered ${JSON.stringify(answer)}`],
    ]);
  }
});

test('a question that no one answers ends its tool, and the model is told why', async () => {
  const asking = tool({
    name: 'confirm',
    description: 'Asks',
    inputSchema: z.object({}),
    callback: (_, ctx) => `got ${ctx?.interrupt({ name: 'sure' })}`,
  });
  const { model, turn } = desk([[{ id: 'c1', name: 'confirm', input: {} }], 'Done.'], { tools: [asking] });
  const pause = paused(await turn(start, context()));
  expect(pause.asks[0]).toMatchObject({ question: 'sure' });
  await turn(back(pause, { type: 'reject', reason: 'none of your business' }), context());
  expect(results(model.seen.at(-1))).toEqual([['c1', 'error', 'A person rejected this call: none of your business']]);
});

test("tools get the application's context of each turn, which is not stored", async () => {
  const seen: unknown[] = [];
  const look = tool({
    name: 'mail',
    description: 'Looks',
    inputSchema: z.object({ to: z.string() }),
    callback: (_, ctx) => {
      seen.push(ctx?.invocationState);
      return 'seen';
    },
  });
  let n = 0;
  const { turn } = desk([[call('c1', 'ana')], 'Done.'], {
    tools: [look],
    hitl: true,
    invocationState: ({ runId }) => ({ runId, key: `secret-${++n}` }),
  });
  const pause = paused(await turn(start, context()));
  expect(JSON.stringify(pause.state)).not.toContain('secret');
  await turn(back(pause, { type: 'approve' }), context());
  expect(seen).toEqual([{ runId: 'run', key: 'secret-2' }]);
});

test('an agent with a session manager is not shared: all runs would be one conversation', () => {
  const sessionManager = new SessionManager({ sessionId: 's', storage: { snapshot: new FileStorage('/nowhere') } });
  const agent = strands({ model: new FakeModel([]), sessionManager });
  expect(() => strandsAgent({ name: 'desk', agent })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('an agent itself is shared: its runs wait for each other and begin as it was', async () => {
  const sent: string[] = [];
  const model = new FakeModel([[call('c1', 'ana')], 'Other.', 'Done.']);
  const agent = strands({ model, tools: [mail(sent)], interventions: [new HumanInTheLoop()], appState: { n: 1 } });
  const turn = strandsTurn({ name: 'desk', agent });
  const [pause, other] = await Promise.all([turn(start, context()), turn({ type: 'start', input: 'another' }, context())]);
  expect(other).toMatchObject({ status: 'completed', output: 'Other.' });
  expect(model.seen[1]?.map((m) => m.content)).toMatchObject([[{ text: 'another' }]]);
  expect(await turn(back(paused(pause), { type: 'approve' }), context())).toMatchObject({ output: 'Done.' });
  expect(sent).toEqual(['ana']);
  expect(model.seen[2]?.[0]?.content).toMatchObject([{ text: 'go' }]);
});

test('the application may define how an interrupt is asked and answered', async () => {
  const sent: string[] = [];
  const { turn } = desk([[call('c1', 'ana')], 'Done.'], {
    tools: [mail(sent)],
    hook: (event) => {
      if (event.interrupt({ name: 'confirm' }) !== 'APPROVE') event.cancel = true;
    },
    ask: ({ interrupt, call }) => ({
      id: 'ignored',
      kind: 'question',
      question: `${interrupt.name} ${call?.name}?`,
      allow: ['approve', 'reject'],
    }),
    answer: (decision) => (decision.type === 'approve' ? 'APPROVE' : 'NO'),
  });
  const pause = paused(await turn(start, context()));
  expect(pause.asks).toEqual([
    { id: 'hook:beforeToolCall:c1:confirm', kind: 'question', question: 'confirm mail?', allow: ['approve', 'reject'] },
  ]);
  await turn(back(pause, { type: 'approve' }), context());
  expect(sent).toEqual(['ana']);
});

const failed = async (attempt: Promise<unknown>) => {
  const error = await attempt.then(
    (value) => ({ fulfilled: value }),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(ToolError);
  return error as ToolError;
};

test('a throttled model may be asked again, but not once a tool has run', async () => {
  const sent: string[] = [];
  const early = desk([new ModelThrottledError('slow down')], { tools: [mail(sent)] });
  expect(await failed(early.turn(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'not-run', retryable: true });
  const late = desk([[call('c1', 'ana')], new ModelThrottledError('slow down')], { tools: [mail(sent)] });
  expect(await failed(late.turn(start, context()))).toMatchObject({ code: 'THROTTLING', outcome: 'unknown' });
  expect(sent).toEqual(['ana']);
});

test('a stop without an answer is an error, and so is a state no one can keep or read', async () => {
  const limited = desk([]);
  limited.model.stream = async function* () {
    yield { type: 'modelMessageStartEvent', role: 'assistant' };
    yield { type: 'modelMessageStopEvent', stopReason: 'guardrailIntervened' };
  };
  expect(await failed(limited.turn(start, context()))).toMatchObject({ code: 'BLOCKED' });
  const small = desk([[call('c1', 'x'.repeat(4_000_000))]], { tools: [mail([])], hitl: true });
  expect(await failed(small.turn(start, context()))).toMatchObject({ code: 'STATE_TOO_LARGE' });
  const old = desk([[call('c1', 'ana')]], { tools: [mail([])], hitl: true });
  const pause = paused(await old.turn(start, context()));
  expect(
    await failed(old.turn(back({ ...pause, state: { ...pause.state, schema: '0.1' } }, { type: 'approve' }), context())),
  ).toMatchObject({
    code: 'STATE_UNREADABLE',
    outcome: 'not-run',
  });
});

test('cancelling ends the turn with the reason it was given', async () => {
  const { model, turn } = desk(['never']);
  const controller = new AbortController();
  model.onCall = async (signal) => {
    controller.abort(new Error('enough'));
    expect(signal?.aborted).toBe(true);
  };
  await expect(turn(start, context({ signal: controller.signal }))).rejects.toThrow('enough');
});

test('pictures and documents are passed on; what the agent cannot be told is refused before anything runs', async () => {
  const { model, turn } = desk(['Seen.']);
  const data = Buffer.from('x').toString('base64');
  await turn(
    {
      type: 'start',
      input: [
        { type: 'text', text: 'look' },
        { type: 'image', mediaType: 'image/png', data },
        { type: 'document', mediaType: 'application/pdf', data },
      ],
    },
    context(),
  );
  expect(model.seen[0]?.[0]?.content.map((b) => b.type)).toEqual(['textBlock', 'imageBlock', 'documentBlock']);
  const bad: Turn<StrandsState> = { type: 'start', input: [{ type: 'image', mediaType: 'image/tiff', data }] };
  expect(await failed(turn(bad, context()))).toMatchObject({ code: 'VALIDATION', outcome: 'not-run' });
});
