import { expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

test('a run calls its tool, sees the result and answers', async () => {
  const add = tool({
    name: 'add',
    description: 'Add',
    input: z.object({ a: z.number(), b: z.number() }),
    effect: 'read',
    execute: ({ a, b }) => ({ sum: a + b }),
  });
  const model = scripted([{ toolCalls: [{ name: 'add', input: { a: 1, b: 2 } }] }, 'three']);
  const a = agent({ name: 'a', instructions: 'Be brief.', model, tools: [add] });
  const engine = new Engine();
  const run = engine.run(a, 'What is 1 + 2?');
  const types: string[] = [];
  for await (const e of run) types.push(e.type);
  const result = await run;
  expect(result).toMatchObject({ status: 'completed', output: 'three', steps: 2, costUsd: 0 });
  expect(model.requests[1]?.messages.at(-1)).toMatchObject({
    role: 'tool',
    content: [{ type: 'toolResult', output: [{ text: '{"sum":3}' }] }],
  });
  expect(types).toEqual([
    'run.started',
    'tool.delta',
    'model.finished',
    'tool.started',
    'tool.finished',
    'text.delta',
    'model.finished',
    'run.ended',
  ]);
});
