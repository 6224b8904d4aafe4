import { describe, expect, test } from 'vitest';
import { agent, type Effect, Engine, type Model, type Outcome, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';

describe.each(journals)('tries of a call on $name', ({ make }) => {
  /** A tool that fails so in its first two attempts. */
  async function failing(effect: Effect, outcome: Outcome | 'timeout', attempts = 3) {
    const { journal } = make();
    const keys: string[] = [];
    const numbers: number[] = [];
    const flaky = tool({
      name: 'flaky',
      description: '',
      input: anything,
      effect,
      timeout: 20,
      retry: { attempts, initialDelay: 0 },
      execute: (_, { idempotencyKey, attempt }) => {
        keys.push(idempotencyKey);
        numbers.push(attempt);
        if (numbers.length > 2) return 'at last';
        if (outcome === 'timeout') return new Promise<string>(() => undefined);
        throw new ToolError('NETWORK', 'gone', { retryable: true, outcome });
      },
    });
    const model = scripted([asks(['flaky', {}]), 'done']);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [flaky] }), 'go');
    await ends(run, 'completed');
    return { keys, numbers, seen: shown(model.requests[1])[0], log: await entriesOf(journal, run.id), state: await engine.inspect(run.id) };
  }

  test.each<[Effect, Outcome | 'timeout']>([
    ['read', 'failed'],
    ['read', 'unknown'],
    ['read', 'timeout'],
    ['idempotent', 'failed'],
    ['idempotent', 'unknown'],
    ['idempotent', 'timeout'],
    ['once', 'not-run'],
  ])('a %s tool that ended as %s is tried again, under one key, and each failure is in the journal', async (effect, outcome) => {
    const { keys, numbers, seen, log, state } = await failing(effect, outcome);
    expect(seen).toMatchObject({ text: 'at last', isError: false });
    expect(numbers).toEqual([1, 2, 3]);
    expect(new Set(keys).size).toBe(1);
    const code = outcome === 'timeout' ? 'TIMEOUT' : 'NETWORK';
    expect(log.flatMap((e) => (e.type === 'attempt.failed' ? [[e.of, e.attempt, e.code]] : []))).toEqual([
      ['1.0', 1, code],
      ['1.0', 2, code],
    ]);
    expect(log.filter((e) => e.type === 'call.started')).toHaveLength(1);
    expect(log.find((e) => e.type === 'call.finished')).toMatchObject({ ok: true, attempts: 3 });
    expect(state.unknowns).toEqual([]);
  });

  test.each<[Outcome | 'timeout', Outcome]>([
    ['failed', 'failed'],
    ['unknown', 'unknown'],
    ['timeout', 'unknown'],
  ])('a once tool that ended as %s is not tried again: the agent is told, and an operator of what no one knows', async (outcome, told) => {
    const { numbers, seen, state } = await failing('once', outcome);
    expect(numbers).toEqual([1]);
    expect(failure(seen)).toMatchObject({ outcome: told, attempts: 1 });
    expect(state.unknowns).toHaveLength(told === 'unknown' ? 1 : 0);
  });

  test('gives up after its attempts, and tells the agent how many there were', async () => {
    const { numbers, seen } = await failing('read', 'failed', 2);
    expect(numbers).toEqual([1, 2]);
    expect(failure(seen)).toMatchObject({ code: 'NETWORK', attempts: 2, outcome: 'failed' });
  });
});

test('an open circuit is an observation that says when it may be tried, and nothing runs', async () => {
  let ran = 0;
  const down = tool({
    name: 'down',
    description: '',
    input: anything,
    effect: 'read',
    retry: { attempts: 1 },
    breaker: { failures: 2, recovery: 60_000 },
    execute: () => {
      ran++;
      throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true });
    },
  });
  const model = scripted([asks(['down', {}]), asks(['down', {}]), asks(['down', {}]), 'done']);
  const engine = new Engine();
  await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [down] }), 'go'), 'completed');
  expect(ran).toBe(2);
  const told = failure(shown(model.requests[3])[2]) as ReturnType<typeof failure> & { retryAfter: number };
  expect(told).toMatchObject({ code: 'CIRCUIT_OPEN', outcome: 'not-run', attempts: 0 });
  expect(told.retryAfter).toBeGreaterThan(50_000);
  await engine.close();
});

