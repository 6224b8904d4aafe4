import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { askCheck } from '../../src/engine/evaluate/check.ts';
import { agent, type CheckFunction, Engine, type EntryOf, type GradedRun, type Grader, tool } from '../../src/index.ts';
import { all } from '../../src/testing/journal/kit.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { eventually } from '../kit/time.ts';
import { registerSpans, unregister } from '../telemetry/sdk.ts';

const passes = (name = 'passes', seen: GradedRun[] = []): Grader => ({
  name,
  grade: (run) => {
    seen.push(run);
    return { pass: true, reason: 'all there', costUsd: 0.002 };
  },
});
const talker = (steps: Parameters<typeof scripted>[0] = () => 'done') => agent({ name: 'a', instructions: '', model: scripted(steps) });

describe.each(journals)('evaluate on $name', ({ make }) => {
  const scores = async (journal: ReturnType<typeof make>['journal'], runId: string) =>
    (await entriesOf(journal, runId)).filter((entry): entry is EntryOf<'run.evaluated'> => entry.type === 'run.evaluated');

  test('the graders score a run after its end, and the run has their scores as entries', async () => {
    const { journal } = make();
    const seen: GradedRun[] = [];
    const echo = tool({ name: 'echo', description: '', input: anything, effect: 'read', execute: (i) => i.n });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['echo', { n: 1 }]), 'done']), tools: [echo] });
    const engine = new Engine({
      journal,
      evaluate: { graders: [passes('one', seen), { name: 'two', grade: () => ({ pass: false, score: 0.5 }) }] },
    });
    const { runId } = await ends(engine.run(a, 'go'), 'completed');
    await eventually(async () => expect(await scores(journal, runId)).toHaveLength(2));
    expect(await scores(journal, runId)).toMatchObject([
      { name: 'one', pass: true, score: 1, reason: 'all there', usd: 0.002 },
      { name: 'two', pass: false, score: 0.5, usd: 0 },
    ]);
    expect(seen).toMatchObject([{ runId, input: 'go', output: 'done', calls: [{ tool: 'echo', input: { n: 1 }, output: 1, ok: true }] }]);
    // the run itself is as it was, and its cost is not that of its graders
    expect(await engine.inspect(runId)).toMatchObject({ status: 'completed', costUsd: 0 });
    const trace = await all(engine.exportTrace(runId, { content: true }));
    expect(trace.filter(({ type }) => type === 'EVALUATION')).toMatchObject([
      { grader: 'one', status: 'PASSED', costUsd: 0.002, reason: 'all there' },
      { grader: 'two', status: 'MISSED', score: 0.5 },
    ]);
    await engine.close();
  });
});

test('a run that continues a session is scored with the conversation before it', async () => {
  const seen: GradedRun[] = [];
  const engine = new Engine({ evaluate: { graders: [passes('g', seen)] } });
  await ends(engine.run(talker(), 'When is it?', { session: 's' }), 'completed');
  await ends(engine.run(talker(), 'When, again?', { session: 's' }), 'completed');
  await engine.close();
  expect(seen.map(({ earlier }) => earlier?.length)).toEqual([undefined, 2]);
  expect(JSON.stringify(seen[1]?.earlier)).toContain('When is it?');
});

// holds evaluator.I2
test('a run is in the sample by its id alone, so any engine takes the same', async () => {
  const scored: string[][] = [[], []];
  for (const list of scored) {
    const grader: Grader = { name: 'g', grade: ({ runId }) => ({ pass: list.push(runId) > 0 }) };
    const engine = new Engine({ evaluate: { sample: 0.3, graders: [grader] } });
    await Promise.all(Array.from({ length: 200 }, (_, i) => engine.run(talker(), 'go', { id: `run-${i}` })));
    await engine.close();
  }
  expect(scored[0]?.length).toBeGreaterThan(30);
  expect(scored[0]?.length).toBeLessThan(90);
  expect([...(scored[0] ?? [])].sort()).toEqual([...(scored[1] ?? [])].sort());
});

// holds evaluator.I1
test('no run waits for its graders, and close() does', async () => {
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let over = false;
  const slow: Grader = {
    name: 'slow',
    grade: async () => {
      await held;
      over = true;
      return { pass: true };
    },
  };
  const engine = new Engine({ evaluate: { graders: [slow] } });
  await ends(engine.run(talker(), 'go'), 'completed');
  expect(over).toBe(false);
  const closed = engine.close();
  release();
  await closed;
  expect(over).toBe(true);
});

