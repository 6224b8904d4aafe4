import { describe, expect, test } from 'vitest';
import { agent, append, Engine, graph, jsonSchema, type Policy, type Tool, tool, waitTool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { dies, entriesOf, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { clock, DAY, HOUR, SECOND, waits } from './setup.ts';

const sleeper = (input: object, more: { tools?: readonly Tool[]; steps?: Parameters<typeof scripted>[0] } = {}) => {
  const model = scripted(more.steps ?? [asks(['wait', input as never]), 'done']);
  return { a: agent({ name: 'sleeper', instructions: '', model, tools: [waitTool(), ...(more.tools ?? [])] }), model };
};
const START = Date.UTC(2026, 0, 1);

describe.each(journals)('a tool that waits, on $name', ({ make }) => {
  test.each<[string, object, number]>([
    ['seconds', { seconds: 90 }, 90 * SECOND],
    ['minutes', { minutes: 180 }, 3 * HOUR],
    ['until a time with its offset', { until: '2026-01-03T01:00:00+01:00' }, 2 * DAY],
  ])('%s: the run pauses, shows its wake time, and another process goes on with it then', async (_, input, ms) => {
    const { journal, another } = make();
    const { time, on } = clock();
    const { a, model } = sleeper(input);
    const paused = await waits(new Engine({ journal: on(journal) }).run(a, 'go'));
    const until = START + ms;
    expect(paused.waiting).toEqual([{ callId: '1.0', path: ['sleeper'], name: 'wait', since: expect.any(Number), until }]);
    expect(await headOf(journal, paused.runId)).toMatchObject({ status: 'paused', wakeAt: until });

    const engine = new Engine({ journal: on(another()), agents: [a] });
    time.now = until - 1;
    expect(await engine.sweep()).toEqual([]);
    const entries = await entriesOf(journal, paused.runId);
    expect((await waits(engine.resume(paused.runId))).waiting).toEqual(paused.waiting);
    expect(await entriesOf(journal, paused.runId), 'nothing is written before it is due').toEqual(entries);
    expect((await engine.inspect(paused.runId)).waiting).toEqual(paused.waiting);
    expect((await engine.inspect(paused.runId)).tree.status).toBe('paused');

    time.now = until;
    const [swept] = await engine.sweep();
    await ends(swept?.run as never, 'completed');
    expect(JSON.parse(shown(model.requests[1])[0]?.text ?? '')).toEqual({ wokeAt: new Date(until).toISOString() });
    expect((await engine.inspect(paused.runId)).waiting).toEqual([]);
    expect((await headOf(journal, paused.runId))?.wakeAt).toBeUndefined();
  });

  test('calls beside it run before the run pauses, and run once', async () => {
    const { journal } = make();
    const { time, on } = clock();
    let sent = 0;
    const send = tool({ name: 'send', description: '', input: anything, execute: () => ++sent });
    const { a, model } = sleeper(
      {},
      { tools: [send], steps: [asks(['wait', { seconds: 5 }], ['send', {}], ['wait', { minutes: 1 }]), 'done'] },
    );
    const engine = new Engine({ journal: on(journal) });
    const paused = await waits(engine.run(a, 'go'));
    expect(sent).toBe(1);
    expect(paused.waiting.map(({ until }) => until - START)).toEqual([5 * SECOND, 60 * SECOND]);
    time.now += 5 * SECOND;
    expect((await waits(engine.resume(paused.runId))).waiting).toHaveLength(1);
    expect((await headOf(journal, paused.runId))?.wakeAt).toBe(START + 60 * SECOND);
    time.now += HOUR;
    await ends(engine.resume(paused.runId), 'completed');
    expect(sent).toBe(1);
    expect(shown(model.requests[1]).map(({ isError }) => isError)).toEqual([false, false, false]);
  });

  test.each<[string, object]>([
    ['no time', {}],
    ['two times', { seconds: 1, minutes: 1 }],
    ['a negative time', { seconds: -1 }],
    ['a time without its offset', { until: '2026-01-02T09:00:00' }],
    ['a text that is not a time', { until: 'tomorrow' }],
    ['a day that there is not', { until: '2025-02-30T09:00:00Z' }],
    ['more than it may', { minutes: 31 * 24 * 60 }],
    ['a time farther than it may', { until: '2027-01-01T00:00:00Z' }],
  ])('%s goes back to the model, with what is wrong', async (_, input) => {
    const { journal } = make();
    const { a, model } = sleeper(input);
    await ends(new Engine({ journal: clock().on(journal) }).run(a, 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
  });

  test('a time in the past is due at once', async () => {
    const { journal } = make();
    const { a } = sleeper({ until: '2020-01-01T00:00:00Z' });
    await ends(new Engine({ journal: clock().on(journal) }).run(a, 'go'), 'completed');
  });

  test('a process that dies when it has been woken: the next one goes on, and the model is told once', async () => {
    const { journal, another } = make();
    const { time, on } = clock();
    const { a } = sleeper({ seconds: 5 });
    const paused = await waits(new Engine({ journal: on(journal) }).run(a, 'go'));
    time.now += 5 * SECOND;
    const dying = dies(on(another()), (entry) => entry.type === 'call.finished');
    await expect(new Engine({ journal: dying, agents: [a] }).resume(paused.runId)).rejects.toThrow();
    const head = await headOf(journal, paused.runId);
    await journal.renew(paused.runId, head?.owner as string, 0);
    await ends(new Engine({ journal: on(another()), agents: [a] }).resume(paused.runId), 'completed');
    expect(
      (await entriesOf(journal, paused.runId)).map(({ type }) => type).filter((t) => t === 'wait.began' || t === 'call.finished'),
    ).toEqual(['wait.began', 'call.finished']);
  });

  test('a process that dies before the wait is written asks the model again, which waits from then on', async () => {
    const { journal, another } = make();
    const { time, on } = clock();
    const { a } = sleeper({}, { steps: [asks(['wait', { seconds: 5 }]), asks(['wait', { seconds: 5 }]), 'done'] });
    const run = new Engine({ journal: dies(on(journal), (entry) => entry.type === 'wait.began') }).run(a, 'go');
    await expect(run).rejects.toThrow();
    await journal.renew(run.id, (await headOf(journal, run.id))?.owner as string, 0);
    time.now += HOUR;
    const paused = await waits(new Engine({ journal: on(another()), agents: [a] }).resume(run.id));
    expect(paused.waiting[0]?.until).toBe(START + HOUR + 5 * SECOND);
  });

  test('a waiting run can be cancelled', async () => {
    const { journal } = make();
    const { a } = sleeper({ minutes: 60 });
    const engine = new Engine({ journal: clock().on(journal), agents: [a] });
    const first = await waits(engine.run(a, 'go'));
    await engine.cancel(first.runId);
    await ends(engine.resume(first.runId), 'cancelled');
    expect((await engine.inspect(first.runId)).waiting).toEqual([]);
  });

  test('no limit of working time counts a wait, but a deadline does', async () => {
    const { journal } = make();
    const { time, on } = clock(Date.now());
    const run = async (limits: { time?: number; deadline?: number }) => {
      const engine = new Engine({ journal: on(journal) });
      const { a } = sleeper({ until: new Date(time.now + HOUR).toISOString() });
      return { engine, runId: (await waits(engine.run(a, 'go', { limits }))).runId };
    };
    const [long, late] = [await run({ time: 20_000 }), await run({ deadline: Date.now() + HOUR })];
    time.now += HOUR;
    await ends(long.engine.resume(long.runId), 'completed');
    const stopped = await ends(late.engine.resume(late.runId, { limits: { deadline: Date.now() - 1 } }), 'stopped');
    expect(stopped).toMatchObject({ limit: { name: 'deadline' } });
  });

  test('a fork counts a wait from its own begin, and keeps a time of day', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const engine = new Engine({ journal: on(journal) });
    const steps = () => scripted([asks(['wait', { minutes: 1 }], ['wait', { until: '2026-01-02T00:00:00Z' }]), 'done']);
    const a = agent({ name: 'a', instructions: '', model: steps(), tools: [waitTool()] });
    const paused = await waits(engine.run(a, 'go'));
    time.now += 30 * SECOND;
    const { seq } = await engine.inspect(paused.runId);
    const forked = await waits(engine.fork(paused.runId, { at: seq - 1 }));
    expect(forked.waiting.map(({ until }) => until - START)).toEqual([90 * SECOND, DAY]);
  });

  test('approval first, then the wait, which counts from the decision on', async () => {
    const { journal } = make();
    const { time, on } = clock();
    const { a } = sleeper({ seconds: 5 });
    const policy: Policy = { decide: () => ({ ask: true }) };
    const engine = new Engine({ journal: on(journal), policy });
    const asked = await ends(engine.run(a, 'go'), 'paused');
    expect(asked.approvals).toHaveLength(1);
    expect(asked.waiting).toEqual([]);
    time.now += HOUR;
    await engine.decide(asked.runId, [{ approval: asked.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    const paused = await waits(engine.resume(asked.runId));
    expect(paused.waiting[0]?.until).toBe(START + HOUR + 5 * SECOND);
    expect(await headOf(journal, asked.runId)).toMatchObject({ wakeAt: START + HOUR + 5 * SECOND });
    await refused(
      'APPROVAL_CLOSED',
      engine.decide(asked.runId, [{ approval: asked.approvals[0].id, type: 'reject', reason: 'no' }], { by: { id: 'ben' } }),
    );
    time.now += 5 * SECOND;
    await ends(engine.resume(asked.runId), 'completed');
  });

  test('a sub-agent waits, and the run with it', async () => {
    const { journal, another } = make();
    const { time, on } = clock();
    const { a: below } = sleeper({ seconds: 5 });
    const boss = agent({
      name: 'boss',
      instructions: '',
      model: scripted([asks(['sleeper', { task: 'rest' }]), 'all done']),
      agents: [below],
    });
    const paused = await waits(new Engine({ journal: on(journal) }).run(boss, 'go'));
    expect(paused.waiting).toMatchObject([{ path: ['boss', 'sleeper'], name: 'wait' }]);
    time.now += 5 * SECOND;
    const [swept] = await new Engine({ journal: on(another()), agents: [boss] }).sweep();
    expect(await swept?.run).toMatchObject({ status: 'completed', output: 'all done' });
  });

  test('readers see an event for it, and the result of the run', async () => {
    const { journal } = make();
    const { a } = sleeper({ seconds: 5 });
    const seen: string[] = [];
    for await (const event of new Engine({ journal: clock().on(journal) }).run(a, 'go')) {
      if (event.type === 'wait.began') expect(event.waiting).toMatchObject({ callId: '1.0', name: 'wait', until: START + 5 * SECOND });
      if (event.seq !== undefined) seen.push(event.type);
    }
    expect(seen).toEqual(['run.started', 'model.finished', 'wait.began', 'run.ended']);
    await expect(new Engine({ journal }).run(sleeper({ seconds: 5 }).a, 'go').output()).rejects.toThrow(/waits until .*sweep\(\)/);
  });
});

const state = jsonSchema<{ log: string[]; at?: number }>({
  type: 'object',
  properties: { log: { type: 'array', items: { type: 'string' } }, at: { type: 'number' } },
  required: ['log'],
  additionalProperties: false,
});
const done = (name: string) => () => ({ log: [name] });

describe.each(journals)('a node that waits, on $name', ({ make }) => {
  test('its branch waits, and the others go on', async () => {
    const { journal, another } = make();
    const { time, on } = clock();
    const g = graph({
      name: 'g',
      state,
      reducers: { log: append },
      nodes: { a: done('a'), rest: { wait: () => ({ for: 3 * DAY }) }, b: done('b'), c: done('c'), end_: done('end') },
      edges: { start: ['a', 'b'], a: 'rest', b: 'c', c: 'end_', rest: 'end_', end_: 'end' },
    });
    const paused = await waits(new Engine({ journal: on(journal) }).run(g, { log: [] }));
    expect(paused.waiting).toMatchObject([{ path: ['g'], name: 'rest', until: START + 3 * DAY }]);
    const engine = new Engine({ journal: on(another()), agents: [g] });
    const before = await engine.inspect(paused.runId);
    expect(before.state).toEqual({ log: ['a', 'b', 'c'] });
    expect(before.tree.nodes).toContainEqual({ name: 'rest', status: 'waiting', runs: 0, ms: 0 });
    time.now += 3 * DAY;
    const [swept] = await engine.sweep();
    expect(await swept?.run).toMatchObject({ status: 'completed', output: { log: ['a', 'b', 'c', 'end'] } });
  });

  test('its time may come from the state, as a number, a Date or a text; one in the past does not pause', async () => {
    const { journal } = make();
    const { on } = clock();
    const run = (wait: (s: { at?: number }) => { until: number | string | Date }) =>
      new Engine({ journal: on(journal) }).run(
        graph({ name: 'g', state, nodes: { rest: { wait } }, edges: { start: 'rest', rest: 'end' } }),
        {
          log: [],
          at: START + DAY,
        },
      );
    for (const wait of [
      (s: { at?: number }) => ({ until: s.at as number }),
      () => ({ until: new Date(START + DAY) }),
      () => ({ until: '2026-01-02T00:00:00Z' }),
    ])
      expect((await waits(run(wait))).waiting).toMatchObject([{ until: START + DAY }]);
    await ends(
      run(() => ({ until: START - DAY })),
      'completed',
    );
  });

  test.each<[string, () => unknown]>([
    ['no time', () => ({})],
    ['two times', () => ({ for: 1, until: 1 })],
    ['a negative time', () => ({ for: -1 })],
    ['a time that is none', () => ({ for: Number.NaN })],
    ['a text without an offset', () => ({ until: '2026-01-01T00:00' })],
    ['a day that there is not', () => ({ until: '2026-02-29T00:00:00Z' })],
    ['a promise', async () => ({ for: 1 })],
    ['nothing', () => undefined],
    ['more than ten years', () => ({ for: 4_000 * DAY })],
  ])('%s fails the graph with WAIT_INVALID', async (_, wait) => {
    const { journal } = make();
    const g = graph({ name: 'g', state, nodes: { rest: { wait: wait as never } }, edges: { start: 'rest', rest: 'end' } });
    expect(await ends(new Engine({ journal: clock().on(journal) }).run(g, { log: [] }), 'failed')).toMatchObject({
      error: { code: 'WAIT_INVALID', outcome: 'not-run' },
    });
  });
});

test('a wait tool with a bad option is refused where it is declared', async () => {
  await refused('CONFIG_INVALID', () => waitTool({ longest: 0 }));
  await refused('CONFIG_INVALID', () => waitTool({ longest: Number.POSITIVE_INFINITY }));
  await refused('CONFIG_INVALID', () => waitTool({ seconds: 1 } as never));
  await refused('CONFIG_INVALID', () =>
    graph({ name: 'g', state, nodes: { rest: { wait: 5 as never } }, edges: { start: 'rest', rest: 'end' } }),
  );
});
