import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Door, doors, manifest, root } from './doors.ts';
import { type RunOptions, run } from './run.ts';

/**
 * What the core may cost its users, measured plus a fifth: the package, with what its command is built from, and what it depends on,
 * without peers; and what `import 'rondo'` loads, plus a twentieth. Its time grows with that, and differs with the machine.
 */
const BUDGET = { megabytes: 6.5, packages: 8, loadedFiles: 6, loadedKb: 780 };
/** All that `import 'rondo'` may load. */
const LOADED = ['rondo', 'p-retry', 'is-network-error'];
const RUNS = 9;

/** The packed package, and a folder in which a user has installed it and nothing else. */
interface Packed {
  tarball: string;
  files: string[];
  user: string;
}

export class Failed extends Error {}

export async function must(command: string, args: readonly string[], o?: RunOptions): Promise<string> {
  const { ok, output } = await run(command, args, o);
  if (!ok) throw new Failed(`${command} ${args.join(' ')}\n${output.trim()}`);
  return output.trim();
}

function failIf(problems: readonly string[]): void {
  if (problems.length) throw new Failed(problems.join('\n'));
}

let packed: Promise<Packed> | undefined;

/** Packs what `npm publish` would, and installs it; once, however many checks ask. */
export function pack(): Promise<Packed> {
  packed ??= packOnce();
  return packed;
}

