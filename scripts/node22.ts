// The fast suites, without those of the examples, on the oldest Node that the package admits: the first one whose SQLite has full-text
// search. It comes from the npm registry, into a folder that the next run finds again.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './doors.ts';
import { run } from './run.ts';

const VERSION = '22.16.0';
/** Later versions read TypeScript without being asked; the tests start processes that do. */
const OPTIONS = '--experimental-strip-types --disable-warning=ExperimentalWarning';

const folder = join(root, 'node_modules', '.cache', `node-${VERSION}`);
const node = join(folder, 'node_modules', '.bin', 'node');
if (!existsSync(node)) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
  const installed = await run('npm', ['install', '--no-audit', '--no-fund', `node@${VERSION}`], { cwd: folder });
  if (!installed.ok) throw new Error(`node@${VERSION} does not install:\n${installed.output}`);
}
const found = await run(node, ['--version']);
if (found.output.trim() !== `v${VERSION}`) throw new Error(`${node} is ${found.output.trim()}, not v${VERSION}`);

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const child = spawn(node, [vitest, 'run', '--project', 'node22', '--project', 'node22-alone', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, NODE_OPTIONS: OPTIONS },
});
// a run that is ended from outside leaves no tests running
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal ? 1 : 0);
});
