import { describe, expect, test } from 'vitest';
import { agent, Engine, type RunEvent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, around, journals, kept, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

const echo = tool({ name: 'echo', description: '', input: anything, effect: 'read', execute: ({ n }) => n });
const simple = (name = 'a') => agent({ name, instructions: '', model: scripted([asks(['echo', { n: 1 }]), 'done']), tools: [echo] });

describe.each(journals)('a run on $name', ({ make }) => {
  test('starts at once, whether or not anybody waits for it', async () => {
    const { journal } = make();
    const ran = deferred();
    const note = tool({ name: 'note', description: '', input: anything, execute: () => ran.resolve() });
    const engine = new Engine({ journal });
    void engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['note', {}]), 'done']), tools: [note] }), 'go');
    await ran.promise;
  });

  test('is awaited, more than once, and iterated over, more than once', async () => {
    const { journal } = make();
    const run = new Engine({ journal }).run(simple(), 'go');
    const [one, two, first, second] = await Promise.all([run, run, all(run), all(run)]);
    expect(one).toEqual(two);
    expect(one).toMatchObject({ status: 'completed', output: 'done', runId: run.id, steps: 2 });
    expect(JSON.parse(JSON.stringify(one))).toEqual(one);
    expect(kept(first)).toEqual(kept(second));
  });

  test('is iterated over after it ended: all its entries, then the end', async () => {
    const { journal } = make();
    const run = new Engine({ journal }).run(simple(), 'go');
    const live = await all(run);
    await run;
    await settle();
    expect(kept(await all(run))).toEqual(kept(live));
  });

  test('a reader who joins late gets what was before and what comes, once each, in order', async () => {
    const { journal } = make();
    const hold = deferred();
    const slow = tool({ name: 'slow', description: '', input: anything, execute: () => hold.promise });
    const model = scripted([asks(['slow', {}]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [slow] }), 'go');
    const early = all(run);
    await settle();
    const late: RunEvent[] = [];
    for await (const e of run) {
      late.push(e);
      if (e.type === 'tool.started') hold.resolve();
    }
    expect(kept(late)).toEqual(kept(await early));
    expect(late.map((e) => e.seq).filter((s) => s !== undefined)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('leaving the loop over its events cancels nothing', async () => {
    const { journal } = make();
    const run = new Engine({ journal }).run(simple(), 'go');
    for await (const e of run) if (e.type === 'run.started') break;
    expect(await ends(run, 'completed')).toMatchObject({ output: 'done' });
  });

  test('a reader that throws, or returns early, disturbs neither the run nor other readers', async () => {
    const { journal } = make();
    const run = new Engine({ journal }).run(simple(), 'go');
    const other = all(run);
    const thrown = (async () => {
      for await (const e of run) throw new Error(`at ${e.type}`);
    })();
    const reader = run[Symbol.asyncIterator]();
    await reader.return?.();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    await expect(thrown).rejects.toThrow('at run.started');
    expect(typesOf(await other).at(-1)).toBe('run.ended');
  });

  test('a reader that asks for several events at once gets each of them', async () => {
    const { journal } = make();
    const run = new Engine({ journal }).run(simple(), 'go');
    const reader = run[Symbol.asyncIterator]();
    const events = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => reader.next()));
    const seqs = events.flatMap((e) => (e.done ? [] : [e.value.seq])).filter((s) => s !== undefined);
    expect(seqs).toEqual([0, 1, 2, 3, 4, 5].slice(0, seqs.length));
    expect(seqs.length).toBeGreaterThan(4);
  });

  test('resolves for every ending; output() only for one', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 1 });
    const endings = {
      paused: engine.run(agent({ name: 'p', instructions: '', model: scripted([asks(['sign', {}])]), tools: [sign] }), 'go'),
      stopped: engine.run(agent({ name: 's', instructions: '', model: scripted(['x']), limits: { steps: 0 } }), 'go'),
      failed: engine.run(agent({ name: 'f', instructions: '', model: scripted([{ error: 'NO' }]) }), 'go'),
      cancelled: engine.run(simple('c'), 'go', { signal: AbortSignal.abort() }),
      completed: engine.run(simple('d'), 'go'),
    };
    for (const [status, run] of Object.entries(endings)) {
      const result = await run;
      expect(result.status).toBe(status);
      expect(JSON.parse(JSON.stringify(result))).toEqual(JSON.parse(JSON.stringify({ ...result })));
      if (status === 'completed') expect(await run.output()).toBe('done');
      else expect((await refused('RUN_NOT_COMPLETED', run.output())).message).toContain(run.id);
      expect((await engine.inspect(run.id)).status).toBe(status);
      const events = await all(run);
      expect(events.at(-1)).toMatchObject({ type: 'run.ended', result: { status } });
    }
  });

  test('that could not start rejects, for those who wait and those who read, now and later', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const first = await engine.run(simple(), 'go', { id: 'r' });
    expect(first.status).toBe('completed');
    const second = engine.run(simple(), 'go', { id: 'r' });
    const reading = all(second);
    await refused('RUN_EXISTS', second);
    await refused('RUN_EXISTS', reading);
    await settle();
    await refused('RUN_EXISTS', all(second));
    await refused('RUN_EXISTS', second.output());
    expect(await engine.inspect('r')).toMatchObject({ status: 'completed', steps: 2 });
  });
});

test('a run that rejects unobserved does not crash the process', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', note);
  try {
    const engine = new Engine();
    await engine.run(simple(), 'go', { id: 'r' });
    void engine.run(simple(), 'go', { id: 'r' });
    const run = engine.run(simple(), 'go', { id: 'r' });
    run[Symbol.asyncIterator]();
    void engine.resume('none');
    await settle(3);
  } finally {
    process.off('unhandledRejection', note);
    for (const other of others) process.on('unhandledRejection', other);
  }
  expect(unhandled).toEqual([]);
});

test('two runs at the same time keep apart, a thousand too', async () => {
  const engine = new Engine();
  const model = scripted(({ messages }) => {
    const said = messages.filter((m) => m.role === 'user').map((m) => (m.content[0] as { text: string }).text);
    return messages.length > 2 ? `done ${said}` : asks(['echo', { n: said[0] as string }]);
  });
  const a = agent({ name: 'a', instructions: '', model, tools: [echo] });
  const outputs = await Promise.all(Array.from({ length: 1_000 }, (_, i) => engine.run(a, `${i}`).output()));
  expect(outputs).toEqual(Array.from({ length: 1_000 }, (_, i) => `done ${i}`));
});

test('an append that fails when the run starts rejects the run, and no effect happens', async () => {
  let ran = 0;
  const note = tool({ name: 'note', description: '', input: anything, execute: () => ++ran });
  const [memory] = journals;
  const { journal } = (memory as (typeof journals)[number]).make();
  const broken = around(journal, { append: () => Promise.reject(new Error('disk on fire')) });
  const model = scripted([asks(['note', {}]), 'done']);
  await expect(new Engine({ journal: broken }).run(agent({ name: 'a', instructions: '', model, tools: [note] }), 'go')).rejects.toThrow(
    'disk on fire',
  );
  expect([ran, model.requests.length]).toEqual([0, 0]);
});