describe.each(['strict first', 'lenient first'])('agents with other options of a breaker share no circuit: %s', (order) => {
  const down = () => {
    throw new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true });
  };
  const breakers = { strict: { failures: 2, recovery: 60_000 }, lenient: { failures: 100, recovery: 60_000 } };
  const both = Object.entries(breakers);
  const inOrder = order === 'strict first' ? both : both.toReversed();

  test('of a tool', async () => {
    const shared = tool({ name: 't', description: '', input: anything, effect: 'read', retry: { attempts: 1 }, execute: down });
    const engine = new Engine();
    const codes: Record<string, string[]> = {};
    for (const [name, breaker] of inOrder) {
      const model = scripted([asks(['t', {}]), asks(['t', {}]), asks(['t', {}]), 'done']);
      await ends(
        engine.run(agent({ name, instructions: '', model, tools: [shared], reliability: { tools: { breaker } } }), 'go'),
        'completed',
      );
      codes[name] = shown(model.requests[3]).map((seen) => failure(seen).code);
    }
    const failed = 'SERVICE_UNAVAILABLE';
    expect(codes).toEqual({ strict: [failed, failed, 'CIRCUIT_OPEN'], lenient: [failed, failed, failed] });
    await engine.close();
  });

  test('of a model', async () => {
    const model: Model = { provider: 'p', id: 'm', generate: async () => down() };
    const engine = new Engine();
    const codes: Record<string, string[]> = { strict: [], lenient: [] };
    for (const [name, breaker] of inOrder)
      for (let run = 0; run < 3; run++) {
        const one = agent({ name: `${name}-${run}`, instructions: '', model, reliability: { model: { breaker, retry: { attempts: 1 } } } });
        codes[name]?.push((await ends(engine.run(one, 'go'), 'failed')).error.code);
      }
    const failed = 'SERVICE_UNAVAILABLE';
    expect(codes).toEqual({ strict: [failed, failed, 'CIRCUIT_OPEN'], lenient: [failed, failed, failed] });
    await engine.close();
  });
});

test('of the options of a tool, its agent and its engine the nearest wins, field by field', async () => {
  const attempts = { tool: 0, agent: 0, engine: 0 };
  const failing = (name: keyof typeof attempts, retry?: { attempts: number }) =>
    tool({
      name,
      description: '',
      input: anything,
      effect: 'read',
      ...(retry && { retry }),
      execute: () => {
        attempts[name]++;
        throw new ToolError('NETWORK', 'gone', { retryable: true });
      },
    });
  const engine = new Engine({ reliability: { tools: { retry: { attempts: 4, initialDelay: 0 } } } });
  const one = agent({
    name: 'one',
    instructions: '',
    model: scripted([asks(['tool', {}], ['agent', {}]), 'done']),
    tools: [failing('tool', { attempts: 2 }), failing('agent')],
    reliability: { tools: { retry: { attempts: 3 } } },
  });
  const two = agent({ name: 'two', instructions: '', model: scripted([asks(['engine', {}]), 'done']), tools: [failing('engine')] });
  await ends(engine.run(one, 'go'), 'completed');
  await ends(engine.run(two, 'go'), 'completed');
  expect(attempts).toEqual({ tool: 2, agent: 3, engine: 4 });
});

test('a tool that reports progress gets its timeout again', async () => {
  const seen: number[] = [];
  const slow = tool({
    name: 'slow',
    description: '',
    input: anything,
    timeout: 60_000,
    execute: async (_, ctx) => {
      const { alive } = ctx;
      const { deadline } = ctx;
      do await new Promise((r) => setTimeout(r, 1));
      while (Date.now() + 60_000 <= deadline);
      seen.push(deadline, ctx.deadline);
      alive();
      seen.push(ctx.deadline);
      return 'x';
    },
  });
  const model = scripted([asks(['slow', {}]), 'done']);
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [slow] }), 'go'), 'completed');
  expect(seen[1]).toBe(seen[0]);
  expect(seen[2]).toBeGreaterThan(seen[0] as number);
});
