import { afterEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  agent,
  Engine,
  type EntryOf,
  memoryJournal,
  type Principal,
  RondoError,
  ToolError,
  type ToolOptions,
  tool,
} from '../../src/index.ts';
import { ResultCache } from '../../src/loop/call/result-cache.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { eventually } from '../kit/time.ts';

afterEach(() => void vi.useRealTimers());

const ana: Principal = { id: 'ana', tenant: 'acme' };
const ben: Principal = { id: 'ben', tenant: 'acme' };
type Options = Partial<Omit<ToolOptions<string, typeof anything, typeof anything, never, unknown>, 'key'>>;

/** An agent whose tool `rate` counts how often it ran, and that has an effect named `pay`. */
function desk(o: Options = {}, execute: (input: never) => unknown = () => ({ rate: 7 })) {
  const ran: unknown[] = [];
  const rate = tool({
    name: 'rate',
    description: '',
    input: anything,
    effect: 'read',
    cache: { ttl: 60_000 },
    execute: (input: unknown) => {
      ran.push(input);
      return execute(input as never);
    },
    ...o,
  } as never);
  const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'paid' });
  const a = (script: readonly Scripted[]) =>
    agent({ name: 'a', instructions: '', model: scripted([...script, 'done']), tools: [rate, pay] });
  return { a, ran };
}
class Hidden {
  readonly #id: string;
  constructor(id: string) {
    this.#id = id;
  }
  get told(): string {
    return this.#id;
  }
}

const read = asks(['rate', { to: 'EUR' }]);
const finished = (entries: readonly { type: string }[]) => entries.filter((e): e is EntryOf<'call.finished'> => e.type === 'call.finished');

describe.each(journals)('a cached read on $name', ({ make }) => {
  test('the same call of the same user does not run again, in this run and the next, and the journal says whose result it is', async () => {
    const { journal } = make();
    const { a, ran } = desk({ toModel: () => 'seven' });
    const engine = new Engine({ journal });
    const first = engine.run(a([read, read]), 'go', { by: ana });
    await ends(first, 'completed');
    const again = a([asks(['rate', { to: 'EUR' }])]);
    const second = engine.run(again, 'go', { by: ana });
    const events = await all(second);
    await ends(second, 'completed');
    expect(ran).toHaveLength(1);
    const [miss, hit] = finished(await entriesOf(journal, first.id));
    expect(miss).toMatchObject({ ok: true, output: { rate: 7 }, attempts: 1, missed: true });
    expect(miss).not.toHaveProperty('cached');
    const from = { run: first.id, call: miss?.call, at: expect.any(Number) };
    expect(hit).toMatchObject({ ok: true, output: { rate: 7 }, content: [{ type: 'text', text: 'seven' }], attempts: 0, cached: from });
    expect(hit).not.toHaveProperty('missed');
    expect(finished(await entriesOf(journal, second.id))[0]).toMatchObject({ cached: from });
    expect(events.find((e) => e.type === 'tool.finished')).toMatchObject({ cached: from, attempts: 0 });
    const records = await all(engine.exportTrace(second.id, { by: ana }));
    expect(records.find((r) => r.type === 'TOOL_INVOCATION')).toMatchObject({ cached: from });
  });

  test('after a run went on in another process with an effect of its own, what was read here before is not given', async () => {
    const { journal, another } = make();
    let n = 0;
    const rate = tool({ name: 'rate', description: '', input: anything, effect: 'read', cache: { ttl: 60_000 }, execute: () => ++n });
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
    const other = tool({ name: 'other', description: '', input: anything, effect: 'read', approval: true, execute: () => 'seen' });
    const model = scripted(({ messages }) => {
      const step = messages.filter(({ role }) => role === 'tool').length;
      return [read, asks(['pay', {}]), asks(['other', {}]), read][step] ?? 'done';
    });
    const a = agent({ name: 'a', instructions: '', model, tools: [rate, pay, other] });
    const [here, there] = [new Engine({ journal, agents: [a] }), new Engine({ journal: another(), agents: [a] })];
    const run = here.run(a, 'go', { by: ana });
    const approve = async (engine: Engine) => {
      const paused = await engine.inspect(run.id, { by: ana });
      await engine.decide(
        run.id,
        paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
        { by: ana },
      );
    };
    await ends(run, 'paused');
    const seenAt = Date.now();
    await approve(there);
    await ends(there.resume(run.id, { by: ana }), 'paused');
    await approve(here);
    // claims are told apart from results by the millisecond
    await eventually(() => expect(Date.now()).toBeGreaterThan(seenAt));
    await ends(here.resume(run.id, { by: ana }), 'completed');
    expect(n).toBe(2);
  });
});

