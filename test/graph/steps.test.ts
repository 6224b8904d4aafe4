import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Engine, graph, type NodeContext, type StepContext, send, ToolError } from '../../src/index.ts';
import { dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { deferred, hurried, settle, until } from '../kit/time.ts';
import { working } from './working.ts';

const unreached = () => Object.assign(new Error('no route'), { code: 'ECONNREFUSED', syscall: 'connect' });
const quick = { initialDelay: 0 };

describe.each(journals)('a durable step on $name', ({ make }) => {
  // holds effects.I5
  test('that hangs times out, and a once step is unknown from then on', async () => {
    const { journal, another } = make();
    const begun: StepContext[] = [];
    const g = () =>
      working(({ durable }) =>
        durable('pay', (step) => new Promise<string>(() => void (step.signal.aborted, begun.push(step))), { timeout: 20 }),
      );
    const run = new Engine({ journal }).run(g(), {});
    expect((await ends(run, 'failed')).error).toMatchObject({ code: 'TIMEOUT' });
    expect(begun.map((step) => step.signal.aborted)).toEqual([true]);
    const second = new Engine({ journal: another(), agents: [g()] });
    expect((await ends(second.resume(run.id), 'failed')).error).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    expect((await second.inspect(run.id)).unknowns).toMatchObject([{ callId: '1.0/pay' }]);
    expect(begun).toHaveLength(1);
  });

  // holds effects.I4, effects.I5
  test('that ends after its timeout is taken from the journal when the run goes on', async () => {
    const { journal } = make();
    const answer = deferred<string>();
    let begun = 0;
    const g = working(({ durable }) => durable('pay', () => (begun++, answer.promise), { timeout: 20 }));
    const engine = new Engine({ journal, agents: [g] });
    const run = engine.run(g, {});
    await ends(run, 'failed');
    answer.resolve('paid');
    await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'outcome.settled') || undefined);
    expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'paid' });
    expect(begun).toBe(1);
  });

  // holds effects.I3
  test('that may run twice is retried with one key, which no other step has', async () => {
    const { journal } = make();
    const keys: string[] = [];
    const g = working(async ({ durable }) => {
      const flaky = (step: StepContext) => {
        keys.push(step.idempotencyKey);
        if (step.attempt < 3) throw new Error(`attempt ${step.attempt}`);
        return `after ${step.attempt}`;
      };
      const a = await durable('a', flaky, { effect: 'idempotent', retry: quick });
      return `${a}, ${await durable('b', (step) => keys.push(step.idempotencyKey), { effect: 'read' })}`;
    });
    const run = new Engine({ journal }).run(g, {});
    expect((await ends(run, 'completed')).output).toEqual({ said: 'after 3, 4' });
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(keys[3]).not.toBe(keys[0]);
    const entries = await entriesOf(journal, run.id);
    expect(entries.filter((e) => e.type === 'attempt.failed')).toMatchObject([
      { of: '1.0/a', attempt: 1, message: 'attempt 1' },
      { of: '1.0/a', attempt: 2 },
    ]);
    expect(entries.find((e) => e.type === 'call.finished' && e.call === '1.0/a')).toMatchObject({ ok: true, attempts: 3 });
  });

  // holds effects.I3
  test('has another key in each task, also in tasks as far from the start, and in two of one node', async () => {
    const keys: string[] = [];
    const pay = async (_: unknown, { durable }: NodeContext) => void (await durable('pay', (step) => keys.push(step.idempotencyKey)));
    const g = graph({
      name: 'g',
      state: z.object({}),
      nodes: { a: () => {}, b: () => {}, left: pay, right: pay },
      edges: { start: ['a', 'b'], a: () => [send('left', 1), send('left', 1)], b: 'right', left: 'end', right: 'end' },
    });
    await ends(new Engine({ journal: make().journal }).run(g, {}), 'completed');
    expect(new Set(keys).size).toBe(3);
  });

  // holds effects.I2
  test('that is once is tried again only where it is known not to have run', async () => {
    const { journal } = make();
    let tries = 0;
    const refused = working(({ durable }) =>
      durable(
        'pay',
        ({ attempt }) => {
          tries++;
          if (attempt === 1) throw unreached();
          return `paid at ${attempt}`;
        },
        { retry: quick },
      ),
    );
    expect((await ends(new Engine({ journal }).run(refused, {}), 'completed')).output).toEqual({ said: 'paid at 2' });
    let broken = 0;
    const unclear = working(async ({ durable }) => {
      const said: string[] = [];
      for (let i = 0; i < 2; i++)
        await durable(
          'pay',
          () => {
            broken++;
            throw new Error('socket closed');
          },
          { retry: quick },
        ).catch((error) => said.push(error.code ?? error.message));
      return said.join();
    });
    expect((await ends(new Engine({ journal }).run(unclear, {}), 'completed')).output).toEqual({ said: 'socket closed,OUTCOME_UNKNOWN' });
    expect([tries, broken]).toEqual([2, 1]);
  });

  // holds effects.I3, effects.I5
  test.each(['idempotent', 'once'] as const)('that is %s, and whose process died after a failed attempt', async (effect) => {
    const { journal, another } = make();
    const keys: string[] = [];
    const g = () =>
      working(({ durable }) =>
        durable(
          'pay',
          (step) => {
            if (keys.push(step.idempotencyKey) === 1) throw unreached();
            return 'paid';
          },
          { effect, retry: quick },
        ),
      );
    const first = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished' && e.call === '1.0/pay') });
    const run = first.run(g(), {});
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    expect(keys).toHaveLength(2);
    const second = new Engine({ journal: another(), agents: [g()] });
    if (effect === 'once') {
      expect((await ends(second.resume(run.id), 'failed')).error).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      expect(keys).toHaveLength(2);
    } else {
      expect((await ends(second.resume(run.id), 'completed')).output).toEqual({ said: 'paid' });
      expect(keys).toHaveLength(3);
    }
    expect(new Set(keys).size).toBe(1);
  });

  test('that waits between two attempts when its engine closes has not run: the next engine runs it', async () => {
    const { journal, another } = make();
    let tries = 0;
    const g = () =>
      working(({ durable }) =>
        durable(
          'pay',
          () => {
            if (++tries === 1) throw unreached();
            return 'paid';
          },
          { retry: { initialDelay: 1e9, maxDelay: 1e9 } },
        ),
      );
    const first = new Engine({ journal });
    const run = first.run(g(), {});
    await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'attempt.failed') || undefined);
    await Promise.allSettled([hurried(() => first.close()), run]);
    await settle();
    const second = new Engine({ journal: another(), agents: [g()] });
    expect((await ends(second.resume(run.id), 'completed')).output).toEqual({ said: 'paid' });
    expect(tries).toBe(2);
  });
});

