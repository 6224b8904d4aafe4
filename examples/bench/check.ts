// What the benchmark shows, as a program: a search more costs money, and finds nothing.
import assert from 'node:assert/strict';
import { benchmark, failIf, summarised } from 'rondo/bench';
import triage from './triage.bench.ts';

const report = await benchmark({ ...triage, runs: 5 });
const wholes = summarised(report).filter(({ scenario }) => scenario === undefined);
for (const { variant, passed, runs, run } of wholes) {
  console.log(
    `${variant}: ${passed} of ${runs} runs passed, $${run.costUsd?.mean.toFixed(6)} and ${run.modelCalls?.mean} model calls each`,
  );
  assert.equal(passed, runs);
}
const [outcome] = failIf(report, ['costUsd > +5%']);
console.log(`${outcome?.variant}: ${outcome?.why}`);
assert.equal(outcome?.holds, true);
