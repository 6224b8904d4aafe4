import { expect, test } from 'vitest';
import { Midstream, Questions } from '../../src/adapters/agentcore/wire/gateway/midway.ts';

const talking = () => ({ shows: { form: true, url: true }, version: '2025-11-25', questions: new Questions() });

/** An answer whose stream has failed, because its client has left. */
const failed = () =>
  new Response(new ReadableStream({ pull: () => Promise.reject(new Error('the server hung up')) }), {
    headers: { 'content-type': 'text/event-stream' },
  });

// vitest fails the file for a rejection that is not handled, which would end a process
test('a client that has left gets an empty stream, and what fails behind it is not thrown', async () => {
  const { body } = new Midstream(talking(), AbortSignal.abort()).within(failed());
  expect(await (body as ReadableStream).getReader().read()).toEqual({ done: true, value: undefined });
  await new Promise((resolve) => setImmediate(resolve));
});

test('a question is over with its answer: the client that left is asked no more', async () => {
  const client = new AbortController();
  const t = talking();
  const { midway } = new Midstream(t, client.signal);
  const asked = midway.ask({ message: 'Sure?' }, new AbortController().signal);
  client.abort();
  await expect(asked).rejects.toThrow('the call is over');
  expect(t.questions.answer({ jsonrpc: '2.0', id: 'unknown', result: {} })).toBe(false);
});
