/** More of everything than anybody should send: bounded, told, and the run goes on. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, jsonSchema, type Part } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { type Anything, calling, clerk, finishedIn, ledgered, nested, raw, saying, settled, told } from './setup.ts';

const boom = (): never => {
  throw new Error('boom');
};
const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
/** What one call may keep and show in all, with its note. */
const ROOM = 2 * 65_536 + 4_096;

// one that answers at once and one on disk: a journal that answers later bounds nothing by itself
const stores = journals.filter((j) => j.name === 'memory' || j.name === 'sqlite');

describe.each(stores)('on $name', ({ make }) => {
  async function returning(execute: () => unknown, over: object = {}) {
    const { journal } = make();
    const { tool, ledger } = ledgered({ execute, ...over });
    const model = scripted([asks(['act', {}]), 'done']);
    const run = new Engine({ journal }).run(clerk(model, [tool]), 'go');
    await ends(run, 'completed');
    const [finished] = finishedIn(await entriesOf(journal, run.id));
    return { finished, model, ledger, shown: model.requests[1]?.messages.at(-1) };
  }

  const results: readonly [string, () => unknown][] = [
    ['a text of 20 MB', () => 'é'.repeat(1e7)],
    ['an object of 20 MB', () => ({ a: 'é'.repeat(1e7) })],
    ['a list of a million', () => Array.from({ length: 1e6 }, (_, i) => i)],
    ['a hundred thousand lists inside each other', () => nested(100_000)],
    [
      'a cyclic object',
      () => {
        const a: Anything = {};
        a.a = a;
        return a;
      },
    ],
    ['a bigint', () => ({ n: 1n })],
    [
      'a toJSON that throws null',
      () => ({
        toJSON() {
          throw null;
        },
      }),
    ],
    [
      'a toJSON that throws undefined',
      () => ({
        toJSON() {
          throw undefined;
        },
      }),
    ],
    [
      'a toJSON that throws what cannot be read',
      () => ({
        toJSON() {
          throw {
            get message() {
              return boom();
            },
            toString: boom,
          };
        },
      }),
    ],
    [
      'a toJSON that throws 50 MB',
      () => ({
        toJSON() {
          throw new Error('x'.repeat(5e7));
        },
      }),
    ],
    [
      'a getter that throws',
      () => ({
        get a() {
          return boom();
        },
      }),
    ],
    [
      'a proxy that throws at all but then',
      () => new Proxy({}, { get: (_, key) => (key === 'then' ? undefined : boom()), ownKeys: boom, has: boom, getPrototypeOf: boom }),
    ],
    ['a symbol', () => Symbol('x')],
    ['a function', () => boom],
  ];
  test.each(results)('%s as a result', async (_, execute) => {
    const { finished, ledger, shown } = await returning(execute);
    expect(ledger).toHaveLength(1);
    expect(finished?.ok).toBe(true);
    expect(bytes(finished)).toBeLessThan(ROOM);
    expect(bytes(shown)).toBeLessThan(ROOM);
    expect(JSON.parse(JSON.stringify(finished))).toEqual(finished);
  });

  const thrown: readonly [string, () => unknown][] = [
    [
      '10 MB',
      () => {
        throw new Error('x'.repeat(1e7));
      },
    ],
    [
      '10 MB of code',
      () => {
        throw Object.assign(new Error('x'), { code: 'x'.repeat(1e7), name: 'y'.repeat(1e7) });
      },
    ],
    [
      'null',
      () => {
        throw null;
      },
    ],
    [
      'a proxy that throws',
      () => {
        throw new Proxy({}, { get: boom, getPrototypeOf: boom, has: boom });
      },
    ],
    [
      'a revoked proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw proxy;
      },
    ],
    [
      'a then that throws',
      () => ({
        get then() {
          return boom();
        },
      }),
    ],
  ];
  test.each(thrown)('%s thrown', async (_, execute) => {
    const { finished } = await returning(execute, { effect: 'read', retry: { attempts: 1 } });
    expect(finished).toMatchObject({ ok: false, error: { code: expect.any(String), message: expect.stringMatching(/\S/) } });
    expect(bytes(finished)).toBeLessThan(6_000);
  });

  test('a thenable that settles twice and throws: the first result counts', async () => {
    const then = (yes: (v: string) => void, no: (e: Error) => void) => {
      yes('first');
      no(new Error('second'));
      yes('third');
      boom();
    };
    const { finished } = await returning(() => ({ then }));
    expect(finished).toMatchObject({ ok: true, output: 'first' });
  });

  test('a thenable that never settles ends at the timeout', async () => {
    const { finished } = await returning(() => ({ then() {} }), { timeout: 10 });
    expect(finished).toMatchObject({ ok: false, error: { code: 'TIMEOUT', outcome: 'unknown' } });
  });

  const parts: readonly [string, () => unknown][] = [
    ['a hundred thousand texts', () => Array.from({ length: 100_000 }, () => ({ type: 'text', text: 'y'.repeat(200) }))],
    ['a hundred thousand empty texts', () => Array.from({ length: 100_000 }, () => ({ type: 'text', text: '' }))],
    [
      'names and kinds of 10 MB',
      () => [{ type: 'image', mediaType: 'x'.repeat(1e7), data: '', name: 'n'.repeat(1e7), vendor: 'v'.repeat(1e7) }],
    ],
    ['a text whose vendor field is 10 MB', () => [{ type: 'text', text: 'x', vendor: { a: 'v'.repeat(1e7) } }]],
    [
      'kinds of parts that no result has',
      () => [
        { type: 'toolCall', id: 'x', name: 'act', input: {} },
        { type: 'weird', blob: 'x'.repeat(1e6) },
        { type: 'toolResult', id: 'x', output: [{ type: 'text', text: 'x'.repeat(1e6) }] },
      ],
    ],
    ['rubbish', () => [null, undefined, 7, 'x', [], { type: 'text' }, { type: 'text', text: 7 }, { type: 'image' }]],
    ['no list', () => ({ length: 3 })],
    ['a text of 20 MB', () => 'é'.repeat(1e7)],
  ];
  test.each(parts)('toModel that says %s', async (_, toModel) => {
    const { finished, shown } = await returning(() => 'ok', { toModel });
    expect(finished?.ok).toBe(true);
    expect(bytes(finished)).toBeLessThan(ROOM);
    expect(bytes(shown)).toBeLessThan(ROOM);
    for (const part of ((shown as NonNullable<typeof shown>).content[0] as { output: readonly Part[] }).output)
      expect(['text', 'image', 'document']).toContain(part?.type);
  });

  test('twenty pictures of 7 MB are not all kept', async () => {
    const { finished, shown } = await returning(() => 'ok', {
      toModel: () => Array.from({ length: 20 }, () => ({ type: 'image', mediaType: 'image/png', data: 'A'.repeat(7e6) })),
    });
    expect(bytes(finished)).toBeLessThan(17e6);
    expect(
      JSON.stringify(((shown as NonNullable<typeof shown>).content[0] as Anything).output.filter((p: Part) => p.type === 'text')),
    ).toMatch(/left out|cut|not shown/);
  });

  test.each([1_000, 3_000, 20_000, 100_000])(
    'arguments of %i lists inside each other end no run and reach no tool unbounded',
    async (levels) => {
      for (const approval of [false, true]) {
        const { journal } = make();
        const { tool, ledger } = ledgered({ approval });
        const model = raw([calling('act', { deep: nested(levels) }), saying('done')]);
        const run = new Engine({ journal }).run(clerk(model, [tool]), 'go');
        await ends(run, 'completed');
        expect(ledger).toEqual([]);
        expect(JSON.parse(told(model.requests[1]))).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
        expect(bytes(await entriesOf(journal, run.id))).toBeLessThan(20_000);
      }
    },
  );

  test.each([190, 196, 197, 198, 199, 200, 201, 205, 400, 3_000])(
    'just within, and just beyond what may be nested (%i levels): with listeners and without, the run ends and can be looked at',
    async (levels) => {
      const deep = nested(levels);
      const vendor = { vendor: deep };
      for (const listens of [false, true]) {
        const { journal } = make();
        const { tool } = ledgered({
          execute: () => deep,
          credentials: { key: { provider: 'p' } },
          toModel: () => [{ type: 'text', text: 'seen', ...vendor }],
        });
        const plain = ledgered({ name: 'plain', execute: () => ({ deep }) });
        const answer = {
          content: [
            { type: 'text', text: 'x' },
            { type: 'toolCall', id: 'a', name: 'act', input: { deep } },
            { type: 'toolCall', id: 'b', name: 'plain', input: {} },
            { type: 'toolCall', id: 'c', name: 'act', input: {} },
          ],
          stop: 'tools',
        };
        const engine = new Engine({
          journal,
          identity: { get: async () => ({ token: 'sk-0123456789' }) },
          ...(listens && { onEvent: () => undefined }),
        });
        const run = engine.run(clerk(raw([answer, saying('done')]), [tool, plain.tool]), 'go', { by: { id: 'ana' } });
        await ends(run, 'completed');
        expect((await engine.inspect(run.id)).messages).toHaveLength(4);
        expect((await all(engine.watch(run.id))).at(-1)?.type).toBe('run.ended');
        const vendored = engine.run(clerk(raw([{ content: [{ type: 'text', text: 'x', ...vendor }], stop: 'end' }])), 'go');
        expect((await settled(vendored)).status).toMatch(/^(completed|failed)$/);
        expect(await engine.inspect(vendored.id)).toMatchObject({ runId: vendored.id });
      }
    },
  );

  test('input and context that are too deep are refused at the start, an edit and an answer where they are decided', async () => {
    const { journal } = make();
    const { tool } = ledgered({ approval: { allow: ['edit', 'respond', 'approve'] } });
    const engine = new Engine({ journal });
    const a = clerk(scripted([asks(['act', {}]), 'done']), [tool]);
    for (const o of [{ input: [{ type: 'text', text: 'x', vendor: nested(50_000) }] }, { input: 'go', context: nested(50_000) }])
      expect(await settled(begin(() => engine.run(a, o.input as Anything, { context: o.context } as Anything)))).toMatchObject({
        status: 'rejected',
        error: { code: 'CONFIG_INVALID' },
      });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const approval = paused.approvals[0].id;
    for (const decision of [
      { approval, type: 'edit', input: { deep: nested(50_000) } },
      { approval, type: 'respond', answer: nested(50_000) },
    ] as Anything[])
      await expect(engine.decide(paused.runId, [decision], { by: { id: 'ben' } })).rejects.toMatchObject({ code: 'DECISION_INVALID' });
    expect((await engine.inspect(paused.runId)).approvals).toHaveLength(1);
  });

  test("error messages for the model are bounded: wrong keys, a tool's name, a reviewer's answer", async () => {
    const { journal } = make();
    const { tool } = ledgered({ input: jsonSchema<Anything>({ type: 'object', additionalProperties: { type: 'string' } }) });
    const strict = ledgered({ name: 'strict', input: z.strictObject({}) });
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`key${i}`, i]));
    const ask = ledgered({ name: 'ask', approval: { allow: ['respond', 'reject'] } });
    const model = scripted([
      asks(['act', many]),
      asks(['strict', many]),
      asks(['x'.repeat(1e6), {}]),
      asks(['ask', {}]),
      asks(['ask', {}]),
      'done',
    ]);
    const engine = new Engine({ journal });
    const first = await ends(engine.run(clerk(model, [tool, strict.tool, ask.tool]), 'go'), 'paused');
    const decide = (decision: object, id: string) =>
      engine.decide(first.runId, [{ ...decision, approval: id } as Anything], { by: { id: 'ben' } });
    // longer ones are refused where they are given
    const answer = { type: 'respond', answer: 'x'.repeat(60_000) };
    await expect(decide({ ...answer, answer: 'x'.repeat(1e7) }, first.approvals[0].id)).rejects.toMatchObject({ code: 'DECISION_INVALID' });
    await decide(answer, first.approvals[0].id);
    const second = await ends(engine.resume(first.runId), 'paused');
    const rejection = { type: 'reject', reason: 'x'.repeat(1e7), note: 'y'.repeat(1e7) };
    const long = await decide(rejection, second.approvals[0].id).catch((error) => error.code);
    if (long === 'DECISION_INVALID') await decide({ ...rejection, reason: 'no', note: 'x'.repeat(2_000) }, second.approvals[0].id);
    await ends(engine.resume(first.runId), 'completed');
    const seen = shown(model.requests.at(-1));
    expect(seen.map((s) => (s.isError ? failure(s).code : 'ok'))).toEqual([
      'INVALID_ARGUMENTS',
      'INVALID_ARGUMENTS',
      'TOOL_NOT_FOUND',
      'ok',
      'REJECTED',
    ]);
    for (const { isError, text } of seen) expect(text.length).toBeLessThan(isError ? 5_000 : 70_000);
  });
});