const times = async (runs: readonly { by?: Principal; context?: unknown }[], o: Options = {}) => {
  const { a, ran } = desk(o);
  const engine = new Engine();
  for (const { by, context } of runs)
    await ends(
      engine.run(a([read]), 'go', { ...(by && { by }), ...(context !== undefined && { context: context as never }) }),
      'completed',
    );
  return ran.length;
};

// holds result-cache.I1
test('a result is given to no other tenant, and to no other user unless it is shared', async () => {
  const elsewhere: Principal = { id: 'ana', tenant: 'other' };
  const roles: Principal = { ...ana, roles: ['lead'] };
  const everyone = [{ by: ana }, { by: ben }, { by: elsewhere }, { by: roles }, {}];
  expect(await times([...everyone, ...everyone])).toBe(5);
  const shared = { cache: { ttl: 60_000, shared: true } };
  // acme, the other tenant, and none
  expect(await times([...everyone, ...everyone], shared)).toBe(3);
});

test('another context, other arguments and another tool have results of their own; another order of fields does not', async () => {
  const context = z.object({ plan: z.string() });
  const plans = ['free', 'pro', 'free'].map((plan) => ({ by: ana, context: { plan } }));
  expect(await times(plans, { context } as never)).toBe(2);
  // a context that JSON cannot tell apart
  const hidden = context.transform(({ plan }) => ({ tell: () => plan }));
  expect(await times(plans, { context: hidden } as never)).toBe(3);
  const { a, ran } = desk();
  const engine = new Engine();
  const calls = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: 2, b: 1 },
  ].map((input) => asks(['rate', input]));
  await ends(engine.run(a(calls), 'go'), 'completed');
  expect(ran).toHaveLength(2);
  const [one, other] = [desk(), desk()];
  await ends(engine.run(one.a([read]), 'go'), 'completed');
  await ends(engine.run(other.a([read]), 'go'), 'completed');
  expect([one.ran.length, other.ran.length]).toEqual([1, 1]);
});

test('a result is given until its time is over', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  const { a, ran } = desk();
  const engine = new Engine();
  const go = () => ends(engine.run(a([read]), 'go'), 'completed');
  await go();
  vi.advanceTimersByTime(59_999);
  await go();
  expect(ran).toHaveLength(1);
  vi.advanceTimersByTime(1);
  await go();
  expect(ran).toHaveLength(2);
});

test('failures are not kept', async () => {
  let n = 0;
  const { a, ran } = desk({ retry: { attempts: 1 } }, () => {
    if (n++ === 0) throw new ToolError('NO_LUCK', 'no luck');
    return n;
  });
  const journal = memoryJournal();
  const run = new Engine({ journal }).run(a([read, read, read]), 'go');
  await ends(run, 'completed');
  expect(ran).toHaveLength(2);
  expect(finished(await entriesOf(journal, run.id)).map(({ ok, cached }) => [ok, cached !== undefined])).toEqual([
    [false, false],
    [true, false],
    [true, true],
  ]);
});

test('an effect of the user makes what they read before stale, in all of their runs, and nothing of others', async () => {
  const { a, ran } = desk();
  const engine = new Engine();
  const by = (who: Principal, ...script: Scripted[]) => ends(engine.run(a(script), 'go', { by: who }), 'completed');
  await by(ana, read);
  await by(ben, read);
  await by(ana, read, asks(['pay', {}]), read, read);
  expect(ran).toHaveLength(3);
  await by(ben, read);
  expect(ran).toHaveLength(3);
  await by(ana, asks(['pay', {}]));
  await by(ana, read);
  expect(ran).toHaveLength(4);
});

