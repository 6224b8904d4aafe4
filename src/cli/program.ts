/** The command line: names and options. What a command needs is loaded when it runs. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { InitOptions } from './agentcore/init.ts';
import type { AgentCoreCommand } from './agentcore/run.ts';
import type { BenchOptions } from './bench/run.ts';
import type { CostOptions } from './cost/run.ts';
import { EXIT, type ExitCode, type Io } from './io.ts';

const CODES = `
Exit codes:
  0    measured, and every run passed
  1    a --fail-if holds, or a run did not pass and no --fail-if is about passRate
  2    wrong usage, a file that cannot be loaded, or an invalid declaration
  3    the budget ended it before all runs
  130  Ctrl-C; what was measured is written
`;

/** Runs a command line. Problems are words on `io.err`. */
export async function rondo(args: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const verbose = args.includes('--verbose');
  const program = programOf(io, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    // commander has told what is wrong, or shown the help
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.unusable;
    io.err(`error: ${told(error)}\n`);
    if (verbose) io.err(`${stackOf(error)}\n`);
    else if (!isClear(error)) io.err('With --verbose there is the stack.\n');
    return EXIT.unusable;
  }
}

const told = (error: unknown) => (error instanceof Error ? error.message : String(error));
const isClear = (error: unknown) => error instanceof Error && (error.name === 'Unusable' || error.name === 'RondoError');

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? String(error.stack) : `${error.stack}\ncaused by: ${stackOf(error.cause)}`;
}

function programOf(io: Io, end: (code: ExitCode) => void): Command {
  const program = new Command('rondo')
    .description('Tools for agents that are made with rondo.')
    .exitOverride()
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      getOutHelpWidth: () => io.columns ?? 100,
      getErrHelpWidth: () => io.columns ?? 100,
    })
    .showHelpAfterError('Run it with --help to see what there is.')
    .enablePositionalOptions();
  const bench = program
    .command('bench')
    .description('Measures an agent: where its time and its money go.')
    .argument('<file>', 'a .ts, .js or .mjs file whose default export is a benchmark, or a function that returns one')
    .enablePositionalOptions()
    .option('--runs <n>', 'measured runs of each scenario in each variant', whole(1))
    .option('--warm-up <n>', 'runs before them that are not counted', whole(0))
    .option('--concurrency <n>', 'runs at the same time', whole(1))
    .option('--budget <usd>', 'most US dollars for everything', dollars)
    .option('--only <scenario>', 'only this scenario; repeatable', list)
    .option('--variant <name>', 'only this variant; repeatable', list)
    .option('--from <runs.db>', 'runs the inputs of old runs of its agent again: tools are answered from the journal, and not executed')
    .option('--limit <n>', 'most old runs, the newest first (default: 20)', whole(1))
    .option('--tenant <name>', 'the tenant of the old runs')
    .option(
      '--baseline <report|variant>',
      'compares with a report in a JSON file, or with a variant; default: the first of several variants',
    );
  withOutputs(bench).action(async (file: string, options: BenchOptions) => {
    const { bench } = await import('./bench/run.ts');
    end(await bench(file, options, io));
  });
  bench.addHelpText('after', CODES);
  const compare = bench
    .command('compare')
    .description('Compares two reports, or the variants of one.')
    .argument('<base>', 'a report: what rondo bench --json wrote')
    .argument('[other]', 'another report; without it, the variants of the first are compared')
    .option('--variant <name>', 'only this variant; repeatable', list);
  withOutputs(compare).action(async (base: string, other: string | undefined, options: BenchOptions) => {
    const { compare } = await import('./bench/compare.ts');
    end(await compare(base, other, options, io));
  });
  program
    .command('cost')
    .description('What an agent costs in a month, from measured tokens and the table of prices.')
    .argument(
      '[file]',
      'a benchmark, which is run, or a report of rondo bench --json; without it, a session is made of --steps and --context',
    )
    .option('--sessions <n>', 'sessions in a month (default: 1000)', whole(1))
    .option('--model <id>', 'a model, provider/id, or a part of the name of models in the table; repeatable', list)
    .option('--steps <n>', 'model calls of a session, without a file (default: 5)', whole(1))
    .option('--context <tokens>', 'input tokens of each call, without a file (default: 2000)', whole(0))
    .option('--output <tokens>', 'output tokens of each call, without a file (default: 300)', whole(0))
    .option('--memory <gb>', 'GB that a session holds, for AgentCore Runtime (default: 0.5)', more('GB'))
    .option('--runs <n>', 'measured runs of each scenario, if the file is a benchmark', whole(1))
    .option('--budget <usd>', 'most US dollars for measuring', dollars)
    .option('--under <usd>', 'exits with 1 if any model shown costs more: as measured, or with caching where nothing is', dollars)
    .option('--json [file]', 'writes JSON into a file, or instead of the tables')
    .option('--verbose', 'shows the stack of an error')
    .action(async (file: string | undefined, options: CostOptions) => {
      const { cost } = await import('./cost/run.ts');
      end(await cost(file, options, io));
    });
  agentcoreOf(program, io, end);
  return program;
}

