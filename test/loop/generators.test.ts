import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, graph, memoryJournal, type Tool, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, later } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

/** Runs a tool once, watched: what was shown as progress, and what the model was told. */
async function called(give: Tool, engine = new Engine()) {
  const model = scripted([asks([give.name, {}]), 'done']);
  const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [give] }), 'go', { by: { id: 'ana' } });
  const progress: unknown[] = [];
  for await (const e of run) if (e.type === 'tool.progress') progress.push(e.data);
  await ends(run, 'completed');
  return { progress, told: shown(model.requests[1])[0], runId: run.id };
}
const base = { name: 'give', description: '', input: anything } as const;

describe('a tool that is a generator', () => {
  test.each<[string, Tool]>([
    [
      'asynchronous',
      tool({
        ...base,
        execute: async function* () {
          yield { status: 'paying' };
          yield { status: 'paid' };
          return { receipt: 7 };
        },
      }),
    ],
    [
      'synchronous',
      tool({
        ...base,
        execute: function* () {
          yield { status: 'paying' };
          yield { status: 'paid' };
          return { receipt: 7 };
        },
      }),
    ],
    [
      'behind a promise',
      tool({
        ...base,
        execute: async () =>
          (async function* () {
            yield { status: 'paying' };
            yield Promise.resolve({ status: 'paid' });
            return { receipt: 7 };
          })(),
      }),
    ],
  ])('%s: what it yields is progress, what it returns is the output', async (_, give) => {
    const { progress, told } = await called(give);
    expect(progress).toEqual([{ status: 'paying' }, { status: 'paid' }]);
    expect(told).toMatchObject({ text: '{"receipt":7}', isError: false });
  });

  test('without a return value: what it yielded last is the output', async () => {
    const give = tool({
      ...base,
      execute: async function* () {
        yield 1;
        yield { receipt: 7 };
      },
      toModel: (last) => (typeof last === 'number' ? 'a number' : `receipt ${last.receipt}`),
    });
    expect((await called(give)).told?.text).toBe('receipt 7');
  });

  test('that yields nothing and returns nothing: its output is null; null that is returned is null', async () => {
    expect((await called(tool({ ...base, execute: function* () {} }))).told?.text).toBe('null');
    const give = tool({
      ...base,
      execute: function* () {
        yield 1;
        return null;
      },
    });
    expect((await called(give)).told?.text).toBe('null');
  });

  test('that throws in the middle: what it did before is progress, and the call has failed', async () => {
    const give = tool({
      ...base,
      effect: 'read',
      retry: { attempts: 1 },
      execute: async function* () {
        yield 'begun';
        throw new ToolError('NO_STOCK', 'none left');
      },
    });
    const { progress, told } = await called(give);
    expect(progress).toEqual(['begun']);
    expect(failure(told)).toMatchObject({ code: 'NO_STOCK' });
  });

  test('with credentials: what it yields is without them', async () => {
    const give = tool({
      ...base,
      credentials: { pay: { provider: 'pay' } },
      execute: async function* (_, { credentials }) {
        yield `with ${credentials.pay}`;
        return 'paid';
      },
    });
    const identity = { get: async () => ({ token: 'secret-of-the-tool' }) };
    const { progress } = await called(give, new Engine({ identity }));
    expect(progress).toHaveLength(1);
    expect(JSON.stringify(progress)).not.toContain('secret-of-the-tool');
  });

  test('that timed out is ended at its next yield, and emits nothing more', async () => {
    const go = deferred();
    const seen: string[] = [];
    const give = tool({
      ...base,
      effect: 'read',
      timeout: 20,
      retry: { attempts: 1 },
      execute: async function* () {
        try {
          yield 'begun';
          await go.promise;
          seen.push('woke');
          yield 'late';
          seen.push('went on');
        } finally {
          seen.push('ended');
        }
      },
    });
    const { progress, told } = await called(give);
    expect(failure(told)).toMatchObject({ code: 'TIMEOUT' });
    go.resolve();
    await settle(20);
    expect(progress).toEqual(['begun']);
    expect(seen).toEqual(['woke', 'ended']);
  });

  test('that never ends and never awaits times out anyway', async () => {
    const give = tool({
      ...base,
      effect: 'read',
      timeout: 20,
      retry: { attempts: 1 },
      execute: function* () {
        for (;;) yield;
      },
    });
    const model = scripted([asks(['give', {}]), 'done']);
    await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [give] }), 'go'), 'completed');
    expect(failure(shown(model.requests[1])[0]).code).toBe('TIMEOUT');
  });

  test('is in the journal as any other, and runs once for a once tool', async () => {
    let paid = 0;
    const journal = later(memoryJournal());
    const give = tool({
      ...base,
      execute: async function* () {
        yield 'paying';
        return ++paid;
      },
    });
    const { runId } = await called(give, new Engine({ journal }));
    expect(paid).toBe(1);
    expect((await entriesOf(journal, runId)).find((e) => e.type === 'call.finished')).toMatchObject({ ok: true, output: 1 });
  });
});

describe('a node of a graph that gives', () => {
  const single = (update: () => unknown) =>
    graph({
      name: 'g',
      state: z.object({ n: z.number() }),
      nodes: { only: update as () => { n: number } },
      edges: { start: 'only', only: 'end' },
    });
  test.each<[string, () => unknown, string]>([
    [
      'a generator',
      function* () {
        yield { n: 1 };
      },
      'to its end',
    ],
    ['a Map', () => new Map([['n', 1]]), 'a Map'],
    ['an error', () => new Error('x'), 'an Error'],
    ['a Response', () => new Response('{}'), 'Response'],
    ['a function in a field', () => ({ n: () => 1 }), 'a function'],
    ['a Set in a field', () => ({ n: new Set([1]) }), 'a Set'],
  ])('%s is refused by name, not taken for an update that changes nothing', async (_, update, named) => {
    const { error } = await ends(new Engine().run(single(update), { n: 0 }), 'failed');
    expect(error).toMatchObject({ code: 'UPDATE_INVALID', message: expect.stringContaining(named) });
  });

  test('an instance of a class with fields: they are the update', async () => {
    class Update {
      n = 2;
    }
    const { output } = await ends(
      new Engine().run(
        single(() => new Update()),
        { n: 0 },
      ),
      'completed',
    );
    expect(output).toEqual({ n: 2 });
  });
});
