import { describe, expect, test } from 'vitest';
import {
  agent,
  type Compaction,
  clearToolResults,
  Engine,
  type EngineOptions,
  keepLast,
  memoryJournal,
  summarise,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';
import { assertSendable, broken, compactions, lookup, saidIn } from './setup.ts';

const usage = { input: 100, output: 10 };
const policies: readonly (readonly [string, () => Compaction])[] = [
  ['keepLast', () => keepLast(4, { over: 1e9 })],
  ['clearToolResults', () => clearToolResults({ over: 1e9 })],
  ['summarise', () => summarise({ over: 1e9, keep: 4 })],
];

describe('a conversation that the model refuses', () => {
  test.each(policies)('that grows without end is made smaller by %s again and again', async (name, policy) => {
    const journal = memoryJournal();
    let calls = 0;
    const model = scripted((request) => {
      if (saidIn(request).length > 9_000) return { error: 'CONTEXT_TOO_LONG' };
      if (request.tools.length === 0) return { text: 'in short', usage };
      return calls++ < 20 ? asks(['lookup', { calls }, `c${calls}`]) : 'done';
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(2_000)], compact: [policy()] });
    const { runId } = await ends(new Engine({ journal }).run(a, 'the task'), 'completed');
    const entries = await compactions(journal, runId);
    expect(entries.length).toBeGreaterThan(2);
    expect(entries.every((e) => e.refused && e.by === name)).toBe(true);
    const sent = model.requests.filter(({ tools }) => tools.length > 0);
    for (const { messages } of sent) assertSendable(messages);
    expect(broken(sent)).toHaveLength(entries.length);
    for (const request of sent) expect(saidIn(request)).toContain('the task');
  });

  test('whose answer is cut off is made smaller too: what was cut off is charged, and not repeated', async () => {
    const PRICES: EngineOptions['prices'] = { 'scripted/script': { input: 1, output: 10, source: 'made up', date: '2026-11-29' } };
    const journal = memoryJournal();
    let calls = 0;
    const model = scripted((request) => {
      if (saidIn(request).length > 9_000)
        return {
          text: 'half an ans',
          toolCalls: [{ name: 'lookup', input: {}, id: 'half' }],
          stop: 'context',
          usage: { input: 3_000, output: 4 },
        };
      return calls++ < 6 ? { toolCalls: [{ name: 'lookup', input: { calls }, id: `c${calls}` }], usage } : { text: 'done', usage };
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(2_000)], compact: [keepLast(4, { over: 1e9 })] });
    const result = await ends(new Engine({ journal, prices: PRICES }).run(a, 'x'), 'completed');
    const entries = await entriesOf(journal, result.runId);
    const cut = entries.filter((e) => e.type === 'attempt.failed');
    expect(cut.length).toBeGreaterThan(0);
    expect(cut[0]).toMatchObject({ of: 'model', code: 'CONTEXT_TOO_LONG', lost: { tokens: 3_004, usd: 0.00304 } });
    expect(result.usage.input).toBe(7 * 100 + cut.length * 3_004);
    expect(JSON.stringify(model.requests)).not.toContain('half an ans');
    expect(result.steps).toBe(7);
  });

  // holds compact.I4
  test('that cannot be made smaller ends the run with what to do, after a bounded number of tries', async () => {
    const model = scripted(() => ({ error: 'CONTEXT_TOO_LONG' }));
    const a = agent({ name: 'a', instructions: '', model, compact: [keepLast(2), clearToolResults(), summarise()] });
    const alone = await ends(new Engine().run(a, 'a long task'), 'failed');
    expect(alone.error).toMatchObject({ code: 'CONTEXT_TOO_LONG', message: expect.stringContaining('pin less') });
    expect(model.requests).toHaveLength(1);
    // a policy that always finds something to leave out is asked a bounded number of times
    let calls = 0;
    const many = scripted(() => (calls < 40 ? asks(['lookup', {}, `c${calls++}`]) : { error: 'CONTEXT_TOO_LONG' }));
    const slow: Compaction = {
      name: 'slow',
      compact({ refusals, messages }) {
        const first = messages.findIndex(({ role }) => role === 'assistant');
        return refusals > 0 ? { drop: [first, first + 1] } : undefined;
      },
    };
    const b = agent({ name: 'b', instructions: '', model: many, tools: [lookup(10)], compact: [slow] });
    const journal = memoryJournal();
    const ended = await ends(new Engine({ journal }).run(b, 'x'), 'failed');
    expect(ended.error.code).toBe('CONTEXT_TOO_LONG');
    expect(many.requests).toHaveLength(40 + 1 + 6);
    expect(await compactions(journal, ended.runId)).toHaveLength(6);
  });

  test('without a policy it ends the run, as before', async () => {
    const error = await ends(
      new Engine().run(agent({ name: 'a', instructions: '', model: scripted([{ error: 'CONTEXT_TOO_LONG' }]) }), 'x'),
      'failed',
    );
    expect(error.error.code).toBe('CONTEXT_TOO_LONG');
    const cut = scripted([{ text: 'half', stop: 'context' }]);
    const other = await ends(new Engine().run(agent({ name: 'a', instructions: '', model: cut }), 'x'), 'failed');
    expect(other.error).toMatchObject({ code: 'CONTEXT_TOO_LONG', message: expect.stringContaining('compact') });
  });

  test('is not refused at all where the window of the model is known', async () => {
    let calls = 0;
    const model = scripted(
      (request) => {
        if (saidIn(request).length / 4 > 8_000) return { error: 'CONTEXT_TOO_LONG' };
        return calls++ < 20 ? asks(['lookup', { calls }, `c${calls}`]) : 'done';
      },
      { contextWindow: 8_000, maxOutput: 1_000 },
    );
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup(3_000)], compact: [clearToolResults()] });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    const entries = await compactions(journal, runId);
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.some((e) => e.refused)).toBe(false);
  });
});
