import { expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { accepted, eventStream, listen, type ServerEvent, sse } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all } from '../kit/journals.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { eventsOf } from './http.ts';
import { looker } from './looker.ts';

const MANY = 10_000;
const events = async function* (taken: { n: number }, size: number): AsyncGenerator<ServerEvent, void, undefined> {
  for (taken.n = 1; taken.n <= MANY; taken.n++) yield { id: taken.n, data: 'x'.repeat(size) };
};

test('events are taken from their source no faster than the reader reads', async () => {
  const taken = { n: 0 };
  await using server = await listen(() => eventStream(events(taken, 10_000)));
  const response = await fetch(server.url);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  // sockets hold some of it; 100 MB they do not
  let before = -1;
  while (before !== taken.n) {
    before = taken.n;
    await settle(200);
  }
  expect(taken.n).toBeLessThan(MANY);
  for (let item = await reader.read(); !item.done; item = await reader.read());
  expect(taken.n).toBe(MANY + 1);
});

test('a source is told when its reader leaves', async () => {
  const ended = deferred();
  const source: AsyncIterable<ServerEvent> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: { data: 'x' } }),
      return: async () => {
        ended.resolve();
        return { done: true, value: undefined };
      },
    }),
  };
  await using server = await listen(() => eventStream(source));
  const reader = (await fetch(server.url)).body?.getReader();
  await reader?.read();
  await reader?.cancel();
  await ended.promise;
});

test('an event that is larger than a chunk may be is sent in several, and nothing of it is lost', async () => {
  const data = 'äöü'.repeat(1_000);
  const source = async function* (): AsyncGenerator<ServerEvent, void, undefined> {
    yield { data };
    yield { data: 'small' };
  };
  const chunks = await all(eventStream(source(), { maxChunk: 100 }).body as unknown as AsyncIterable<Uint8Array>);
  expect(Math.max(...chunks.map(({ length }) => length))).toBe(100);
  expect(Buffer.concat(chunks).toString()).toBe(`data: "${data}"\n\ndata: "small"\n\n`);
});

test('a run whose stream is made before it is waited for tells all deltas, however soon its model answers', async () => {
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const echo = agent({ name: 'echo', instructions: '', model: scripted(() => 'Hello there.') });
  for (let i = 0; i < 20; i++) {
    const run = engine.run(echo, 'go');
    const answer = sse(run);
    await (await accepted(run)).return?.();
    const text = (await all(eventsOf(answer))).map(({ event }) => (event.type === 'text.delta' ? event.text : '')).join('');
    expect(text).toBe('Hello there.');
  }
});

test('a stream ends with its signal, though its source waits, and the run goes on', async () => {
  const finish = deferred<string>();
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const run = engine.run(
    looker(() => finish.promise),
    'go',
  );
  const stop = new AbortController();
  const reading = all(eventsOf(sse(run, { signal: stop.signal })));
  await until(async () => (await engine.inspect(run.id)).steps === 1);
  stop.abort();
  expect((await reading).map((e) => e.event.type)).not.toContain('run.ended');
  finish.resolve('seen');
  expect(await run).toMatchObject({ status: 'completed' });
});

test('heartbeats do not pile up before a reader that stalls', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const end = deferred();
  const quiet: AsyncIterable<ServerEvent> = {
    [Symbol.asyncIterator]: () => ({ next: () => end.promise.then(() => ({ done: true, value: undefined })) }),
  };
  const stream = eventStream(quiet, { heartbeat: 10 });
  vi.advanceTimersByTime(1_000);
  end.resolve();
  expect(await stream.text()).toBe(': keep-alive\n\n');
});

test('a source that fails ends the stream with an event that tells nothing of our insides', async () => {
  const source = async function* (): AsyncGenerator<ServerEvent, void, undefined> {
    yield { event: 'first', data: 1 };
    throw new Error('db-7 is down');
  };
  expect(await eventStream(source()).text()).toBe(
    'event: first\ndata: 1\n\nevent: error\ndata: {"code":"INTERNAL","message":"the run could not be followed"}\n\n',
  );
});
