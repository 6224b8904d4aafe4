import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Agent, agent, Engine, type Journal, type Model, memoryJournal, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { handing } from '../graph/working.ts';
import { all, around, entriesOf, entryOf, expireLease, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

// a call that hangs keeps close() waiting for five seconds, which need not pass here
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

async function closed(engine: Engine): Promise<void> {
  const closing = engine.close();
  await vi.advanceTimersByTimeAsync(5_000);
  await closing;
}

describe.each(journals)('close() on $name', ({ make }) => {
  test('while the model answers: the run rejects, and another engine drives it on at once, the lost call charged', async () => {
    const { journal, another } = make();
    let calls = 0;
    const model: Model = {
      provider: 'scripted',
      id: 'm',
      maxOutput: 500,
      generate: async () => {
        if (++calls === 1) await new Promise(() => undefined);
        return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
      },
    };
    const a = agent({ name: 'a', instructions: '', model });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go', { session: 's' });
    const reading = all(run);
    await until(() => calls === 1);
    const closing = closed(engine);
    expect((await refused('ENGINE_CLOSED', run)).details).toEqual({ runId: run.id });
    await refused('ENGINE_CLOSED', reading);
    await closing;
    const other = new Engine({ journal: another(), agents: [a] });
    const result = await ends(other.resume(run.id), 'completed');
    expect(result.usage.input).toBeGreaterThan(500);
    expect(calls).toBe(2);
  });

  test('while tools run: those that end in time are kept, a hanging read runs again, a hanging once is unknown', async () => {
    const { journal, another } = make();
    const ran: string[] = [];
    const signals: AbortSignal[] = [];
    const soon = deferred<string>();
    const body =
      (name: string, value: () => unknown) =>
      (_: unknown, { signal }: { signal: AbortSignal }) => {
        ran.push(name);
        name !== 'soon' && signals.push(signal);
        return value();
      };
    let hang = true;
    const never = () => (hang ? new Promise(() => undefined) : 'at last');
    const tools = [
      tool({ name: 'soon', description: '', input: anything, execute: body('soon', () => soon.promise) }),
      tool({ name: 'read', description: '', input: anything, effect: 'read', execute: body('read', never) }),
      tool({ name: 'once', description: '', input: anything, execute: body('once', never) }),
    ];
    const model = scripted([asks(['soon', {}], ['read', {}], ['once', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await until(() => ran.length === 3);
    const closing = engine.close();
    expect(signals.some((s) => s.aborted)).toBe(false);
    soon.resolve('in time');
    await entryOf(journal, run.id, 'call.finished');
    await vi.advanceTimersByTimeAsync(5_000);
    await refused('ENGINE_CLOSED', run);
    await closing;
    expect(signals.every((s) => s.aborted)).toBe(true);
    hang = false;
    const other = new Engine({ journal: another(), agents: [a] });
    await ends(other.resume(run.id), 'completed');
    expect(ran.sort()).toEqual(['once', 'read', 'read', 'soon']);
    const [s, r, o] = shown(model.requests[1]);
    expect([s?.text, r?.text]).toEqual(['in time', 'at last']);
    expect(failure(o)).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    expect((await other.inspect(run.id)).unknowns).toMatchObject([{ tool: 'once' }]);
  });

  test('while a tool that soon ends runs: the run stops before the next call of the model, with nothing lost', async () => {
    const { journal, another } = make();
    const hold = deferred<string>();
    let ran = 0;
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      execute: () => {
        ran++;
        return hold.promise;
      },
    });
    const model = scripted([asks(['slow', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [slow] });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await until(() => ran === 1);
    const closing = engine.close();
    hold.resolve('slept');
    await refused('ENGINE_CLOSED', run);
    await closing;
    expect(model.requests).toHaveLength(1);
    await ends(new Engine({ journal: another(), agents: [a] }).resume(run.id), 'completed');
    expect(ran).toBe(1);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'slept', isError: false });
  });

  test.each<[string, unknown, (part: Agent) => Agent]>([
    [
      'a sub-agent',
      'go',
      (part) => agent({ name: 'top', instructions: '', model: scripted([asks(['part', { task: 'x' }]), 'done']), agents: [part] }),
    ],
    ['an agent that is a node of a graph', {}, handing],
  ])('while %s works: it stops before its next step, and goes on there', async (_, input, above) => {
    const { journal, another } = make();
    const hold = deferred<string>();
    let ran = 0;
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      execute: () => {
        ran++;
        return hold.promise;
      },
    });
    const model = scripted([asks(['pay', {}]), 'paid it']);
    const top = above(agent({ name: 'part', description: 'pays', instructions: '', model, tools: [pay] }));
    const engine = new Engine({ journal });
    const run = engine.run(top, input as never);
    await until(() => ran === 1);
    const closing = engine.close();
    hold.resolve('paid');
    await refused('ENGINE_CLOSED', run);
    await closing;
    expect(model.requests).toHaveLength(1);
    expect((await entriesOf(another(), run.id)).filter((e) => e.type === 'call.finished' && !e.ok)).toEqual([]);
    await ends(new Engine({ journal: another(), agents: [top] }).resume(run.id), 'completed');
    expect(ran).toBe(1);
    expect(shown(model.requests[1])[0]).toMatchObject({ text: 'paid', isError: false });
  });

  test('in the sleep before a retry: a once call is run again only where it is known not to have run, else unknown', async () => {
    const { journal, another } = make();
    let attempts = 0;
    const flaky = tool({
      name: 'flaky',
      description: '',
      input: anything,
      retry: { attempts: 3, initialDelay: 60_000, maxDelay: 60_000 },
      execute: () => {
        if (++attempts === 1) throw new ToolError('THROTTLING', 'busy', { outcome: 'not-run', retryAfter: 50_000 });
        return 'at last';
      },
    });
    const model = scripted([asks(['flaky', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [flaky] });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await entryOf(journal, run.id, 'attempt.failed');
    const closing = closed(engine);
    await refused('ENGINE_CLOSED', run);
    await closing;
    const other = new Engine({ journal: another(), agents: [a] });
    await ends(other.resume(run.id), 'completed');
    const [told] = shown(model.requests[1]);
    // it is known not to have run, and the agent is told so
    expect([failure(told).outcome, attempts]).toEqual(['not-run', 1]);
    expect((await other.inspect(run.id)).unknowns).toHaveLength(0);
  });

  test('while people are waited for costs nothing, and changes nothing', async () => {
    const { journal, another } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    const engine = new Engine({ journal });
    const paused = await ends(engine.run(a, 'go'), 'paused');
    const before = await entriesOf(journal, paused.runId);
    await engine.close();
    const other = new Engine({ journal: another(), agents: [a] });
    expect(await entriesOf(another(), paused.runId)).toEqual(before);
    await other.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(other.resume(paused.runId), 'completed');
  });

  test('lets runs that end in time end', async () => {
    const { journal } = make();
    const answer = deferred();
    const model = scripted(async () => {
      await answer.promise;
      return 'done';
    });
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go');
    await until(() => model.requests.length === 1);
    const closing = engine.close();
    answer.resolve();
    expect(await run.output()).toBe('done');
    await closing;
    expect(vi.getTimerCount()).toBe(0);
  });

  describe('again and again during one call', () => {
    /** An agent whose call hangs in each life until the last, and the same one with a source of tools that is away. */
    function hanging() {
      const life = { last: false, ran: 0 };
      const hang = tool({
        name: 'hang',
        description: '',
        input: anything,
        effect: 'idempotent',
        execute: () => {
          life.ran++;
          return life.last ? 'at last' : new Promise<string>(() => undefined);
        },
      });
      const away = { name: 'away', open: () => Promise.reject(new ToolError('AWAY', 'not now')) };
      const of = (tools: readonly object[]) =>
        agent({ name: 'a', instructions: '', model: scripted([asks(['hang', {}]), 'done']), tools: tools as never });
      return { life, a: of([hang]), unequipped: of([hang, away]) };
    }

    test('costs a run nothing, since no process of it died: not even where others could not drive it meanwhile', async () => {
      const { journal, another } = make();
      const { life, a, unequipped } = hanging();
      const { id } = new Engine({ journal }).run(a, 'go', { id: 'r' });
      await until(() => life.ran === 1);
      await expireLease(journal, id);
      for (let n = 2; n <= 6; n++) {
        const engine = new Engine({ journal: another(), agents: [a] });
        const run = engine.resume(id);
        await until(async () => life.ran === n || (await headOf(journal, id))?.status === 'failed');
        const closing = closed(engine);
        await refused('ENGINE_CLOSED', run);
        await closing;
        await refused('SOURCE_UNAVAILABLE', new Engine({ journal: another(), agents: [unequipped] }).resume(id));
      }
      life.last = true;
      await ends(new Engine({ journal: another(), agents: [a] }).resume(id), 'completed');
      const claims = (await entriesOf(another(), id)).filter((e) => e.type === 'run.claimed');
      expect(claims.map(({ released }) => released)).toEqual([undefined, true, true, true, true, true]);
    });

    test('is not what happened to a run whose processes died, though others gave their leases back that could not drive it', async () => {
      const { journal, another } = make();
      const { life, a, unequipped } = hanging();
      const { id } = new Engine({ journal }).run(a, 'go', { id: 'r' });
      for (let n = 2; n <= 4; n++) {
        await until(() => life.ran === n - 1);
        await settle();
        await expireLease(journal, id);
        await refused('SOURCE_UNAVAILABLE', new Engine({ journal: another(), agents: [unequipped] }).resume(id));
        void new Engine({ journal: another(), agents: [a] }).resume(id).then(undefined, () => undefined);
      }
      const { error } = await entryOf(journal, id, 'run.settled');
      expect([error?.code, life.ran]).toEqual(['CRASH_LOOP', 3]);
    });
  });

  test('gives leases back', async () => {
    const { journal, another } = make();
    const model = scripted([{ text: 'never', delay: 1e6 }]);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go');
    await until(() => model.requests.length === 1);
    expect((await headOf(journal, run.id))?.leaseUntil).toBeGreaterThan(Date.now());
    const closing = closed(engine);
    await refused('ENGINE_CLOSED', run);
    await closing;
    expect((await headOf(another(), run.id))?.leaseUntil ?? 0).toBeLessThanOrEqual(Date.now());
    const found = [];
    for await (const r of new Engine({
      journal: another(),
      agents: [agent({ name: 'a', instructions: '', model: scripted(['ok']) })],
    }).recover())
      found.push(await r.run);
    expect(found).toMatchObject([{ runId: run.id, status: 'completed' }]);
  });
});

describe('a closed engine', () => {
  const a = () => agent({ name: 'a', instructions: '', model: scripted(['done']) });

  test('closes its journal once, after its runs', async () => {
    const log: string[] = [];
    const journal: Journal = around((journals[0] as (typeof journals)[number]).make().journal, { close: () => void log.push('closed') });
    const engine = new Engine({ journal });
    const run = engine.run(a(), 'go');
    void run.then(undefined, () => log.push('ended'));
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    expect(log).toEqual(['ended', 'closed']);
  });

  test('refuses every method that would do something, and says that nothing is lost', async () => {
    const engine = new Engine({ agents: [a()] });
    const { runId } = await engine.run(a2, 'go');
    await engine.close();
    const by = { id: 'ben' };
    for (const attempt of [
      () => engine.run(a2, 'go'),
      () => engine.resume(runId),
      () => engine.decide(runId, [], { by }),
      () => engine.cancel(runId),
      () => engine.settle(runId, '1.0', { outcome: 'done', by }),
      () => all(engine.recover()),
      () => all(engine.sweep()),
    ])
      await refused('ENGINE_CLOSED', attempt);
  });
  const a2 = agent({ name: 'a2', instructions: '', model: scripted(['done', 'done']) });

  test('watches no run that it would wait for, whether it was closed before or meanwhile', async () => {
    const journal = memoryJournal();
    const other = new Engine({ journal });
    const model: Model = { provider: 'scripted', id: 'm', generate: () => new Promise(() => undefined) };
    const hung = other.run(agent({ name: 'a', instructions: '', model }), 'go');
    hung.catch(() => undefined);
    await hung[Symbol.asyncIterator]().next();
    const engine = new Engine({ journal });
    const reading = engine.watch(hung.id)[Symbol.asyncIterator]();
    expect((await reading.next()).value).toMatchObject({ type: 'run.started' });
    const more = reading.next();
    await engine.close();
    await refused('ENGINE_CLOSED', more);
    await refused('ENGINE_CLOSED', () => all(engine.watch(hung.id)));
    await closed(other);
    await refused('ENGINE_CLOSED', () => all(other.watch(hung.id)));
  });

  test('is what the end of an `await using` block leaves', async () => {
    let outer: Engine | undefined;
    {
      await using engine = new Engine();
      outer = engine;
      await ends(engine.run(a(), 'go'), 'completed');
    }
    await refused('ENGINE_CLOSED', () => outer?.run(a(), 'go'));
  });

  test('two closes at once both wait for the end', async () => {
    const hold = deferred<string>();
    let ran = 0;
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      execute: () => {
        ran++;
        return hold.promise;
      },
    });
    const engine = new Engine();
    const run = engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['slow', {}]), 'x']), tools: [slow] }), 'go');
    void run.then(undefined, () => undefined);
    await until(() => ran === 1);
    let over = 0;
    const closes = [engine.close().then(() => over++), engine.close().then(() => over++)];
    await vi.advanceTimersByTimeAsync(1_000);
    expect(over).toBe(0);
    hold.resolve('x');
    await Promise.all(closes);
  });
});
