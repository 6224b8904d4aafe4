import { describe, expect, test } from 'vitest';
import { agent, Engine, keepLast, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, refused } from '../kit/runs.ts';
import { assertSendable, broken, compactions, lookup, textOf } from './setup.ts';

const turns = (n: number) => scripted((_, i) => (i < n ? asks(['lookup', { i }, `c${i}`]) : 'done'));

describe('keepLast', () => {
  test('leaves out all but the newest messages and the input of the run, at once for many requests', async () => {
    const model = turns(12);
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: 'Go.', model, tools: [lookup()], compact: [keepLast(4)] });
    const engine = new Engine({ journal });
    const { runId } = await ends(engine.run(a, 'the task'), 'completed');
    expect(model.requests.map(({ messages }) => messages.length)).toEqual([1, 3, 5, 7, 6, 8, 6, 8, 6, 8, 6, 8, 6]);
    for (const { messages } of model.requests) {
      assertSendable(messages);
      expect(textOf(messages.find((m) => !m.summary) as never)).toBe('the task');
    }
    // the note of what is left out stands where the first message was that is not seen
    expect(model.requests.at(-1)?.messages.map((m) => [m.role, m.summary ?? false])).toEqual([
      ['user', false],
      ['user', true],
      ['assistant', false],
      ['tool', false],
      ['assistant', false],
      ['tool', false],
    ]);
    const entries = await compactions(journal, runId);
    expect(broken(model.requests)).toHaveLength(entries.length);
    expect(entries.map((e) => e.dropped)).toEqual([[[1, 5]], [[5, 9]], [[9, 13]], [[13, 17]], [[17, 21]]]);
    expect(entries.every((e) => e.by === 'keepLast' && e.tokens.after < e.tokens.before)).toBe(true);
  });

  test('a person sees the whole conversation, and what the model sees of it', async () => {
    const model = turns(6);
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup()], compact: [keepLast(4)] });
    const engine = new Engine();
    const { runId } = await ends(engine.run(a, 'the task'), 'completed');
    const state = await engine.inspect(runId);
    expect(state.messages).toHaveLength(14);
    expect(state.messages.some((m) => m.summary)).toBe(false);
    expect(state.seen).toEqual([...(model.requests.at(-1)?.messages ?? []), state.messages.at(-1)]);
    // a run that was not compacted has only one side
    const other = agent({ name: 'b', instructions: '', model: turns(1), tools: [lookup()], compact: [keepLast(4)] });
    expect(await engine.inspect((await engine.run(other, 'x')).runId)).not.toHaveProperty('seen');
  });

  test('with over it waits until the request has more tokens', async () => {
    const calls = (i: number) => [{ name: 'lookup', input: { i }, id: `c${i}` }];
    const model = scripted((_, i) => (i < 5 ? { toolCalls: calls(i), usage: { input: 1_000 * (i + 1), output: 10 } } : 'done'));
    const journal = memoryJournal();
    const a = agent({ name: 'a', instructions: '', model, tools: [lookup()], compact: [keepLast(2, { over: 4_000 })] });
    const { runId } = await ends(new Engine({ journal }).run(a, 'x'), 'completed');
    const [first, ...others] = await compactions(journal, runId);
    // 4,010 tokens were measured, and the result since has about 100
    expect(first?.tokens.before).toBeGreaterThan(4_010);
    expect(first?.tokens.before).toBeLessThan(4_200);
    expect(others).toHaveLength(1);
  });

  test('is refused where it says nothing', async () => {
    await refused('CONFIG_INVALID', () => keepLast(0));
    await refused('CONFIG_INVALID', () => keepLast(3, { over: -1 }));
    await refused('CONFIG_INVALID', () => agent({ name: 'a', instructions: '', model: turns(1), compact: [{ name: 'x' } as never] }));
    await refused('CONFIG_INVALID', () => new Engine({ compact: keepLast(3) as never }));
    await refused('CONFIG_INVALID', () => new Engine({ pin: true as never }));
  });
});
