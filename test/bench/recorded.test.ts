import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Benchmark, benchmark, fromJournal, summarised } from '../../src/bench/index.ts';
import {
  agent,
  approve,
  askHuman,
  clearToolResults,
  Engine,
  edit,
  foreignAgent,
  graph,
  type Memory,
  memoryJournal,
  type Run,
  type RunResult,
  reject,
  respond,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

/** An agent whose tools say when they are executed. */
function desk(executed: string[]) {
  const look = tool({
    name: 'look',
    description: '',
    input: anything,
    effect: 'read',
    execute: (i) => ({ nth: executed.push('look'), order: i.id, cents: 500 }),
  });
  const refund = tool({
    name: 'refund',
    description: '',
    input: anything,
    execute: (i) => ({ nth: executed.push('refund'), receipt: `r-${i.id}` }),
  });
  return { tools: [look, refund] };
}

const inner = (tools: ReturnType<typeof desk>['tools'], steps: Parameters<typeof scripted>[0]) =>
  agent({ name: 'a', instructions: '', model: scripted(steps), tools });

describe.each(journals)('a journal as a recording on $name', ({ make }) => {
  test('old inputs run against a changed agent: tools are answered from the journal, and nothing is executed', async () => {
    const { journal } = make();
    const executed: string[] = [];
    const { tools } = desk(executed);
    const engine = new Engine({ journal });
    const old = inner(tools, [asks(['look', { id: '7' }]), asks(['refund', { id: '7' }]), 'Refunded, r-7.']);
    const { runId } = await ends(engine.run(old, 'Order 7 is broken', { by: { id: 'ana' }, context: { plan: 'pro' } }), 'completed');
    expect(executed).toEqual(['look', 'refund']);
    const entries = (await entriesOf(journal, runId)).length;

    const scenarios = await fromJournal(journal, { agent: 'a', by: { id: 'ana' } });
    expect(scenarios).toMatchObject([
      { name: runId, input: 'Order 7 is broken', options: { by: { id: 'ana' }, context: { plan: 'pro' } } },
    ]);
    const seen: unknown[] = [];
    const changed: Benchmark = {
      // it also mails, twice looks, and does not refund
      agent: inner(tools, ({ messages }) => {
        seen.push(messages.at(-1));
        if (messages.length === 1) return asks(['look', { id: '7' }]);
        if (messages.length === 3) return asks(['look', { id: '8' }]);
        return 'No refund.';
      }),
      scenarios,
      runs: 1,
      warmUp: 0,
    };
    const report = await benchmark(changed);
    const { runs } = report;
    expect(executed).toEqual(['look', 'refund']);
    expect((await entriesOf(journal, runId)).length).toBe(entries);
    expect(runs).toMatchObject([
      {
        ok: true,
        difference: {
          runId,
          missing: 1,
          added: [{ tool: 'look', input: { id: '8' }, effect: false }],
          removed: [{ tool: 'refund', input: { id: '7' }, effect: true }],
          sameOutput: false,
          was: { steps: 3, costUsd: 0 },
        },
      },
    ]);
    expect(summarised(report)[0]?.recorded).toMatchObject({
      runs: 1,
      missing: 1,
      sameOutput: 0,
      calls: { added: 1, removed: 1 },
      effects: { added: 0, removed: 1 },
    });
    // the first look got the recorded result, the second was not executed
    expect(JSON.stringify(seen[1])).toContain('500');
    expect(JSON.stringify(seen[2])).toContain('NOT_EXECUTED');
  });
});

async function recordedRun(steps: Parameters<typeof scripted>[0], tools: Parameters<typeof agent>[0]['tools'] = []) {
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const a = agent({ name: 'a', instructions: '', model: scripted(steps), tools });
  engine.register(a);
  return { journal, engine, a };
}

test('the same arguments several times get their results in order, and the last one from then on', async () => {
  let n = 0;
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => ++n });
  const twice = [asks(['count', {}]), asks(['count', {}]), 'done'];
  const { journal, engine, a } = await recordedRun(twice, [count]);
  await ends(engine.run(a, 'go'), 'completed');
  const model = scripted([asks(['count', {}]), asks(['count', {}]), asks(['count', {}]), 'done']);
  const scenarios = await fromJournal(journal, { agent: 'a' });
  const results: unknown[] = [];
  await benchmark({
    agent: agent({ name: 'a', instructions: '', model, tools: [count] }),
    scenarios,
    runs: 1,
    warmUp: 0,
    checks: [({ calls }) => results.push(...calls.map(({ output }) => output)) > 0],
  });
  expect(results).toEqual([1, 2, 2]);
  expect(n).toBe(2);
});

