/** Runs of a benchmark share no intents: what the key of a tool names is done once over all runs of a journal. */
import { describe, expect, test } from 'vitest';
import { type Benchmark, benchmark, fromJournal, type Recorded, type Scenario } from '../../src/bench/index.ts';
import { agent, Engine, type GradedRun, type Model, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends } from '../kit/runs.ts';

describe('a tool with a key', () => {
  const refund = (execute: () => unknown) =>
    tool({ name: 'refund', description: '', input: anything, effect: 'once', key: (i) => String(i.id), execute });
  const steps = () => scripted([asks(['refund', { id: '7' }]), 'done']);
  const asked = (execute: () => unknown) => (model: Model) => agent({ name: 'a', instructions: '', model, tools: [refund(execute)] });
  async function old() {
    const journal = memoryJournal();
    await ends(new Engine({ journal }).run(asked(() => 'paid')(steps()), 'go'), 'completed');
    return { journal, scenarios: await fromJournal(journal, { agent: 'a' }) };
  }

  const engines: [string, Pick<Benchmark, 'engine'>][] = [
    ['of the benchmark', {}],
    ['of the declaration, in memory', { engine: (o) => new Engine({ ...o, limits: { steps: 9 } }) }],
  ];

  test.each(engines)('does its work in each run, with an engine %s', async (_, more) => {
    let paid = 0;
    const { runs } = await benchmark({
      ...more,
      agent: asked(() => ++paid),
      model: steps,
      scenarios: [{ name: 's', input: 'go' }],
      runs: 2,
    });
    expect({ paid, calls: runs.map(({ toolCalls }) => toolCalls) }).toEqual({ paid: 3, calls: [1, 1] });
  });

  test.each(engines)('gets the result of its own recording in each run from one, with an engine %s', async (_, more) => {
    const { scenarios } = await old();
    const [first] = scenarios as [Scenario];
    const other = structuredClone(first.recorded) as Recorded;
    const calls = other.calls.map((call) => ({ ...call, output: 'paid later' }));
    const outputs: unknown[] = [];
    const checks = [({ calls: made }: GradedRun) => outputs.push(made[0]?.output) > 0];
    await benchmark({
      ...more,
      agent: asked(() => 'executed'),
      model: steps,
      scenarios: [first, { ...first, name: 'other', recorded: { ...other, calls } }],
      checks,
      runs: 1,
      warmUp: 0,
    });
    expect(outputs).toEqual(['paid', 'paid later']);
  });

  test('is refused in a durable journal, where it would count as done', async () => {
    const { journal, scenarios } = await old();
    const engine: Benchmark['engine'] = (o) => new Engine({ ...o, journal: { ...journal, durable: true } });
    await expect(benchmark({ agent: asked(() => 1), model: steps, engine, scenarios, runs: 1 })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('"refund" has a key'),
    });
  });
});
