// The one gate. `npm run verify` runs every check; `npm run verify -- types unused` those named.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CODES, STATUS } from '../src/server/errors.ts';
import { checkBundle } from './bundle.ts';
import { codeProblems, ERRORS, failureCodes } from './codes.ts';
import { directionProblems } from './direction.ts';
import { checkDocs } from './docs.ts';
import { doors, manifest, root } from './doors.ts';
import { declaredEvents, EVENTS, eventProblems } from './events.ts';
import { runExamples } from './examples.ts';
import { invariantProblems } from './invariants.ts';
import { commentProblems, commentShare, doorProblems, exampleProblems, lockProblems, sizeProblems } from './layout.ts';
import {
  checkAttw,
  checkCommand,
  checkContents,
  checkImportTime,
  checkLoaded,
  checkPublint,
  checkSize,
  checkUser,
  Failed,
} from './package.ts';
import { pageProblems } from './pages.ts';
import { run } from './run.ts';
import { CHECKED, wordProblems } from './words.ts';

/** As many lines of a failure are shown. */
const LINES = 80;

/** Answers what was measured; throws where it does not hold. */
type Check = () => string | Promise<string>;

const command =
  (name: string, ...args: string[]): Check =>
  async () => {
    const { ok, output } = await run(name, args);
    if (!ok) throw new Failed(output.trim());
    return '';
  };

// a workspace below test has packages of its own
const read = (...patterns: string[]) =>
  new Map(
    globSync(patterns, { cwd: root, exclude: ['**/node_modules/**'] }).map((file) => [
      file.replaceAll('\\', '/'),
      readFileSync(join(root, file), 'utf8'),
    ]),
  );

const none = (problems: readonly string[], measured: string) => {
  if (problems.length) throw new Failed(problems.join('\n'));
  return measured;
};

/**
 * Peers that are told as optional and have no range: npm would follow them to their own peers, and refuse to install Rondo where those do not fit.
 * That of Strands is SDK 2 of OpenTelemetry.
 */
const WITHOUT_RANGE = ['@strands-agents/sdk'];
const optionalPeers = Object.entries(manifest.peerDependenciesMeta ?? {}).flatMap(([name, { optional }]) => (optional ? name : []));

const checks: Record<string, Check> = {
  style: command('biome', 'check', '--error-on-warnings', '--max-diagnostics=50', '--colors=off'),
  types: async () => {
    for (const project of ['tsconfig.json', 'src/cli/page/tsconfig.json']) await command('tsc', '-p', project, '--pretty', 'false')();
    return '';
  },
  doors: () => none(doorProblems(doors(), read('src/**/*.ts').keys()), `${doors().length} doors`),
  direction: () => {
    const files = read('src/**/*.ts');
    return none([...directionProblems(files, optionalPeers), ...exampleProblems(read('examples/**/*.ts'))], `${files.size} files`);
  },
  sizes: () => {
    const files = read('src/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts');
    return none(sizeProblems(files), `${files.size} files`);
  },
  comments: () => {
    const files = read('src/{loop,reliability,hitl,journal}/**/*.ts');
    return none(commentProblems(files), `${commentShare(files.values()).toFixed(2)}% of the lines of ${files.size} files`);
  },
  words: () => {
    const files = read(...CHECKED);
    return none(wordProblems(files), `${files.size} files`);
  },
  invariants: () => {
    const tests = read('test/**/*.test.ts');
    return none(invariantProblems(read('src/**/*.ts'), tests), `${tests.size} test files`);
  },
  peers: async () => {
    const open = optionalPeers.filter((name) => manifest.peerDependencies?.[name] === undefined);
    const wrong = [...new Set([...open, ...WITHOUT_RANGE])].filter((name) => !open.includes(name) || !WITHOUT_RANGE.includes(name));
    return none(
      wrong.map((name) => `package.json: ${name} ${open.includes(name) ? 'has no range' : 'has a range, see WITHOUT_RANGE'}`),
      `${optionalPeers.length} optional`,
    );
  },
  lock: () => none(lockProblems(readFileSync(join(root, 'package-lock.json'), 'utf8')), ''),
  unused: command('knip', '--no-progress', '--treat-config-hints-as-errors'),
  build: command('node', 'scripts/build.ts'),
  contents: checkContents,
  publint: checkPublint,
  attw: checkAttw,
  user: checkUser,
  command: checkCommand,
  size: checkSize,
  loads: checkLoaded,
  import: checkImportTime,
  bundle: checkBundle,
  docs: async () => {
    const { compiled, ran, problems } = await checkDocs();
    return none(problems, `${compiled} blocks compiled, ${ran} run`);
  },
  pages: () => {
    const pages = read('*.md', 'docs/**/*.md');
    const exists = (path: string) => existsSync(join(root, path));
    const codes = new Set([...failureCodes(read('src/**/*.ts')), ...Object.values(CODES), ...Object.keys(STATUS)]);
    const events = declaredEvents();
    const problems = [
      ...pageProblems(pages, { doors: doors().map((d) => d.name), codes: STATUS, exists }),
      ...codeProblems(pages.get(ERRORS) ?? '', codes),
      ...eventProblems(pages.get(EVENTS) ?? '', events),
    ];
    return none(problems, `${pages.size} pages, ${codes.size} codes, ${events.size} events`);
  },
  examples: async () => {
    const { ran, problems } = await runExamples();
    return none(problems, ran.join(', '));
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(checks, name));
if (unknown.length) throw new Error(`No such check: ${unknown.join(', ')}. There are: ${Object.keys(checks).join(', ')}.`);

const started = performance.now();
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
let failed = 0;
for (const name of wanted.length ? wanted : Object.keys(checks)) {
  const check = checks[name] as Check;
  const at = performance.now();
  try {
    const measured = await check();
    console.log(`ok    ${name.padEnd(10)} ${seconds(at).padStart(7)}  ${measured}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name.padEnd(10)} ${seconds(at).padStart(7)}`);
    const lines = String(error instanceof Failed ? error.message : (error as Error).stack).split('\n');
    for (const line of lines.slice(0, LINES)) console.log(`      ${line}`);
    if (lines.length > LINES) console.log(`      ... and ${lines.length - LINES} lines more`);
  }
}
console.log(`${failed ? `${failed} checks FAILED` : 'all checks ok'} in ${seconds(started)}`);
process.exitCode = failed ? 1 : 0;
