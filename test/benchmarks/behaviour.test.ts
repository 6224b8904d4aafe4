/** `npm run bench:behaviour` of Rondo alone, as a user runs it: what the page says of Rondo is what its scenes come to now. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { SCENES } from '../../bench/results/behaviour.ts';
import { root } from '../../scripts/doors.ts';

const main = join(root, 'bench', 'behaviour', 'main.ts');

test('each effect of each scene is made as often as it is meant, and each scene ends', async () => {
  const args = ['--import', join(root, 'scripts', 'source.ts'), main, '--only', 'rondo'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  const said = (key: string) => {
    const title = SCENES.find((scene) => scene.key === key)?.title ?? '';
    const lines = stdout.split('\n');
    return lines[lines.lastIndexOf(title) + 1]?.trim();
  };
  expect(said('hangs')).toBe('rondo  slow 1x; completed');
  expect(said('fails')).toBe('rondo  flaky 30x; completed');
  expect(said('killed')).toBe('rondo  first 1x, second 1x; completed');
  // two processes: one is told that the other drives the run, or finds it completed
  expect(said('resumers')).toMatch(/^rondo {2}first 1x, second 1x; (.*RUN_BUSY.* \| completed|completed \| .*(RUN_BUSY.*|completed))$/);
  expect(said('rejected')).toBe('rondo  no effect; asked, completed');
  expect(said('nested')).toBe('rondo  refund 1x; asked, completed');
  expect(said('twice')).toBe('rondo  refund 1x; completed');
  expect(said('runs')).toBe('rondo  refund 1x; completed');
});
