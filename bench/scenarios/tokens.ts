/** The tokens and dollars of a run: that Rondo's totals are exact, that it adds nothing to the prompt, what counting costs. */
import { type EngineOptions, type Model, memoryJournal, type Prices, type Usage } from '../../src/index.ts';
import { bareRun } from '../bare.ts';
import { bareLoop, counted, lookupAgent, newEngine, rondo, rondoRun } from '../contenders.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import { exactly, type Scenario, type Table } from '../result.ts';
import { inTurns } from '../targets.ts';
import { instantModel, QUESTION } from '../workload.ts';

export const tokens: Scenario = async ({ quick }) => ({ tables: [await account(), await prompt(), await counting(quick)], targets: [] });

/** Model calls of the job whose cost is known. */
const CALLS = 200;
/** In dollars per million tokens; the second row is for a call with more input than `over`. */
const RATES = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 };
const LONG = { over: 200_000, input: 6, output: 22.5, cacheRead: 0.6, cacheWrite: 7.5 };
const PRICES: Prices = { 'bench/job': { ...RATES, long: LONG, source: 'made up for the benchmark', date: '2026-11-21' } };

/** What each call reports: unround numbers, with and without a cache, some over the threshold of the long rates. */
function usages(): Required<Usage>[] {
  let state = 20_261_121;
  const upTo = (most: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return 1 + (state % most);
  };
  return Array.from({ length: CALLS }, (_, call) => {
    const output = upTo(3_000);
    const cacheRead = call % 3 === 0 ? 0 : upTo(180_000);
    return { input: upTo(4_000), output, cacheRead, cacheWrite: call % 4 === 1 ? upTo(120_000) : 0, reasoning: upTo(output) - 1 };
  });
}

type Sums = Record<keyof Usage | 'nanoUsd', bigint>;

/** In integers of any size, without Rondo's code: thousandths of nano-dollars per token. */
function exactSum(all: readonly Required<Usage>[]): Sums {
  const sums: Sums = { input: 0n, output: 0n, cacheRead: 0n, cacheWrite: 0n, reasoning: 0n, nanoUsd: 0n };
  let picoUsd = 0n;
  for (const usage of all) {
    const rates = usage.input + usage.cacheRead + usage.cacheWrite > LONG.over ? LONG : RATES;
    for (const kind of ['input', 'output', 'cacheRead', 'cacheWrite'] as const)
      picoUsd += BigInt(usage[kind]) * BigInt(Math.round(rates[kind] * 1e6));
    for (const kind of Object.keys(usage) as (keyof Usage)[]) sums[kind] += BigInt(usage[kind]);
  }
  if (picoUsd % 1_000n !== 0n) throw new Error('the rates of this job are not whole nano-dollars a token');
  sums.nanoUsd = picoUsd / 1_000n;
  return sums;
}

/** The job's model: the instant one, with another reported usage. */
function jobModel(all: readonly Required<Usage>[]): Model {
  const model = instantModel(CALLS - 1);
  return {
    provider: 'bench',
    id: 'job',
    async generate(request, call) {
      const answer = await model.generate(request, call);
      return { ...answer, usage: all[(request.messages.length - 1) >> 1] as Usage };
    },
  };
}

async function account(): Promise<Table> {
  const all = usages();
  const exact = exactSum(all);
  const rows = [
    { name: 'as Rondo accounts it', sums: await accounted(all, CALLS) },
    { name: 'the same, stopped at a limit and resumed', sums: await accounted(all, 77) },
  ];
  for (const { name, sums } of rows)
    for (const [kind, sum] of Object.entries(exact))
      if (sums[kind as keyof Sums] !== sum) throw new Error(`${name}: ${kind} is ${sums[kind as keyof Sums]}, and should be ${sum}`);
  const long = all.filter((u) => u.input + u.cacheRead + u.cacheWrite > LONG.over).length;
  const cells = (sums: Sums) => Object.values(sums).map((sum) => exactly(Number(sum)));
  return {
    title: `Tokens and dollars of a run of ${CALLS} model calls`,
    unit: 'tokens, and billionths of a dollar',
    columns: ['input', 'output', 'cache read', 'cache write', 'reasoning', 'nano-dollars'],
    rows: [
      ...rows.map(({ name, sums }) => ({ name, cells: cells(sums) })),
      { name: 'exact sum', cells: cells(exact) },
      ...rows.slice(0, 1).map(({ sums }) => ({ name: 'difference', cells: cells(difference(sums, exact)) })),
    ],
    notes: [
      `The usage and the prices are made up and known; ${long} calls are at the rates for long input. Any difference ends the benchmark with an error.`,
    ],
  };
}

