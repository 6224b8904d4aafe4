import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { agent, Engine, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends } from '../kit/runs.ts';

// this file has a process of its own: nothing was validated before
test('what checks JSON Schema is loaded while the model is asked, so the first call of a tool does not wait for it', async () => {
  const input = jsonSchema<{ id: number }>({ type: 'object', properties: { id: { type: 'number' } } });
  const look = tool({ name: 'look', description: 'Looks', input, execute: ({ id }) => id });
  let answer: unknown;
  const model = scripted(async ({ messages }) => {
    if (messages.length > 1) return 'done';
    await import('@cfworker/json-schema');
    await setImmediate();
    answer = input['~standard'].validate({ id: 1 });
    return asks(['look', { id: 1 }]);
  });
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go'), 'completed');
  expect(answer).toEqual({ value: { id: 1 } });
});