test.each<[string, object]>([
  ['a text of 1 MB', { a: 'x'.repeat(1e6) }],
  ['a name of 1 MB', { ['x'.repeat(1e6)]: 1 }],
  ['fifty thousand values', { a: Array.from({ length: 50_000 }, (_, i) => i) }],
])('arguments with %s reach no schema, rule, policy, person or tool', async (_, input) => {
  const seen: string[] = [];
  const see = (what: string) => void seen.push(what);
  const { tool, ledger } = ledgered({
    input: z.looseObject({}).refine(() => (see('schema'), true)),
    approval: () => (see('rule'), true),
  });
  const policy = { decide: async () => (see('policy'), { allow: true }) };
  const model = raw([calling('act', input), saying('done')]);
  await ends(new Engine({ policy }).run(clerk(model, [tool]), 'go'), 'completed');
  expect(JSON.parse(told(model.requests[1]))).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
  expect({ seen, ledger }).toEqual({ seen: [], ledger: [] });
});

test('a text of 200 MB is cut quickly', async () => {
  const { tool } = ledgered({ execute: () => 'x'.repeat(2e8) });
  const model = scripted([asks(['act', {}]), 'done']);
  await ends(new Engine().run(clerk(model, [tool]), 'go'), 'completed');
  expect(told(model.requests[1]).length).toBeLessThan(ROOM);
});

