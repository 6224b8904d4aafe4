import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MODEL_FILE, modelOf, sourceOf } from '../../scripts/agentcore-model.ts';
import { type Input, read } from '../../src/adapters/agentcore/wire/codec/decode.ts';
import { model, type Operation, shapeOf } from '../../src/adapters/agentcore/wire/model/model.ts';
import { codecServer } from './codec-server.ts';
import { structOf } from './values.ts';

let answer: (operation: Operation, input: Input) => Input;
/** Without the limits of the service: members have any text here. */
const codec = codecServer(read, (operation, input) => answer(operation, input));
beforeAll(codec.start);
afterAll(codec.stop);

async function listOf(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const list: unknown[] = [];
  for await (const value of values) list.push(value);
  return list;
}

/** What a client or a server got, with bytes as arrays of one kind, and streams read. */
async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (value instanceof Date || typeof value !== 'object' || value === null) return value;
  if ('transformToByteArray' in value)
    return { bytes: [...(await (value as { transformToByteArray(): Promise<Uint8Array> }).transformToByteArray())] };
  if (Array.isArray(value)) return Promise.all(value.map(plain));
  if (Symbol.asyncIterator in value) return plain(await listOf(value as AsyncIterable<unknown>));
  const entries = await Promise.all(Object.entries(value).map(async ([key, item]) => [key, await plain(item)] as const));
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined));
}

/** The type of the event stream that an operation answers. */
function eventsOf({ plane, output }: Operation): [member: string, union: string] | undefined {
  for (const [member, { type, binding }] of Object.entries(shapeOf(plane, output).members))
    if (binding?.in === 'payload' && typeof type === 'object' && 'shape' in type && shapeOf(plane, type.shape).union)
      return [member, type.shape];
  return undefined;
}

test('the model is what the installed clients say', () => {
  // not `toBe`, which would print both
  expect(readFileSync(MODEL_FILE, 'utf8') === sourceOf(modelOf()), 'run scripts/agentcore-model.ts').toBe(true);
});

test('the model has all operations of both planes', () => {
  expect(model().operations.filter(({ plane }) => plane === 'data')).toHaveLength(67);
  expect(model().operations.filter(({ plane }) => plane === 'control')).toHaveLength(171);
});

const EVENTS = 'application/vnd.amazon.eventstream';
const MAKINGS = [
  { all: false, variant: 0 },
  { all: true, variant: 0 },
  { all: true, variant: 1 },
  { all: true, variant: 2 },
];

test.each(model().operations.map((operation) => [`${operation.plane}: ${operation.name}`, operation] as const))(
  '%s: the server reads what the client sent, and the client reads what the server answered',
  async (_, operation) => {
    const { plane } = operation;
    for (const making of MAKINGS) {
      const input = structOf(plane, operation.input, making);
      const output = structOf(plane, operation.output, making);
      const stream = eventsOf(operation);
      const events = stream && [
        structOf(plane, stream[1], { ...making, variant: 0 }),
        structOf(plane, stream[1], { ...making, variant: 0 }),
      ];
      let got: Record<string, unknown> = {};
      answer = (_operation, received) => {
        got = { ...received };
        if (!stream || !events) return output;
        return {
          ...output,
          [stream[0]]: (async function* () {
            yield* events;
          })(),
        };
      };
      const { $metadata, ...told } = await codec.send(operation, input);
      // a client fills in what identifies a request, and the type of its body
      for (const [member, { token }] of Object.entries(shapeOf(plane, operation.input).members))
        if ((token || member === 'contentType') && input[member] === undefined) delete got[member];
      expect(await plain(got)).toEqual(await plain(input));
      // statusCode is that of the response
      for (const [member, { binding }] of Object.entries(shapeOf(plane, operation.output).members))
        if (binding?.in === 'status') delete told[member];
      // a stream that is not there is an empty one, and the type of an event stream is its own
      const empty = Object.entries(shapeOf(plane, operation.output).members).flatMap(([member, { type }]) =>
        type === 'stream' ? [[member, new Uint8Array()]] : [],
      );
      const expected = { ...Object.fromEntries(empty), ...output };
      if (stream && events) Object.assign(expected, { [stream[0]]: events }, 'contentType' in output && { contentType: EVENTS });
      expect(await plain(told)).toEqual(await plain(expected));
    }
  },
);