test('a failed call fails again with its code and message', async () => {
  const fails = tool({
    name: 'fails',
    description: '',
    input: anything,
    execute: () => {
      throw new Error('the bank is closed');
    },
  });
  const steps = () => [asks(['fails', {}]), 'done'];
  const { journal, engine, a } = await recordedRun(steps(), [fails]);
  await ends(engine.run(a, 'go'), 'completed');
  const model = scripted(steps());
  const agents = agent({ name: 'a', instructions: '', model, tools: [fails] });
  await benchmark({ agent: agents, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, warmUp: 0 });
  expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('the bank is closed');
});

test('approvals are given, because nothing happens, and questions are answered as they were', async () => {
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const steps = () => [asks(['ask_human', { question: 'How much?' }]), asks(['pay', { cents: 5 }]), 'done'];
  const { journal, engine, a } = await recordedRun(steps(), [pay, askHuman()]);
  let result: RunResult = await engine.run(a, 'go');
  const by = { id: 'ben' };
  while (result.status === 'paused') {
    await engine.decide(
      result.runId,
      result.approvals.map((one) => (one.kind === 'question' ? respond(one, 'five') : approve(one))),
      { by },
    );
    result = await engine.resume(result.runId);
  }
  const again = agent({ name: 'a', instructions: '', model: scripted(steps()), tools: [pay, askHuman()] });
  const { runs } = await benchmark({ agent: again, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, warmUp: 0 });
  expect(runs).toMatchObject([{ ok: true, difference: { missing: 0, added: [], removed: [], sameOutput: true } }]);
});

test('an edit and a rejection are made again, each for the call that it was made for', async () => {
  const pay = tool({
    name: 'pay',
    description: '',
    input: anything,
    approval: true,
    execute: (input) => `paid ${(input as { cents: number }).cents}`,
  });
  const steps = () => [asks(['pay', { cents: 5 }]), asks(['pay', { cents: 7 }]), asks(['pay', { cents: 5 }]), 'done'];
  const { journal, engine, a } = await recordedRun(steps(), [pay]);
  let run: Run = engine.run(a, 'go');
  for (const decide of [(id: string) => edit(id, { cents: 4 }), (id: string) => reject(id, 'too much'), (id: string) => approve(id)]) {
    const { runId, approvals } = await ends(run, 'paused');
    await engine.decide(runId, [decide(approvals[0].id)], { by: { id: 'ben' } });
    run = engine.resume(runId);
  }
  await ends(run, 'completed');
  const model = scripted(steps());
  const again = agent({ name: 'a', instructions: '', model, tools: [pay] });
  const { runs } = await benchmark({ agent: again, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, warmUp: 0 });
  expect(runs).toMatchObject([{ ok: true, difference: { missing: 0, added: [], removed: [], sameOutput: true } }]);
  const told = [1, 2, 3].map((i) => JSON.stringify(model.requests[i]?.messages.at(-1)));
  expect(told[0]).toContain('paid 4');
  expect(told[1]).toContain('too much');
  expect(told[2]).toContain('paid 5');
});

test('a run of a session begins with the conversation that it began with', async () => {
  const { journal, engine, a } = await recordedRun(() => 'done');
  await ends(engine.run(a, 'first', { session: 's' }), 'completed');
  await ends(engine.run(a, 'second', { session: 's' }), 'completed');
  const [second] = await fromJournal(journal, { agent: 'a', limit: 1 });
  const texts = JSON.stringify(second?.input);
  expect(texts).toContain('first');
  expect(texts).toContain('second');
  const model = scripted(() => 'done');
  const { runs } = await benchmark({
    agent: agent({ name: 'a', instructions: '', model }),
    scenarios: [second as never],
    runs: 1,
    warmUp: 0,
  });
  expect(runs).toMatchObject([{ ok: true }]);
  expect(model.requests[0]?.messages).toHaveLength(3);
});

