import { expect, test, vi } from 'vitest';
import { agent, Engine, type Entry, jsonSchema, type RunResult, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { Tape } from './tape.ts';

vi.setConfig({ testTimeout: 60_000 });

const HUGE = 100_000_000;
const MAX_BYTES = 65_536;
const text = () => 'x'.repeat(HUGE);
const anything = jsonSchema({ type: 'object' });

async function run(
  execute: () => unknown,
  more: object = {},
): Promise<{ result: RunResult; entries: Entry[]; bytes: number; seen: string }> {
  const tape = new Tape();
  const big = tool({ name: 'big', description: 'Big', input: anything, effect: 'read', execute, ...more });
  const model = scripted([{ toolCalls: [{ name: 'big', input: {} }] }, 'done']);
  const engine = new Engine({ journal: tape });
  const result = await engine.run(agent({ name: 'a', instructions: '', model, tools: [big] }), 'go', { id: 'r' });
  const seen = JSON.stringify(model.requests[1]?.messages.at(-1));
  const bytes = tape.appends.reduce((sum, { body }) => sum + body.length, 0);
  await engine.close();
  return { result, entries: tape.entries('r'), bytes, seen };
}

test.each([
  ['a text', () => text()],
  ['a list of texts', () => Array.from({ length: 100 }, () => 'x'.repeat(HUGE / 100))],
  ['an object with a long key', () => ({ [text()]: 1 })],
])('100 MB of output, %s: cut to the limit, and the model is told', async (_, make) => {
  const { result, bytes, seen, entries } = await run(make);
  expect(result).toMatchObject({ status: 'completed', output: 'done' });
  expect(bytes).toBeLessThan(MAX_BYTES * 2);
  expect(seen).toContain('are not shown');
  expect(entries.find((e) => e.type === 'call.finished')?.cut).toBeGreaterThanOrEqual(HUGE - MAX_BYTES);
});

test('100 MB for the model, by toModel: cut as well', async () => {
  const { result, bytes, seen } = await run(() => 'small', { toModel: text });
  expect(result.status).toBe('completed');
  expect(bytes).toBeLessThan(MAX_BYTES * 2);
  expect(seen).toContain('are not shown');
});

test('100 MB of error: cut', async () => {
  const { result, bytes, seen } = await run(() => {
    throw new ToolError('BIG', text());
  });
  expect(result.status).toBe('completed');
  expect(bytes).toBeLessThan(10_000);
  expect(seen.length).toBeLessThan(10_000);
});

test('100 MB of a model: the run ends, with a typed reason, and can be read', async () => {
  const tape = new Tape();
  const look = tool({ name: 'look', description: 'Look', input: anything, effect: 'read', execute: () => 'seen' });
  const model = scripted([{ text: text(), toolCalls: [{ name: 'look', input: {} }] }, 'never asked for more']);
  const engine = new Engine({ journal: tape });
  const result = await engine.run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go', { id: 'r' });
  expect(['stopped', 'failed']).toContain(result.status);
  if (result.status === 'stopped') expect(result.limit.name).toBe('journal');
  expect(model.requests.length).toBe(1);
  expect((await engine.inspect('r')).status).toBe(result.status);
  await engine.close();
});

test('100 MB of arguments: bounded, or the run ends with a typed reason', async () => {
  const tape = new Tape();
  let executed = 0;
  const look = tool({ name: 'look', description: 'Look', input: anything, effect: 'read', execute: () => `${++executed}` });
  const model = scripted([{ toolCalls: [{ name: 'look', input: { big: text() } }] }, 'done']);
  const engine = new Engine({ journal: tape });
  const result = await engine.run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go', { id: 'r' });
  expect(['completed', 'stopped', 'failed']).toContain(result.status);
  if (result.status === 'completed') expect(tape.appends.reduce((sum, { body }) => sum + body.length, 0)).toBeLessThan(64 * 1024 * 1024);
  await engine.close();
});
