import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';
import {
  BedrockAgentCoreClient,
  InvokeAgentRuntimeCommandCommand,
  InvokeCodeInterpreterCommand,
  InvokeHarnessCommand,
  ThrottlingException,
  ValidationException,
} from '@aws-sdk/client-bedrock-agentcore';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frame, frames } from '../../src/adapters/agentcore/event-stream.ts';
import { encode } from '../../src/adapters/agentcore/wire/codec/encode.ts';
import { AwsError, invalidInput } from '../../src/adapters/agentcore/wire/codec/error.ts';
import { model, type Operation, shapeOf } from '../../src/adapters/agentcore/wire/model/model.ts';

type Event = Record<string, unknown>;
interface Reply {
  /** One chunk of the body each. */
  readonly chunks: readonly Uint8Array[];
  /** How the body ends: as it should, or with the connection. */
  readonly end: 'end' | 'connection';
}

let reply: Reply;
let client: BedrockAgentCoreClient;
const EVENTS = 'application/vnd.amazon.eventstream';

const server = createServer(async (request, response) => {
  await request.toArray();
  response.writeHead(200, { 'content-type': EVENTS });
  for (const chunk of reply.chunks) await new Promise((resolve) => response.write(chunk, resolve));
  if (reply.end === 'end') response.end();
  else response.destroy();
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new BedrockAgentCoreClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
  });
});
afterAll(() => {
  client.destroy();
  server.close();
});

const named = (name: string) => model().operations.find((operation) => operation.name === name) as Operation;
const COMMAND = named('InvokeAgentRuntimeCommand');

const RUNS = {
  InvokeAgentRuntimeCommand: {
    events: [{ chunk: { contentDelta: { stdout: 'Grüße 你好 🦆\n' } } }, { chunk: { contentStop: { exitCode: 0, status: 'COMPLETED' } } }],
    send: async () => (await client.send(new InvokeAgentRuntimeCommandCommand({ agentRuntimeArn: 'a', body: { command: 'ls' } }))).stream,
  },
  InvokeCodeInterpreter: {
    events: [
      { result: { content: [{ type: 'text', text: 'four' }], structuredContent: { stdout: '4\n', exitCode: 0 }, isError: false } },
      { result: { content: [{ type: 'image', data: new Uint8Array([0, 255, 10]), mimeType: 'image/png' }] } },
    ],
    send: async () => (await client.send(new InvokeCodeInterpreterCommand({ codeInterpreterIdentifier: 'a', name: 'executeCode' }))).stream,
  },
  InvokeHarness: {
    events: [{ messageStart: { role: 'assistant' } }, { contentBlockDelta: { contentBlockIndex: 0, delta: { text: 'é' } } }],
    send: async () =>
      (
        await client.send(
          new InvokeHarnessCommand({ harnessArn: 'a', runtimeSessionId: 's', messages: [{ role: 'user', content: [{ text: 'hi' }] }] }),
        )
      ).stream,
  },
};
type Name = keyof typeof RUNS;
const NAMES = Object.keys(RUNS) as Name[];

async function* from(events: readonly Event[], error?: unknown): AsyncGenerator<Event> {
  yield* events;
  if (error !== undefined) throw error;
}

/** The frames that the codec makes. */
async function framesOf(operation: Operation, events: readonly Event[], error?: unknown, told: unknown[] = []): Promise<Uint8Array[]> {
  const { body } = encode(operation, { [payloadOf(operation)]: from(events, error) }, (fault) => void told.push(fault));
  const frames: Uint8Array[] = [];
  for await (const frame of body as AsyncIterable<Uint8Array>) frames.push(frame);
  return frames;
}

function payloadOf({ plane, output }: Operation): string {
  const [member] = Object.entries(shapeOf(plane, output).members).find(([, { binding }]) => binding?.in === 'payload') ?? [];
  return member as string;
}

/** What the client reads: the events, and what it throws after them. */
async function readBack(
  name: Name,
  chunks: readonly Uint8Array[],
  end: Reply['end'] = 'end',
): Promise<{ events: unknown[]; error?: unknown }> {
  reply = { chunks, end };
  const events: unknown[] = [];
  try {
    for await (const event of (await RUNS[name].send()) as AsyncIterable<unknown>) events.push(event);
    return { events };
  } catch (error) {
    return { events, error };
  }
}

