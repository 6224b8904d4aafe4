/** Values of the model as JSON, and back. */
import { timeIn } from '../../../../days.ts';
import { MAX_DEPTH } from '../../../../json.ts';
import { type Plane, type Ref, type Shape, shapeOf } from '../model/model.ts';
import { unreadable } from './error.ts';

/** Members that are in the body, by name; the rest are elsewhere in the message. */
export const inBody = (shape: Shape) => Object.entries(shape.members).filter(([, { binding }]) => binding === undefined);

/** `Date.parse` and `Buffer.from` take more. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const wrong = (at: string, wanted: string) => unreadable(`Value at '${at}' is not ${wanted}.`);

/**
 * A value from its JSON: times as `Date`, blobs as bytes. Members that the model does not know are left out.
 * @throws AwsError `ValidationException` for a value of another type.
 */
export function fromJson(plane: Plane, type: Ref, value: unknown, at: string, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw unreadable(`Value at '${at}' is nested too deep.`);
  if (typeof type === 'object') {
    if ('list' in type) {
      if (!Array.isArray(value)) throw wrong(at, 'a list');
      return value.map((item, i) => fromJson(plane, type.list, item, `${at}.${i + 1}.member`, depth + 1));
    }
    const fields = objectOf(value, at);
    if ('map' in type)
      return Object.fromEntries(
        Object.entries(fields).map(([key, item]) => [key, fromJson(plane, type.map, item, `${at}.${key}`, depth + 1)]),
      );
    return structOf(plane, shapeOf(plane, type.shape), fields, at, depth + 1);
  }
  switch (type) {
    case 'string':
      if (typeof value !== 'string') throw wrong(at, 'a string');
      return value;
    case 'number':
      if (typeof value !== 'number') throw wrong(at, 'a number');
      return value;
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(at, 'a boolean');
      return value;
    case 'epoch':
      return timeOf(typeof value === 'number' ? Math.round(value * 1000) : Number.NaN, at);
    case 'iso':
      return timeOf(typeof value === 'string' && ISO.test(value) ? timeIn(value) : Number.NaN, at);
    case 'blob':
    case 'stream':
      if (typeof value !== 'string' || value.length % 4 !== 0 || !BASE64.test(value)) throw wrong(at, 'bytes in base64');
      return new Uint8Array(Buffer.from(value, 'base64'));
    default:
      return value;
  }
}

function objectOf(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(at, 'an object');
  return value as Record<string, unknown>;
}

/** The members of a structure that are in the body. @throws AwsError for a union that has not exactly one member. */
export function structOf(
  plane: Plane,
  shape: Shape,
  fields: Readonly<Record<string, unknown>>,
  at: string,
  depth = 0,
): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [name, member] of inBody(shape)) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (value !== undefined && value !== null) found[name] = fromJson(plane, member.type, value, at === '' ? name : `${at}.${name}`, depth);
  }
  if (shape.union && Object.keys(found).length !== 1) throw unreadable(`Value at '${at}' has not exactly one of the members of its union.`);
  return found;
}

function timeOf(ms: number, at: string): Date {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime())) throw wrong(at, 'a time');
  return time;
}

/** A value as JSON. Members that are undefined are left out. @throws Error for a value that its operation must not answer. */
export function toJson(plane: Plane, type: Ref, value: unknown, at: string): unknown {
  if (typeof type === 'object') {
    if ('list' in type) return (value as readonly unknown[]).map((item, i) => toJson(plane, type.list, item, `${at}[${i}]`));
    if ('map' in type)
      return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, toJson(plane, type.map, item, `${at}.${key}`)]));
    return structJson(plane, shapeOf(plane, type.shape), value as Readonly<Record<string, unknown>>, at);
  }
  if (type === 'epoch') return (value as Date).getTime() / 1000;
  if (type === 'iso') return (value as Date).toISOString();
  if (type === 'blob' || type === 'stream') return Buffer.from(value as Uint8Array).toString('base64');
  if (type !== 'document' && typeof value !== type) throw new Error(`the answer has a ${typeof value} at ${at}, which is a ${type}`);
  return value;
}

/** The body of a structure. @throws Error for a member that the model does not know, so that a misspelt one is found. */
export function structJson(plane: Plane, shape: Shape, value: Readonly<Record<string, unknown>>, at: string): Record<string, unknown> {
  const unknown = Object.keys(value).find((name) => !Object.hasOwn(shape.members, name));
  if (unknown !== undefined) throw new Error(`the answer has the member ${at}.${unknown}, which the model does not know`);
  return Object.fromEntries(
    inBody(shape).flatMap(([name, { type }]) => {
      const member = value[name];
      return member === undefined ? [] : [[name, toJson(plane, type, member, `${at}.${name}`)]];
    }),
  );
}