test('the same calls at the same time are one, within a step and between runs; if it fails, the others run themselves', async () => {
  for (const fails of [false, true]) {
    const open: (() => void)[] = [];
    const started = vi.fn();
    const { a, ran } = desk({ retry: { attempts: 1 } }, async () => {
      started();
      await new Promise<void>((resolve) => open.push(resolve));
      if (fails && ran.length === 1) throw new ToolError('NO_LUCK', 'no luck');
      return 7;
    });
    const journal = memoryJournal();
    const engine = new Engine({ journal });
    const twice = asks(['rate', { to: 'EUR' }], ['rate', { to: 'EUR' }]);
    const runs = [engine.run(a([twice]), 'go'), engine.run(a([read]), 'go')];
    await eventually(() => expect(started).toHaveBeenCalledTimes(1));
    // all three calls have begun before the first one ends
    for (const run of runs)
      await eventually(async () => expect((await entriesOf(journal, run.id)).some((e) => e.type === 'call.started')).toBe(true));
    open.shift()?.();
    if (fails) {
      await eventually(() => expect(started).toHaveBeenCalledTimes(3));
      for (const go of open) go();
    }
    await Promise.all(runs.map((run) => ends(run, 'completed')));
    expect(ran).toHaveLength(fails ? 3 : 1);
  }
});

test.each<[string, Options]>([
  ['a number', { cost: 0.5 }],
  ['a function', { cost: () => 0.5 }],
])('a call costs what it costs once: %s', async (_, o) => {
  const { a } = desk(o);
  const engine = new Engine();
  const costs: unknown[] = [];
  for (let i = 0; i < 2; i++) costs.push((await ends(engine.run(a([read, read]), 'go'), 'completed')).costUsd);
  expect(costs).toEqual([0.5, 0]);
});

test('a call that waits for another one ends when its run is cancelled', async () => {
  let open: (() => void) | undefined;
  const { a } = desk(
    { cost: 0.5 },
    () =>
      new Promise<void>((resolve) => {
        open = resolve;
      }),
  );
  const journal = memoryJournal();
  const engine = new Engine({ journal });
  const first = engine.run(a([read]), 'go');
  await eventually(() => expect(open).toBeDefined());
  const second = engine.run(a([read]), 'go');
  await eventually(async () => expect((await entriesOf(journal, second.id)).some((e) => e.type === 'call.started')).toBe(true));
  await engine.cancel(second.id);
  await ends(second, 'cancelled');
  expect(finished(await entriesOf(journal, second.id))[0]?.error).toMatchObject({ code: 'CANCELLED', outcome: 'not-run' });
  expect((await second).costUsd).toBe(0);
  open?.();
  await ends(first, 'completed');
});

test('wrappers, policies, approvals and limits see a call whose result is cached', async () => {
  const seen: unknown[] = [];
  const { a, ran } = desk({ approval: true });
  const engine = new Engine({
    use: [
      {
        async tool(call, next) {
          const outcome = await next(call.input);
          seen.push(outcome);
          return outcome;
        },
      },
    ],
  });
  for (let i = 0; i < 2; i++) {
    const paused = await ends(engine.run(a([read]), 'go', { by: ana }), 'paused');
    await engine.decide(
      paused.runId,
      paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' as const })),
      { by: ana },
    );
    await ends(engine.resume(paused.runId, { by: ana }), 'completed');
  }
  expect(ran).toHaveLength(1);
  expect(seen).toEqual([
    { ok: true, output: { rate: 7 } },
    { ok: true, output: { rate: 7 } },
  ]);
  const limited = await ends(engine.run(a([read]), 'go', { by: ana, limits: { toolCalls: 0 } }), 'paused');
  expect(limited.approvals).toHaveLength(1);
});

