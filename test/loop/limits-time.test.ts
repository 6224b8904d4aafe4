import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, type Limits, type Model, memoryJournal, supervisor, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, leftBehind, recording } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

// the clock and the timers are the test's own: nothing here waits
// the validator of jsonSchema() is loaded at its first use, which takes real time
beforeAll(async () => void (await anything['~standard'].validate({})));
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const wait = (ms: number) => new Promise<string>((resolve) => setTimeout(resolve, ms, 'slept'));
const by = { id: 'ben' };

/** A tool that takes its time, and does not listen. */
const slow = (ms: number, o: { effect?: 'read' | 'once'; ran?: AbortSignal[] } = {}) =>
  tool({
    name: 'slow',
    description: '',
    input: anything,
    effect: o.effect ?? 'read',
    timeout: 1e9,
    execute: async (_, { signal }) => {
      o.ran?.push(signal);
      return wait(ms);
    },
  });
const timed = (limits: Limits, model: Model, ...tools: readonly ReturnType<typeof slow>[]) =>
  agent({ name: 'a', instructions: '', model, tools, limits });

describe('working time', () => {
  test('stops a run while a tool runs, and tells the tool; with more time the read runs again', async () => {
    const ran: AbortSignal[] = [];
    const engine = new Engine();
    const model = scripted([asks(['slow', {}]), 'done']);
    const run = engine.run(timed({ time: 1_000 }, model, slow(1_500, { ran })), 'go');
    await pass(1_000);
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'time', max: 1_000 } });
    expect(ran[0]?.aborted).toBe(true);
    const resumed = engine.resume(run.id, { limits: { time: 10_000 } });
    await pass(1_500);
    await ends(resumed, 'completed');
    expect(ran).toHaveLength(2);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'slept', isError: false });
  });

  test('that is over in the middle of a once call leaves it unknown, never run twice', async () => {
    const ran: AbortSignal[] = [];
    const engine = new Engine();
    const model = scripted([asks(['slow', {}]), 'done']);
    const run = engine.run(timed({ time: 1_000 }, model, slow(1e9, { ran, effect: 'once' })), 'go');
    await pass(1_000);
    await ends(run, 'stopped');
    await ends(engine.resume(run.id, { limits: { time: 10_000 } }), 'completed');
    expect(ran).toHaveLength(1);
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    expect((await engine.inspect(run.id)).unknowns).toMatchObject([{ tool: 'slow' }]);
  });

  test('a result that came late, but before the resume, is what the agent is told', async () => {
    const engine = new Engine();
    const model = scripted([asks(['slow', {}]), 'done']);
    const run = engine.run(timed({ time: 1_000 }, model, slow(1_500, { effect: 'once' })), 'go');
    await pass(1_000);
    await ends(run, 'stopped');
    await pass(500);
    await ends(engine.resume(run.id, { limits: { time: 10_000 } }), 'completed');
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'slept', isError: false });
    expect((await engine.inspect(run.id)).unknowns).toEqual([]);
  });

  test('stops a run while the model answers; the lost answer is charged', async () => {
    let signal: AbortSignal | undefined;
    let calls = 0;
    const model: Model = {
      provider: 'scripted',
      id: 'm',
      maxOutput: 500,
      async generate(_, call) {
        signal = call.signal;
        if (++calls === 1) await new Promise(() => undefined);
        return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
      },
    };
    const engine = new Engine();
    const run = engine.run(timed({ time: 1_000 }, model), 'go');
    await pass(1_000);
    await ends(run, 'stopped');
    expect(signal?.aborted).toBe(true);
    const result = await ends(engine.resume(run.id, { limits: { time: 10_000 } }), 'completed');
    expect(result.usage.input).toBeGreaterThan(500);
  });

  test('stops a run in the sleep before a retry', async () => {
    let attempts = 0;
    const flaky = tool({
      name: 'flaky',
      description: '',
      input: anything,
      effect: 'read',
      retry: { attempts: 2, initialDelay: 1 },
      execute: () => {
        attempts++;
        throw new ToolError('BUSY', 'busy', { retryAfter: 30_000 });
      },
    });
    const run = new Engine().run(
      agent({ name: 'a', instructions: '', model: scripted([asks(['flaky', {}])]), tools: [flaky], limits: { time: 1_000 } }),
      'go',
    );
    await pass(1_000);
    await ends(run, 'stopped');
    expect(attempts).toBe(1);
  });

  test('does not count the wait for a person', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign], limits: { time: 1_000 } });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    await pass(86_400_000);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(paused.runId), 'completed');
  });

  test('adds up over all claims of a run', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const engine = new Engine();
    const model = scripted([asks(['slow', {}]), asks(['sign', {}]), asks(['slow', {}]), 'never']);
    const a = agent({ name: 'a', instructions: '', model, tools: [slow(600), sign], limits: { time: 1_000 } });
    const run = engine.run(a, 'go');
    await pass(600);
    const paused = await ends(run, 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by });
    const resumed = engine.resume(paused.runId);
    await pass(400);
    expect(await ends(resumed, 'stopped')).toMatchObject({ limit: { name: 'time', max: 1_000 } });
  });

  // holds frame-run.I4
  test('of a sub-agent adds up over its wait for a person, beside a call that keeps the run going as well as alone', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, effect: 'once', approval: true, execute: () => 'signed' });
    const long = tool({ name: 'long', description: '', input: anything, effect: 'read', timeout: 1e9, execute: () => wait(1_500) });
    for (const beside of [[], [['long', {}]]] as const) {
      const inner = scripted([asks(['slow', {}]), asks(['sign', {}]), asks(['slow', {}]), 'never']);
      const child = agent({ name: 'child', instructions: '', model: inner, tools: [slow(700), sign], limits: { time: 1_000 } });
      const model = scripted([asks(['child', { task: 'x' }], ...beside), 'done']);
      const engine = new Engine();
      const run = engine.run(agent({ name: 'top', instructions: '', model, tools: [long], agents: [child] }), 'go');
      await pass(1_000);
      const [approval] = (await engine.inspect(run.id)).approvals;
      await engine.decide(run.id, [{ approval: approval?.id as string, type: 'approve' }], { by });
      const resumed = beside.length > 0 ? run : engine.resume(run.id);
      await pass(1_500);
      await ends(resumed, 'completed');
      expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'LIMIT_REACHED' });
      expect(inner.requests).toHaveLength(3);
    }
  });

  test('of a process that died counts, as far as its journal goes', async () => {
    const { journal, appends } = recording(memoryJournal());
    const model = scripted([asks(['slow', {}]), asks(['slow', {}]), 'never']);
    const a = timed({ time: 1_000 }, model, slow(600));
    const first = new Engine({ journal }).run(a, 'go');
    await pass(700);
    // it dies in its second call, 700 ms after its start: 600 of them are in the journal
    const engine = new Engine({ journal: await leftBehind(appends), agents: [a] });
    await pass(3_600_000);
    const resumed = engine.resume(first.id);
    await pass(400);
    expect(await ends(resumed, 'stopped')).toMatchObject({ limit: { name: 'time' } });
  });

  test('of a process that died does not grow with the wait for a person, whatever people and operators append', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, effect: 'once', approval: true, execute: () => 'signed' });
    const { journal, appends } = recording(memoryJournal());
    const model = scripted([asks(['slow', {}], ['sign', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [slow(1_000), sign], limits: { time: 60_000 } });
    const first = new Engine({ journal }).run(a, 'go');
    await pass(200);
    const engine = new Engine({ journal: await leftBehind(appends), agents: [a] });
    const [approval] = (await engine.inspect(first.id)).approvals;
    await pass(36_000_000);
    await engine.send(first.id, 'and hurry', { by });
    await engine.decide(first.id, [{ approval: approval?.id as string, type: 'approve' }], { by });
    const resumed = engine.resume(first.id);
    await pass(1_000);
    await ends(resumed, 'completed');
  });
});

