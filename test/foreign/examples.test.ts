import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const cwd = fileURLToPath(new URL('../..', import.meta.url));
const said = async (name: string) => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', './scripts/source.ts', `examples/foreign/${name}.ts`], {
    cwd,
  });
  return stdout.trim().split('\n');
};

test('a plain function asks, and answers', async () => {
  expect(await said('function')).toEqual([
    'translator asks: Is it urgent? (8 words)',
    'ana answers true, and it says: 8 words, 2.40 dollars, by tomorrow',
  ]);
});

test('a busy service is retried with the same key; its refusal is reported', async () => {
  const lines = await said('http-service');
  const keyOf = (answered: number) => lines.find((l) => l.endsWith(String(answered)))?.match(/key (\w+)/)?.[1];
  expect(keyOf(503)).toMatch(/^\w{8}$/);
  expect(keyOf(200)).toBe(keyOf(503));
  expect(lines.filter((l) => l.startsWith('POST'))).toHaveLength(3);
  expect(lines).toContain('answer: A rondo returns to its theme.');
  expect(lines.find((l) => l.startsWith('failed'))).toContain('the service answered 422');
  expect(lines.at(-1)).toBe('10 tokens of output, 0.00004 dollars');
});

test('a LangGraph graph and a Strands agent are served as a container is', async () => {
  expect(await said('served')).toEqual(['parrot completed: You said: hello', 'echo completed: I heard: hello']);
});