// holds evaluator.I1
test('a grader that throws or answers rubbish has failed itself, and the others go on', async () => {
  const engine = new Engine({
    evaluate: {
      graders: [
        {
          name: 'throws',
          asks: true,
          grade: () => {
            throw new Error('no judge today');
          },
        },
        { name: 'rubbish', grade: () => 'yes' as never },
        passes(),
      ],
    },
  });
  const { runId } = await ends(engine.run(talker(), 'go'), 'completed');
  const scored = async () => (await all(engine.entries(runId))).filter(({ type }) => type === 'run.evaluated');
  await eventually(async () => expect(await scored()).toHaveLength(3));
  expect(await scored()).toMatchObject([
    { name: 'throws', pass: false, failed: true, reason: 'The check failed: no judge today' },
    { name: 'rubbish', pass: false, failed: true, usd: 0 },
    { name: 'passes', pass: true },
  ]);
  // what a judge that threw had cost is unknown
  expect((await scored())[0]).not.toHaveProperty('usd');
  await engine.close();
});

test('a grader that is late is told so by its signal, as by the end of the engine', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const signals: AbortSignal[] = [];
  const hangs: CheckFunction = (_, { signal }) => (signals.push(signal), new Promise(() => undefined));
  const late = askCheck(hangs, 'late', {} as GradedRun, { signal: new AbortController().signal });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(await late).toMatchObject({ failed: true, reason: expect.stringContaining('600000 ms') });
  const stop = new AbortController();
  void askCheck(hangs, 'stopped', {} as GradedRun, { signal: stop.signal });
  stop.abort();
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});

test('failed and stopped runs are scored, cancelled and paused ones are not', async () => {
  const names: string[] = [];
  const engine = new Engine({ evaluate: { graders: [{ name: 'g', grade: ({ result }) => ({ pass: names.push(result.status) > 0 }) }] } });
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 1 });
  const payer = agent({ name: 'payer', instructions: '', model: scripted(() => asks(['pay', {}])), tools: [pay] });
  const paused = await ends(engine.run(payer, 'go'), 'paused');
  await engine.cancel(paused.runId);
  await ends(engine.run(talker([{ error: 'REFUSED' }]), 'go'), 'failed');
  await ends(engine.run(talker(), 'go', { limits: { steps: 0 } }), 'stopped');
  await engine.close();
  expect(names.sort()).toEqual(['failed', 'stopped']);
});

test('a run that is forgotten meanwhile keeps no score, and breaks nothing', async () => {
  let release: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const engine = new Engine({ evaluate: { graders: [{ name: 'g', grade: () => held.then(() => ({ pass: true })) }] } });
  const { runId } = await ends(engine.run(talker(), 'go'), 'completed');
  await engine.forget(runId);
  release();
  await sleep(0);
  await engine.close();
});

test('a fork has no score of the run that it came from', async () => {
  const engine = new Engine({ evaluate: { graders: [passes()] } });
  const a = talker();
  engine.register(a);
  const { runId } = await ends(engine.run(a, 'go'), 'completed');
  const scored = async (id: string) => (await all(engine.entries(id))).filter(({ type }) => type === 'run.evaluated').length;
  await eventually(async () => expect(await scored(runId)).toBe(1));
  const last = (await all(engine.entries(runId))).length - 1;
  const fork = engine.fork(runId, { at: last });
  await fork;
  await eventually(async () => expect(await scored((await fork).runId)).toBe(1));
  const omitted = (await all(engine.entries((await fork).runId))).filter((e) => e.type === 'entry.omitted' && e.was === 'run.evaluated');
  expect(omitted).toHaveLength(1);
  await engine.close();
});

test('a score is a span in the trace of the run, with the event of the conventions', async () => {
  const { spans } = registerSpans();
  onTestFinished(unregister);
  const engine = new Engine({ evaluate: { graders: [passes()] } });
  await ends(engine.run(talker(), 'go'), 'completed');
  await eventually(() => expect(spans().some(({ name }) => name === 'evaluate a')).toBe(true));
  const of = (name: string) => spans().find((span) => span.name === name);
  expect(of('evaluate a')?.spanContext().traceId).toBe(of('invoke_agent a')?.spanContext().traceId);
  expect(of('evaluate a')?.events).toMatchObject([
    {
      name: 'gen_ai.evaluation.result',
      attributes: { 'gen_ai.evaluation.name': 'passes', 'gen_ai.evaluation.score.value': 1, 'gen_ai.evaluation.score.label': 'pass' },
    },
  ]);
  // the reason is content
  expect(JSON.stringify(of('evaluate a')?.events)).not.toContain('all there');
  await engine.close();
});

test.each([
  [{}, 'needs graders'],
  [{ graders: [] }, 'needs graders'],
  [{ graders: [{ name: 'x' }] }, 'needs graders'],
  [{ graders: [passes()], sample: 10 }, 'a share from 0 to 1'],
  [{ graders: [passes()], costUsd: -1 }, '0 or more'],
  [{ graders: [passes()], samples: 1 }, 'Did you mean "sample"'],
])('bad options are refused: %j', (evaluate, why) => {
  expect(() => new Engine({ evaluate: evaluate as never })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }),
  );
});