test.each([
  ' '.repeat(200_000),
  '\n'.repeat(200_000),
  `${' '.repeat(200_000)}x`,
  '```'.repeat(100_000),
  `\`\`\`json${' '.repeat(200_000)}x`,
  `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  '1'.repeat(200_000),
  '"'.repeat(200_001),
])('an answer of blanks, fences or brackets where JSON is due does not stop the process (%#)', async (text) => {
  const result = await ends(
    new Engine().run(
      clerk(
        scripted(() => text),
        [],
        { output: jsonSchema({ type: 'object' }) },
      ),
      'go',
    ),
    'failed',
  );
  expect(result.error.code).toBe('OUTPUT_INVALID');
  expect(result.error.message.length).toBeLessThan(5_000);
});

test.each([
  ['plain', '{"a":1}'],
  ['in a fence', '```json\n{"a":1}\n```'],
  ['in a bare fence', ' ```\n{"a":1}```  \n'],
  ['with blanks', ' \n{"a":1} \n'],
])('JSON %s is taken', async (_, text) => {
  const result = await ends(new Engine().run(clerk(scripted([text]), [], { output: jsonSchema({ type: 'object' }) }), 'go'), 'completed');
  expect(result.output).toEqual({ a: 1 });
});

test('a schema ten thousand levels deep is refused where the tool is declared', () => {
  let schema: Anything = { type: 'object' };
  for (let i = 0; i < 10_000; i++) schema = { type: 'object', properties: { a: schema } };
  expect(() => ledgered({ input: jsonSchema(schema) })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => agent({ name: 'a', instructions: '', model: scripted([]), output: jsonSchema(schema) })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});

/** A run whatever way it is refused: at once or later. */
function begin<T>(start: () => PromiseLike<T>): PromiseLike<T> {
  try {
    return start();
  } catch (error) {
    return Promise.reject(error);
  }
}
