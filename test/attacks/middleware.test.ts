/** A wrapper is trusted code, and wrong code all the same. */
import { describe, expect, test } from 'vitest';
import { type Effect, Engine, type Middleware, memoryJournal, type Outcome, ToolError, type ToolOutcome } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { type Anything, calling, clerk, finishedIn, ledgered, raw, saying, settled } from './setup.ts';

const boom = (): never => {
  throw new Error('boom');
};
const cyclic: Anything = {};
cyclic.a = cyclic;

describe.each(journals)('a tool wrapper on $name', ({ make }) => {
  const rubbish: readonly [string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a text', 'ok'],
    ['an empty object', {}],
    ['a failure without an error', { ok: false }],
    ['a failure that is null', { ok: false, error: null }],
    ['a failure that is a text', { ok: false, error: 'nope' }],
    ['a failure with a bigint', { ok: false, error: { code: 'X', message: 'm', n: 1n } }],
    ['a failure that is cyclic', { ok: false, error: { code: 'X', message: 'm', cyclic } }],
    ['a failure whose code is an object', { ok: false, error: { code: {}, message: {} } }],
    ['ok that is a text', { ok: 'true', output: 1 }],
  ];
  test.each(rubbish)('that answers %s is not a success', async (_, answer) => {
    for (const ran of [false, true]) {
      const { journal } = make();
      const { tool, ledger } = ledgered();
      const model = scripted([asks(['act', {}]), 'done']);
      const wrapper: Middleware['tool'] = async (_, next) => (ran && (await next()), answer as Anything);
      const run = new Engine({ journal, use: [{ tool: wrapper }] }).run(clerk(model, [tool]), 'go');
      await ends(run, 'completed');
      const [finished] = finishedIn(await entriesOf(journal, run.id));
      expect(finished?.ok).toBe(false);
      const told = failure(shown(model.requests[1])[0]);
      expect(told).toMatchObject({
        code: expect.any(String),
        message: expect.any(String),
        outcome: expect.stringMatching(/^(not-run|failed|unknown)$/),
      });
      expect(shown(model.requests[1])[0]?.isError).toBe(true);
      // what ran and may have taken effect is never told as "did not run"
      if (ran) expect(told.outcome).not.toBe('not-run');
      expect(ledger).toHaveLength(ran ? 1 : 0);
    }
  });

  const throws: readonly [string, unknown][] = [
    ['an error', new Error('boom')],
    ['nothing', undefined],
    ['null', null],
    [
      'what cannot be read',
      {
        get message() {
          return boom();
        },
        toString: boom,
      },
    ],
    ['a proxy', new Proxy({}, { get: boom })],
    ['fifty megabytes', new Error('x'.repeat(5e7))],
  ];
  test.each(throws)('that throws %s is an observation', async (_, error) => {
    const { journal } = make();
    const { tool } = ledgered();
    const model = scripted([asks(['act', {}]), 'done']);
    const run = new Engine({
      journal,
      use: [
        {
          tool: async () => {
            throw error;
          },
        },
      ],
    }).run(clerk(model, [tool]), 'go');
    await ends(run, 'completed');
    const told = shown(model.requests[1])[0];
    expect(failure(told)).toMatchObject({ code: 'MIDDLEWARE_FAILED', outcome: 'not-run', message: expect.stringMatching(/\S/) });
    expect(told?.text.length).toBeLessThan(5_000);
  });

  test.each(throws)('of the model that throws %s fails the run, typed', async (_, error) => {
    const { journal } = make();
    const run = new Engine({
      journal,
      use: [
        {
          model: async () => {
            throw error;
          },
        },
      ],
    }).run(clerk(raw([saying('x')])), 'go');
    const result = await ends(run, 'failed');
    expect(result.error).toMatchObject({ code: 'MIDDLEWARE_FAILED', message: expect.stringMatching(/\S/) });
    expect(result.error.message.length).toBeLessThan(5_000);
  });
});