describe('a deadline', () => {
  test('that has passed stops a run before its first call; a later one lets it go on', async () => {
    const model = scripted(['done']);
    const engine = new Engine();
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go', { limits: { deadline: Date.now() - 1 } });
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'deadline' }, steps: 0 });
    expect(model.requests).toHaveLength(0);
    await ends(engine.resume(run.id, { limits: { deadline: Date.now() + 1_000 } }), 'completed');
  });

  test('is the wall clock: it passes while people are waited for', async () => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'never']), tools: [sign] });
    const paused = await ends(engine.run(a, 'go', { limits: { deadline: Date.now() + 1_000 } }), 'paused');
    await pass(2_000);
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by });
    expect(await ends(engine.resume(paused.runId), 'stopped')).toMatchObject({ limit: { name: 'deadline' } });
  });

  test('ends a call that ignores its signal, and leaves no timer behind', async () => {
    const engine = new Engine();
    const run = engine.run(timed({ deadline: Date.now() + 500, time: 5_000 }, scripted([asks(['slow', {}])]), slow(100_000)), 'go');
    await pass(500);
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'deadline' } });
    // the tool's own
    expect(vi.getTimerCount()).toBe(1);
  });

  // holds frame-run.I3
  test('a run that completes leaves no timer behind', async () => {
    const { journal } = recording(memoryJournal());
    const run = new Engine({ journal }).run(timed({ time: 5_000 }, scripted(['done'])), 'go');
    await ends(run, 'completed');
    expect(vi.getTimerCount()).toBe(0);
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', ms: 0 });
  });
});

