/** What rondo/bench itself costs: the same runs measured by benchmark(), and made by a loop of engine.run() that measures nothing. */
import { setTimeout as after } from 'node:timers/promises';
import { benchmark, type Report, summarised } from '../../src/bench/index.ts';
import { agent, Engine, type Model, type ModelResponse, tool } from '../../src/index.ts';
import { type Contender, interleave, ratio, type Spread, spread, type Times, timesOf } from '../harness.ts';
import type { Outcome, Scenario, Table, Target } from '../result.ts';
import { INSTRUCTIONS, input, QUESTION } from '../workload.ts';

/** Milliseconds that an answer and a call take. */
const DELAYS = { model: 20, tool: 30 } as const;
const SHARE = { ownCost: 1.02, delays: 5 } as const;
/** Of one run: a model call more than tool calls. */
const TURNS = 3;

const LOOP = 'a loop of engine.run()';
const BENCH = 'benchmark()';
const DELAYED = 'a model of 20 ms, a tool of 30 ms';
const AT_ONCE = 'a model and a tool that answer at once';
const at = (name: string, load: string) => `${name}, ${load}`;

/** What a delay took, by a clock around it: a timer of a busy machine comes late, and that is not the harness's fault. */
class Waits {
  readonly model: number[] = [];
  readonly tool: number[] = [];
  readonly #delayed: boolean;

  constructor(delayed: boolean) {
    this.#delayed = delayed;
  }

  async of(part: keyof typeof DELAYS): Promise<void> {
    if (!this.#delayed) return;
    const from = performance.now();
    await after(DELAYS[part]);
    this[part].push(performance.now() - from);
  }
}

function agentOf(waits: Waits) {
  const model: Model = {
    provider: 'bench',
    id: 'delayed',
    async generate({ messages }): Promise<ModelResponse> {
      await waits.of('model');
      const id = messages.filter(({ role }) => role === 'tool').length;
      const usage = { input: 1_200, output: 60 };
      if (id === TURNS) return { content: [{ type: 'text', text: 'Done.' }], stop: 'end', usage };
      const call = { type: 'toolCall', id: `call-${id}`, name: 'lookup', input: { id, note: 'as asked' } } as const;
      return { content: [call], stop: 'tools', usage };
    },
  };
  const lookup = tool({
    name: 'lookup',
    description: 'Looks something up',
    input,
    effect: 'read',
    async execute({ id }) {
      await waits.of('tool');
      return { id, text: 'found' };
    },
  });
  return agent({ name: 'bench', instructions: INSTRUCTIONS, model, tools: [lookup] });
}

/** Each sample has an engine of its own, as a benchmark has. */
const looping = (name: string, delayed: boolean, runs: number): Contender => ({
  name,
  prepare() {
    const subject = agentOf(new Waits(delayed));
    return {
      units: runs,
      async run() {
        const engine = new Engine();
        for (let i = 0; i < runs; i++) {
          const result = await engine.run(subject, QUESTION);
          if (result.status !== 'completed') throw new Error(`a run is ${result.status}`);
        }
        await engine.close();
      },
    };
  },
});

interface Told {
  /** Percent by which what the report says differs from the clock around the delay; one number for each benchmark. */
  model: number[];
  tool: number[];
}

const benching = (name: string, delayed: boolean, runs: number, told: Told): Contender => ({
  name,
  prepare() {
    const waits = new Waits(delayed);
    const subject = agentOf(waits);
    let report: Report | undefined;
    return {
      units: runs,
      async run() {
        report = await benchmark({ agent: subject, scenarios: [{ name: 'turns', input: QUESTION }], runs, warmUp: 0 });
      },
      finish() {
        const [summary] = report ? summarised(report) : [];
        if (summary?.passed !== runs) throw new Error(`${summary?.passed ?? 0} of ${runs} runs passed`);
        if (!delayed || !report) return;
        const think = report.runs.flatMap((run) => run.steps.map(({ thinkMs }) => thinkMs));
        const calls = report.runs.flatMap((run) => run.calls.map(({ ms }) => ms));
        told.model.push(off(think, waits.model));
        told.tool.push(off(calls, waits.tool));
      },
    };
  },
});

const median = (values: readonly number[]) => spread(values).p50;
const off = (reported: readonly number[], taken: readonly number[]) => Math.abs(median(reported) / median(taken) - 1) * 100;

export const harness: Scenario = async ({ quick }) => {
  const told: Told = { model: [], tool: [] };
  const of = (load: string, runs: number) => [
    looping(at(LOOP, load), load === DELAYED, runs),
    benching(at(BENCH, load), load === DELAYED, runs, told),
  ];
  const times = await interleave(
    [...of(DELAYED, quick ? 1 : 4), ...of(AT_ONCE, quick ? 20 : 200)],
    quick ? { rounds: 2, warmUp: 1 } : { rounds: 21, warmUp: 3, longest: 60_000 },
  );
  return outcome(times, told);
};

function outcome(times: Times, told: Told): Outcome {
  const loads = [DELAYED, AT_ONCE];
  const ms = (name: string): Spread => spread(timesOf(times, name).map((us) => us / 1_000));
  const cost = (load: string) => ratio(times, at(BENCH, load), at(LOOP, load));
  const absolute: Table = {
    title: `rondo/bench itself, runs of ${TURNS} tool calls`,
    unit: 'ms per run',
    columns: loads,
    rows: [LOOP, BENCH].map((name) => ({ name, cells: loads.map((load) => ms(at(name, load))) })),
    notes: ['In memory. A benchmark reads the events of each run, and its trace when it has ended.'],
  };
  const relative: Table = {
    title: 'rondo/bench itself, as a multiple',
    unit: 'times',
    columns: loads,
    rows: [{ name: `${BENCH} : ${LOOP}`, cells: loads.map(cost) }],
  };
  const reported: Table = {
    title: 'Known delays, as a report tells them',
    unit: 'percent off',
    columns: ['model', 'tool'],
    rows: [{ name: DELAYED, cells: [spread(told.model), spread(told.tool)] }],
    notes: ['The median of a report against the median of a clock around each delay: a timer of a busy machine comes late for both.'],
  };
  const targets: Target[] = [
    { name: `${BENCH}: ${DELAYED}`, measured: cost(DELAYED), unit: 'x', limit: SHARE.ownCost, basis: LOOP },
    ...(['model', 'tool'] as const).map((part) => ({
      name: `a ${part}'s delay of ${DELAYS[part]} ms, as reported`,
      measured: spread(told[part]),
      unit: '% off',
      limit: SHARE.delays,
    })),
  ];
  return { tables: [absolute, relative, reported], targets };
}