function agentcoreOf(program: Command, io: Io, end: (code: ExitCode) => void): void {
  const server = program
    .command('agentcore')
    .description('A local server that speaks the protocol of Amazon Bedrock AgentCore, for unmodified AWS clients.')
    .enablePositionalOptions()
    .option('--port <n>', 'default: 4566; 0: a free one', whole(0))
    .option('--host <address>', 'default: 127.0.0.1; another address than one of this machine needs --open')
    .option('--open', 'lets other machines call; their requests must be signed all the same')
    .option('--region <name>', 'default: us-east-1')
    .option('--account <digits>', 'default: 123456789012')
    .option('--key <id:secret>', 'an AWS key that may sign, with :token after it if it has one; repeatable; default: one is made', list)
    .option('--state <file>', 'keeps all resources in a file, for the next start; default: in memory')
    .option('--bindings <file>', 'JSON: commands behind container URIs, functions behind Lambda ARNs, models that memories extract with')
    .option(
      '--fault <fault>',
      'such as throttle=CreateAgentRuntime:0.2; kinds: throttle, error, error-after, reset, reset-stream; repeatable',
      list,
    )
    .option('--seed <n>', 'which calls meet a fault (default: 1)', whole(0))
    .option('--no-throttle', 'does not throttle at the rates of AWS')
    .option('--user <name>', 'who can sign in at its authorization server; repeatable', list)
    .option(
      '--issuer <url>',
      'discovery URL of an issuer whose JWTs are those of users, or local; repeatable. Without it any JWT will do',
      list,
    )
    .option('--redirect <url>', 'where an application lets its users come back after they signed in there; repeatable', list)
    .option(
      '--switch <point=way>',
      'the other way of a point that sources disagree on: untimed=protect, pings=passed, providerArns=acps, namespace=exact, mainBranch=named, shortestExpiry=7; repeatable',
      list,
    )
    .option('--log <file>', 'appends each call as a line of JSON')
    .option('--time <iso>', 'the time at which its clock starts; default: now')
    .option('--frozen', 'its clock stands still until it is moved, by POST /_rondo/clock')
    .option('--json', 'prints one line of JSON in place of the exports')
    .option('--verbose', 'shows the stack of an error')
    .action(async (options: AgentCoreCommand) => {
      const { agentcore } = await import('./agentcore/run.ts');
      end(await agentcore(options, io));
    });
  server
    .command('init')
    .description('Writes an agent, its Dockerfile and its runtime into a project of the official CLI, @aws/agentcore, which deploys it.')
    .argument('<name>', 'of the runtime and its agent: letters, digits and "_"')
    .option('--project <name>', 'writes the configuration of a new project; default: that of this folder is used')
    .option('--model <id>', 'a model of Bedrock; default: Claude Sonnet 4.5')
    .option('--protocol <name>', 'http or ag-ui (default: http)')
    .option('--journal <name>', 'ephemeral: runs end with their session (default); postgres: a database that DATABASE_URL names')
    .option('--rondo <what>', 'a tarball of rondo, which is copied beside the agent, or what else npm takes (default: a version)')
    .option('--verbose', 'shows the stack of an error')
    .action(async (name: string, options: InitOptions) => {
      const { init } = await import('./agentcore/init.ts');
      end(await init(name, options, io));
    });
}

const withOutputs = (command: Command): Command =>
  command
    .option('--fail-if <condition>', "exits with 1 if it holds: 'costUsd > +5%', 'ms.p95 > 2000', 'passRate < 0.9'; repeatable", list)
    .option('--json [file]', 'writes JSON into a file, or instead of the tables')
    .option('--html <file>', 'writes a page with plots')
    .option('--markdown [file]', 'writes Markdown into a file, or to $GITHUB_STEP_SUMMARY, or instead of the tables')
    .option('--quiet', 'no progress and no tables')
    .option('--verbose', 'shows the stack of an error');

const list = (value: string, before: readonly string[] = []) => [...before, value];

const whole = (least: number) => (value: string) => {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < least) throw new InvalidArgumentError(`It is a whole number of ${least} or more.`);
  return number;
};

const more = (unit: string) => (value: string) => {
  const number = Number(value);
  if (!(number > 0) || !Number.isFinite(number)) throw new InvalidArgumentError(`It is in ${unit}, more than 0, such as 0.50.`);
  return number;
};
const dollars = more('US dollars');
