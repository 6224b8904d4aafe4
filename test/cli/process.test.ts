import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Report } from '../../src/bench/index.ts';
import { folder } from '../kit/folder.ts';
import { benchmarkFile } from './io.ts';

const root = join(import.meta.dirname, '../..');

/** The command in a process of its own. */
function started(
  args: readonly string[],
  text: string,
): { child: ChildProcess; cwd: string; ended: Promise<{ code: number; out: string; err: string }> } {
  const cwd = folder('cli');
  writeFileSync(join(cwd, 'a.bench.ts'), text);
  const child = spawn(process.execPath, ['--import', join(root, 'scripts/source.ts'), join(root, 'src/cli/main.ts'), ...args], { cwd });
  let [out, err] = ['', ''];
  child.stdout?.on('data', (data) => {
    out += data;
  });
  child.stderr?.on('data', (data) => {
    err += data;
  });
  return { child, cwd, ended: once(child, 'close').then(([code]) => ({ code: code as number, out, err })) };
}

test('what the measured program prints goes to the standard error, and what it leaves open does not keep the process alive', async () => {
  const text = benchmarkFile('', "console.log('hello'); process.stdout.write('there'); setInterval(() => {}, 1e6);");
  const { code, out, err } = await started(['bench', 'a.bench.ts', '--json'], text).ended;
  expect(code).toBe(0);
  expect((JSON.parse(out) as Report).runs).toHaveLength(4);
  expect(err).toContain('hello\nthere');
  expect(err).not.toContain('█');
});

test.skipIf(!existsSync('/dev/full'))(
  'where there is /dev/full: a standard output that is full is said, and counts as not measured',
  async () => {
    const cwd = folder('cli');
    const full = openSync('/dev/full', 'w');
    const args = ['--import', join(root, 'scripts/source.ts'), join(root, 'src/cli/main.ts'), '--help'];
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let err = '';
    child.stderr?.on('data', (data) => {
      err += data;
    });
    const [code] = await once(child, 'close');
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringMatching(/^error: the standard output cannot be written: .*\. Write to a file/),
    });
  },
);

test('Ctrl-C keeps what was measured', async () => {
  const hangs =
    "model: () => { const one = scripted((_, n) => ({ text: 'done', delay: ++asked > 6 ? 1e8 : 0 })); return { ...one, generate: (...a) => { const answer = one.generate(...a); if (asked > 6) console.error('HANGS'); return answer; } }; },";
  const { child, cwd, ended } = started(
    ['bench', 'a.bench.ts', '--runs', '50', '--json', 'r.json'],
    benchmarkFile(hangs, 'let asked = 0;'),
  );
  await new Promise<void>((resolve) => child.stderr?.on('data', (data) => String(data).includes('HANGS') && resolve()));
  child.kill('SIGINT');
  const { code, err } = await ended;
  expect({ code, err }).toEqual({ code: 130, err: expect.stringContaining('What was measured is kept') });
  const report = JSON.parse(readFileSync(join(cwd, 'r.json'), 'utf8')) as Report;
  expect(report).toMatchObject({ incomplete: 'cancelled' });
  // two of the six answers were the warm-up
  expect(report.runs).toHaveLength(4);
});

test('a second Ctrl-C ends a run that does not listen', async () => {
  const deaf =
    "model: () => ({ provider: 'test', id: 'm', generate: () => { console.error('HANGS'); return new Promise(() => setInterval(() => {}, 1e6)); } }),";
  const { child, ended } = started(['bench', 'a.bench.ts'], benchmarkFile(deaf));
  await new Promise<void>((resolve) => child.stderr?.on('data', (data) => String(data).includes('HANGS') && resolve()));
  child.kill('SIGINT');
  await new Promise<void>((resolve) => child.stderr?.on('data', (data) => String(data).includes('Ctrl-C again') && resolve()));
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
});

test.each([
  ['ends the process', 'process.exit(0);'],
  ['waits for what never comes', 'await new Promise(() => {});'],
  ['fails outside of a run', "setTimeout(() => { throw new Error('boom'); }); await new Promise((resolve) => setTimeout(resolve, 1e8));"],
])('a program that %s before it is measured has not passed', async (_, before) => {
  const { code, out, err } = await started(['bench', 'a.bench.ts', '--json'], benchmarkFile('', before)).ended;
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain('before the command had its result');
});

test('a command loads only what it needs: help loads neither the engine nor tables', async () => {
  const cwd = folder('cli');
  const hook = join(cwd, 'urls.mjs');
  writeFileSync(
    hook,
    "import { registerHooks } from 'node:module'; registerHooks({ load: (url, c, next) => (console.error('LOADED ' + url), next(url, c)) });",
  );
  const child = spawn(process.execPath, ['--import', hook, join(root, 'src/cli/main.ts'), '--help']);
  let err = '';
  child.stderr?.on('data', (data) => {
    err += data;
  });
  await once(child, 'close');
  const loaded = [...err.matchAll(/LOADED file:\/\/(\S+)/g)].map(([, path = '']) => path.replace(/^.*\/(src|node_modules)\//, ''));
  expect(loaded.filter((path) => !path.startsWith('commander/')).sort()).toEqual(['cli/io.ts', 'cli/main.ts', 'cli/program.ts']);
});
