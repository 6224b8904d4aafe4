/**
 * Measures the cost of Rondo beside a loop written by hand. `npm run bench`, with
 *   --json        prints one JSON and nothing else,
 *   --quick       a smoke test of seconds: shows that everything works; its numbers mean little,
 *   --only a,b    some scenarios, by name,
 *   --write       puts it into bench/results.json and docs/benchmarks.md; a scenario that was not run stays there as it was.
 * A missed target is printed and is not an error. A run that does not do its work, or a wrong sum, is an error.
 */
import { flags, wrong } from '../scripts/flags.ts';
import { asleep } from './asleep.ts';
import { answerParent, endWithParent, inChild } from './child.ts';
import { held } from './held.ts';
import { here, hereText, load } from './here.ts';
import { tableText, targetsText } from './report.ts';
import type { Outcome, Scenario, Settings } from './result.ts';
import { resultsJson, write } from './results/file.ts';
import { RESULTS_FORMAT, type Results, type ScenarioResult } from './results/results.ts';
import { bytes } from './scenarios/bytes.ts';
import { concurrent } from './scenarios/concurrent.ts';
import { context } from './scenarios/context.ts';
import { events } from './scenarios/events.ts';
import { gateways } from './scenarios/gateway.ts';
import { graphs } from './scenarios/graphs.ts';
import { guarding } from './scenarios/guarding.ts';
import { harness } from './scenarios/harness.ts';
import { importing } from './scenarios/importing.ts';
import { keys } from './scenarios/keys.ts';
import { learning } from './scenarios/learning.ts';
import { mcpServing } from './scenarios/mcp.ts';
import { policy } from './scenarios/policy.ts';
import { postgres } from './scenarios/postgres.ts';
import { queue } from './scenarios/queue.ts';
import { recall } from './scenarios/recall.ts';
import { resume } from './scenarios/resume.ts';
import { serving } from './scenarios/serving.ts';
import { sessions } from './scenarios/sessions.ts';
import { sleeping } from './scenarios/sleeping.ts';
import { spans } from './scenarios/spans.ts';
import { tokens } from './scenarios/tokens.ts';
import { turns } from './scenarios/turns.ts';
import { vault } from './scenarios/vault.ts';

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  turns,
  bytes,
  concurrent,
  spans,
  tokens,
  context,
  graphs,
  resume,
  keys,
  queue,
  postgres,
  events,
  recall,
  sleeping,
  serving,
  sessions,
  vault,
  policy,
  gateway: gateways,
  mcp: mcpServing,
  guardrail: guarding,
  learning,
  import: importing,
  harness,
};

const { values, positionals } = flags('npm run bench -- [--json] [--quick] [--only turns,keys] [--write]', {
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
    /** In a child: this process does one job and answers its parent. */
    job: { type: 'string' },
  },
});
const settings: Settings = { quick: values.quick };

if (values.job) await answerParent(await jobNamed(values.job));
else await all();

async function all(): Promise<void> {
  const names = values.only ? values.only.split(',') : Object.keys(SCENARIOS);
  const unknown = names.filter((name) => !Object.hasOwn(SCENARIOS, name));
  if (unknown.length) wrong(`No such scenario: ${unknown.join(', ')}. There are: ${Object.keys(SCENARIOS).join(', ')}.`);
  if (values.write && settings.quick) wrong('The numbers of --quick are not worth keeping: leave out --write, or --quick.');
  const started = performance.now();
  const elapsed = () => Math.round((performance.now() - started) / 100) / 10;
  const machine = here();
  const print = (text: string) => {
    if (!values.json) console.log(text);
  };
  print(`${hereText(machine)}${settings.quick ? '\nQUICK: a smoke run, its numbers say little' : ''}\n`);
  const scenarios: Record<string, ScenarioResult> = {};
  for (const name of names) {
    const from = elapsed();
    const outcome = await inChild<Outcome>(name, settings.quick ? ['--quick'] : []);
    scenarios[name] = { machine, seconds: Math.round((elapsed() - from) * 10) / 10, ...outcome };
    for (const table of outcome.tables) print(`${tableText(table)}\n`);
  }
  const targets = Object.values(scenarios).flatMap((scenario) => scenario.targets);
  if (targets.length > 0) print(targetsText(targets));
  print(`${elapsed()} s, load ${load()} at the end`);
  const results: Results = { format: RESULTS_FORMAT, scenarios };
  if (values.json) console.log(resultsJson(results));
  if (values.write) write(results);
}

async function jobNamed(name: string): Promise<unknown> {
  endWithParent();
  const scenario = SCENARIOS[name];
  if (scenario) return scenario(settings);
  if (name === 'held') return held(positionals[0] ?? '');
  if (name === 'asleep') return asleep(positionals[0] ?? '');
  throw new Error(`no job is named ${name}`);
}
