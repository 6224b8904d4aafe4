/** Packages that only benchmarks need, in folders of their own. Nothing of them is a dependency of the package. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../scripts/doors.ts';
import { run } from '../scripts/run.ts';

const LOCK = 'package-lock.json';
const DONE = 'installed';

/** Below node_modules/.cache. */
export const folderOf = (name: string): string => join(root, 'node_modules', '.cache', name);

/**
 * Installs what the lock file in `from` names, unless the last run has. @returns why it could not, or undefined.
 * @param name of the folder below node_modules/.cache.
 */
export async function installFrom(from: string, name: string): Promise<string | undefined> {
  const folder = folderOf(name);
  const done = join(folder, DONE);
  // natives are built for one version of Node
  const state = `${process.versions.modules}\n${readFileSync(join(from, LOCK), 'utf8')}`;
  if (existsSync(done) && readFileSync(done, 'utf8') === state) return undefined;
  mkdirSync(folder, { recursive: true });
  for (const file of ['package.json', LOCK]) copyFileSync(join(from, file), join(folder, file));
  const result = await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder });
  if (!result.ok) return `npm ci failed: ${result.output.trim().split('\n').at(-1)}`;
  writeFileSync(done, state);
  return undefined;
}
