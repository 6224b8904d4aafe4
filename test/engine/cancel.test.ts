import { describe, expect, test } from 'vitest';
import { agent, Engine, type Model, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf, headOf, journals, leftBehind, recording, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, resultsIn, shown } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

/** A model that never answers, and listens or not. */
function hanging(listens: boolean) {
  const signals: AbortSignal[] = [];
  const model: Model = {
    provider: 'scripted',
    id: 'hanging',
    generate: (_, { signal }) => {
      signals.push(signal);
      return new Promise((_, reject) => listens && signal.addEventListener('abort', () => reject(signal.reason)));
    },
  };
  return { model, signals };
}

describe.each(journals)('cancel on $name', ({ make }) => {
  test('by a signal that was aborted before the run: no model or tool is called', async () => {
    const { journal } = make();
    const model = scripted(['never']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model }), 'go', {
      signal: AbortSignal.abort(new Error('left')),
    });
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'left', steps: 0 });
    expect(model.requests).toHaveLength(0);
    expect(typesOf(await entriesOf(journal, run.id))).toEqual(['run.started', 'run.settled']);
  });

  test.each([true, false])('by a signal while the model answers (and listens: %s)', async (listens) => {
    const { journal } = make();
    const { model, signals } = hanging(listens);
    const stop = new AbortController();
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model }), 'go', { signal: stop.signal });
    await until(() => signals[0]);
    stop.abort(new Error('user left'));
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'user left' });
    expect(signals[0]?.aborted).toBe(true);
    // what the provider may charge all the same is in the books, and no attempt was made again
    expect(await entryOf(journal, run.id, 'attempt.failed')).toMatchObject({ of: 'model', lost: { tokens: expect.any(Number) } });
    expect(signals).toHaveLength(1);
  });

  test.each([true, false])('by a signal while a once tool runs (and listens: %s): its outcome is unknown, and said so', async (listens) => {
    const { journal } = make();
    const begun = deferred<AbortSignal>();
    const finish = deferred<string>();
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      execute: (_, { signal }) => {
        begun.resolve(signal);
        if (listens) signal.addEventListener('abort', () => finish.reject(signal.reason));
        return finish.promise;
      },
    });
    const stop = new AbortController();
    const engine = new Engine({ journal });
    const model = scripted([asks(['pay', {}]), 'never']);
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [pay] }), 'go', { signal: stop.signal });
    const signal = await begun.promise;
    stop.abort();
    await ends(run, 'cancelled');
    expect(signal.aborted).toBe(true);
    const state = await engine.inspect(run.id);
    expect(state.unknowns).toMatchObject([{ tool: 'pay' }]);
    expect((await all(engine.runs()))[0]?.unknowns).toBe(1);
    expect(failure(resultsIn(state.messages)[0])).toMatchObject({ code: 'CANCELLED', outcome: 'unknown' });
    expect(model.requests).toHaveLength(1);
    if (listens) return;
    // the tool ends after all: that is written down, and changes nothing else
    finish.resolve('paid');
    await settle();
    expect(await entryOf(journal, run.id, 'outcome.settled')).toMatchObject({ source: 'late', outcome: 'done', output: 'paid' });
    expect(await engine.inspect(run.id)).toMatchObject({ status: 'cancelled', unknowns: [] });
    expect((await all(engine.runs()))[0]?.unknowns).toBe(0);
  });

  test('by a signal in the sleep before a retry, of a tool or a model: no further attempt', async () => {
    const { journal } = make();
    let attempts = 0;
    const busy = () => {
      attempts++;
      throw new ToolError('THROTTLING', 'busy', { outcome: 'not-run', retryAfter: 50_000 });
    };
    const retry = { attempts: 3, initialDelay: 50_000, maxDelay: 100_000 };
    const flaky = tool({ name: 'flaky', description: '', input: anything, retry, execute: busy });
    const model: Model = { provider: 'scripted', id: 'm', generate: busy };
    for (const a of [
      agent({ name: 'tool', instructions: '', model: scripted([asks(['flaky', {}]), 'never']), tools: [flaky] }),
      agent({ name: 'model', instructions: '', model, reliability: { model: { retry } } }),
    ]) {
      attempts = 0;
      const stop = new AbortController();
      const engine = new Engine({ journal });
      const run = engine.run(a, 'go', { signal: stop.signal });
      await entryOf(journal, run.id, 'attempt.failed');
      await settle();
      stop.abort();
      await ends(run, 'cancelled');
      expect(attempts).toBe(1);
      // nothing ran, so nothing is unknown
      expect((await engine.inspect(run.id)).unknowns).toEqual([]);
    }
  });

  test('by a signal in the middle of a stream: no further text, and then the end', async () => {
    const { journal } = make();
    const begun = deferred();
    const model: Model = {
      provider: 'scripted',
      id: 'streaming',
      async generate(_, { emit, signal }) {
        for (let n = 0; ; n++) {
          emit?.({ type: 'text', text: `${n} ` });
          if (n === 2) begun.resolve();
          await settle(1);
          // it goes on for a while after it was told to stop
          if (signal.aborted && n > 20) throw signal.reason;
        }
      },
    };
    const stop = new AbortController();
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model }), 'go', { signal: stop.signal });
    const heard: string[] = [];
    const reading = (async () => {
      for await (const e of run) heard.push(e.type === 'text.delta' ? e.text : e.type);
    })();
    await begun.promise;
    await until(() => heard.length > 3);
    stop.abort();
    const before = heard.length;
    await ends(run, 'cancelled');
    await reading;
    await settle(30);
    expect(heard.slice(before)).toEqual(['attempt.failed', 'run.ended']);
  });

  test('by a signal after the run paused is too late: the run keeps waiting, and has no listener on the signal', async () => {
    const { journal } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const engine = new Engine({ journal });
    const stop = new AbortController();
    let listeners = 0;
    const { signal } = stop;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'done']), tools: [sign] });
    const paused = await ends(engine.run(a, 'go', { signal }), 'paused');
    expect(listeners).toBe(0);
    stop.abort();
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(paused.runId), 'completed');
  });

  test('by engine.cancel while it runs, with a reason and who', async () => {
    const { journal } = make();
    const { model, signals } = hanging(true);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go');
    await until(() => signals[0]);
    await engine.cancel(run.id, { reason: 'too slow', by: { id: 'ben' } });
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'too slow' });
    expect(await entryOf(journal, run.id, 'message.received')).toMatchObject({ kind: 'cancel', by: { id: 'ben' }, reason: 'too slow' });
  });

  test('right after the start works', async () => {
    const { journal } = make();
    const { model } = hanging(true);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go', { session: 's' });
    await engine.cancel(run.id, { reason: 'changed my mind' });
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'changed my mind' });
  });

  test('of a run that waits for people, from another process: it is over, and cannot be decided or resumed', async () => {
    const { journal, another } = make();
    let ran = 0;
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => ++ran });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), 'never']), tools: [sign] });
    const paused = await ends(new Engine({ journal }).run(a, 'go'), 'paused');
    const other = new Engine({ journal: another(), agents: [a] });
    await other.cancel(paused.runId, { reason: 'no need' });
    expect(await other.inspect(paused.runId)).toMatchObject({ status: 'cancelled', approvals: [] });
    expect(await headOf(journal, paused.runId)).toMatchObject({ status: 'cancelled' });
    expect((await headOf(journal, paused.runId))?.wakeAt).toBeUndefined();
    await refused(
      'APPROVAL_CLOSED',
      other.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } }),
    );
    expect(await ends(other.resume(paused.runId), 'cancelled')).toMatchObject({ reason: 'no need' });
    expect(ran).toBe(0);
  });

  test('of a run that another process drives reaches it with its next entry', async () => {
    const { journal, another } = make();
    const hold = deferred();
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
    const model = scripted([asks(['slow', {}], ['slow', {}]), 'never']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [slow], parallel: 1 }), 'go');
    await entryOf(journal, run.id, 'call.started');
    await new Engine({ journal: another() }).cancel(run.id, { reason: 'stop' });
    expect((await headOf(journal, run.id))?.status).toBe('running');
    hold.resolve();
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'stop' });
    expect(ran).toBe(1);
    expect(model.requests).toHaveLength(1);
  });

  test('requested before its process died is applied by the next process, before anything else runs', async () => {
    const { journal, appends } = recording(make().journal);
    const hold = deferred();
    const ran: unknown[] = [];
    const slow = tool({
      name: 'slow',
      description: '',
      input: anything,
      effect: 'read',
      execute: ({ n }) => {
        ran.push(n);
        return hold.promise;
      },
    });
    const model = scripted([asks(['slow', { n: 1 }], ['slow', { n: 2 }]), 'never']);
    const a = agent({ name: 'a', instructions: '', model, tools: [slow], parallel: 1 });
    const run = new Engine({ journal }).run(a, 'go');
    await entryOf(journal, run.id, 'call.started');
    await new Engine({ journal }).cancel(run.id, { reason: 'stop' });
    expect(appends.at(-1)?.entries[0]).toMatchObject({ type: 'message.received' });
    // its owner is never heard of again
    const left = await leftBehind(appends, make().journal);
    ran.length = 0;
    hold.resolve();
    const engine = new Engine({ journal: left, agents: [a] });
    expect(await ends(engine.resume(run.id), 'cancelled')).toMatchObject({ reason: 'stop' });
    await ends(run, 'cancelled');
    expect(ran).toEqual([]);
    expect(model.requests).toHaveLength(1);
  });

  test('of a run that ended changes nothing; of one that stopped ends it', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const done = await engine.run(agent({ name: 'a', instructions: '', model: scripted(['done']) }), 'go');
    const before = await entriesOf(journal, done.runId);
    await engine.cancel(done.runId);
    expect(await entriesOf(journal, done.runId)).toEqual(before);
    expect((await engine.inspect(done.runId)).status).toBe('completed');
    const stopped = await ends(
      engine.run(agent({ name: 'b', instructions: '', model: scripted(['x']), limits: { steps: 0 } }), 'go'),
      'stopped',
    );
    await engine.cancel(stopped.runId);
    expect((await engine.inspect(stopped.runId)).status).toBe('cancelled');
    await ends(engine.resume(stopped.runId, { limits: { steps: 5 } }), 'cancelled');
    await refused('RUN_NOT_FOUND', engine.cancel('none'));
  });

  test('twice is the same as once', async () => {
    const { journal } = make();
    const { model, signals } = hanging(false);
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model }), 'go');
    await until(() => signals[0]);
    await Promise.all([engine.cancel(run.id, { reason: 'one' }), engine.cancel(run.id, { reason: 'two' })]);
    expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'one' });
    await engine.cancel(run.id, { reason: 'three' });
    expect(typesOf(await entriesOf(journal, run.id)).filter((t) => t === 'run.settled')).toHaveLength(1);
  });
});

test('a reason that is a text is kept too', async () => {
  const { model, signals } = hanging(true);
  const stop = new AbortController();
  const run = new Engine().run(agent({ name: 'a', instructions: '', model }), 'go', { signal: stop.signal });
  await until(() => signals[0]);
  stop.abort('user left');
  expect(await ends(run, 'cancelled')).toMatchObject({ reason: 'user left' });
});

test('a signal given to resume cancels that drive', async () => {
  const begun = deferred();
  const sign = tool({
    name: 'sign',
    description: '',
    input: anything,
    effect: 'read',
    approval: true,
    execute: () => {
      begun.resolve();
      return new Promise(() => undefined);
    },
  });
  const model = scripted([asks(['sign', {}]), 'never']);
  const engine = new Engine();
  const paused = await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [sign] }), 'go'), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
  const stop = new AbortController();
  const run = engine.resume(paused.runId, { signal: stop.signal });
  await begun.promise;
  stop.abort();
  await ends(run, 'cancelled');
  expect(shown(model.requests[1])).toEqual([]);
});
