/** What checks of guardrails cost, in the cost of a run and in its limits. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, delegate, Engine, type Guardrail, type GuardrailRuling, type Journal, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, expireLease } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

/** Each check costs a cent. */
const paid = (over: Partial<Guardrail> = {}, ruling: Partial<GuardrailRuling> = {}): Guardrail & { checks: string[] } => {
  const checks: string[] = [];
  return { name: 'paid', checks, check: ({ point }) => (checks.push(point), { action: 'allow', usd: 0.01, ...ruling }) as never, ...over };
};
const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
const clerk = (steps: Parameters<typeof scripted>[0], tools: Parameters<typeof agent>[0]['tools'] = [look]) => {
  const model = scripted(steps);
  return { model, a: agent({ name: 'clerk', instructions: '', model, tools }) };
};

test('is part of the cost of the run: of its input, of each answer and of each result', async () => {
  const guard = paid();
  const engine = new Engine({ guardrails: [guard] });
  const { a } = clerk([asks(['look', {}]), 'done']);
  const result = await ends(engine.run(a, 'go'), 'completed');
  expect(guard.checks).toEqual(['input', 'result', 'output']);
  expect(result.costUsd).toBe(0.03);
});

test('counts in the part of the agent whose content it was, and in those above', async () => {
  const engine = new Engine({ guardrails: [paid({ points: ['output'] })] });
  const inner = clerk(['answer']).a;
  const { a } = clerk([asks(['desk', { task: 'x' }]), 'done'], [delegate(inner, { name: 'desk' })]);
  const { runId, costUsd } = await ends(engine.run(a, 'go'), 'completed');
  const { tree } = await engine.inspect(runId);
  expect([costUsd, tree.costUsd, tree.agents[0]?.costUsd]).toEqual([0.02, 0.02, 0.01]);
});

test('counts in the limit of dollars: the next model is not asked, and a higher limit goes on', async () => {
  const engine = new Engine({ guardrails: [paid({ points: ['input', 'result'] })] });
  const { a, model } = clerk([asks(['look', {}]), 'done']);
  const stopped = await ends(engine.run(a, 'go', { limits: { costUsd: 0.015 } }), 'stopped');
  expect(stopped.limit).toMatchObject({ name: 'costUsd', max: 0.015, used: 0.02 });
  expect(model.requests).toHaveLength(1);
  const done = await ends(engine.resume(stopped.runId, { limits: { costUsd: 0.1 } }), 'completed');
  expect(done.costUsd).toBe(0.02);
});

test('is counted once by a process that takes the run over', async () => {
  const stored = memoryJournal();
  const guard = paid();
  const make = (journal: Journal) => {
    const { a } = clerk(({ messages }) => (messages.length < 3 ? asks(['look', {}]) : 'done'));
    return { a, engine: new Engine({ journal, agents: [a], guardrails: [guard] }) };
  };
  const { a, engine } = make(dies(stored, ({ type }) => type === 'run.settled'));
  const run = engine.run(a, 'go');
  await run.then(
    () => expect.unreachable(),
    () => undefined,
  );
  const counted = (await entriesOf(stored, run.id)).flatMap(({ verdicts = [] }) => verdicts).length;
  expect(counted).toBe(2);
  await expireLease(stored, run.id);
  const { costUsd } = await ends(make(stored).engine.resume(run.id), 'completed');
  const verdicts = (await entriesOf(stored, run.id)).flatMap((entry) => entry.verdicts ?? []);
  expect([costUsd, verdicts.length, guard.checks.length]).toEqual([0.03, 3, 4]);
});

test('of the run that it is a fork of is not counted again', async () => {
  const journal = memoryJournal();
  const { a } = clerk(({ messages }) => (messages.length < 3 ? asks(['look', {}]) : 'done'));
  const engine = new Engine({ journal, agents: [a], guardrails: [paid()] });
  const { runId } = await ends(engine.run(a, 'go'), 'completed');
  const at = (await entriesOf(journal, runId)).find(({ type }) => type === 'call.finished')?.seq as number;
  const { costUsd } = await ends(engine.fork(runId, { at }), 'completed');
  expect(costUsd).toBe(0.01);
});

describe('that is not known', () => {
  test.each<[string, object]>([
    ['and is said to be', { usd: undefined, unpriced: true }],
    ['because it is not a number of dollars', { usd: Number.NaN }],
    ['because it is less than nothing', { usd: -1 }],
  ])('%s makes the cost of the run unknown, and a limit of dollars stops it', async (_, ruling) => {
    const engine = new Engine({ guardrails: [paid({ points: ['input'] }, ruling)] });
    expect((await ends(engine.run(clerk(['done']).a, 'go'), 'completed')).costUsd).toBeUndefined();
    const { a, model } = clerk(['done']);
    const stopped = await ends(engine.run(a, 'go', { limits: { costUsd: 1 } }), 'stopped');
    expect(stopped.limit).toMatchObject({ name: 'costUsd', used: null });
    expect(model.requests).toEqual([]);
  });

  test('is nothing where a guardrail says nothing of a cost', async () => {
    const engine = new Engine({ guardrails: [paid({}, { usd: undefined })] });
    expect((await ends(engine.run(clerk(['done']).a, 'go'), 'completed')).costUsd).toBe(0);
  });
});

test('of a result that came too late is counted too', async () => {
  const journal = memoryJournal();
  const engine = new Engine({ journal, guardrails: [paid({ points: ['result'] })] });
  const came = deferred<string>();
  const slow = tool({
    name: 'look',
    description: '',
    input: anything,
    timeout: 20,
    execute: () => came.promise,
  });
  const { a } = clerk([asks(['look', {}]), 'done'], [slow]);
  const { runId, costUsd } = await ends(engine.run(a, 'go'), 'completed');
  // the message of the failure was checked
  expect(costUsd).toBe(0.01);
  came.resolve('late');
  await until(async () => (await entriesOf(journal, runId)).some(({ type }) => type === 'outcome.settled'));
  expect((await engine.inspect(runId)).costUsd).toBe(0.02);
});
