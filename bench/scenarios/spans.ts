/** The cost of spans: without an SDK, when they are not recorded, and with one, beside the same spans written by hand. */

import { recording } from '../../src/telemetry/spans.ts';
import { afresh, bare, bareLoop, counted, rondo, type Shape } from '../contenders.ts';
import { type Contender, interleave, ratio, type Spread, spread, type Times, timesOf } from '../harness.ts';
import type { Scenario, Table, Target } from '../result.ts';
import { Sdk } from '../sdk.ts';
import { flatOver, inTurns, lengths, turnTargets } from '../targets.ts';
import { tracedRun } from '../traced.ts';
import { instantModel } from '../workload.ts';

const SAMPLE = { bare: 8_000, loop: 800, calls: 40_000 };
const QUICK_SAMPLE = { bare: 2_000, loop: 400, calls: 4_000 };

const BARE = 'bare loop';
const BY_HAND = 'bare loop, SDK, spans by hand';
const CALLS = "Rondo's calls for spans alone, no SDK";
const PLAIN = 'Rondo in memory, no SDK';
const TRACED = 'Rondo in memory, SDK, spans';
const MEASURED = 'Rondo in memory, SDK, spans and metrics';
const NAMES = [BARE, BY_HAND, CALLS, PLAIN, TRACED, MEASURED];
const at = (name: string, turns: number) => `${name}, ${turns}`;

export const spans: Scenario = async ({ quick }) => {
  const size = quick ? QUICK_SAMPLE : SAMPLE;
  const sdk = new Sdk();
  const all = lengths(quick);
  const contenders = all.flatMap((n): Contender[] => {
    const shape = (sample: number): Shape => ({ turns: n, runs: Math.max(1, Math.round(sample / n)) });
    const loop = shape(size.loop);
    const listened = (name: string) => rondo(name, loop, { effect: 'read', listen: true });
    // of each run: itself, each model call, each tool call; one run warms up
    const made = (2 * n + 2) * (loop.runs + 1);
    return [
      bare(at(BARE, n), shape(size.bare)),
      sdk.during({ metrics: false, spans: made }, byHand(at(BY_HAND, n), loop)),
      callsAlone(at(CALLS, n), shape(size.calls)),
      listened(at(PLAIN, n)),
      sdk.during({ metrics: false, spans: made }, listened(at(TRACED, n))),
      sdk.during({ metrics: true, spans: made }, listened(at(MEASURED, n))),
    ];
  });
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 45_000 });
  await sdk.shutdown();
  return { tables: [table(times, all)], targets: targets(times, all) };
};

const byHand = (name: string, shape: Shape): Contender =>
  afresh(name, shape, () => {
    const { execute, calls } = counted('small');
    const loop = bareLoop(instantModel(shape.turns), execute);
    return { calls, once: () => tracedRun(loop) };
  });

/** Exactly what the loop and the engine call, in their order. */
const callsAlone = (name: string, shape: Shape): Contender =>
  afresh(name, shape, () => {
    const spans = recording();
    const calls = { made: 0 };
    const model = instantModel(shape.turns);
    const tool = () => ++calls.made;
    const ended = { type: 'model.responded', attempts: 1 } as const;
    return {
      calls,
      async once() {
        const agent = spans.startAgent({ agent: 'bench', runId: 'run', epoch: 1 });
        for (let step = 1; step <= shape.turns; step++) {
          agent?.chat(step, model).end(ended);
          const span = agent?.tool(step, { call: '1.0', name: 'lookup', effect: 'read', id: 'call' });
          if (span) span.run(tool);
          else tool();
          span?.end(ended);
        }
        agent?.chat(shape.turns + 1, model).end(ended);
        agent?.end({ status: 'completed' });
        return shape.turns;
      },
    };
  });

function table(times: Times, all: readonly number[]): Table {
  const cell = (name: string, n: number) => spread(timesOf(times, at(name, n)));
  return {
    title: 'Spans',
    unit: 'µs per turn',
    columns: all.map(inTurns),
    rows: [
      ...NAMES.map((name) => ({ name, cells: all.map((n) => cell(name, n)) })),
      { name: 'added by hand: SDK and spans', cells: all.map((n) => added(times, n, BY_HAND, BARE)) },
      { name: 'added to Rondo: SDK and spans', cells: all.map((n) => added(times, n, TRACED, PLAIN)) },
      { name: 'added to Rondo: SDK, spans and metrics', cells: all.map((n) => added(times, n, MEASURED, PLAIN)) },
    ],
    notes: [
      'Effect `read`, events read. Two spans a turn; the SDK is sdk-trace-node with a batch processor whose exporter throws the spans away.',
      'Added: what a sample took more than its neighbour without, in the same round.',
    ],
  };
}

function added(times: Times, turns: number, name: string, to: string): Spread {
  const base = timesOf(times, at(to, turns));
  return spread(timesOf(times, at(name, turns)).map((us, round) => us - (base[round] as number)));
}

function targets(times: Times, all: readonly number[]): Target[] {
  return turnTargets(
    'in memory, read, events read, spans recorded by an SDK',
    all.map((turns) => ({
      turns,
      bare: spread(timesOf(times, at(BARE, turns))),
      rondo: spread(timesOf(times, at(TRACED, turns))),
      why: `the SDK alone adds ${added(times, turns, BY_HAND, BARE).p50.toFixed(1)} µs a turn to a bare loop of ${inTurns(turns)}`,
    })),
    ratio(times, at(TRACED, flatOver(all).to), at(TRACED, flatOver(all).from)),
  );
}
