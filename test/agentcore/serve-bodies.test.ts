/** Bodies of the largest size that `serve()` takes, as bytes on a connection. */
import { expect, test } from 'vitest';
import { serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { agent, Engine, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const MOST = 100 * 1024 * 1024;
const [HEAD, TAIL] = ['{"input":"hello"', '}'];

/** A small input in a body of exactly so many bytes: the rest of it is space. */
const body = (bytes: number) => Buffer.concat([Buffer.from(HEAD), Buffer.alloc(bytes - HEAD.length - TAIL.length, ' '), Buffer.from(TAIL)]);

async function* chunks(whole: Buffer) {
  for (let at = 0; at < whole.length; at += 1_000_000) yield new Uint8Array(whole.subarray(at, at + 1_000_000));
}

test.each(['a length', 'chunks'])(
  'a body of 100 MiB, sent with %s, is taken; one of a byte more is not, and the next request is',
  async (how) => {
    await using engine = new Engine({ journal: memoryJournal() });
    const model = scripted(() => 'done');
    await using server = await serve(engine, agent({ name: 'a', instructions: '', model }), { port: 0, container: false });
    const invoke = async (bytes: number) => {
      const whole = body(bytes);
      const sent = how === 'chunks' ? ReadableStream.from(chunks(whole)) : whole;
      const headers = { 'content-type': 'application/json' };
      const { status } = await fetch(`${server.url}/invocations`, { method: 'POST', headers, body: sent, duplex: 'half' } as RequestInit);
      return status;
    };
    expect(await invoke(MOST)).toBe(200);
    expect(await invoke(MOST + 1)).toBe(413);
    expect(await invoke(100)).toBe(200);
    expect(model.requests).toHaveLength(2);
  },
);