async function packOnce(): Promise<Packed> {
  const missing = doors().find(({ built }) => !existsSync(join(root, built)));
  if (missing) throw new Failed(`${missing.built} is missing: does the build fail?`);
  const folder = mkdtempSync(join(tmpdir(), 'rondo-package-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  await must('npm', ['pack', '--ignore-scripts', '--pack-destination', folder]);
  const name = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (!name) throw new Failed('npm pack wrote no tarball');
  const tarball = join(folder, name);
  const user = join(folder, 'user');
  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const omit = ['--omit=dev', '--omit=optional', '--omit=peer'];
  await must('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...omit, tarball], { cwd: user });
  const installed = join(user, 'node_modules', manifest.name);
  return { tarball, user, files: readdirSync(installed, { recursive: true, encoding: 'utf8' }) };
}

export async function checkContents(): Promise<string> {
  const { files } = await pack();
  const expected = ['package.json', 'README.md', 'LICENSE'];
  const missing = expected.filter((file) => !files.includes(file)).map((file) => `${file} is not in the package`);
  const stray = files.filter((file) => !expected.includes(file) && !/^dist($|\/.*\.(js|d\.ts)$|\/[^.]*$)/.test(file));
  failIf([...missing, ...stray.map((file) => `${file} is in the package`)]);
  return `${files.length} files`;
}

export async function checkPublint(): Promise<string> {
  await must('publint', ['run', (await pack()).tarball, '--strict']);
  return '';
}

export async function checkAttw(): Promise<string> {
  await must('attw', [(await pack()).tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji']);
  return `${doors().length} doors, esm-only`;
}

/** Megabytes and packages that the core brings along. */
export async function checkSize(): Promise<string> {
  const modules = join((await pack()).user, 'node_modules');
  const paths = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  const bytes = paths.reduce((sum, path) => sum + statSync(join(modules, path)).size * Number(statSync(join(modules, path)).isFile()), 0);
  const lock = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')) as { packages: object };
  const packages = Object.keys(lock.packages).length;
  const megabytes = bytes / 1e6;
  const measured = `${megabytes.toFixed(2)} MB of ${BUDGET.megabytes}, ${packages} packages of ${BUDGET.packages}`;
  failIf(megabytes > BUDGET.megabytes || packages > BUDGET.packages ? [`over the budget: ${measured}`] : []);
  return measured;
}

/** The median of the processor time of `import 'rondo'` in fresh processes, to be read: a busy or slow machine fails no check. */
export async function checkImportTime(): Promise<string> {
  const { user } = await pack();
  const file = join(user, 'time.js');
  const timing = [
    'const milliseconds = ({ user, system }) => (user + system) / 1000;',
    'const start = process.cpuUsage();',
    `await import('${manifest.name}');`,
    'console.log(milliseconds(start), milliseconds(process.cpuUsage(start)));',
  ];
  writeFileSync(file, timing.join('\n'));
  const runs: number[][] = [];
  for (let i = 0; i < RUNS; i++) runs.push((await must('node', [file])).split(' ').map(Number));
  const median = (column: number) =>
    runs
      .map((run) => run[column] as number)
      .sort((a, b) => a - b)
      [(RUNS - 1) / 2]?.toFixed(1);
  return `${median(1)} ms, where Node starts in ${median(0)}`;
}

/** The command runs where nothing but the package is installed, and writes its page. */
export async function checkCommand(): Promise<string> {
  const { user } = await pack();
  const declared = [
    `import { agent } from '${manifest.name}';`,
    `import { scripted } from '${manifest.name}/testing';`,
    "const made = (model) => agent({ name: 'a', instructions: '', model });",
    "export default { agent: made, model: () => scripted(['done']), scenarios: [{ name: 'go', input: 'go' }], runs: 2 };",
  ];
  writeFileSync(join(user, 'a.bench.mjs'), declared.join('\n'));
  await must('node_modules/.bin/rondo', ['bench', 'a.bench.mjs', '--html', 'report.html'], { cwd: user });
  const bytes = statSync(join(user, 'report.html')).size;
  return `a page of ${Math.round(bytes / 1000)} kB`;
}

/** What `import 'rondo'` loads: few files, no SDK, no Zod, no validator. */
export async function checkLoaded(): Promise<string> {
  const { user } = await pack();
  const file = join(user, 'loaded.js');
  const listing = [
    "import { registerHooks } from 'node:module';",
    'const urls = [];',
    'registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });',
    `await import('${manifest.name}');`,
    'console.log(JSON.stringify(urls));',
  ];
  writeFileSync(file, listing.join('\n'));
  const urls = JSON.parse(await must('node', [file])) as string[];
  const names = urls.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []);
  const loaded = [...new Set(names)];
  failIf(loaded.filter((name) => !LOADED.includes(name)).map((name) => `import '${manifest.name}' loads ${name}`));
  const sqlite = urls.filter((url) => url === 'node:sqlite');
  failIf(sqlite.map((url) => `import '${manifest.name}' loads ${url}`));
  const files = urls.filter((url) => url.startsWith('file:'));
  const kb = Math.round(files.reduce((sum, url) => sum + statSync(new URL(url)).size, 0) / 1_000);
  const measured = `${files.length} files of ${BUDGET.loadedFiles}, ${kb} kB of ${BUDGET.loadedKb}`;
  failIf(files.length > BUDGET.loadedFiles || kb > BUDGET.loadedKb ? [`over the budget: ${measured}`] : []);
  return `${measured}: ${loaded.join(', ')}`;
}

const isOptional = (specifier = '') =>
  Object.entries(manifest.peerDependenciesMeta ?? {}).some(
    ([name, { optional }]) => optional && (specifier === name || specifier.startsWith(`${name}/`)),
  );

/** Every door opens without the peers, or says which optional peer it misses. Answers those that open. */
async function doorsWithoutPeers(): Promise<Door[]> {
  const { user } = await pack();
  const open: Door[] = [];
  const problems: string[] = [];
  for (const door of doors()) {
    const { ok, output } = await run('node', ['--input-type=module', '-e', `await import('${door.name}')`], { cwd: user });
    if (ok) open.push(door);
    else if (!isOptional(/Cannot find package '([^']+)'/.exec(output)?.[1])) problems.push(`import '${door.name}':\n${output.trim()}`);
  }
  failIf(problems);
  return open;
}

/** The doors whose users have the peer of which their types are; docs/install.md says so. The types of all other doors need nothing. */
const TYPED_BY_PEERS = [
  ...['aws', 'bedrock', 'policy', 'mcp', 'agentcore/gateway', 'agentcore/runtime'],
  ...['langgraph', 'langchain', 'strands', 'ai-sdk', 'openai-agents', 'a2a', 'ag-ui'],
].map((name) => `${manifest.name}/${name}`);

/**
 * The doors that open without a peer also compile for a user who checks every declaration file. Only of those whose users have a peer may its
 * types be missing.
 */
export async function checkUser(): Promise<string> {
  const { user } = await pack();
  const open = await doorsWithoutPeers();
  // a folder of its own: all of @types would also be searched for what a declaration file imports
  const typeRoots = join(user, '..', 'types');
  mkdirSync(typeRoots);
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(typeRoots, 'node'));
  const types = ['--types', 'node', '--typeRoots', typeRoots];
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,esnext.disposable', ...types];
  const errorsOf = async (names: readonly string[]) => {
    writeFileSync(join(user, 'user.ts'), names.map((name, i) => `export * as door${i} from '${name}';`).join('\n'));
    const { ok, output } = await run('tsc', [...options, '--pretty', 'false', 'user.ts'], { cwd: user });
    const errors = output.split('\n').filter((line) => line.includes('error TS'));
    // a compiler that did not run tells no errors either
    if (!ok && errors.length === 0) throw new Failed(`tsc user.ts\n${output.trim()}`);
    return errors;
  };
  const names = open.map(({ name }) => name);
  const alone = doors().flatMap(({ name }) => (TYPED_BY_PEERS.includes(name) ? [] : [name]));
  failIf([
    ...(await errorsOf(alone)),
    ...(await errorsOf(names)).filter((line) => !isOptional(/Cannot find module '([^']+)'/.exec(line)?.[1])),
  ]);
  return `${open.length} of ${doors().length} doors open without a peer, and the types of ${alone.length} need none`;
}
