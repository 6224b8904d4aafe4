import { describe, expect, test, vi } from 'vitest';
import { agent, approve, Engine, RondoError, tool, type Work, type Worked, type WorkKind } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { Clock, echo, working } from './setup.ts';

const tenant = (id: string) => ({ id: 'ana', tenant: id });

/** An agent whose runs wait until the test lets them end. */
function holding(name = 'holder') {
  const begun: string[] = [];
  const gates = new Map<string, ReturnType<typeof deferred>>();
  const gate = (text: string) => {
    const found = gates.get(text) ?? deferred();
    gates.set(text, found);
    return found;
  };
  const holder = agent({
    name,
    instructions: '',
    model: scripted(async ({ messages }) => {
      const [part] = messages.at(-1)?.content ?? [];
      const text = part?.type === 'text' ? part.text : '';
      begun.push(text);
      await gate(text).promise;
      return text;
    }),
  });
  return { agent: holder, begun, free: (text: string) => gate(text).resolve(undefined) };
}

const pay = (execute: () => string = () => 'paid') => tool({ name: 'pay', description: '', input: anything, approval: true, execute });
const payer = () =>
  agent({
    name: 'payer',
    instructions: '',
    model: scripted(({ messages }) => (messages.length > 1 ? 'done' : asks(['pay', {}]))),
    tools: [pay()],
  });