test('an input that a wrapper changes has its own result', async () => {
  const { a, ran } = desk();
  let to = 'USD';
  const engine = new Engine({ use: [{ tool: (_, next) => next({ to }) }] });
  await ends(engine.run(a([read]), 'go'), 'completed');
  to = 'GBP';
  await ends(engine.run(a([read]), 'go'), 'completed');
  expect(ran).toEqual([{ to: 'USD' }, { to: 'GBP' }]);
});

test('what a run changes in a result is not what the next one gets', async () => {
  const { a } = desk();
  const engine = new Engine({
    use: [
      {
        async tool(_, next) {
          const outcome = await next();
          if (outcome.ok) (outcome.output as { rate: number }).rate++;
          return outcome;
        },
      },
    ],
  });
  const rates: unknown[] = [];
  for (let i = 0; i < 3; i++)
    for await (const event of engine.run(a([read]), 'go'))
      if (event.type === 'tool.finished' && event.outcome.ok) rates.push(event.outcome.output);
  expect(rates).toEqual([{ rate: 8 }, { rate: 8 }, { rate: 8 }]);
});

test('a secret that the run has handed out is not in a result that another one got', async () => {
  let n = 0;
  const engine = new Engine({ identity: { get: async () => ({ token: 'tok-9f8e7d6c' }) } });
  const rate = tool({
    name: 'rate',
    description: '',
    input: anything,
    effect: 'read',
    cache: { ttl: 60_000 },
    execute: () => `${++n}: tok-9f8e7d6c`,
  });
  const use = tool({
    name: 'use',
    description: '',
    input: anything,
    effect: 'read',
    credentials: { key: { provider: 'p' } },
    execute: () => 'used',
  });
  const a = (script: Scripted[]) => agent({ name: 'a', instructions: '', model: scripted([...script, 'done']), tools: [rate, use] });
  await ends(engine.run(a([read]), 'go', { by: ana }), 'completed');
  const outputs: unknown[] = [];
  for await (const event of engine.run(a([asks(['use', {}]), read]), 'go', { by: ana }))
    if (event.type === 'tool.finished' && event.tool === 'rate') outputs.push(event.outcome);
  expect(outputs).toEqual([{ ok: true, output: '1: [secret key]' }]);
});

test('what is forgotten is not given again', async () => {
  const { a, ran } = desk();
  const engine = new Engine();
  const run = await ends(engine.run(a([read]), 'go', { by: ana }), 'completed');
  expect((await engine.forget({ by: ana })).runs).toEqual([run.runId]);
  await ends(engine.run(a([read]), 'go', { by: ana }), 'completed');
  expect(ran).toHaveLength(2);
});

test.each<[string, Options, RegExp]>([
  ['on an effect', { effect: 'idempotent' }, /effect: 'read'/],
  ['on an effect by default', { effect: undefined as never }, /effect: 'read'/],
  ['without a ttl', { cache: {} as never }, /ttl is undefined/],
  ['with a ttl of 0', { cache: { ttl: 0 } }, /ttl is 0/],
  ['with a misspelt option', { cache: { ttl: 1, share: true } as never }, /Did you mean "shared"/],
  ['true', { cache: true as never }, /takes its options as an object/],
  [
    'shared, with credentials',
    { cache: { ttl: 1, shared: true }, credentials: { key: { provider: 'p' } } as never },
    /credentials of one user/,
  ],
])('a cache is refused: %s', (_, o, text) => {
  expect(() => desk(o)).toThrow(text);
  try {
    desk(o);
  } catch (error) {
    expect(RondoError.is(error, 'CONFIG_INVALID')).toBe(true);
  }
});