const difference = (a: Sums, b: Sums) =>
  Object.fromEntries(Object.entries(a).map(([kind, sum]) => [kind, sum - b[kind as keyof Sums]])) as Sums;

async function accounted(all: readonly Required<Usage>[], stopAfter: number): Promise<Sums> {
  const a = lookupAgent(jobModel(all), 'read', counted('small').execute);
  const engine = newEngine(memoryJournal(), { agents: [a], prices: PRICES });
  let result = await engine.run(a, QUESTION, { limits: { steps: stopAfter } });
  if (stopAfter < CALLS) result = (await engine.resume(result.runId, { limits: { steps: CALLS } })) as typeof result;
  if (result.status !== 'completed' || result.costUsd === undefined)
    throw new Error(`the job did not end with a cost: ${JSON.stringify(result)}`);
  await engine.close();
  const { input, output, cacheRead = 0, cacheWrite = 0, reasoning = 0 } = result.usage;
  const big = BigInt;
  const nanoUsd = big(Math.round(result.costUsd * 1e9));
  return {
    input: big(input),
    output: big(output),
    cacheRead: big(cacheRead),
    cacheWrite: big(cacheWrite),
    reasoning: big(reasoning),
    nanoUsd,
  };
}

/** The model's input over a whole run: models charge by the token, so an engine that adds text costs money. */
async function prompt(): Promise<Table> {
  const turns = [1, 10, 100];
  const bytes = { bare: [] as number[], rondo: [] as number[] };
  for (const n of turns) {
    let given = 0;
    const model = instantModel(n, (_, { instructions, messages, tools }) => {
      given += Buffer.byteLength(instructions) + Buffer.byteLength(JSON.stringify(messages)) + Buffer.byteLength(JSON.stringify(tools));
      return undefined;
    });
    const { execute } = counted('1 KB');
    await bareRun(bareLoop(model, execute));
    bytes.bare.push(given);
    given = 0;
    const engine = newEngine(memoryJournal());
    await rondoRun(engine, lookupAgent(model, 'read', execute), { listen: true });
    await engine.close();
    bytes.rondo.push(given);
  }
  const row = (name: string, values: readonly number[]) => ({ name, cells: values.map(exactly) });
  return {
    title: 'What the model is given over a run',
    unit: 'KB of 1,000 bytes, over all its calls',
    columns: turns.map(inTurns),
    rows: [
      row(
        'bare loop',
        bytes.bare.map((b) => b / 1_000),
      ),
      row(
        'Rondo',
        bytes.rondo.map((b) => b / 1_000),
      ),
      row(
        'Rondo : bare loop',
        bytes.rondo.map((b, i) => b / (bytes.bare[i] as number)),
      ),
    ],
    notes: ['Instructions, tools and messages as JSON, results of 1 KB. Bytes stand for tokens: no tokeniser is run.'],
  };
}

async function counting(quick: boolean): Promise<Table> {
  const turns = [10, 400];
  const kinds: Readonly<Record<string, EngineOptions>> = {
    'no limit on tokens or dollars': {},
    'both limits kept': { limits: { steps: 1_000_000, tokens: 1e12, costUsd: 1e9 } },
  };
  const at = (name: string, n: number) => `${name}, ${n}`;
  const contenders = turns.flatMap((n): Contender[] =>
    Object.entries(kinds).map(([name, o]) =>
      rondo(at(name, n), { turns: n, runs: Math.max(1, 800 / n) }, { effect: 'read', listen: true, ...o }),
    ),
  );
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 25, warmUp: 5 });
  const [without, kept] = Object.keys(kinds) as [string, string];
  return {
    title: 'A limit on tokens and dollars, kept before each model call',
    unit: 'µs per turn',
    columns: turns.map(inTurns),
    rows: [
      ...[without, kept].map((name) => ({ name, cells: turns.map((n) => spread(timesOf(times, at(name, n)))) })),
      { name: 'kept : not kept', cells: turns.map((n) => ratio(times, at(kept, n), at(without, n))) },
    ],
  };
}
