/**
 * Measures the cost of Rondo beside a loop written by hand. `npm run bench`, with
 *   --json        prints JSON and nothing else,
 *   --quick       a smoke test of seconds: shows that everything works; its numbers mean little,
 *   --only a,b    some scenarios, by name,
 *   --write FILE  puts its output between the two marks in FILE, as in docs/benchmarks.md.
 * A missed target is printed and is not an error. A run that does not do its work, or a wrong sum, is an error.
 */
import { parseArgs } from 'node:util';
import { asleep } from './asleep.ts';
import { answerParent, endWithParent, inChild } from './child.ts';
import { held } from './held.ts';
import { machine, machineText } from './machine.ts';
import { tableText, targetsText } from './report.ts';
import { judge, type Outcome, type Scenario, type Settings } from './result.ts';
import { writeBetween } from './results/file.ts';
import { bytes } from './scenarios/bytes.ts';
import { concurrent } from './scenarios/concurrent.ts';
import { context } from './scenarios/context.ts';
import { events } from './scenarios/events.ts';
import { graphs } from './scenarios/graphs.ts';
import { harness } from './scenarios/harness.ts';
import { importing } from './scenarios/importing.ts';
import { keys } from './scenarios/keys.ts';
import { queue } from './scenarios/queue.ts';
import { resume } from './scenarios/resume.ts';
import { sleeping } from './scenarios/sleeping.ts';
import { spans } from './scenarios/spans.ts';
import { tokens } from './scenarios/tokens.ts';
import { turns } from './scenarios/turns.ts';

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
  events,
  sleeping,
  import: importing,
  harness,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    write: { type: 'string' },
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
  if (unknown.length) throw new Error(`No such scenario: ${unknown.join(', ')}. There are: ${Object.keys(SCENARIOS).join(', ')}.`);
  const started = performance.now();
  const here = machine();
  const printed: string[] = [];
  const print = (text: string) => {
    printed.push(text);
    if (!values.json) console.log(text);
  };
  print(`${machineText(here)}${settings.quick ? '\nQUICK: a smoke run, its numbers say little' : ''}\n`);
  const outcomes: Record<string, Outcome> = {};
  for (const name of names) {
    const outcome = await inChild<Outcome>(name, settings.quick ? ['--quick'] : []);
    outcomes[name] = outcome;
    for (const table of outcome.tables) print(`${tableText(table)}\n`);
  }
  const targets = Object.values(outcomes).flatMap((outcome) => outcome.targets.map(judge));
  if (targets.length > 0) print(targetsText(targets));
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  print(`${seconds} s, load ${machine().load} at the end`);
  const tables = Object.fromEntries(Object.entries(outcomes).map(([name, outcome]) => [name, outcome.tables]));
  if (values.json) console.log(JSON.stringify({ machine: here, quick: settings.quick, seconds, tables, targets }, null, 2));
  if (values.write) writeBetween(values.write, 'bench', printed.join('\n'));
}

async function jobNamed(name: string): Promise<unknown> {
  endWithParent();
  const scenario = SCENARIOS[name];
  if (scenario) return scenario(settings);
  if (name === 'held') return held(positionals[0] ?? '');
  if (name === 'asleep') return asleep(positionals[0] ?? '');
  throw new Error(`no job is named ${name}`);
}
