/** `npm run verify` runs this: the job without a terminal, then the command that it prints, in another process. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const run = (...args: string[]) => {
  const out = execFileSync(process.execPath, [...process.execArgv, main, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.stdout.write(out);
  return out;
};

const [, copied = 'resume nothing'] = /npm run research-desk -- (resume \S+ --approve)/.exec(run()) ?? [];
const [, file = ''] = /^published: (.+)$/m.exec(run(...copied.split(' '))) ?? [];
if (!readFileSync(file, 'utf8').includes('1,284 passengers')) throw new Error('what was published is not the brief that was verified');
