/** The input of an operation, from its request. */
import { type Member, type Operation, type Ref, shapeOf } from '../model/model.ts';
import { check, type Input } from './check.ts';
import { unreadable } from './error.ts';
import { fromJson, inBody, structOf } from './values.ts';

/** The parts of a request. Names of headers are in lower case. */
export interface Incoming {
  /** Still encoded. */
  readonly labels: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export type { Input } from './check.ts';

/**
 * The members of the input, by their names in the official client.
 * @throws AwsError `ValidationException` for a request that cannot be read, misses a member or has a value that the service refuses.
 */
export function decode(operation: Operation, incoming: Incoming): Input {
  const input = read(operation, incoming);
  check(operation, input);
  return input;
}

/** The members of the input, whatever their values. @throws AwsError `ValidationException` with reason `CannotParse`. */
export function read(operation: Operation, { labels, query, headers, body }: Incoming): Input {
  const { plane } = operation;
  const shape = shapeOf(plane, operation.input);
  const input: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(shape.members)) {
    const { binding, type } = member;
    if (binding?.in === 'label') input[name] = textOf(type, labelOf(labels[name] ?? '', name), name);
    else if (binding?.in === 'query') setIf(input, name, fromTexts(type, query.getAll(binding.name), name));
    else if (binding?.in === 'header') setIf(input, name, fromTexts(type, [headers[binding.name] ?? []].flat(), name));
    else if (binding?.in === 'payload') setIf(input, name, payloadOf(operation, member, body, name));
  }
  const own = inBody(shape);
  if (own.length > 0 && body.length > 0) Object.assign(input, structOf(plane, shape, objectOf(body), ''));
  return input;
}

function setIf(input: Record<string, unknown>, name: string, value: unknown): void {
  if (value !== undefined) input[name] = value;
}

function labelOf(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadable(`Value at '${name}' is not encoded as a part of a path.`);
  }
}

function fromTexts(type: Ref, texts: readonly string[], name: string): unknown {
  if (texts.length === 0) return undefined;
  if (typeof type === 'object' && 'list' in type) return texts.map((text) => textOf(type.list, text, name));
  return textOf(type, texts[0] as string, name);
}

/** `Number` takes more. */
const NUMBER = /^-?\d+(\.\d+)?$/;

/** A value that is a text in a path, a query or a header. */
function textOf(type: Ref, text: string, name: string): unknown {
  if (type === 'number') {
    if (!NUMBER.test(text)) throw unreadable(`Value at '${name}' is not a number.`);
    return Number(text);
  }
  if (type === 'boolean') {
    if (text !== 'true' && text !== 'false') throw unreadable(`Value at '${name}' is not true or false.`);
    return text === 'true';
  }
  if (type === 'epoch' || type === 'iso') return fromJson('data', 'iso', text, name);
  return text;
}

function payloadOf({ plane }: Operation, { type }: Member, body: Uint8Array, name: string): unknown {
  if (type === 'blob' || type === 'stream') return body;
  if (body.length === 0) return undefined;
  if (type === 'string') return Buffer.from(body).toString('utf8');
  return fromJson(plane, type, jsonOf(body), name);
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw unreadable('The body is not JSON in UTF-8.');
  }
}

function objectOf(body: Uint8Array): Input {
  const value = jsonOf(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable('The body is not a JSON object.');
  return value as Input;
}
