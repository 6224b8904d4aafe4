import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './doors.ts';
import { run } from './run.ts';

const TIMEOUT = 90_000;

/**
 * Runs every example without a terminal, in a folder of its own: its `check.ts` where it has one, else its `main.ts`.
 * It passes with exit code 0.
 */
export async function runExamples(): Promise<{ ran: string[]; problems: string[] }> {
  const ran: string[] = [];
  const problems: string[] = [];
  const folder = join(root, 'examples');
  for (const entry of existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : []) {
    // the kit is what the others share
    if (!entry.isDirectory() || entry.name === 'kit') continue;
    const name = entry.name;
    const file = ['check.ts', 'main.ts'].find((f) => existsSync(join(folder, name, f)));
    if (!file) {
      problems.push(`examples/${name}: has neither check.ts nor main.ts`);
      continue;
    }
    const cwd = mkdtempSync(join(tmpdir(), 'rondo-example-'));
    const args = ['--import', join(root, 'scripts', 'source.ts'), join(folder, name, file)];
    const { ok, output } = await run('node', args, { cwd, timeout: TIMEOUT, env: { RONDO_MODEL: '' } });
    rmSync(cwd, { recursive: true, force: true });
    ran.push(`${name}/${file}`);
    if (!ok) problems.push(`examples/${name}/${file} failed:\n${output.trimEnd().split('\n').slice(-25).join('\n')}`);
  }
  if (ran.length === 0) problems.push('there is no example');
  return { ran, problems };
}
