import { afterEach, beforeEach, expect, test } from 'vitest';
import { agent, delegate, Engine, keepLast, memoryJournal, type Tool, type ToolOutcome, tool, waitForEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';

const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);
beforeEach(() => void process.on('unhandledRejection', note));
afterEach(() => void process.off('unhandledRejection', note));

/** A function that is asked for its answer at once, and gives a promise that is rejected later. */
const late = (): never => new Promise((_, reject) => setTimeout(() => reject(new Error('not now')), 1)) as never;
const acts = (more: object): Tool => tool({ name: 'acts', description: '', input: anything, execute: () => 'done', ...more });
const helper = agent({ name: 'helper', instructions: '', model: scripted(() => 'helped') });
const PROMISED = 'it returned a promise';

test.each<[string, { tool?: Tool; agent?: object }]>([
  ['amount', { tool: acts({ amount: late }) }],
  ['key', { tool: acts({ key: late }) }],
  ['same', { tool: acts({ key: () => 'k', same: late }) }],
  ['toModel', { tool: acts({ toModel: late }) }],
  ['cost', { tool: acts({ cost: late }) }],
  ['key of an event', { tool: waitForEvent({ name: 'acts', event: 'reply', key: late, schema: anything, input: anything, for: 1_000 }) }],
  ['share', { agent: { agents: [delegate(helper, { name: 'acts', share: late })] } }],
  ['pin', { tool: acts({}), agent: { pin: late, compact: [keepLast(1)] } }],
])('%s that returns a promise is told so, and its rejection does not end the process', async (_, given) => {
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const model = scripted([asks(['acts', { task: 'go' }]), 'done', 'done']);
  const a = agent({ name: 'a', instructions: '', model, ...(given.tool && { tools: [given.tool] }), ...given.agent });
  const { runId } = await engine.run(a, 'go');
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(unhandled.splice(0)).toEqual([]);
  expect(JSON.stringify(await entriesOf(journal, runId))).toContain(PROMISED);
  await engine.close();
});

test.each([
  [Number.NaN, undefined],
  [-1, undefined],
  [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER],
])('a wrapper that asks to wait %d ms: the journal has a number or none', async (retryAfter, kept) => {
  const journal = memoryJournal();
  const refusing = { tool: async (): Promise<ToolOutcome> => ({ ok: false, error: { code: 'X', message: 'no', retryAfter } as never }) };
  const model = scripted([asks(['acts', {}]), 'done']);
  const { runId } = await ends(
    new Engine({ journal, use: [refusing] }).run(agent({ name: 'a', instructions: '', model, tools: [acts({})] }), 'go'),
    'completed',
  );
  const [end] = (await entriesOf(journal, runId)).filter((e) => e.type === 'call.finished');
  expect(end).toMatchObject({ ok: false, error: { code: 'X' } });
  expect(JSON.parse(JSON.stringify(end)).error.retryAfter).toBe(kept);
});
