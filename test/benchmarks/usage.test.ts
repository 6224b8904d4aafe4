/** Wrong usage of the commands that measure: how they are used, and no stack. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../scripts/doors.ts';

const COMMANDS = [
  'bench/main.ts',
  'bench/behaviour/main.ts',
  'bench/locomo/main.ts',
  'bench/peers/main.ts',
  'bench/tools/main.ts',
  'scripts/path.ts',
];

const run = (file: string, ...args: string[]) =>
  new Promise<{ code: unknown; said: string }>((resolve) => {
    execFile(process.execPath, ['--import', './scripts/source.ts', file, ...args], { cwd: root }, (error, out, err) =>
      resolve({ code: error?.code ?? 0, said: out + err }),
    );
  });

test.each(COMMANDS)('%s says how it is used', async (file) => {
  const { code, said } = await run(join(root, file), '--bogus');
  expect(said).toMatch(/^Unknown option '--bogus'\. Use it like this:\n {2}npm run /);
  expect(said).not.toContain('    at ');
  expect(code).toBe(2);
});

test('a scenario that is not there is told with those that are', async () => {
  const { code, said } = await run('bench/main.ts', '--only', 'turns,nope');
  expect(said).toMatch(/^No such scenario: nope\. There are: turns, /);
  expect(code).toBe(2);
});