const plain = (value: unknown) => JSON.parse(JSON.stringify(value, (_, item) => (item instanceof Uint8Array ? [...item] : item)));

test.each(NAMES)('%s: the client reads the same events wherever the bytes are split', async (name) => {
  const { events } = RUNS[name];
  const bytes = Buffer.concat(await framesOf(named(name), events));
  for (let at = 1; at < bytes.length; at++) {
    const got = await readBack(name, [bytes.subarray(0, at), bytes.subarray(at)]);
    expect(got.error).toBeUndefined();
    expect(plain(got.events)).toEqual(plain(events));
  }
  const single = await readBack(
    name,
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
  );
  expect(plain(single)).toEqual(plain({ events }));
});

/** Bytes. */
const LENGTH = 4;

test.each(NAMES)('%s: a stream that is cut within a frame is an error, after the events before it', async (name) => {
  const { events } = RUNS[name];
  const frames = await framesOf(named(name), events);
  const bytes = Buffer.concat(frames);
  const [first] = frames as [Uint8Array];
  for (let at = 1; at < bytes.length; at++) {
    const whole = at >= first.length ? 1 : 0;
    const closed = await readBack(name, [bytes.subarray(0, at)], 'connection');
    expect(closed.error).toBeInstanceOf(Error);
    const ended = await readBack(name, [bytes.subarray(0, at)]);
    expect(plain(ended.events)).toEqual(plain(events.slice(0, whole)));
    // the client takes an end within the length of a frame, its first four bytes, for an end between frames
    if (at % first.length >= LENGTH) expect(ended.error).toBeInstanceOf(Error);
  }
});

test('a byte of a frame that was changed on the way is found', async () => {
  const [frame] = (await framesOf(COMMAND, RUNS.InvokeAgentRuntimeCommand.events)) as [Uint8Array];
  for (let at = 0; at < frame.length; at++) {
    const changed = Uint8Array.from(frame, (byte, i) => (i === at ? byte ^ 1 : byte));
    const { events, error } = await readBack('InvokeAgentRuntimeCommand', [changed]);
    expect(error).toBeInstanceOf(Error);
    expect(events).toEqual([]);
  }
});

test('an error after the first event is a typed error of the client', async () => {
  const [event] = RUNS.InvokeAgentRuntimeCommand.events;
  const frames = await framesOf(COMMAND, [event as Event], new AwsError('ThrottlingException', 'Slow down.'));
  const { events, error } = await readBack('InvokeAgentRuntimeCommand', frames);
  expect(plain(events)).toEqual([event]);
  expect(error).toBeInstanceOf(ThrottlingException);
  expect(error).toMatchObject({ name: 'ThrottlingException', message: 'Slow down.' });
});

test('its other members arrive too', async () => {
  const refused = invalidInput([{ name: 'body.command', message: 'Member must not be null' }]);
  const { error } = await readBack('InvokeAgentRuntimeCommand', await framesOf(COMMAND, [], refused));
  expect(error).toBeInstanceOf(ValidationException);
  expect(error).toMatchObject({
    reason: 'FieldValidationFailed',
    fieldList: [{ name: 'body.command', message: 'Member must not be null' }],
  });
});

test.each(NAMES)('%s: each error that its stream declares has the name that the client knows', async (name) => {
  const operation = named(name);
  const { plane, output } = operation;
  const { type } = shapeOf(plane, output).members[payloadOf(operation)] as { type: { shape: string } };
  const declared = Object.values(shapeOf(plane, type.shape).members).flatMap(({ type: of }) =>
    typeof of === 'object' && 'shape' in of && of.shape.endsWith('Exception') ? [of.shape] : [],
  );
  expect(declared.length).toBeGreaterThan(1);
  for (const exception of declared) {
    const { error } = await readBack(name, await framesOf(operation, [], new AwsError(exception, 'why')));
    expect(error).toMatchObject({ name: exception, message: 'why', $fault: expect.stringMatching(/client|server/) });
  }
});

