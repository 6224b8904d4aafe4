/** A conversation is recorded after its run: once, whatever fails or dies in between, and no run waits for it. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  type Agent,
  agent,
  Engine,
  type EntryOf,
  foreignAgent,
  graph,
  type Journal,
  jsonSchema,
  type Memory,
  supervisor,
  ToolError,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { type Appended, around, entriesOf, headOf, journals, leftBehind, recording } from '../kit/journals.ts';
import { ends, refused } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { listening } from './kit.ts';

const by = { id: 'ana', tenant: 'acme' };
const clerk = (o: { memory?: Memory | false; name?: string } = {}) =>
  agent({ name: 'clerk', instructions: '', model: scripted(['Hello.', 'Hello again.']), ...o });
const ask = (engine: Engine, who: Agent, session = 's') => engine.run(who, 'Hi.', { by, session });
const triesIn = async (journal: Journal, runId: string): Promise<EntryOf<'memory.recorded'>[]> =>
  (await entriesOf(journal, runId)).filter((e): e is EntryOf<'memory.recorded'> => e.type === 'memory.recorded');
const tries = (journal: Journal, runId: string, count: number) =>
  until(async () => {
    const found = await triesIn(journal, runId);
    return found.length >= count ? found : undefined;
  });
/** The same store, whose clock is ahead: for what is due later. */
const ahead = (journal: Journal, ms: number) => around(journal, { now: () => Date.now() + ms });

