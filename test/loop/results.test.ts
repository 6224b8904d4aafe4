import { describe, expect, test } from 'vitest';
import { agent, Engine, type Json, type Part, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

interface Kept {
  output?: Json;
  content?: readonly Part[];
  cut?: number;
}

describe.each(journals)('results on $name', ({ make }) => {
  async function returned<O>(
    value: O | (() => O),
    o: { maxBytes?: number; toModel?: (output: Awaited<O>) => string | readonly Part[] } = {},
  ) {
    const { journal } = make();
    const give = tool({
      name: 'give',
      description: '',
      input: anything,
      ...o,
      execute: (): unknown => (typeof value === 'function' ? (value as () => O)() : value),
    });
    const model = scripted([asks(['give', {}]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [give] }), 'go');
    await ends(run, 'completed');
    const entry = (await entriesOf(journal, run.id)).find((e) => e.type === 'call.finished') as Kept | undefined;
    const parts = model.requests[1]?.messages.at(-1)?.content[0];
    return { told: shown(model.requests[1])[0], entry: entry as Kept, parts: parts?.type === 'toolResult' ? parts.output : [] };
  }

  test.each<[string, unknown, string, Json]>([
    ['a text', 'plain', 'plain', 'plain'],
    ['an object', { a: [1, 2], b: null }, '{"a":[1,2],"b":null}', { a: [1, 2], b: null }],
    ['nothing', undefined, 'null', null],
    ['null', null, 'null', null],
    ['a number', 0, '0', 0],
    ['false', false, 'false', false],
    ['an empty text', '', '', ''],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z'],
  ])('%s is shown to the model and kept', async (_, value, text, output) => {
    const { told, entry } = await returned(value);
    expect(told).toEqual({ id: 'give-0', text, isError: false });
    expect(entry.output).toEqual(output);
  });

  test.each<[string, () => unknown]>([
    ['NaN', () => Number.NaN],
    ['Infinity', () => Number.POSITIVE_INFINITY],
    ['a bigint', () => 12n],
    ['a function', () => () => 1],
    [
      'something circular',
      () => {
        const a: unknown[] = [];
        a.push(a);
        return a;
      },
    ],
    [
      'something that throws when read',
      () => ({
        get bad() {
          throw new Error('no');
        },
      }),
    ],
  ])('%s, which JSON cannot hold, is reported as such, and the call counts as done', async (_, value) => {
    const { told, entry } = await returned(() => value());
    expect(told?.isError).toBe(false);
    expect(JSON.parse(JSON.stringify(entry)).output).toEqual(entry.output);
    expect(told?.text).toBe(typeof entry.output === 'string' ? entry.output : JSON.stringify(entry.output));
  });

  test('a result over its bound is cut, never inside a character, with a note to the model that says by how much', async () => {
    const { told, entry } = await returned('é'.repeat(100), { maxBytes: 51 });
    expect(told?.text).toBe(`${'é'.repeat(25)}\n[cut: 150 of 200 bytes are not shown; ask for less]`);
    expect(entry.cut).toBe(150);
    expect(entry.output).toBe(told?.text);
  });

  test('an object over its bound is cut as its JSON', async () => {
    const { told, entry } = await returned({ list: Array.from({ length: 100 }, (_, i) => i) }, { maxBytes: 40 });
    expect(told?.text).toMatch(/^\{"list":\[0,1,2.*\n\[cut: \d+ of \d+ bytes are not shown; ask for less\]$/s);
    expect(entry.cut).toBeGreaterThan(100);
  });

  test('without a bound of its own a tool may return 64 KB', async () => {
    expect((await returned('x'.repeat(65_536))).entry.cut).toBeUndefined();
    const { entry, told } = await returned('x'.repeat(65_537));
    expect(entry.cut).toBe(1);
    expect(told?.text.length).toBeLessThan(65_700);
  });

  test('toModel says what the model sees; the output is kept apart', async () => {
    const { told, entry } = await returned({ n: 1 }, { toModel: ({ n }) => `n is ${n}` });
    expect(told?.text).toBe('n is 1');
    expect(entry.output).toEqual({ n: 1 });
  });

  test('toModel may give parts, and its text is bounded too', async () => {
    const image: Part = { type: 'image', mediaType: 'image/png', data: 'aGk=' };
    const { parts } = await returned('x', { maxBytes: 100, toModel: () => [{ type: 'text', text: 'y'.repeat(500) }, image] });
    expect(parts[1]).toEqual(image);
    expect(parts[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/^y{100}\n\[cut: 400 of 500/) });
  });

  test('toModel that throws does not undo the call', async () => {
    const { told, entry } = await returned(7, {
      toModel: () => {
        throw new Error('bad view');
      },
    });
    expect(told).toMatchObject({ isError: false, text: expect.stringContaining('bad view') });
    expect(entry.output).toBe(7);
  });

  test('what a tool does with its object later changes nothing', async () => {
    const object = { n: 1 };
    const { entry } = await returned(object);
    object.n = 2;
    expect(entry.output).toEqual({ n: 1 });
  });

  test('an error is an observation with code, message, outcome and attempts, and the loop goes on', async () => {
    const { told, entry } = await returned(() => {
      throw new ToolError('NO_STOCK', 'none left', { outcome: 'not-run' });
    });
    expect(told?.isError).toBe(true);
    expect(JSON.parse(told?.text ?? '')).toEqual({
      code: 'NO_STOCK',
      message: 'none left',
      retryable: false,
      attempts: 1,
      outcome: 'not-run',
    });
    expect(entry).toMatchObject({ ok: false, attempts: 1 });
  });

  test.each<[string, unknown]>([
    ['a text', 'just text'],
    ['undefined', undefined],
    ['null', null],
    ['a plain object', { code: 7 }],
  ])('%s that is thrown is an observation too', async (_, thrown) => {
    const { told } = await returned(() => {
      throw thrown;
    });
    expect(failure(told)).toMatchObject({ code: 'TOOL_FAILED', outcome: 'unknown', attempts: 1 });
    expect(failure(told).message).not.toBe('');
  });
});
