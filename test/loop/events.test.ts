import { describe, expect, test } from 'vitest';
import { agent, Engine, type Model, type RunEvent, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals, kept, typesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, settle } from '../kit/time.ts';

type Delta = RunEvent & { type: 'text.delta' | 'reasoning.delta' };
const isDelta = (e: RunEvent): e is Delta => e.type === 'text.delta' || e.type === 'reasoning.delta';

/** A model that streams, fails once in the middle, and streams again. */
function stumbling(): Model {
  let calls = 0;
  return {
    provider: 'scripted',
    id: 'stumbling',
    async generate(_, { emit }) {
      calls++;
      emit?.({ type: 'reasoning', text: 'hm' });
      emit?.({ type: 'text', text: calls === 1 ? 'lost' : 'kept' });
      if (calls === 1) throw new ToolError('STREAM_BROKEN', 'the stream broke', { retryable: true });
      return { content: [{ type: 'text', text: 'kept' }], stop: 'end', usage: { input: 1, output: 1 } };
    },
  };
}

describe.each(journals)('events on $name', ({ make }) => {
  test('text streams as deltas, which carry the attempt they belong to', async () => {
    const { journal } = make();
    const a = agent({ name: 'a', instructions: '', model: stumbling(), reliability: { model: { retry: { initialDelay: 0 } } } });
    const events = await all(new Engine({ journal }).run(a, 'go'));
    const deltas = events.filter(isDelta);
    expect(deltas.map((e) => [e.type, e.text, e.attempt, e.step, e.seq])).toEqual([
      ['reasoning.delta', 'hm', 1, 1, undefined],
      ['text.delta', 'lost', 1, 1, undefined],
      ['reasoning.delta', 'hm', 2, 1, undefined],
      ['text.delta', 'kept', 2, 1, undefined],
    ]);
    expect(events.find((e) => e.type === 'attempt.failed')).toMatchObject({ code: 'STREAM_BROKEN', attempt: 1, step: 1, seq: 1 });
  });

  test('of two calls of one sub-agent say which they are of, and those of the top agent say nothing', async () => {
    const { journal } = make();
    const say = (text: string): Model => ({
      provider: 'scripted',
      id: 'say',
      async generate({ messages }, { emit }) {
        const told = JSON.stringify(messages).includes('first') ? `${text} 1` : `${text} 2`;
        emit?.({ type: 'text', text: told });
        return { content: [{ type: 'text', text: told }], stop: 'end', usage: { input: 1, output: 1 } };
      },
    });
    const inner = agent({ name: 'inner', description: '', instructions: '', model: say('told') });
    const model = scripted([asks(['inner', { task: 'first' }], ['inner', { task: 'second' }]), 'done']);
    const events = await all(new Engine({ journal }).run(agent({ name: 'outer', instructions: '', model, agents: [inner] }), 'go'));
    const begun = events.flatMap((e) => (e.type === 'agent.started' ? [e.callId] : []));
    expect(new Set(begun).size).toBe(2);
    for (const [callId, text] of [
      [begun[0], 'told 1'],
      [begun[1], 'told 2'],
    ]) {
      const own = events.filter(({ frame }) => frame === callId);
      expect(own.every(({ path }) => path.join('/') === 'outer/inner')).toBe(true);
      expect(own.flatMap((e) => (e.type === 'text.delta' ? [e.text] : []))).toEqual([text]);
      expect(own.flatMap((e) => (e.type === 'model.finished' ? [e.message.content] : []))).toEqual([[{ type: 'text', text }]]);
    }
    for (const { path, frame } of events) if (path.length === 1) expect(frame).toBeUndefined();
  });

  test('are the entries, once and in order, each after its commit', async () => {
    const { journal } = make();
    const echo = tool({ name: 'echo', description: '', input: anything, effect: 'read', execute: ({ n }) => n });
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([asks(['echo', { n: 1 }], ['echo', { n: 2 }]), 'done']),
      tools: [echo],
    });
    const run = new Engine({ journal }).run(a, 'go');
    const events: RunEvent[] = [];
    for await (const event of run) {
      events.push(event);
      if (event.seq !== undefined) expect((await entriesOf(journal, run.id)).length).toBeGreaterThan(event.seq);
    }
    expect(kept(events).map((e) => e.seq)).toEqual((await entriesOf(journal, run.id)).map((e) => e.seq));
    expect(typesOf(kept(events))).toEqual([
      'run.started',
      'model.finished',
      'tool.started',
      'tool.started',
      'tool.finished',
      'tool.finished',
      'model.finished',
      'run.ended',
    ]);
    expect(events.every((e) => e.runId === run.id && e.path.join() === 'a' && e.at > 0)).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'run.ended', result: { status: 'completed', output: 'done' } });
    expect(await run).toEqual((events.at(-1) as { result: unknown }).result);
  });

  test('a tool streams its progress, which is kept nowhere', async () => {
    const { journal } = make();
    const load = tool({
      name: 'load',
      description: '',
      input: anything,
      execute: async (_, { progress }) => {
        progress({ percent: 50 });
        await settle(1);
        progress('almost');
        return 'loaded';
      },
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['load', {}]), 'done']), tools: [load] });
    const run = new Engine({ journal }).run(a, 'go');
    const events = await all(run);
    const progress = events.filter((e) => e.type === 'tool.progress');
    expect(progress.map((e) => [e.data, e.callId, e.step])).toEqual([
      [{ percent: 50 }, '1.0', 1],
      ['almost', '1.0', 1],
    ]);
    expect(events.indexOf(progress[1] as RunEvent)).toBeLessThan(typesOf(events).indexOf('tool.finished'));
    expect(JSON.stringify(await entriesOf(journal, run.id))).not.toContain('almost');
  });

  test('onEvent sees every event of every run; one that throws disturbs no one', async () => {
    const { journal } = make();
    const seen: RunEvent[] = [];
    const onEvent = (e: RunEvent) => {
      seen.push(e);
      throw new Error('listener bug');
    };
    const echo = tool({
      name: 'echo',
      description: '',
      input: anything,
      execute: (_, { progress }) => {
        progress(1);
        return 'ok';
      },
    });
    const engine = new Engine({ journal, onEvent });
    const make1 = (name: string) => agent({ name, instructions: '', model: scripted([asks(['echo', {}]), 'two words']), tools: [echo] });
    const one = engine.run(make1('one'), 'go');
    const events = await all(one);
    await ends(one, 'completed');
    await ends(engine.run(make1('two'), 'go'), 'completed');
    expect(seen.filter((e) => e.runId === one.id)).toEqual(events);
    expect(typesOf(seen.filter((e) => e.runId !== one.id))).toEqual(typesOf(events));
  });
});