test('an error that the stream does not declare, and one of the server, are errors still', async () => {
  const told: unknown[] = [];
  const conflict = await readBack(
    'InvokeAgentRuntimeCommand',
    await framesOf(COMMAND, [], new AwsError('ConflictException', 'busy'), told),
  );
  expect(String(conflict.error)).toContain('busy');
  expect(told).toEqual([]);
  const secret = new TypeError('a secret of the server');
  const fault = await readBack('InvokeAgentRuntimeCommand', await framesOf(COMMAND, [], secret, told));
  expect(told).toEqual([secret]);
  expect(fault.error).toMatchObject({ name: 'InternalServerException' });
  expect(String(fault.error)).not.toContain('secret');
});

async function* inParts(bytes: Uint8Array, ...cuts: number[]): AsyncGenerator<Uint8Array> {
  for (const [i, from] of [0, ...cuts].entries()) yield bytes.subarray(from, cuts[i]);
}

const readFrames = async (bytes: Uint8Array, ...cuts: number[]) => {
  const read: { headers: object; body: string }[] = [];
  for await (const { headers, body } of frames(inParts(bytes, ...cuts))) read.push({ headers, body: Buffer.from(body).toString() });
  return read;
};

describe('frames that a server sends', () => {
  const each = [
    frame({ ':event-type': 'chunk' }, Buffer.from('{"a":"🦆"}')),
    frame({}, new Uint8Array()),
    frame({ b: '' }, Buffer.from('x')),
  ];
  const all = Buffer.concat(each);
  const read = [
    { headers: { ':event-type': 'chunk' }, body: '{"a":"🦆"}' },
    { headers: {}, body: '' },
    { headers: { b: '' }, body: 'x' },
  ];

  test('are read the same wherever the bytes are split', async () => {
    for (let at = 1; at < all.length; at++) expect(await readFrames(all, at)).toEqual(read);
    expect(await readFrames(all, ...Array.from(all.keys()).slice(1))).toEqual(read);
  });

  test('with a byte that is another one, or that end within one, are an error', async () => {
    for (let at = 0; at < all.length; at++) {
      const wrong = Buffer.from(all);
      wrong[at] = (wrong[at] as number) ^ 1;
      await expect(readFrames(wrong), `byte ${at}`).rejects.toThrow('event stream');
    }
    const ends = each.map((_, i) => Buffer.concat(each.slice(0, i)).length);
    for (let length = 1; length < all.length; length++)
      if (!ends.includes(length)) await expect(readFrames(all.subarray(0, length)), `${length} bytes`).rejects.toThrow('within a frame');
  });

  test('may have headers of every type, of which the texts are told', async () => {
    const named = (name: string, ...value: number[]) => Buffer.from([name.length, ...Buffer.from(name), ...value]);
    const head = Buffer.concat([
      named('t', 0),
      named('f', 1),
      named('b', 2, 7),
      named('s', 3, 1, 2),
      named('i', 4, 1, 2, 3, 4),
      named('l', 5, 1, 2, 3, 4, 5, 6, 7, 8),
      named('y', 6, 0, 2, 8, 9),
      named('x', 7, 0, 2, 104, 105),
      named('d', 8, 1, 2, 3, 4, 5, 6, 7, 8),
      named('u', 9, ...new Array(16).fill(1)),
      named('z', 7, 0, 1, 33),
    ]);
    expect(await readFrames(framed(head, Buffer.from('end')))).toEqual([{ headers: { x: 'hi', z: '!' }, body: 'end' }]);
    for (const wrong of [named('a', 10), named('a', 7, 0, 9), named('a', 7), Buffer.from([9, 65]), named('a', 9, 1)])
      await expect(readFrames(framed(wrong, Buffer.alloc(20)))).rejects.toThrow('wrong header');
  });

  test('of more than the service sends are refused before they are there', async () => {
    const head = Buffer.alloc(12);
    head.writeUInt32BE(100_000_000, 0);
    head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
    await expect(readFrames(head)).rejects.toThrow('wrong head');
  });
});

/** A frame with these bytes as its headers. */
function framed(head: Uint8Array, body: Uint8Array): Uint8Array {
  const all = Buffer.alloc(16 + head.length + body.length);
  all.writeUInt32BE(all.length, 0);
  all.writeUInt32BE(head.length, 4);
  all.writeUInt32BE(crc32(all.subarray(0, 8)), 8);
  all.set(head, 12);
  all.set(body, 12 + head.length);
  all.writeUInt32BE(crc32(all.subarray(0, -4)), all.length - 4);
  return all;
}