test.each([
  ['a class that hides its fields', (id: string) => new Hidden(id)],
  ['a function', (id: string) => () => id],
])('arguments that the schema makes to %s, which no key can tell apart, are not answered from the cache', async (_, made) => {
  const input = z.object({ id: z.string().transform((id): unknown => made(id)) });
  const look = tool({
    name: 'look',
    description: '',
    input,
    effect: 'read',
    cache: { ttl: 60_000, shared: true },
    execute: ({ id }) => (id instanceof Hidden ? id.told : (id as () => string)()),
  });
  const model = scripted([asks(['look', { id: 'ana' }]), asks(['look', { id: 'ben' }]), 'done']);
  const { runId } = await ends(
    new Engine().run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go', { by: ana }),
    'completed',
  );
  expect(runId).toBeDefined();
  const told = model.requests
    .at(-1)
    ?.messages.filter(({ role }) => role === 'tool')
    .map((m) => JSON.stringify(m));
  expect(told?.[0]).toContain('ana');
  expect(told?.[1]).toContain('ben');
});

describe('the memory of results', () => {
  let now = 1_000;
  const cache = (most: object) => new ResultCache({ now: () => now, most });
  const anyTool = {};
  const keyOf = (c: ResultCache, input: string, by: Principal = ana) => c.key({ tool: anyTool, by, shared: false, context: null, input });
  const put = (c: ResultCache, input: string, output = input, by: Principal = ana) =>
    c.begin(keyOf(c, input, by), { run: 'r', call: '1.0' })({ output });
  const has = (c: ResultCache, input: string, by: Principal = ana) => c.get(keyOf(c, input, by), { by, ttl: 100, since: 0 }) !== undefined;

  // holds result-cache.I3
  test('is bounded in entries: those that were not used for longest leave', () => {
    const c = cache({ entries: 3 });
    for (const name of ['a', 'b', 'c']) put(c, name);
    expect(has(c, 'a')).toBe(true);
    put(c, 'd');
    expect(['a', 'b', 'c', 'd'].map((name) => has(c, name))).toEqual([true, false, true, true]);
    expect(c.held.entries).toBe(3);
  });

  test('is bounded in size, and one large result pushes out none', () => {
    const c = cache({ size: 10_000 });
    for (let i = 0; i < 50; i++) put(c, `${i}`, 'x'.repeat(1_000));
    expect(c.held.size).toBeLessThanOrEqual(10_000);
    expect(c.held.entries).toBeGreaterThanOrEqual(7);
    const before = c.held;
    put(c, 'huge', 'x'.repeat(5_000));
    expect(has(c, 'huge')).toBe(false);
    expect(c.held).toEqual(before);
    c.clear();
    expect(c.held).toEqual({ entries: 0, size: 0 });
  });

  test('counts an entry that is replaced or expired no longer', () => {
    const c = cache({});
    put(c, 'a', 'x'.repeat(100));
    const { size } = c.held;
    put(c, 'a', 'x'.repeat(100));
    expect(c.held).toEqual({ entries: 1, size });
    now += 100;
    expect(has(c, 'a')).toBe(false);
    expect(c.held).toEqual({ entries: 0, size: 0 });
  });

  // holds result-cache.I2
  test('gives nothing from before an effect, nor what was being read during it, however many users have effects', () => {
    const c = cache({ users: 2 });
    const users = ['a', 'b', 'c'].map((id): Principal => ({ id, tenant: 'acme' }));
    for (const by of users) put(c, 'x', 'x', by);
    const done = c.begin(keyOf(c, 'y'), { run: 'r', call: '1.0' });
    for (const by of users) c.wrote(by);
    c.wrote(ana);
    done({ output: 'y' });
    expect([...users.map((by) => has(c, 'x', by)), has(c, 'y')]).toEqual([false, false, false, false]);
    put(c, 'y');
    expect(has(c, 'y')).toBe(true);
  });

  test('gives nothing older than it is asked for, and what was got in that millisecond', () => {
    const c = cache({});
    put(c, 'a');
    const at = (since: number) => c.get(keyOf(c, 'a'), { by: ana, ttl: 100, since }) !== undefined;
    expect([at(now - 1), at(now), at(now + 1)]).toEqual([true, true, false]);
  });

  test('gives nothing from the future, as after a clock that was set back', () => {
    const c = cache({});
    put(c, 'a');
    now -= 1;
    expect(has(c, 'a')).toBe(false);
  });
});
