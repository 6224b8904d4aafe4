import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { doors, root } from './scripts/doors.ts';
import { inLowest, isLowered } from './scripts/peers.ts';

// set by .ci/run, which adds up the results of all suites
const reports = process.env.RONDO_TEST_REPORTS;

// the adapters on the lowest versions of their peers that the package admits; what they are tested on otherwise is the newest
const lowest = {
  extends: true as const,
  plugins: [
    {
      name: 'lowest',
      enforce: 'pre' as const,
      resolveId(this: { resolve(id: string, importer: string, o: { skipSelf: boolean }): unknown }, id: string, importer = '') {
        return isLowered(id, importer) ? this.resolve(id, inLowest, { skipSelf: true }) : undefined;
      },
    },
  ],
  test: {
    name: 'lowest',
    include: ['test/{langgraph,langchain}/**/*.test.ts'],
    // for the processes that tests start
    env: { RONDO_PEERS: 'lowest', NODE_OPTIONS: `--import ${join(root, 'scripts', 'lowest.ts')}` },
  },
};

/** The examples from the start to the end, and the scenes of the benchmark of behaviour, in processes of their own. */
const WHOLE_EXAMPLES = ['test/examples/job.test.ts', 'test/research-desk/job.test.ts', 'test/benchmarks/behaviour.test.ts'];

/** What takes longest: many processes, all that a store can hold, broken stores of every kind. Without them `npm cit` stays under four minutes. */
const SLOW = [
  'test/a2a/access.test.ts',
  'test/a2a/across.test.ts',
  'test/a2a/agent.test.ts',
  'test/a2a/follow.test.ts',
  'test/a2a/peers.test.ts',
  'test/a2a/push.test.ts',
  'test/a2a/restart.test.ts',
  'test/a2a/serve.test.ts',
  'test/attacks/giants.test.ts',
  'test/attacks/mcp.test.ts',
  'test/attacks/recovery.test.ts',
  'test/attacks/tamper.test.ts',
  'test/bedrock/histories.test.ts',
  'test/engine/cut.test.ts',
  'test/examples/bedrock.test.ts',
  'test/faults/faults.test.ts',
  'test/faults/huge.test.ts',
  'test/foreign/examples.test.ts',
  'test/guardrails/adversarial.test.ts',
  'test/intents/once.test.ts',
  'test/journal/damage.test.ts',
  'test/journal/encrypted-conformance.test.ts',
  'test/journal/mark.test.ts',
  'test/journal/suite.test.ts',
  'test/langgraph/processes.test.ts',
  'test/langgraph/saver.test.ts',
  'test/mcp/auth.test.ts',
  'test/mcp/bounds.test.ts',
  'test/mcp/calls.test.ts',
  'test/mcp/declaration.test.ts',
  'test/mcp/engine.test.ts',
  'test/mcp/hostile.test.ts',
  'test/mcp/materials.test.ts',
  'test/mcp/search.test.ts',
  'test/mcp/trouble.test.ts',
  'test/mcp/wrong-shapes.test.ts',
  'test/server/lambda.test.ts',
  'test/wire-server/state.test.ts',
  'test/work/schedules.test.ts',
];

const NOT_FAST = [
  'test/crash/**',
  'test/lowest/**',
  'test/browser/**',
  'test/agentcore/**',
  'test/conformance/**',
  'test/postgres/**',
  'test/dynamodb/**',
  ...WHOLE_EXAMPLES,
  ...SLOW,
];

/**
 * What a process has but once: its timers, environment, events and globals, and the providers of OpenTelemetry. A file that changes them or looks at
 * them runs in a process of its own. The other fast tests share processes, because loading the same modules again took a third of their time.
 */
const OWN_PROCESS = new RegExp(
  [
    'useFakeTimers|stubGlobal|stubEnv|vi\\.(mock|doMock)|vi\\.spyOn\\((process|global|globalThis|console|Date|performance|Math|crypto)\\b',
    // what is left out does not change
    '\\bprocess\\.(?!cwd|pid|platform|execPath|version|nextTick|hrtime|stdout|stderr|argv)',
    'globalThis|\\bgc\\(|setGlobal|registerMetrics|/sdk\\.ts|faults/clock',
  ].join('|'),
);