test.each<[string, Benchmark['engine']]>([
  [
    'with wrappers of its own in place of what it is given',
    (o) => new Engine({ ...o, use: [{ model: (request, next) => next(request) }] }),
  ],
  ['that ignores what it is given', () => new Engine()],
])('an engine %s is refused before any tool is executed', async (_, engine) => {
  const executed: string[] = [];
  const { tools } = desk(executed);
  const journal = memoryJournal();
  await ends(new Engine({ journal }).run(inner(tools, [asks(['refund', { id: '7' }]), 'done']), 'go'), 'completed');
  const again = inner(tools, () => asks(['refund', { id: '7' }]));
  const refusal = benchmark({ agent: again, engine, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, concurrency: 2 });
  await expect(refusal).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('[...o.use, audit]') });
  expect(executed).toEqual(['refund']);
});

test('a wrapper of the application beside that of the benchmark is not a reason to execute', async () => {
  const executed: string[] = [];
  const { tools } = desk(executed);
  const journal = memoryJournal();
  await ends(new Engine({ journal }).run(inner(tools, [asks(['refund', { id: '7' }]), 'done']), 'go'), 'completed');
  const engine: Benchmark['engine'] = (o) => new Engine({ ...o, use: [{ tool: (_, next) => next() }, ...(o.use ?? [])] });
  const again = inner(tools, [asks(['refund', { id: '7' }]), 'done']);
  const { runs } = await benchmark({ agent: again, engine, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, warmUp: 0 });
  expect(runs).toMatchObject([{ ok: true, difference: { missing: 0 } }]);
  expect(executed).toEqual(['refund']);
});

test('a compacted run reads its results back: that is not a call of the recording, and no effect', async () => {
  const big = tool({ name: 'big', description: '', input: anything, effect: 'read', execute: (i) => `fact ${i.n} `.padEnd(6_000, '.') });
  const journal = memoryJournal();
  const calls = (n: number) => asks(['big', { n }]);
  const old = agent({ name: 'a', instructions: '', model: scripted((_, n) => (n < 8 ? calls(n) : 'done')), tools: [big] });
  await ends(new Engine({ journal }).run(old, 'go'), 'completed');
  const seen: unknown[] = [];
  const model = scripted(({ messages }, n) => {
    seen.push(messages.at(-1));
    if (n < 8) return calls(n);
    const ref = /read_result\(\{ \\+"ref\\+": \\+"([0-9a-f]+)/.exec(JSON.stringify(messages))?.[1] ?? '';
    return n === 8 ? asks(['read_result', { ref }]) : 'done';
  });
  const compacted = agent({ name: 'a', instructions: '', model, tools: [big], compact: [clearToolResults({ over: 4_000, keep: 2 })] });
  const { runs } = await benchmark({ agent: compacted, scenarios: await fromJournal(journal, { agent: 'a' }), runs: 1, warmUp: 0 });
  expect(runs).toMatchObject([{ ok: true, difference: { missing: 0, added: [{ tool: 'read_result', effect: false }], removed: [] } }]);
  expect(JSON.stringify(seen.at(-1))).toContain('fact 0');
});

test('what may do something besides its tools is refused', async () => {
  const { journal, engine, a } = await recordedRun(() => 'done');
  await ends(engine.run(a, 'go'), 'completed');
  const scenarios = await fromJournal(journal, { agent: 'a' });
  const memory: Memory = { recall: () => Promise.resolve([]), record: () => Promise.resolve(), forget: () => Promise.resolve() };
  const foreign = foreignAgent({ name: 'f', description: '', turn: () => Promise.reject(new Error('it ran')) });
  const model = scripted(() => 'done');
  for (const [one, why] of [
    [foreign, 'another framework'],
    [agent({ name: 'a', instructions: '', model, agents: [foreign] }), 'another framework'],
    [agent({ name: 'a', instructions: '', model, memory }), 'memory: false'],
    [
      graph({
        name: 'g',
        description: '',
        state: z.object({ n: z.number() }),
        nodes: { n: () => ({ n: 1 }) },
        edges: { start: 'n', n: 'end' },
      }),
      'is a function',
    ],
  ] as const)
    await expect(benchmark({ agent: one, scenarios, runs: 1 })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(why),
    });
});

test('a journal without such a run, and bad options, are refused', async () => {
  const journal = memoryJournal();
  await expect(fromJournal(journal, { agent: 'a' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('no completed run'),
  });
  await expect(fromJournal(journal, {} as never)).rejects.toMatchObject({ message: expect.stringContaining('name of an agent') });
  await expect(fromJournal(journal, { agent: 'a', limit: 0 })).rejects.toMatchObject({ message: expect.stringContaining('limit is 0') });
});
