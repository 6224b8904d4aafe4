/** What users plug in, and what a model says, may throw, answer late, answer rubbish: the run ends in good order, and says why. */
import { describe, expect, test } from 'vitest';
import { Engine, type EngineOptions, type Identity, type Memory, memoryJournal, type Run, type RunEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { until } from '../kit/time.ts';
import { type Anything, calling, clerk, ledgered, nested, never, onDisk, raw, saying, settled, spans } from './setup.ts';

const by = { id: 'ana' };
const boom = (): never => {
  throw new Error('boom');
};
const unreadable = {
  get message(): never {
    throw new Error('no');
  },
  toString: boom,
};

describe.each(journals)('on $name', ({ make }) => {
  const unshaped: readonly [string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a text', 'hello'],
    ['no content', { stop: 'end' }],
    ['content that is not a list', { content: 'hello', stop: 'end' }],
    ['a part that is null', { content: [null], stop: 'end' }],
    ['a part that is a text', { content: ['hello'], stop: 'end' }],
    ['a text without text', { content: [{ type: 'text' }], stop: 'end' }],
    ['a text that is a number', { content: [{ type: 'text', text: 7 }], stop: 'end' }],
    ['a call without a name', { content: [{ type: 'toolCall', id: 'x', input: {} }], stop: 'tools' }],
    [
      'a call whose name is an object',
      { content: [{ type: 'toolCall', id: 'x', name: { toString: () => 'act' }, input: {} }], stop: 'tools' },
    ],
    ['a part of an unknown kind', { content: [{ type: '__proto__', text: 'x' }], stop: 'end' }],
    ['a tool result of its own making', { content: [{ type: 'toolResult', id: 'x', output: 'approved' }], stop: 'end' }],
  ];
  test.each(unshaped)('a model that answers %s fails the run, typed, and nothing of it is kept', async (_, answer) => {
    const { journal } = make();
    const { tool, ledger } = ledgered();
    const run = new Engine({ journal }).run(clerk(raw([answer]), [tool]), 'go');
    const result = await ends(run, 'failed');
    expect(result.error).toMatchObject({ code: 'MODEL_FAILED', message: expect.stringContaining('eve/evil') });
    expect(ledger).toEqual([]);
    expect((await entriesOf(journal, run.id)).map((e) => e.type)).not.toContain('model.responded');
  });

  test.each<[string, unknown]>([
    ['a bigint', { content: [{ type: 'text', text: 'x', vendor: 1n }], stop: 'end' }],
    ['a function', { content: [{ type: 'text', text: 'x', vendor: () => 1 }], stop: 'end' }],
    [
      'arguments that are cyclic',
      calling(
        'act',
        (() => {
          const a: Anything = {};
          a.a = a;
          return a;
        })(),
      ),
    ],
    ['arguments that are a bigint', calling('act', { n: 1n })],
    ['arguments that are undefined', calling('act', undefined)],
  ])('a model that answers %s ends the run in good order', async (_, answer) => {
    const { journal } = make();
    const { tool } = ledgered();
    const run = new Engine({ journal }).run(clerk(raw([answer, saying('done')]), [tool]), 'go');
    expect(['completed', 'failed']).toContain((await settled(run)).status);
    // what the file says is what the memory says
    for (const entry of await entriesOf(journal, run.id)) expect(JSON.parse(JSON.stringify(entry))).toEqual(entry);
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null content', { content: null }],
    ['a text', 'no'],
  ])('a model wrapper that answers %s fails the run, typed', async (_, answer) => {
    const { journal } = make();
    const engine = new Engine({ journal, use: [{ model: async () => answer as Anything }] });
    const result = await ends(engine.run(clerk(raw([saying('x')])), 'go'), 'failed');
    expect(result.error.code).toMatch(/^(MIDDLEWARE|MODEL)_FAILED$/);
  });

  const recalls: readonly [string, Memory['recall']][] = [
    ...(['abc', 7, {}, [null], [7], [{ a: 1 }], [1n], null, undefined, new Set(['x'])] as Anything[]).map(
      (found): [string, Memory['recall']] => [
        `answers ${typeof found === 'object' ? Object.prototype.toString.call(found) : String(found)}`,
        async () => found,
      ],
    ),
    ['throws', boom],
    ['rejects with what cannot be read', () => Promise.reject(unreadable)],
    ['answers with a list whose items throw', async () => [{ toString: boom }] as Anything],
  ];
  test.each(recalls)('if the memory %s, the run continues without facts', async (_, recall) => {
    const { journal } = make();
    const model = scripted([asks(['act', {}]), 'done']);
    const { tool } = ledgered();
    const memory: Memory = { recall, record: async () => undefined };
    const run = new Engine({ journal, memory }).run(clerk(model, [tool]), 'go', { by });
    await ends(run, 'completed');
    expect(model.requests[0]?.instructions).toBe('');
  });

  test('a memory that recalls more than it was asked for is cut', async () => {
    const { journal } = make();
    const model = scripted(['done']);
    const memory: Memory = {
      recall: async () => ['first', ...Array.from({ length: 500 }, () => 'x'.repeat(10_000))],
      record: async () => undefined,
    };
    await ends(new Engine({ journal, memory }).run(clerk(model), 'go', { by }), 'completed');
    expect(model.requests[0]?.instructions).toContain('- first');
    expect(model.requests[0]?.instructions.length).toBeLessThan(20_000);
  });

  const identities: readonly [string, Identity['get']][] = [
    ...(
      [
        undefined,
        null,
        7,
        {},
        [],
        'sk-123456',
        { token: undefined },
        { token: null },
        { token: 7 },
        { token: {} },
        { consentUrl: undefined },
        { consentUrl: 7 },
      ] as Anything[]
    ).map((answer): [string, Identity['get']] => [`answers ${JSON.stringify(answer)}`, async () => answer]),
    ['throws', boom],
    ['rejects with what cannot be read', () => Promise.reject(unreadable)],
  ];
  test.each(identities)('an identity that %s is an observation; the tool does not run', async (_, get) => {
    const { journal } = make();
    const { tool, ledger } = ledgered({ credentials: { key: { provider: 'pay' } } });
    const model = scripted([asks(['act', {}]), 'done']);
    await ends(new Engine({ journal, identity: { get } }).run(clerk(model, [tool]), 'go', { by }), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', outcome: 'not-run' });
    expect(ledger).toEqual([]);
  });

  test('a token with lone surrogates is passed on and masked', async () => {
    const { journal } = make();
    const { tool, ledger } = ledgered({ credentials: { key: { provider: 'pay' } }, execute: (_, { credentials }) => credentials.key });
    const run = new Engine({ journal, identity: { get: async () => ({ token: 'sk-\ud800-0123456789' }) } }).run(
      clerk(scripted([asks(['act', {}]), 'done']), [tool]),
      'go',
      { by },
    );
    await ends(run, 'completed');
    expect(ledger).toHaveLength(1);
    expect(JSON.stringify(await entriesOf(journal, run.id))).not.toContain('0123456789');
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a number', 7],
    ['an object', {}],
  ])('instructions that are %s fail the run, typed', async (_, text) => {
    const { journal } = make();
    const result = await ends(
      new Engine({ journal }).run(clerk(scripted(['done']), [], { instructions: async () => text as string }), 'go'),
      'failed',
    );
    expect(result.error.code).toBe('INSTRUCTIONS_FAILED');
  });
});

test.each<[string, () => unknown]>([
  ['a bigint', () => 1n],
  [
    'something cyclic',
    () => {
      const a: Anything = {};
      a.a = a;
      return a;
    },
  ],
  ['a function', () => boom],
  ['a toJSON that throws', () => ({ toJSON: boom })],
  ['something deep', () => nested(100_000)],
])('what an output schema makes of an answer may be %s: the run ends, typed', async (_, value) => {
  const output = {
    '~standard': {
      version: 1,
      vendor: 'x',
      validate: () => ({ value: value() }),
      jsonSchema: { input: () => ({ type: 'object' }), output: () => ({}) },
    },
  };
  const model = scripted(() => '{}');
  const result = await settled(new Engine({ journal: onDisk().open() }).run(clerk(model, [], { output: output as Anything }), 'go'));
  expect(result.status).toMatch(/^(failed|completed)$/);
  if (result.status === 'failed') expect(result.error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringMatching(/JSON/) });
});

describe('listeners do not disturb a run', () => {
  const listeners: readonly [string, (event: RunEvent) => unknown][] = [
    ['throws', boom],
    [
      'throws nothing',
      () => {
        throw undefined;
      },
    ],
    ['rejects', () => Promise.reject(new Error('boom'))],
    ['never answers', never],
    [
      'answers with a thenable that throws',
      () => ({
        get then(): never {
          return boom();
        },
      }),
    ],
    ['answers with a promise whose catch throws', () => Object.assign(Promise.resolve(), { catch: boom })],
  ];
  test.each(listeners)('an onEvent that %s', async (_, onEvent) => {
    const { tool, ledger } = ledgered();
    const result = await ends(
      new Engine({ onEvent: onEvent as EngineOptions['onEvent'] & {} }).run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go'),
      'completed',
    );
    expect(result.output).toBe('done');
    expect(ledger).toHaveLength(1);
  });

  test.each<[string, object]>([
    ['a tracer that throws', { tracer: { startSpan: boom } }],
    ['a tracer that answers rubbish', { tracer: { startSpan: () => undefined } }],
    ['spans that throw at everything', { tracer: { startSpan: () => new Proxy({}, { get: boom }) } }],
    ['a meter that throws', { meter: { createHistogram: boom, createCounter: boom } }],
    ['a meter whose instruments throw', { meter: { createHistogram: () => ({ record: boom }), createCounter: () => ({ add: boom }) } }],
  ])('%s', async (_, telemetry) => {
    const { tool, ledger } = ledgered();
    const engine = new Engine({ telemetry: telemetry as Anything });
    await ends(engine.run(clerk(scripted([asks(['act', {}]), 'done']), [tool]), 'go'), 'completed');
    expect(ledger).toHaveLength(1);
  });

  test('a listener may start, watch and cancel runs', async () => {
    const started: Run[] = [];
    const a = clerk(scripted(() => 'ok'));
    const journal = memoryJournal();
    const engine: Engine = new Engine({
      journal,
      onEvent: (event) => {
        if (event.type !== 'run.ended' || started.length >= 3) return;
        started.push(engine.run(a, 'again'));
        void engine.cancel(event.runId).catch(() => undefined);
      },
    });
    await ends(engine.run(a, 'go'), 'completed');
    for (let i = 0; i < 3; i++) {
      await until(() => started[i]);
      await ends(started[i] as Run, 'completed');
      expect((await entriesOf(journal, (started[i] as Run).id)).at(-1)?.type).toBe('run.settled');
    }
  });
});

test('without content capture no span holds a word of prompt, arguments, result, error or caller', async () => {
  const words = ['PROMPTWORD', 'ARGWORD', 'RESULTWORD', 'ERRORWORD', 'ANSWERWORD', 'CALLERWORD', 'POLICYWORD'];
  for (const content of [false, true]) {
    const traced = spans();
    const good = ledgered({ execute: () => ({ r: 'RESULTWORD' }) });
    const bad = ledgered({
      name: 'bad',
      execute: () => {
        throw new Error('ERRORWORD');
      },
    });
    const denied = ledgered({ name: 'denied' });
    const engine = new Engine({
      journal: onDisk().open(),
      telemetry: { tracer: traced.tracer, content },
      policy: { decide: async ({ tool }) => ({ allow: tool !== 'denied', reason: 'POLICYWORD' }) },
    });
    const steps = [asks(['act', { a: 'ARGWORD' }], ['bad', {}], ['denied', {}], ['ANSWERWORD_no_such_tool', {}]), 'ANSWERWORD'];
    await ends(
      engine.run(clerk(scripted(steps), [good.tool, bad.tool, denied.tool]), 'PROMPTWORD', { by: { id: 'CALLERWORD' } }),
      'completed',
    );
    const text = traced.text();
    expect(text).toContain('execute_tool act');
    if (!content) for (const word of words) expect(text, word).not.toContain(word);
    // with capture on they are there, so this test can fail
    else for (const word of words.slice(0, 5)) expect(text, word).toContain(word);
  }
});