test('a wrapper that changes the request it was given changes nothing but what the model sees', async () => {
  const { tool, ledger } = ledgered();
  const journal = memoryJournal();
  const model = scripted([asks(['act', { cents: 1 }]), 'done']);
  const engine = new Engine({
    journal,
    use: [
      {
        model: (request, next) =>
          next({ ...request, messages: [...request.messages, { role: 'user', content: [{ type: 'text', text: 'INJECTED' }] }] }),
        tool: async (call, next) => {
          (call.input as Anything).cents = 666;
          return next();
        },
      },
    ],
  });
  const run = engine.run(clerk(model, [tool]), 'go');
  await ends(run, 'completed');
  expect(ledger).toEqual([{ cents: 1 }]);
  expect(JSON.stringify(model.requests[0]?.messages)).toContain('INJECTED');
  const log = JSON.stringify(await entriesOf(journal, run.id));
  expect(log).not.toContain('INJECTED');
  expect(log).not.toContain('"cents":666');
});

describe('a wrapper that tries again', () => {
  const again: Middleware = {
    tool: async (_, next) => {
      const first = await next();
      return first.ok ? first : next();
    },
  };
  const calls = async (effect: Effect, execute: () => unknown) => {
    const { tool, ledger } = ledgered({ effect, execute, retry: { attempts: 1 } });
    const model = scripted([asks(['act', {}]), 'done']);
    await ends(new Engine({ use: [again] }).run(clerk(model, [tool]), 'go'), 'completed');
    return { ran: ledger.length, told: failure(shown(model.requests[1])[0]) };
  };
  const fails = (outcome: Outcome) => () => {
    throw new ToolError('BAD', 'bad', { outcome });
  };

  test('does not run a `once` call again that may have taken effect', async () => {
    for (const outcome of ['failed', 'unknown'] as const) {
      const { ran, told } = await calls('once', fails(outcome));
      expect(ran).toBe(1);
      expect(told.outcome).toBe(outcome);
    }
  });

  test.each<[string, Middleware['tool']]>([
    ['both', async (_, next) => (await Promise.all([next(), next()]))[0] as ToolOutcome],
    ['the first that answers', (_, next) => Promise.race([next(), next()])],
    [
      'one that no one waits for',
      async (_, next) => {
        void next();
        return next();
      },
    ],
  ])('does not run it twice at once either: %s', async (_, wrapper) => {
    for (const [effect, times] of [
      ['once', 1],
      ['idempotent', 2],
    ] as const) {
      const { tool, ledger } = ledgered({
        effect,
        execute: async () => {
          await new Promise((resolve) => setTimeout(resolve, 2));
          return 'done';
        },
      });
      const model = scripted([asks(['act', {}]), 'done']);
      await ends(new Engine({ use: [{ tool: wrapper as NonNullable<Middleware['tool']> }] }).run(clerk(model, [tool]), 'go'), 'completed');
      expect(ledger).toHaveLength(times);
      expect(shown(model.requests[1])[0]).toMatchObject({ text: 'done', isError: false });
    }
  });

  test('runs again what is known not to have run, and what may run twice', async () => {
    expect((await calls('once', fails('not-run'))).ran).toBe(2);
    expect((await calls('idempotent', fails('unknown'))).ran).toBe(2);
    expect((await calls('read', fails('failed'))).ran).toBe(2);
  });
});

test('a failing next() that is not awaited does not crash the process', async () => {
  const { tool } = ledgered({ execute: boom });
  let n = 0;
  const model = {
    provider: 'm',
    id: 'm',
    generate: async () => {
      if (n++ === 0) return boom();
      return n > 3 ? saying('done') : calling('act', {});
    },
  } as Anything;
  const wrapper: Middleware = {
    model: async (request, next) => {
      void next(request);
      return next(request);
    },
    tool: async (_, next) => {
      void next();
      return { ok: true, output: 'mine' };
    },
  };
  const result = await settled(
    new Engine({ use: [wrapper], reliability: { model: { retry: { attempts: 1 } } } }).run(clerk(model, [tool]), 'go'),
  );
  expect(['completed', 'failed']).toContain(result.status);
  // an unhandled rejection fails the whole suite
  await new Promise((resolve) => setTimeout(resolve, 10));
});
