/** No effect begins in a process that lost its run, however it was kept from noticing. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  agent,
  Engine,
  foreignAgent,
  graph,
  type Journal,
  type Middleware,
  memoryJournal,
  RondoError,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';

afterEach(() => void vi.restoreAllMocks());

/** Another process takes the run over, does the call itself, and brings the run to its end. */
function rival(journal: Journal, effects: string[]) {
  const charge = tool({
    name: 'charge',
    description: '',
    input: anything,
    check: () => ({ outcome: 'not-run' }),
    execute: () => {
      effects.push('rival');
      return 'charged by the rival';
    },
  });
  const a = agent({
    name: 'a',
    instructions: '',
    tools: [charge],
    model: scripted((r) => (r.messages.at(-1)?.role === 'tool' ? 'done' : asks(['charge', {}]))),
  });
  return async (runId: string) => {
    await expireLease(journal, runId);
    await ends(new Engine({ journal, agents: [a] }).resume(runId), 'completed');
  };
}

describe.each(journals)('an owner that lost its run on $name', ({ make }) => {
  // holds effects.I1
  test('while it waited to try again does not try again', async () => {
    const { journal, another } = make();
    const effects: string[] = [];
    const take = rival(another(), effects);
    let lost: Promise<void> | undefined;
    // it is lost before the wait is over, however long that is
    const slow = around(journal, {
      async renew(...args) {
        lost ??= take(args[0]);
        await lost;
        return journal.renew(...args);
      },
    });
    const charge = tool({
      name: 'charge',
      description: '',
      input: anything,
      execute: (_, { attempt }) => {
        if (attempt > 1) return void effects.push('owner');
        throw new ToolError('THROTTLING', 'later', { outcome: 'not-run', retryable: true });
      },
    });
    const a = agent({ name: 'a', instructions: '', tools: [charge], model: scripted([asks(['charge', {}]), 'done']) });
    const run = new Engine({ journal: slow }).run(a, 'go');
    await refused('RUN_BUSY', run);
    expect(effects).toEqual(['rival']);
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', status: 'completed' });
  });

  test.each(['tool', 'model'] as const)('while a use.%s wrapper waited starts nothing', async (what) => {
    const { journal, another } = make();
    const effects: string[] = [];
    const take = rival(another(), effects);
    const asked: string[] = [];
    let id = '';
    let first = true;
    const wait = async () => {
      if (!first) return;
      first = false;
      await take(id);
    };
    const use: Middleware[] = [
      what === 'tool' ? { tool: (_, next) => wait().then(() => next()) } : { model: (request, next) => wait().then(() => next(request)) },
    ];
    const charge = tool({ name: 'charge', description: '', input: anything, execute: () => void effects.push('owner') });
    const model = scripted(() => {
      asked.push('owner');
      return asks(['charge', {}]);
    });
    const run = new Engine({ journal, use }).run(agent({ name: 'a', instructions: '', tools: [charge], model }), 'go', { id: 'r' });
    id = run.id;
    await refused('RUN_BUSY', run);
    expect(effects).toEqual(['rival']);
    expect(asked).toHaveLength(what === 'tool' ? 1 : 0);
  });

  test.each(['wall', 'monotonic'] as const)('while it was suspended between the intent and the call, by the %s clock', async (clock) => {
    const { journal, another } = make();
    const effects: string[] = [];
    const take = rival(another(), effects);
    const slow = around(journal, {
      async append(runId, seq, entries, ...rest) {
        await journal.append(runId, seq, entries, ...rest);
        if (!entries.some((e) => e.type === 'call.started') || effects.length > 0) return;
        await take(runId);
        const [target, method] = clock === 'wall' ? ([Date, 'now'] as const) : ([performance, 'now'] as const);
        const before = target.now.bind(target);
        vi.spyOn(target, method).mockImplementation(() => before() + 25_000);
      },
    });
    const charge = tool({ name: 'charge', description: '', input: anything, execute: () => void effects.push('owner') });
    const a = agent({ name: 'a', instructions: '', tools: [charge], model: scripted([asks(['charge', {}]), 'done']) });
    await refused('RUN_BUSY', new Engine({ journal: slow }).run(a, 'go'));
    expect(effects).toEqual(['rival']);
  });

  test('journals the result of its call anyway', async () => {
    const { journal, another } = make();
    const effects: string[] = [];
    const go = deferred<string>();
    const slow = tool({ name: 'charge', description: '', input: anything, execute: () => go.promise });
    const a = agent({ name: 'a', instructions: '', tools: [slow], model: scripted([asks(['charge', {}]), 'done']) });
    const run = new Engine({ journal }).run(a, 'go');
    await until(async () => (await entriesOf(journal, run.id)).some((e) => e.type === 'call.started'));
    const other = another();
    await expireLease(other, run.id);
    // no one can ask what it did: the outcome is unknown there
    const blind = agent({ name: 'a', instructions: '', tools: [slow], model: scripted(['told']) });
    const engine = new Engine({ journal: other, agents: [blind] });
    await ends(engine.resume(run.id), 'completed');
    expect((await engine.inspect(run.id)).unknowns).toHaveLength(1);
    go.resolve('paid');
    await refused('RUN_BUSY', run);
    await until(async () => (await engine.inspect(run.id)).unknowns.length === 0);
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({
      type: 'outcome.settled',
      source: 'late',
      outcome: 'done',
      output: 'paid',
    });
    expect(effects).toEqual([]);
  });

  // holds effects.I1, effects.I4
  test('starts no durable step, and journals the one that was running', async () => {
    const { journal, another } = make();
    const done: string[] = [];
    let take: (() => Promise<unknown>) | undefined;
    const made = (who: string) =>
      graph({
        name: 'g',
        state: z.object({ n: z.number().default(0) }),
        nodes: {
          work: async (_, { durable }) => {
            await durable('first', async () => {
              done.push(`first by ${who}`);
              await take?.();
              return 1;
            });
            await durable('second', () => void done.push(`second by ${who}`));
            return { n: 2 };
          },
        },
        edges: { start: 'work', work: 'end' },
      });
    take = async () => {
      take = undefined;
      const other = another();
      await expireLease(other, 'r');
      const result = await new Engine({ journal: other, agents: [made('rival')] }).resume('r');
      expect(result).toMatchObject({ status: 'failed', error: { code: 'OUTCOME_UNKNOWN' } });
    };
    await refused('RUN_BUSY', new Engine({ journal }).run(made('owner'), {}, { id: 'r' }));
    expect(done).toEqual(['first by owner']);
    await until(async () =>
      (await entriesOf(journal, 'r')).some((e) => e.type === 'outcome.settled' && e.source === 'late' && e.outcome === 'done'),
    );
  });

  test('starts no further turn of a foreign agent, and journals the one that was running', async () => {
    const { journal, another } = make();
    const turns: string[] = [];
    const go = deferred();
    const made = (who: string) =>
      foreignAgent({
        name: 'alien',
        turn: async () => {
          turns.push(who);
          if (who === 'owner') await go.promise;
          return { status: 'completed', output: who };
        },
      });
    const run = new Engine({ journal }).run(made('owner'), 'go');
    await until(() => turns.length > 0);
    const other = another();
    await expireLease(other, run.id);
    const engine = new Engine({ journal: other, agents: [made('rival')] });
    expect(await engine.resume(run.id)).toMatchObject({ status: 'failed', error: { outcome: 'unknown' } });
    go.resolve();
    await refused('RUN_BUSY', run);
    await until(async () => (await entriesOf(journal, run.id)).at(-1)?.type === 'outcome.settled');
    // which is then known
    expect((await ends(engine.resume(run.id), 'completed')).output).toBe('owner');
    expect(turns).toEqual(['owner']);
  });
});

