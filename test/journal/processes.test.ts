import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Entry } from '../../src/journal/entries/entries.ts';
import { all, read } from '../../src/testing/journal/kit.ts';
import { file } from './setup.ts';

function child(...args: string[]): Promise<{ conflicts: number }> {
  return new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [fileURLToPath(new URL('./child-appends.ts', import.meta.url)), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    started.stdout.on('data', (chunk) => {
      out += chunk;
    });
    started.stderr.on('data', (chunk) => {
      err += chunk;
    });
    started.on('error', reject);
    started.on('close', (code) => (code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`exit ${code}: ${err}`))));
  });
}

test.each([
  ['one run', ['r']],
  ['several runs', ['a', 'b', 'c']],
])('two processes that append to %s at once: every sequence number is there once, and nothing acknowledged is lost', async (_, runs) => {
  const { path, open } = file();
  const count = 150;
  const results = await Promise.all(['ana', 'ben'].map((name) => child(path, name, `${count}`, ...runs)));
  // they did meet
  expect(results.reduce((sum, { conflicts }) => sum + conflicts, 0)).toBeGreaterThan(0);
  const journal = open();
  for (const runId of runs) {
    const found = (await read(journal, runId)) as (Entry & { output: string })[];
    expect(found.map(({ seq }) => seq)).toEqual(found.map((_, i) => i));
    for (const name of ['ana', 'ben']) {
      const own = found.map(({ output }) => output).filter((output) => output.startsWith(name));
      expect(own.filter((output) => !output.endsWith('and'))).toEqual(Array.from({ length: count }, (_, n) => `${name} ${n}`));
      expect(own.filter((output) => output.endsWith('and'))).toHaveLength(count / 5);
    }
  }
  expect((await all(journal.heads({ agent: 'clerk' }))).map(({ runId }) => runId).sort()).toEqual([...runs].sort());
});
