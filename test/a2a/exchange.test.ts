import { StreamResponse } from '@a2a-js/sdk';
import { expect, test } from 'vitest';
import { Exchange } from '../../src/adapters/a2a/exchange.ts';

const task = (o: object = {}) =>
  StreamResponse.fromJSON({ task: { id: 't', contextId: 'c', status: { state: 'TASK_STATE_WORKING' }, artifacts: [], ...o } });
const chunk = (artifactId: string, text: string) =>
  StreamResponse.fromJSON({ artifactUpdate: { taskId: 't', contextId: 'c', artifact: { artifactId, parts: [{ text }] } } });
const of = (artifactId: string, text: string) => ({ artifactId, parts: [{ text }] });

test('a task that lists its artifacts lists all of them: what was streamed and dropped, or listed before, is not in the output', () => {
  const exchange = new Exchange('peer', undefined);
  exchange.take(task());
  exchange.take(chunk('draft', 'A first try.'));
  expect(exchange.output).toBe('A first try.');
  // the stream broke, and the task was looked at
  exchange.take(task({ artifacts: [of('looking', 'still at it')] }));
  exchange.take(task({ artifacts: [of('answer', 'It is 7.')] }));
  expect(exchange.output).toBe('It is 7.');
});

test('a task without artifacts takes away nothing that was streamed', () => {
  const exchange = new Exchange('peer', undefined);
  exchange.take(task());
  exchange.take(chunk('answer', 'It is 7.'));
  exchange.take(task({ status: { state: 'TASK_STATE_COMPLETED' } }));
  expect(exchange.output).toBe('It is 7.');
});