// holds effects.I1
test('the store is asked after a wait, and otherwise not', async () => {
  const inner = memoryJournal();
  let renewed = 0;
  const renew: Journal['renew'] = (...a) => {
    renewed++;
    return inner.renew(...a);
  };
  const act = tool({ name: 'act', description: '', input: anything, effect: 'read', execute: () => 'ok' });
  const turns = (use: Middleware[]) => {
    renewed = 0;
    const model = scripted((r) => (r.messages.length < 6 ? asks(['act', {}]) : 'done'));
    const a = agent({ name: 'a', instructions: '', tools: [act], model });
    return ends(new Engine({ journal: around(inner, { renew }), use }).run(a, 'go'), 'completed');
  };
  await turns([]);
  expect(renewed).toBe(0);
  await turns([{ tool: (_, next) => next(), model: (request, next) => next(request) }]);
  expect(renewed).toBe(0);
  await turns([{ tool: (_, next) => Promise.resolve().then(() => next()) }]);
  expect(renewed).toBeGreaterThan(0);
});

test('a store that is unavailable for a moment is asked again before the effect, which then runs once', async () => {
  const inner = memoryJournal();
  let down = 2;
  const journal = around(inner, {
    renew: (...a) => {
      if (down-- > 0) throw new RondoError('JOURNAL_UNAVAILABLE', 'the store is out of reach for a moment; it will be back.');
      return inner.renew(...a);
    },
  });
  const ran: number[] = [];
  const act = tool({
    name: 'act',
    description: '',
    input: anything,
    execute: (_, { attempt }) => {
      ran.push(attempt);
      if (attempt === 1) throw new ToolError('THROTTLING', 'later', { outcome: 'not-run', retryable: true });
      return 'ok';
    },
  });
  const a = agent({ name: 'a', instructions: '', tools: [act], model: scripted([asks(['act', {}]), 'done']) });
  await ends(new Engine({ journal }).run(a, 'go'), 'completed');
  expect(ran).toEqual([1, 2]);
});