test('an open circuit refuses the steps of its name in every run, and no others', async () => {
  const ran: string[] = [];
  const down = () => {
    throw new ToolError('UNAVAILABLE', 'down', { retryable: true, outcome: 'not-run' });
  };
  const g = working(async ({ durable }) => {
    await durable('mail', () => ran.push('mail'));
    return durable('pay', () => (ran.push('pay'), down()), { retry: { attempts: 1 }, breaker: { failures: 1 } });
  });
  const engine = new Engine();
  expect((await ends(engine.run(g, {}), 'failed')).error).toMatchObject({ code: 'UNAVAILABLE' });
  expect((await ends(engine.run(g, {}), 'failed')).error).toMatchObject({ code: 'CIRCUIT_OPEN', outcome: 'not-run', retryable: true });
  expect(ran).toEqual(['mail', 'pay', 'mail']);
  await engine.close();
});

test("uses the engine's attempts for tools by default", async () => {
  let tries = 0;
  const g = working(({ durable }) =>
    durable(
      'read',
      () => {
        tries++;
        throw new Error('no');
      },
      { effect: 'read' },
    ),
  );
  await ends(new Engine({ reliability: { tools: { retry: { attempts: 2, initialDelay: 0 } } } }).run(g, {}), 'failed');
  expect(tries).toBe(2);
});

test.each([
  ['a misspelt option', { timout: 5 }, 'timout'],
  ['a timeout of nothing', { timeout: 0 }, 'the step "x": timeout'],
  ['an effect that does not exist', { effect: 'twice' }, 'effect'],
])('is refused with %s, and does not run', async (_, options, said) => {
  let ran = 0;
  const g = working(({ durable }) => durable('x', () => String(++ran), options as object));
  const { error } = await ends(new Engine().run(g, {}), 'failed');
  expect(error.message).toContain(said);
  expect(ran).toBe(0);
});