test('an asynchronous listener that rejects disturbs no one, and ends no process', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', note);
  try {
    const engine = new Engine({ onEvent: async () => Promise.reject(new Error('listener bug')) });
    await ends(engine.run(agent({ name: 'a', instructions: '', model: scripted(['done']) }), 'go'), 'completed');
    await settle(3);
  } finally {
    process.off('unhandledRejection', note);
    for (const other of others) process.on('unhandledRejection', other);
  }
  expect(unhandled).toEqual([]);
});

test('a model is asked to stream only while somebody listens', async () => {
  const streamed: boolean[] = [];
  const model: Model = {
    provider: 'scripted',
    id: 'm',
    async generate(_, { emit }) {
      streamed.push(emit !== undefined);
      return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
    },
  };
  const a = agent({ name: 'a', instructions: '', model });
  await new Engine().run(a, 'go');
  await all(new Engine().run(a, 'go'));
  await new Engine({ onEvent: () => undefined }).run(a, 'go');
  expect(streamed).toEqual([false, true, true]);
});

test('a reader who is slow gets neighbouring deltas joined, and loses no text', async () => {
  const words = deferred<(text: string) => void>();
  const end = deferred();
  const model: Model = {
    provider: 'scripted',
    id: 'm',
    async generate(_, { emit }) {
      words.resolve((text) => emit?.({ type: 'text', text }));
      await end.promise;
      return { content: [{ type: 'text', text: 'x' }], stop: 'end', usage: { input: 1, output: 1 } };
    },
  };
  const run = new Engine().run(agent({ name: 'a', instructions: '', model }), 'go');
  const reader = run[Symbol.asyncIterator]();
  expect((await reader.next()).value).toMatchObject({ type: 'run.started' });
  const say = await words.promise;
  for (let i = 0; i < 1_000; i++) say(`${i} `);
  end.resolve();
  await run;
  const events: RunEvent[] = [];
  for (let e = await reader.next(); !e.done; e = await reader.next()) events.push(e.value);
  const deltas = events.filter(isDelta);
  expect(deltas.length).toBeLessThan(5);
  expect(deltas.map((d) => d.text).join('')).toBe(Array.from({ length: 1_000 }, (_, i) => `${i} `).join(''));
});

test('a model that timed out and still streams is ignored', async () => {
  let talk: ((text: string) => void) | undefined;
  let calls = 0;
  const model: Model = {
    provider: 'scripted',
    id: 'm',
    async generate(_, { emit }) {
      if (++calls === 1) {
        talk = (text) => emit?.({ type: 'text', text });
        talk('first ');
        await new Promise(() => undefined);
      }
      talk?.('not heard ');
      emit?.({ type: 'text', text: 'second' });
      return { content: [{ type: 'text', text: 'second' }], stop: 'end', usage: { input: 1, output: 1 } };
    },
  };
  const reliability = { model: { timeout: 5, retry: { initialDelay: 0, attempts: 2 } } };
  const events = await all(new Engine().run(agent({ name: 'a', instructions: '', model, reliability }), 'go'));
  expect(events.filter(isDelta).map((e) => [e.text, e.attempt])).toEqual([
    ['first ', 1],
    ['second', 2],
  ]);
});