const alone = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
  .map((name) => `test/${name.replaceAll('\\', '/')}`)
  .filter((name) => OWN_PROCESS.test(readFileSync(join(root, name), 'utf8')));

/** The fast tests as two projects. `more`: what is left out. */
const fast = (name: string, more: readonly string[] = []) => {
  const exclude = [...NOT_FAST, ...more];
  return [
    { extends: true as const, test: { name, include: ['test/**/*.test.ts'], exclude: [...exclude, ...alone], isolate: false } },
    { extends: true as const, test: { name: `${name}-alone`, include: alone, exclude } },
  ];
};

export default defineConfig({
  // a test that imports the package gets the sources
  resolve: { alias: doors().map(({ name, source }) => ({ find: new RegExp(`^${name}$`), replacement: join(root, source) })) },
  test: {
    environment: 'node',
    // threads are no faster here
    pool: 'forks',
    // they wait more than they compute: left to itself, vitest takes one less than there are cores
    maxWorkers: Math.max(2, availableParallelism()),
    // ends a test that hangs; no test may fail because the machine is slow
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 240_000 } },
    dangerouslyIgnoreUnhandledErrors: false,
    reporters: reports ? ['default', ['json', { outputFile: join(reports, `${process.pid}.json`) }]] : ['default'],
    // a suite that takes minutes is a project of its own, with a command in package.json and a line in .ci/run
    projects: [
      ...fast('fast'),
      // the same on the oldest Node, but for the examples and the commands that measure, which run on this project's own
      ...fast('node22', ['test/examples/**', 'test/benchmarks/usage.test.ts']),
      lowest,
      { extends: true, test: { name: 'slow', include: SLOW } },
      { extends: true, test: { name: 'examples', include: WHOLE_EXAMPLES } },
      // the official clients against the local server, and a process for each session
      { extends: true, test: { name: 'agentcore', include: ['test/agentcore/**/*.test.ts'] } },
      // the conformance suites of MCP, a process for each scenario
      { extends: true, test: { name: 'conformance', include: ['test/conformance/**/*.test.ts'], maxConcurrency: 3 } },
      // a Postgres of its own; as root it adds a system user to run it
      {
        extends: true,
        test: {
          name: 'postgres',
          include: ['test/postgres/**/*.test.ts'],
          globalSetup: ['test/postgres/global.ts', 'test/crash/global.ts'],
        },
      },
      // needs Java and DynamoDB Local, which it downloads; without them it is skipped, and its name says so
      { extends: true, test: { name: 'dynamodb', include: ['test/dynamodb/**/*.test.ts'], globalSetup: ['test/dynamodb/global.ts'] } },
      // needs Chromium; without one it is skipped, and its name says so
      { extends: true, test: { name: 'browser', include: ['test/browser/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          globalSetup: ['test/crash/global.ts'],
          testTimeout: 1_200_000,
        },
      },
      // the same on Postgres, but for what happens to files: a full disk, and a log of SQLite that is cut off
      {
        extends: true,
        test: {
          name: 'crash-postgres',
          include: ['test/crash/**/*.test.ts'],
          exclude: ['test/crash/{disk,power}.test.ts'],
          globalSetup: ['test/postgres/global.ts', 'test/crash/global.ts'],
          setupFiles: ['test/crash/on-postgres.ts'],
          testTimeout: 2_400_000,
        },
      },
      // and on DynamoDB Local; without it the suite fails, and says why
      {
        extends: true,
        test: {
          name: 'crash-dynamodb',
          include: ['test/crash/**/*.test.ts'],
          exclude: ['test/crash/{disk,power}.test.ts'],
          globalSetup: ['test/dynamodb/global.ts', 'test/crash/global.ts'],
          setupFiles: ['test/crash/on-dynamodb.ts'],
          testTimeout: 2_400_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