describe('a wall clock that is set while a run is under way', () => {
  const jump = (ms: number) => vi.setSystemTime(Date.now() + ms);

  test.each([3_600_000, -3_600_000])('(by %d ms) neither stops it by `time` nor counts as work', async (by) => {
    const journal = memoryJournal();
    const model = scripted([asks(['slow', {}]), asks(['slow', {}]), 'done']);
    const run = new Engine({ journal }).run(timed({ time: 5_000 }, model, slow(1_000)), 'go');
    await pass(500);
    jump(by);
    await pass(1_500);
    await ends(run, 'completed');
    const [settled] = (await entriesOf(journal, run.id)).filter((e) => e.type === 'run.settled');
    expect(settled).toMatchObject({ ms: 2_000 });
  });

  test.each([3_600_000, -3_600_000])('(by %d ms) leaves a run that paused as much time as it had', async (by) => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const model = scripted([asks(['slow', {}]), asks(['sign', {}]), asks(['slow', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [slow(1_000), sign], limits: { time: 5_000 } });
    const engine = new Engine({ journal: memoryJournal() });
    const run = engine.run(a, 'go');
    await pass(500);
    jump(by);
    await pass(500);
    const paused = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const resumed = engine.resume(run.id);
    await pass(1_000);
    await ends(resumed, 'completed');
  });

  test.each([3_600_000, -3_600_000])('(by %d ms) leaves a sub-agent as much time as it had', async (by) => {
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const inner = scripted([asks(['slow', {}]), asks(['sign', {}]), asks(['slow', {}]), 'done']);
    const child = agent({ name: 'child', instructions: '', model: inner, tools: [slow(1_000), sign], limits: { time: 5_000 } });
    const boss = supervisor({
      name: 'boss',
      instructions: '',
      model: scripted([asks(['child', { task: 'x' }]), 'all done']),
      agents: [child],
    });
    const engine = new Engine({ journal: memoryJournal() });
    const run = engine.run(boss, 'go');
    await pass(500);
    jump(by);
    await pass(500);
    const paused = await ends(run, 'paused');
    await engine.decide(run.id, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const resumed = engine.resume(run.id);
    await pass(1_000);
    await ends(resumed, 'completed');
    expect(inner.requests).toHaveLength(4);
  });

  test('a deadline is of the wall clock: set forward it comes within a minute, set back it is waited for', async () => {
    const engine = new Engine({ journal: memoryJournal() });
    const made = () => timed({ deadline: Date.now() + 3_600_000 }, scripted([asks(['slow', {}]), 'done']), slow(1e8));
    const early = engine.run(made(), 'go');
    await pass(1_000);
    jump(3_600_000);
    await pass(60_000);
    expect(await ends(early, 'stopped')).toMatchObject({ limit: { name: 'deadline' } });
    const later = engine.run(made(), 'go');
    let over = false;
    later.then(() => (over = true));
    await pass(1_000);
    jump(-1_800_000);
    await pass(3_600_000 + 1_000);
    expect(over).toBe(false);
    await pass(1_800_000);
    await ends(later, 'stopped');
  });
});
