import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  BedrockAgentCoreClient,
  InvokeAgentRuntimeCommandCommand,
  InvokeCodeInterpreterCommand,
  InvokeHarnessCommand,
  ThrottlingException,
  ValidationException,
} from '@aws-sdk/client-bedrock-agentcore';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
