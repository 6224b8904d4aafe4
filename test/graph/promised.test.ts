import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, append, Engine, graph, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks } from '../kit/runs.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
beforeEach(() => void process.on('unhandledRejection', note));
afterEach(() => void process.off('unhandledRejection', note));

/** A function that is asked for its answer at once, and gives a promise that is rejected later. */
const late = (): never => new Promise((_, reject) => setTimeout(() => reject(new Error('not now')), 1)) as never;
const helper = agent({ name: 'helper', instructions: '', model: scripted(() => 'helped') });
const state = z.object({ a: z.array(z.string()).default([]) });
const said = { answer: z.object({ ok: z.boolean() }), output: () => ({}) };

test.each<[string, object]>([
  ['a route', { nodes: { n: () => ({}) }, edges: { start: 'n', n: late } }],
  ['a target among those of a route', { nodes: { n: () => ({}) }, edges: { start: 'n', n: () => [late()] } }],
  ['the input of an agent', { nodes: { n: { agent: helper, input: late, output: () => ({}) } } }],
  ['the output of an agent', { nodes: { n: { agent: helper, input: () => 'go', output: late } } }],
  ['a question', { nodes: { n: { ask: late, ...said } } }],
  ['the key of an event', { nodes: { n: { event: 'e', key: late, schema: anything, for: 1_000, output: () => ({}) } } }],
  ['a wait', { nodes: { n: { wait: late } } }],
  ['a field of an update', { nodes: { n: () => ({ a: [late()] }) } }],
  ['a reducer', { nodes: { n: () => ({ a: ['x'] }) }, reducers: { a: late } }],
  ['the result', { nodes: { n: () => ({ a: ['x'] }) }, reducers: { a: append }, output: late }],
])('%s that is a promise fails the graph, which says so, and its rejection does not end the process', async (_, given) => {
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const made = graph({ name: 'g', state, edges: { start: 'n', n: 'end' }, ...given } as never);
  const { runId, status } = await engine.run(made, {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(status).toBe('failed');
  expect(unhandled.splice(0)).toEqual([]);
  expect(JSON.stringify(await entriesOf(journal, runId))).toMatch(/promise/i);
  await engine.close();
});

test('an output of a tool that holds a promise is told so, and its rejection does not end the process', async () => {
  const holds = tool({ name: 'holds', description: '', input: anything, execute: () => ({ later: late() }) });
  const model = scripted([asks(['holds', {}]), 'done']);
  const journal = memoryJournal();
  const { runId } = await new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [holds] }), 'go');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(unhandled.splice(0)).toEqual([]);
  expect(JSON.stringify(await entriesOf(journal, runId))).toContain('await it');
});
