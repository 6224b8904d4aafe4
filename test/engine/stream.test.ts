import { expect, test } from 'vitest';
import { EventStream } from '../../src/engine/read/stream.ts';
import type { RunEvent } from '../../src/index.ts';
import { all } from '../kit/journals.ts';

const delta = (text: string, path: readonly string[]): RunEvent => ({
  type: 'text.delta',
  text,
  attempt: 1,
  runId: 'r',
  path,
  step: 1,
  at: 0,
});

test('a slow reader gets the deltas of one frame joined, and those of two calls of the same sub-agent apart', async () => {
  const stream = new EventStream(() => {});
  const [one, other] = [
    ['top', 'writer'],
    ['top', 'writer'],
  ];
  for (const [text, path] of [
    ['a', one],
    ['b', one],
    ['c', other],
    ['d', one],
  ] as const)
    stream.push(delta(text, path));
  stream.end();
  expect((await all(stream)).map((event) => event.type === 'text.delta' && event.text)).toEqual(['ab', 'c', 'd']);
});