describe.each(journals)('a conversation, on $name,', ({ make }) => {
  test('is promised in the append that ends the run, and then recorded under the promised key', async () => {
    const { journal: inner } = make();
    const { journal, appends } = recording(inner);
    const { memory, recorded } = listening();
    const run = ask(new Engine({ journal, memory }), clerk());
    await ends(run, 'completed');
    await tries(journal, run.id, 1);
    const end = appends.find(({ entries }) => entries.some((e) => e.type === 'run.settled'));
    expect(end?.entries.map((e) => e.type)).toEqual(['model.responded', 'memory.due', 'run.settled']);
    expect(end?.head).toMatchObject({ status: 'completed', wakeAt: expect.any(Number) });
    const due = end?.entries[1] as EntryOf<'memory.due'>;
    expect(due.key).toMatch(/^[0-9a-f]{64}$/);
    expect(recorded).toMatchObject([{ by, session: 's', agent: 'clerk', idempotencyKey: due.key }]);
    expect(recorded[0]?.messages.map((m) => m.role)).toEqual(['user', 'assistant']);
    expect(await triesIn(journal, run.id)).toMatchObject([{ key: due.key, attempt: 1 }]);
    expect([(await headOf(journal, run.id))?.wakeAt, (await headOf(journal, run.id))?.owner]).toEqual([undefined, undefined]);
  });

  test('of each run of a session has a key of its own', async () => {
    const { journal } = make();
    const { memory, recorded } = listening();
    const engine = new Engine({ journal, memory });
    const who = clerk();
    for (let i = 0; i < 2; i++) await ends(ask(engine, who), 'completed');
    await until(() => recorded.length === 2);
    expect(new Set(recorded.map((e) => e.idempotencyKey)).size).toBe(2);
  });

  // holds recorder.I1
  test('keeps no run waiting for a memory that does not answer', async () => {
    const { journal } = make();
    const memory: Memory = { recall: async () => [], record: () => new Promise(() => undefined) };
    const engine = new Engine({ journal, memory });
    const who = clerk();
    expect(await ask(engine, who).output()).toBe('Hello.');
    expect(await ask(engine, who).output()).toBe('Hello again.');
  });

  test('that the memory does not take is recorded later, under the same key', async () => {
    const { journal } = make();
    const { memory, recorded } = listening((attempt) => (attempt < 2 ? new Error(`down: secret-of-the-memory`) : undefined));
    const run = ask(new Engine({ journal, memory }), clerk());
    await ends(run, 'completed');
    const [first, second] = await tries(journal, run.id, 2);
    expect(first).toMatchObject({ attempt: 1, error: { code: 'MEMORY_FAILED' }, retryIn: 1_000 });
    expect(second).toMatchObject({ attempt: 2, key: first?.key });
    expect(second).not.toHaveProperty('error');
    expect(recorded.map((e) => e.idempotencyKey)).toEqual([first?.key]);
    expect(JSON.stringify(await entriesOf(journal, run.id))).not.toContain('secret-of-the-memory');
  });

  test('waits twice as long after each failure, in every process alike', async () => {
    // attempts that a process plans for itself do not come
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { journal } = make();
    const who = clerk();
    const { memory, attempts } = listening(() => new Error('down'));
    const first = new Engine({ journal, memory });
    const run = ask(first, who);
    await ends(run, 'completed');
    await tries(journal, run.id, 1);
    await first.sweep();
    expect(attempts()).toBe(1);
    for (let i = 2; i <= 4; i++) {
      const later = new Engine({ journal: ahead(journal, 10_000), memory, agents: [who] });
      await later.sweep();
      expect(attempts()).toBe(i);
    }
    expect((await triesIn(journal, run.id)).map(({ attempt, retryIn }) => [attempt, retryIn])).toEqual([
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
      [4, 8_000],
    ]);
  });

  test('that the memory refuses permanently is dropped, with a warning', async () => {
    const { journal } = make();
    const warned: string[] = [];
    const hear = (warning: Error) => warned.push(warning.message);
    process.on('warning', hear);
    onTestFinished(() => void process.off('warning', hear));
    const who = clerk();
    const { memory, attempts } = listening(() => new ToolError('TOO_LONG', 'no more than 1 MB'));
    const run = ask(new Engine({ journal, memory }), who);
    await ends(run, 'completed');
    const [only] = await tries(journal, run.id, 1);
    expect(only).toMatchObject({ error: { code: 'TOO_LONG', message: 'no more than 1 MB' } });
    expect(only).not.toHaveProperty('retryIn');
    await new Engine({ journal: ahead(journal, 1e9), memory, agents: [who] }).sweep();
    expect(attempts()).toBe(1);
    await until(() => warned.length > 0);
    expect(warned.join()).toMatch(/is not in the memory.*TOO_LONG/);
  });

  test.each(['recover', 'sweep'] as const)(
    'that a crash left unrecorded is found by %s, once, under the key that was promised',
    async (find) => {
      const { journal: store } = make();
      const { journal, appends } = recording(store);
      const who = clerk();
      const dead = ask(new Engine({ journal, memory: { recall: async () => [], record: () => new Promise(() => undefined) } }), who);
      await ends(dead, 'completed');
      const { key } = appends.flatMap((a) => a.entries).find((e) => e.type === 'memory.due') as EntryOf<'memory.due'>;
      const left = await leftBehind(appends);
      const { memory, recorded } = listening();
      const engine = new Engine({ journal: left, memory, agents: [who] });
      expect(await engine[find]()).toEqual([]);
      expect(recorded).toMatchObject([{ idempotencyKey: key, session: 's', by }]);
      expect(recorded[0]?.messages.map((m) => m.role)).toEqual(['user', 'assistant']);
      await engine[find]();
      expect(recorded).toHaveLength(1);
    },
  );

  // holds recorder.I3
  test('is the same conversation under the same key where the process died before, at or after any append', async () => {
    const { journal, appends } = recording(make().journal);
    const who = clerk();
    const whole = ask(new Engine({ journal, memory: listening().memory }), who);
    await ends(whole, 'completed');
    await tries(journal, whole.id, 1);
    const keys = new Set<string>();
    for (let n = 1; n <= appends.length; n++) {
      const left = await leftBehind(appends.slice(0, n) as Appended[]);
      const { memory, recorded } = listening();
      const engine = new Engine({ journal: left, memory, agents: [clerk()] });
      await engine.recover();
      const tried = await tries(left, whole.id, 1);
      expect(tried).toHaveLength(1);
      // what was recorded before the crash is not recorded again
      expect(recorded).toHaveLength(n === appends.length ? 0 : 1);
      for (const { idempotencyKey } of recorded) keys.add(idempotencyKey);
    }
    expect(keys.size).toBe(1);
  });

  test('is left alone by a process that knows neither its agent nor a memory', async () => {
    const { journal, appends } = recording(make().journal);
    const run = ask(new Engine({ journal, memory: { recall: async () => [], record: () => new Promise(() => undefined) } }), clerk());
    await ends(run, 'completed');
    const left = await leftBehind(appends);
    const { memory, attempts } = listening();
    await new Engine({ journal: left, memory }).sweep();
    await new Engine({ journal: left, agents: [clerk()] }).sweep();
    expect([attempts(), (await triesIn(left, run.id)).length]).toEqual([0, 0]);
    expect(await headOf(left, run.id)).toHaveProperty('wakeAt');
  });

  test('is recorded before close() resolves', async () => {
    const { journal, another } = make();
    const go = deferred();
    const { memory, recorded } = listening(() => go.promise);
    const engine = new Engine({ journal, memory });
    const run = ask(engine, clerk());
    await ends(run, 'completed');
    const closed = engine.close();
    await settle(3);
    expect(recorded).toHaveLength(0);
    go.resolve();
    await closed;
    expect(recorded).toHaveLength(1);
    expect(await triesIn(another(), run.id)).toHaveLength(1);
  });

  // holds recorder.I2
  test('is not recorded by two processes at the same time', async () => {
    const { journal, another } = make();
    const go = deferred();
    const slow = listening(() => go.promise);
    const who = clerk();
    const run = ask(new Engine({ journal, memory: slow.memory }), who);
    await ends(run, 'completed');
    await until(() => slow.attempts() === 1);
    const other = listening();
    await new Engine({ journal: another(), memory: other.memory, agents: [who] }).sweep();
    expect(other.attempts()).toBe(0);
    go.resolve();
    await tries(journal, run.id, 1);
    expect(slow.recorded).toHaveLength(1);
  });

  test('of a sub-agent with a memory of its own goes there, and the memory is asked for its task; the engine’s has the top alone', async () => {
    const { journal } = make();
    const own = listening();
    const asked: unknown[] = [];
    const memory: Memory = {
      ...own.memory,
      recall: async ({ agent: name, text }) => {
        asked.push([name, text]);
        return [{ id: 'f1', text: 'low tide is at noon', score: 0.9 }];
      },
    };
    const model = scripted(['At noon.']);
    const ocean = agent({ name: 'ocean', description: 'Knows tides', instructions: 'Be wet.', model, memory });
    const top = listening();
    const desk = supervisor({
      name: 'desk',
      instructions: '',
      model: scripted([{ toolCalls: [{ name: 'ocean', input: { task: 'When is low tide?' } }] }, 'It is at noon.']),
      agents: [ocean],
    });
    const run = ask(new Engine({ journal, memory: top.memory }), desk);
    await ends(run, 'completed');
    await tries(journal, run.id, 2);
    expect(asked).toEqual([['ocean', 'When is low tide?']]);
    expect(model.requests[0]?.instructions).toContain('- low tide is at noon');
    const texts = (e: (typeof own.recorded)[number]) => e.messages.map((m) => (m.content[0]?.type === 'text' ? m.content[0].text : ''));
    expect(own.recorded.map((e) => [e.agent, ...texts(e)])).toEqual([['ocean', 'When is low tide?', 'At noon.']]);
    expect(top.recorded.map((e) => e.agent)).toEqual(['desk']);
    const keys = [...own.recorded, ...top.recorded].map((e) => e.idempotencyKey);
    expect(new Set(keys).size).toBe(2);
    const facts = (await entriesOf(journal, run.id)).flatMap((e) => (e.type === 'context.changed' ? (e.memory ?? []) : []));
    expect(facts).toContainEqual({ id: 'f1', text: 'low tide is at noon', score: 0.9 });
  });

  test('of a run that did not complete is not recorded, nor what a sub-agent of it said', async () => {
    const { journal } = make();
    const own = listening();
    const ocean = agent({ name: 'ocean', description: '', instructions: '', model: scripted(['At noon.']), memory: own.memory });
    const desk = supervisor({
      name: 'desk',
      instructions: '',
      model: scripted([{ toolCalls: [{ name: 'ocean', input: { task: 'x' } }] }, { error: 'NO' }]),
      agents: [ocean],
    });
    const engine = new Engine({ journal, agents: [desk] });
    await ends(ask(engine, desk), 'failed');
    await engine.sweep();
    expect(own.attempts()).toBe(0);
  });

  test('goes to the memory of the agent instead of the engine’s, and nowhere where that is false', async () => {
    const { journal } = make();
    const engines = listening();
    const own = listening();
    const engine = new Engine({ journal, memory: engines.memory });
    const run = ask(engine, clerk({ memory: own.memory }));
    await ends(run, 'completed');
    await tries(journal, run.id, 1);
    const none = ask(engine, agent({ name: 'none', instructions: '', model: scripted(['x']), memory: false }), 's2');
    await ends(none, 'completed');
    expect([own.attempts(), engines.attempts()]).toEqual([1, 0]);
    expect((await entriesOf(journal, none.id)).map((e) => e.type)).not.toContain('memory.due');
  });

  test('of a graph or a foreign agent is what was asked and what was answered', async () => {
    const { journal } = make();
    const { memory, recorded } = listening();
    const engine = new Engine({ journal, memory });
    const alien = foreignAgent({ name: 'alien', turn: async () => ({ status: 'completed', output: 'I see.' }) });
    await ends(engine.run(alien, 'Look.', { by, session: 'a' }), 'completed');
    const g = graph({
      name: 'g',
      state: jsonSchema<{ n: number }>({ type: 'object', properties: { n: { type: 'number' } }, required: ['n'] }),
      nodes: { add: ({ n }) => ({ n: n + 1 }) },
      edges: { start: 'add', add: 'end' },
    });
    await ends(engine.run(g, { n: 1 }, { by, session: 'b' }), 'completed');
    await until(() => recorded.length === 2);
    expect(recorded.map((e) => e.messages.map((m) => (m.content[0]?.type === 'text' ? m.content[0].text : '')))).toEqual([
      ['Look.', 'I see.'],
      [expect.stringContaining('1'), expect.stringContaining('2')],
    ]);
  });
});

