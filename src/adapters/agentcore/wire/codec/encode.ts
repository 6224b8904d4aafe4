/** The response of an operation, from its output. */
import { frame } from '../../event-stream.ts';
import { type Member, type Operation, type Plane, type Ref, shapeOf } from '../model/model.ts';
import { AwsError, declaredError, type Encoded } from './error.ts';
import { inBody, structJson, toJson } from './values.ts';

export type Output = Readonly<Record<string, unknown>>;

/**
 * @param output members by their names in the official client: times as `Date`, blobs as bytes, a stream as bytes or an iterable of them, an event
 * stream as an iterable of unions, such as `{ chunk: { ... } }`. An error that the iterable throws is the last frame.
 * @param tell gets an error of such an iterable that is not an answer of the operation.
 * @throws Error if the model does not know a member.
 */
export function encode(operation: Operation, output: Output, tell?: (error: unknown) => void): Encoded {
  const { plane } = operation;
  const shape = shapeOf(plane, operation.output);
  const headers: Record<string, string> = {};
  let status = operation.code;
  let payload: Encoded['body'] | undefined;
  for (const [name, member] of Object.entries(shape.members)) {
    const value = output[name];
    const { binding } = member;
    if (value === undefined || !binding) continue;
    if (binding.in === 'header') headers[binding.name] = String(value);
    else if (binding.in === 'status') status = value as number;
    else if (binding.in === 'payload') payload = payloadOf(operation, member, value, headers, tell);
  }
  const body = structJson(plane, shape, output, operation.output);
  if (payload === undefined) {
    payload = inBody(shape).length > 0 ? JSON.stringify(body) : '';
    if (payload !== '') headers['content-type'] ??= 'application/json';
  }
  return { status, headers, body: payload };
}

function payloadOf(
  operation: Operation,
  { type }: Member,
  value: unknown,
  headers: Record<string, string>,
  tell?: (error: unknown) => void,
): Encoded['body'] {
  if (type === 'blob' || type === 'stream') {
    headers['content-type'] ??= 'application/octet-stream';
    return value as Encoded['body'];
  }
  if (isIterable(value)) {
    headers['content-type'] = 'application/vnd.amazon.eventstream';
    return events(operation, type, value, tell);
  }
  headers['content-type'] ??= 'application/json';
  return JSON.stringify(toJson(operation.plane, type, value, operation.output));
}

const isIterable = (value: unknown): value is AsyncIterable<Output> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

async function* events(
  operation: Operation,
  type: Ref,
  from: AsyncIterable<Output>,
  tell?: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  const union = (type as { shape: string }).shape;
  const { plane } = operation;
  try {
    for await (const event of from) {
      const json = toJson(plane, type, event, union) as Record<string, unknown>;
      for (const [name, body] of Object.entries(json))
        yield frame({ ':message-type': 'event', ':event-type': name, ':content-type': 'application/json' }, bytesOf(body));
    }
  } catch (error) {
    if (!(error instanceof AwsError)) tell?.(error);
    yield failure(plane, union, declaredError(error, operation));
  }
}

/** The last frame of a stream that failed. The union names an error by its member: `throttlingException`. */
function failure(plane: Plane, union: string, { name, message, more }: ReturnType<typeof declaredError>): Uint8Array {
  const member = name.charAt(0).toLowerCase() + name.slice(1);
  if (!Object.hasOwn(shapeOf(plane, union).members, member))
    return frame({ ':message-type': 'error', ':error-code': name, ':error-message': message }, new Uint8Array());
  const headers = { ':message-type': 'exception', ':exception-type': member, ':content-type': 'application/json' };
  return frame(headers, bytesOf({ message, ...more }));
}

const bytesOf = (body: unknown): Uint8Array => Buffer.from(JSON.stringify(body));