describe.each(journals)('work() on $name', ({ make }) => {
  // holds working.I2
  test('two engines on one store drive each run once', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    const ids: string[] = [];
    for (let i = 0; i < 30; i++) ids.push((await engine.enqueue(echo(), `${i}`)).runId);
    const seen: string[] = [];
    const loops = [journal, another()].map((store) => working({ journal: store, agents: [echo('echo', seen)] }, { concurrency: 4 }).work);
    await Promise.all(loops.map((work) => work.idle()));
    await Promise.all(loops.map((work) => work.idle()));
    expect(seen.toSorted()).toEqual(ids.map((_, i) => `${i}`).toSorted());
    for (const id of ids) expect((await entriesOf(journal, id)).filter((e) => e.type === 'run.claimed')).toHaveLength(1);
    expect(loops.reduce((sum, work) => sum + work.state().driven, 0)).toBe(30);
  });

  test('tenants take turns, and within one the first comes first', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    for (const [id, count] of [
      ['a', 4],
      ['b', 2],
      ['c', 1],
    ] as const)
      for (let i = 1; i <= count; i++) await engine.enqueue(echo(), `${id}${i}`, { by: tenant(id) });
    await engine.enqueue(echo(), 'none');
    const seen: string[] = [];
    const { work } = working({ journal, agents: [echo('echo', seen)] }, { concurrency: 1 });
    await work.idle();
    expect(seen).toEqual(['none', 'a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
  });

  test('tenants take turns, also if there are more than are read at a time, and some come and go', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const names = Array.from({ length: 250 }, (_, i) => `t${String(i).padStart(3, '0')}`);
    for (const name of names) await engine.enqueue(echo(), `${name}.1`, { by: tenant(name) });
    for (const name of names.filter((_, i) => i % 50 === 0)) await engine.enqueue(echo(), `${name}.2`, { by: tenant(name) });
    const seen: string[] = [];
    // one that had its turn has a run again, and another tenant comes in front of it and one behind it
    const more = ['t000.3', 't000a.1', 't220a.1'];
    const { work } = working(
      { journal, agents: [echo('echo', seen)] },
      {
        concurrency: 1,
        onRun: async () => {
          if (seen.length === 119)
            for (const text of more) await engine.enqueue(echo(), text, { by: tenant(text.split('.')[0] as string) });
        },
      },
    );
    await work.idle();
    const first = [...names.map((name) => `${name}.1`), 't220a.1'].toSorted();
    expect(seen.slice(0, first.length)).toEqual(first);
    expect(seen.slice(first.length)).toEqual(['t000.2', 't000a.1', 't050.2', 't100.2', 't150.2', 't200.2', 't000.3']);
  });

  test('a tenant that comes later has its turn soon, however long the list of another is', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const held = holding();
    const all = Array.from({ length: 80 }, (_, i) => `a${i}`);
    for (const id of all) await engine.enqueue(held.agent, id, { by: tenant('a') });
    for (const id of [...all, 'b']) if (id !== 'a3') held.free(id);
    const { work } = working({ journal, agents: [held.agent] }, { concurrency: 1 });
    await until(() => held.begun.includes('a3'));
    await engine.enqueue(held.agent, 'b', { by: tenant('b') });
    held.free('a3');
    await work.idle();
    expect(held.begun).toHaveLength(81);
    expect(held.begun.indexOf('b')).toBeLessThan(30);
  });

  test('at most perTenant runs of a tenant, and concurrency of all, are driven at a time', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const held = holding();
    for (const id of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) await engine.enqueue(held.agent, id, { by: tenant(id.slice(0, 1)) });
    const { work } = working({ journal, agents: [held.agent] }, { concurrency: 3, perTenant: 2 });
    await until(() => held.begun.length === 3);
    await settle();
    expect(held.begun).toEqual(['a1', 'b1', 'c1']);
    held.free('b1');
    await until(() => held.begun.length === 4);
    held.free('c1');
    await until(() => held.begun.length === 5);
    // two of a are driven, so the place is for another tenant
    expect(held.begun.slice(3).toSorted()).toEqual(['a2', 'b2']);
    held.free('b2');
    await until(() => work.state().driving === 2);
    await settle();
    expect(held.begun).toHaveLength(5);
    for (const id of ['a1', 'a2', 'a3']) held.free(id);
    await work.idle();
    expect(held.begun.at(-1)).toBe('a3');
    expect(work.state().driven).toBe(6);
  });

  // holds working.I3
  test('decisions come before timers, these before recovery, and that before the queue', async () => {
    const { journal: inner } = make();
    const clock = new Clock();
    const journal = clock.of(inner);
    const engine = new Engine({ journal });
    const expiring = () =>
      agent({
        name: 'expiring',
        instructions: '',
        model: scripted(({ messages }) => (messages.length > 1 ? 'done' : asks(['pay', {}]))),
        tools: [tool({ name: 'pay', description: '', input: anything, approval: { expires: 60_000 }, execute: () => 'paid' })],
      });
    await engine.enqueue(echo(), 'queued', { id: 'queue' });
    const crashed = new Engine({
      journal: around(journal, {
        append: (...a) => (a[2].some((e) => e.type === 'model.responded') ? new Promise(() => undefined) : journal.append(...a)),
      }),
    });
    void crashed.run(echo(), 'left', { id: 'recovery' });
    await until(async () => (await entriesOf(journal, 'recovery')).length > 0);
    await expireLease(journal, 'recovery');
    await ends(engine.run(expiring(), 'go', { id: 'timer' }), 'paused');
    const { approvals } = await ends(engine.run(payer(), 'go', { id: 'decision' }), 'paused');
    await engine.decide('decision', [approve(approvals[0])], { by: { id: 'ben' } });
    clock.forward(61_000);
    const order: WorkKind[] = [];
    const { work } = working(
      { journal, agents: [echo(), payer(), expiring()] },
      { concurrency: 1, onRun: ({ runId, kind }: Worked) => void order.push(kind, runId as WorkKind) },
    );
    await work.idle();
    expect(order).toEqual(['decision', 'decision', 'timer', 'timer', 'recovery', 'recovery', 'queue', 'queue']);
  });

  // holds working.I4
  test('a run that cannot be driven waits from 1 second up to 5 minutes, and holds up no other', async () => {
    const { journal: inner } = make();
    const clock = new Clock();
    const journal = clock.of(inner);
    let broken = true;
    let tries = 0;
    const poisoned = agent({
      name: 'poisoned',
      instructions: '',
      model: scripted(() => 'at last'),
      tools: [
        {
          name: 'source',
          open: async () => {
            tries++;
            if (broken) throw new Error('the source is away');
            return { list: async () => [], close: async () => undefined };
          },
        },
      ],
    });
    const engine = new Engine({ journal });
    const { runId } = await engine.enqueue(poisoned, 'first');
    const seen: string[] = [];
    const errors: [unknown, unknown][] = [];
    const { work } = working(
      { journal, agents: [poisoned, echo('echo', seen)] },
      { concurrency: 1, onError: (error, id) => void errors.push([(error as RondoError).code, id]) },
    );
    for (let i = 0; i < 3; i++) await engine.enqueue(echo(), `${i}`);
    await work.idle();
    expect(seen).toEqual(['0', '1', '2']);
    expect(errors).toEqual([['SOURCE_UNAVAILABLE', runId]]);
    const waits: number[] = [];
    for (let i = 0; i < 11; i++) {
      const [one] = work.state().waiting;
      const wait = (one?.until ?? 0) - clock.now;
      waits.push(wait);
      const before = tries;
      clock.forward(wait - 1);
      await work.idle();
      expect(tries).toBe(before);
      clock.forward(1);
      await work.idle();
      expect(tries).toBe(before + 1);
    }
    expect(waits.map((ms) => ms / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(work.state()).toMatchObject({ failed: 12, waiting: [{ runId, failures: 12, code: 'SOURCE_UNAVAILABLE' }] });
    broken = false;
    clock.forward(300_000);
    await work.idle();
    expect(await engine.inspect(runId)).toMatchObject({ status: 'completed' });
    expect(work.state()).toMatchObject({ waiting: [] });
  });

  test('runs of unknown agents are left alone and listed, until their agent is registered', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { runId } = await engine.enqueue(echo('stranger'), 'hello');
    await engine.enqueue(echo(), 'known');
    const seen: string[] = [];
    const { engine: other, work } = working({ journal, agents: [echo('echo', seen)] });
    await work.idle();
    expect(seen).toEqual(['known']);
    expect(work.state().unknown).toEqual([{ runId, agent: 'stranger' }]);
    expect(await entriesOf(journal, runId)).toHaveLength(1);
    other.register(echo('stranger', seen));
    await work.idle();
    expect(seen).toEqual(['known', 'hello']);
    expect(work.state().unknown).toEqual([]);
  });

  test('a run that is enqueued while the loop rests is begun at once', async () => {
    const { journal } = make();
    const known = echo();
    const { engine, work } = working({ journal, agents: [known] }, { every: journal.subscribe ? 60_000 : 1 });
    await work.idle();
    const { runId } = await engine.enqueue(known, 'hello');
    await until(async () => (await engine.inspect(runId)).status === 'completed');
  });

  test('a queue of a session behind a run that waits for a person goes on when that has ended', async () => {
    const { journal } = make();
    const agents = [payer(), echo()];
    const { engine, work } = working({ journal, agents });
    const { approvals } = await ends(engine.run(agents[0] as never, 'go', { id: 'asking', session: 's' }), 'paused');
    for (const text of ['one', 'two']) await engine.enqueue(agents[1] as never, text, { id: text, session: 's' });
    await engine.enqueue(agents[1] as never, 'free', { id: 'free' });
    await work.idle();
    expect((await engine.inspect('free')).status).toBe('completed');
    expect((await engine.inspect('one')).status).toBe('queued');
    await engine.decide('asking', [approve(approvals[0])], { by: { id: 'ben' } });
    await work.idle();
    expect((await engine.inspect('two')).result).toMatchObject({ status: 'completed', output: 'go+one+two' });
    expect(work.state()).toMatchObject({ failed: 0, waiting: [] });
  });
});