test('close() does not wait for ever for a memory that does not answer, and aborts its signal', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  let signal: AbortSignal | undefined;
  const memory: Memory = {
    recall: async () => [],
    record: (e) => {
      signal = e.signal;
      return new Promise(() => undefined);
    },
  };
  const engine = new Engine({ memory });
  await ends(ask(engine, clerk()), 'completed');
  await until(() => signal);
  const closed = engine.close();
  await settle(3);
  expect(signal?.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(5_000);
  await closed;
  expect(signal?.aborted).toBe(true);
});

test('recall is aborted when the run is cancelled', async () => {
  const asked = deferred<AbortSignal>();
  const memory: Memory = {
    recall: ({ signal }) => {
      asked.resolve(signal);
      return new Promise(() => undefined);
    },
    record: async () => undefined,
  };
  const engine = new Engine({ memory });
  const run = ask(engine, clerk());
  const signal = await asked.promise;
  expect(signal.aborted).toBe(false);
  await engine.cancel(run.id, { by });
  await ends(run, 'cancelled');
  expect(signal.aborted).toBe(true);
});

test('an agent with an invalid memory is refused', async () => {
  const odd = { recall: async () => [] } as unknown as Memory;
  await refused('CONFIG_INVALID', () => clerk({ memory: odd }));
});
