import { expect, test } from 'vitest';
import { agent, Engine, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { Tape } from './tape.ts';

test('a step writes what it adds, however long the run is', async () => {
  const STEPS = 300;
  const tape = new Tape();
  const look = tool({
    name: 'look',
    description: 'Look',
    input: jsonSchema({ type: 'object' }),
    effect: 'read',
    execute: () => 'x'.repeat(1_024),
  });
  const model = scripted((_, n) =>
    n < STEPS ? { toolCalls: [{ name: 'look', input: { n: 1_000 + n } }], usage: { input: 1_000, output: 10 } } : 'done',
  );
  const engine = new Engine({ journal: tape });
  const a = agent({ name: 'a', instructions: '', model, tools: [look], limits: { steps: STEPS + 1 } });
  expect((await engine.run(a, 'go', { id: 'r' })).status).toBe('completed');
  // the model's answer with the intent, and the result: two appends a step
  expect(tape.appends.length).toBe(2 + 2 * STEPS);
  const bytes = (step: number) => tape.appends.slice(1 + 2 * step, 3 + 2 * step).reduce((sum, { body }) => sum + body.length, 0);
  const perStep = Array.from({ length: STEPS }, (_, i) => bytes(i));
  // but for the digits of the sequence numbers
  expect(Math.max(...perStep) - Math.min(...perStep)).toBeLessThan(32);
  expect((perStep[0] as number) - 1_024).toBeLessThan(700);
  await engine.close();
});