// holds working.I1
test.each([
  ['throw', false],
  ['reject', true],
])('a store that fails and listeners that %s end neither the loop nor the process', async (_, later) => {
  const fails = (): undefined => {
    const error = new Error('a listener that fails');
    if (!later) throw error;
    return Promise.reject(error) as unknown as undefined;
  };
  const { journal: inner } = (journals[0] as (typeof journals)[number]).make();
  let broken = true;
  const journal: Journal = around(inner, {
    due: (filter) => {
      if (broken) throw new RondoError('JOURNAL_UNAVAILABLE', 'the store is away for a moment');
      return inner.due?.(filter) ?? [];
    },
  });
  const errors: unknown[] = [];
  const seen: string[] = [];
  const { engine } = working(
    { journal, agents: [echo('echo', seen)] },
    {
      every: 1,
      onError: (error) => {
        errors.push((error as RondoError).code);
        return fails();
      },
      onRun: fails,
    },
  );
  await new Engine({ journal: inner }).enqueue(echo(), 'hello');
  await until(() => errors.length > 2);
  broken = false;
  await until(() => seen.length > 0);
  expect(new Set(errors)).toEqual(new Set(['JOURNAL_UNAVAILABLE']));
  await engine.close();
});

describe('stopping', () => {
  const store = () => (journals[0] as (typeof journals)[number]).make().journal;

  async function busy(): Promise<{ engine: Engine; work: Work; held: ReturnType<typeof holding>; stop: AbortController }> {
    const journal = store();
    const held = holding();
    const stop = new AbortController();
    const found = working({ journal, agents: [held.agent] }, { concurrency: 1, signal: stop.signal });
    for (const id of ['one', 'two']) await found.engine.enqueue(held.agent, id, { id });
    await until(() => held.begun.length === 1);
    return { ...found, held, stop };
  }

  test('stop() takes no more runs, and resolves once those that are driven have ended', async () => {
    const { engine, work, held } = await busy();
    let stopped = false;
    const stopping = work.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    held.free('one');
    await stopping;
    expect((await engine.inspect('one')).status).toBe('completed');
    expect((await engine.inspect('two')).status).toBe('queued');
    await work.idle();
  });

  test('the signal ends the loop at once, and what it drives goes on', async () => {
    const { engine, work, held, stop } = await busy();
    stop.abort();
    await work.idle();
    expect(work.state().driving).toBe(1);
    held.free('one');
    await until(async () => (await engine.inspect('one')).status === 'completed');
    await settle();
    expect((await engine.inspect('two')).status).toBe('queued');
  });

  test('closing the engine ends the loop', async () => {
    const { engine, work, held } = await busy();
    const closing = engine.close();
    held.free('one');
    await closing;
    await work.stop();
    expect(() => engine.work()).toThrow(expect.objectContaining({ code: 'ENGINE_CLOSED' }));
  });

  test('process signals are left to the application, unless it asks for them', async () => {
    const before = process.listenerCount('SIGTERM');
    const { work } = working({ journal: store() });
    expect(process.listenerCount('SIGTERM')).toBe(before);
    await work.stop();
    const { engine, work: other } = working({ journal: store() }, { signals: true });
    expect(process.listenerCount('SIGTERM')).toBe(before + 1);
    const close = vi.spyOn(engine, 'close');
    process.listeners('SIGTERM').at(-1)?.('SIGTERM');
    await other.stop();
    expect(close).toHaveBeenCalledOnce();
    expect(process.listenerCount('SIGTERM')).toBe(before);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });

  test.each([{ concurrency: 0 }, { perTenant: 1.5 }, { every: 0 }, { every: Number.NaN }, { paralel: 3 } as never])(
    '%o is refused',
    async (o) => {
      await using engine = new Engine();
      await refused('CONFIG_INVALID', () => engine.work(o));
    },
  );
});
