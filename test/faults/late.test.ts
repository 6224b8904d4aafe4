import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { agent, Engine, jsonSchema, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { passing, virtualTime } from './clock.ts';
import { Tape } from './tape.ts';

const input = jsonSchema({ type: 'object' });
beforeAll(async () => void (await input['~standard'].validate({})));
beforeEach(() => void virtualTime());
afterEach(() => void vi.useRealTimers());

/** A `once` tool that is given up after 100 ms, and has its result after 500; beside it one that asks, and one that takes its time. */
function job() {
  const slow = tool({
    name: 'slow',
    description: 'Slow',
    input,
    timeout: 100,
    execute: () => new Promise((resolve) => setTimeout(resolve, 500, 'done after all')),
  });
  const asks = tool({
    name: 'asks',
    description: 'Asks',
    input,
    approval: true,
    effect: 'read',
    execute: () => new Promise((resolve) => setTimeout(resolve, 1_000, 'asked')),
  });
  const model = scripted([
    {
      toolCalls: [
        { name: 'slow', input: {} },
        { name: 'asks', input: {} },
      ],
    },
    'done',
  ]);
  return agent({ name: 'a', instructions: '', model, tools: [slow, asks] });
}

const pausedAndApproved = async (engine: Engine, a: ReturnType<typeof job>) => {
  const result = await passing(engine.run(a, 'go', { id: 'r' }), 'the run');
  expect(result).toMatchObject({ status: 'paused' });
  const state = await engine.inspect('r');
  expect(state.unknowns).toMatchObject([{ tool: 'slow' }]);
  await engine.decide('r', [{ approval: state.approvals[0]?.id as string, type: 'approve' }], { by: { id: 'ben' } });
};

const settled = (tape: Tape) => tape.entries('r').filter(({ type }) => type === 'outcome.settled');

test('a late result is written down while the run waits, and changes nothing that was told', async () => {
  const tape = new Tape();
  const engine = new Engine({ journal: tape });
  expect(await passing(engine.run(job(), 'go', { id: 'r' }), 'the run')).toMatchObject({ status: 'paused' });
  await vi.advanceTimersByTimeAsync(600);
  expect(settled(tape)).toMatchObject([{ source: 'late', outcome: 'done', output: 'done after all' }]);
  expect(await engine.inspect('r')).toMatchObject({ status: 'paused', unknowns: [] });
  await passing(engine.close(), 'close');
});

test('a late result of an earlier drive is written down while the run goes on', async () => {
  const tape = new Tape();
  const events: (number | undefined)[] = [];
  const a = job();
  const engine = new Engine({ journal: tape, agents: [a], onEvent: ({ seq }) => void (seq !== undefined && events.push(seq)) });
  await pausedAndApproved(engine, a);
  const result = await passing(engine.resume('r'), 'the run');
  expect(result).toMatchObject({ status: 'completed', output: 'done' });
  expect(settled(tape)).toMatchObject([{ source: 'late', outcome: 'done' }]);
  const state = await engine.inspect('r');
  expect(state.unknowns).toEqual([]);
  // the model was told that no one knows, and is not told otherwise
  expect(JSON.stringify(state.messages)).toContain('unknown');
  expect(JSON.stringify(state.messages)).not.toContain('done after all');
  expect(events).toEqual([...events].sort((x, y) => (x as number) - (y as number)));
  await passing(engine.close(), 'close');
});

test('and while another engine drives it', async () => {
  const tape = new Tape();
  const a = job();
  const [first, second] = [new Engine({ journal: tape, agents: [a] }), new Engine({ journal: tape, agents: [a] })];
  await pausedAndApproved(first, a);
  expect(await passing(second.resume('r'), 'the run')).toMatchObject({ status: 'completed', output: 'done' });
  expect(settled(tape)).toMatchObject([{ source: 'late', outcome: 'done' }]);
  expect((await first.inspect('r')).unknowns).toEqual([]);
  for (const engine of [first, second]) await passing(engine.close(), 'close');
});

test.each([
  ['fails', () => Promise.reject(new ToolError('NOPE', 'not found', { outcome: 'not-run' }))],
  ['has a result of its own', async () => 'first'],
])('an attempt that was given up and then %s does not change a call that went well since', async (_, ends) => {
  const tape = new Tape();
  const engine = new Engine({ journal: tape });
  let attempts = 0;
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input,
    effect: 'idempotent',
    timeout: 100,
    retry: { attempts: 2, initialDelay: 0 },
    execute: async () => {
      if (++attempts > 1) return 'second';
      await new Promise((resolve) => setTimeout(resolve, 500));
      return ends();
    },
  });
  const model = scripted([{ toolCalls: [{ name: 'pay', input: {} }] }, 'done']);
  await passing(engine.run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go', { id: 'r' }), 'the run');
  await vi.advanceTimersByTimeAsync(600);
  const effects = [];
  for await (const effect of engine.effects()) effects.push(effect);
  expect(effects).toMatchObject([{ outcome: 'done', output: 'second' }]);
  expect((await engine.search({ tool: 'pay', outcome: 'done' })).runs).toMatchObject([{ matches: [{ tool: 'pay' }] }]);
  expect((await engine.search({ tool: 'pay', outcome: 'not-run' })).runs).toEqual([]);
  await passing(engine.close(), 'close');
});

test('a late failure of a call of an earlier turn is found by its tool', async () => {
  const tape = new Tape();
  const engine = new Engine({ journal: tape });
  const pay = tool({
    name: 'pay',
    description: 'Pays',
    input,
    timeout: 100,
    execute: () => new Promise((_, reject) => setTimeout(reject, 500, new ToolError('NOPE', 'not found', { outcome: 'not-run' }))),
  });
  const model = scripted([{ toolCalls: [{ name: 'pay', input: {} }] }, 'done']);
  await passing(engine.run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go', { id: 'r' }), 'the run');
  await vi.advanceTimersByTimeAsync(600);
  expect((await engine.search({ tool: 'pay', outcome: 'not-run' })).runs).toMatchObject([{ matches: [{ tool: 'pay' }] }]);
  await passing(engine.close(), 'close');
});