describe('a use wrapper that hangs', () => {
  const never = () => new Promise<never>(() => undefined);
  const quick = { timeout: 30, deadline: 40, retry: { attempts: 1 } };
  function hung(use: Middleware) {
    let ran = 0;
    const act = tool({ name: 'act', description: '', input: anything, ...quick, execute: () => ++ran });
    const model = scripted((r) => (r.messages.at(-1)?.role === 'tool' ? JSON.stringify(r.messages.at(-1)?.content) : asks(['act', {}])));
    const engine = new Engine({ use: [use], reliability: { model: quick } });
    return { engine, a: agent({ name: 'a', instructions: '', tools: [act], model }), ran: () => ran, model };
  }

  test('around a tool ends the call at its timeout, and the agent continues; later calls of next() start nothing', async () => {
    let late: (() => Promise<unknown>) | undefined;
    const { engine, a, ran } = hung({
      tool: (_, next) => {
        late = next;
        return never();
      },
    });
    const { output } = await ends(engine.run(a, 'go'), 'completed');
    expect(output).toContain('MIDDLEWARE_FAILED');
    expect(output).toContain('not-run');
    await expect(late?.()).rejects.toThrow('after the call had ended');
    expect(ran()).toBe(0);
  });

  test('after the tool has run leaves its outcome unknown', async () => {
    const { engine, a, ran } = hung({ tool: (_, next) => next().then(never) });
    const { output, runId } = await ends(engine.run(a, 'go'), 'completed');
    expect(output).toContain('MIDDLEWARE_FAILED');
    expect(ran()).toBe(1);
    expect((await engine.inspect(runId)).unknowns).toHaveLength(1);
  });

  test.each([
    ['before', 0],
    ['after', 1],
  ])('around a model fails the run, %s it was asked', async (when, times) => {
    const { engine, a, model } = hung({ model: (request, next) => (when === 'after' ? next(request).then(never) : never()) });
    const { error } = await ends(engine.run(a, 'go'), 'failed');
    expect(error).toMatchObject({ code: 'MIDDLEWARE_FAILED', message: expect.stringContaining('did not answer within') });
    expect(model.requests).toHaveLength(times);
  });
});

describe('a store that is slow or full when the lease is to be renewed between two attempts', () => {
  const flaky = (ran: number[]) =>
    tool({
      name: 'flaky',
      description: '',
      input: anything,
      effect: 'read',
      timeout: 40,
      retry: { attempts: 2, initialDelay: 0 },
      execute: (_, { attempt }) => {
        ran.push(attempt);
        if (attempt === 1) throw new ToolError('BUSY', 'later', { retryable: true });
        return 'done';
      },
    });
  const runOn = async (renew: Journal['renew']) => {
    const ran: number[] = [];
    const journal = Object.assign(memoryJournal(), { renew });
    const model = scripted([asks(['flaky', {}]), 'over']);
    const result = await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [flaky(ran)] }), 'go'),
      'completed',
    );
    return { ran, result, told: shown(model.requests[1])[0] };
  };

  test('that takes longer than an attempt may is not reported as a timeout of the tool', async () => {
    const { ran, told } = await runOn(() => new Promise((resolve) => setTimeout(resolve, 200, true)));
    expect(ran).toEqual([1, 2]);
    expect(told).toMatchObject({ text: 'done', isError: false });
  });

  test('that accepts no writes, but can be read, lets the run continue with its current lease', async () => {
    let refused = 0;
    const { ran, told } = await runOn(() => {
      refused++;
      throw new RondoError('JOURNAL_UNAVAILABLE', 'the disk is full');
    });
    expect(refused).toBeGreaterThan(0);
    expect(ran).toEqual([1, 2]);
    expect(told).toMatchObject({ text: 'done', isError: false });
  });
});
