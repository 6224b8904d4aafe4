/** From the arguments of a call to the request of an operation. */
import type { Json, JsonObject } from '../../../json.ts';
import { put } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import type { Outgoing } from '../outbound/auth.ts';
import { bodySchema, encodeBody } from './body.ts';
import type { Operation } from './operations.ts';
import { Schemas } from './schema.ts';
import { encode, inCookie, inHeader, inHeaders, inListed, inPath, inQuery, type Parameter, refused } from './styles.ts';

/** The JSON Schema of an operation's arguments. */
export function inputSchema(document: JsonObject, { parameters, body }: Operation, where: string): JsonObject {
  const schemas = new Schemas(document, where);
  const properties: { [name: string]: Json } = {};
  for (const { property, schema, description, at } of parameters) {
    const written = schemas.written(schema, at);
    put(properties, property, description !== undefined && isObject(written) ? { ...written, description } : written);
  }
  const required = parameters.filter((p) => p.required).map((p) => p.property);
  if (body) {
    properties.body = bodySchema(body, schemas);
    if (body.required) required.push('body');
  }
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    ...(Object.keys(schemas.defs).length > 0 && { $defs: schemas.defs }),
  };
}

/** What an application adds to each request. */
export interface Added {
  /** The address that paths are added to. Its query is sent with each request. */
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** @throws ToolError `INVALID_ARGUMENTS` for what cannot be sent as it was meant. Nothing was sent. */
export async function requestOf(operation: Operation, input: JsonObject, added: Added): Promise<Outgoing> {
  const { method, path, parameters, body } = operation;
  assertKnown(operation, input);
  const given = (p: Parameter): Json | undefined => (Object.hasOwn(input, p.property) ? input[p.property] : undefined);
  const of = (place: Parameter['in']) =>
    parameters.flatMap((p): [Parameter, Json][] => {
      const value = p.in === place ? given(p) : undefined;
      return value === undefined || (value === null && place !== 'path') ? [] : [[p, value]];
    });
  const url = new URL(added.server);
  const start = url.pathname.replace(/\/$/, '');
  url.pathname = start + expanded(path, parameters, input);
  const queried = of('query');
  const declared = parameters.flatMap((p) => (p.in === 'query' && !p.listed ? [p.name] : []));
  const taken = new Set([...url.searchParams.keys(), ...new URLSearchParams(operation.query).keys(), ...declared]);
  // the fields of an object may have any name: one that another parameter has, or that the application sends, is not theirs
  const isOwn = (p: Parameter) => (pair: string) => {
    const name = decodeURIComponent(pair.slice(0, pair.indexOf('=')));
    return !taken.has(name) || (name === p.name && !p.listed);
  };
  const query = [
    ...(operation.query === undefined ? [] : [operation.query]),
    ...queried.flatMap(([p, value]) => (p.listed ? inListed(value) : inQuery(p, value)).filter(isOwn(p))),
  ];
  if (query.length > 0) url.search += `${url.search ? '&' : ''}${query.join('&')}`;
  const headers: Record<string, string> = { accept: 'application/json, text/*;q=0.9, */*;q=0.5' };
  for (const [p, value] of of('header'))
    Object.assign(headers, p.prefixed ? Object.fromEntries(inHeaders(p, value)) : { [p.name.toLowerCase()]: inHeader(p, value) });
  const cookies = of('cookie').map(([p, value]) => `${encode(p.name)}=${inCookie(p, value)}`);
  if (cookies.length > 0) headers.cookie = cookies.join('; ');
  // what the application sets, no argument changes
  Object.assign(headers, added.headers);
  const meant = Object.hasOwn(input, 'body') ? input.body : undefined;
  // null is a value of JSON alone: models send it where they mean nothing
  const content = meant === null && body?.kind !== 'json' ? undefined : meant;
  const sent = content === undefined ? body?.empty : content;
  if (!body || sent === undefined) return { method, url, headers, body: undefined };
  const { type, bytes } = await encodeBody(body, sent);
  return { method, url, headers: { ...headers, 'content-type': type }, body: bytes };
}

/** What is not an argument would be left out: a note would be sent without its text. */
function assertKnown({ parameters, body, reserved }: Operation, input: JsonObject): void {
  const known = [...parameters.map(({ property }) => property), ...(body ? ['body'] : [])];
  const unknown = Object.keys(input).filter((name) => !known.includes(name) && !reserved?.has(name));
  if (unknown.length === 0) return;
  const there = known.length > 0 ? `There are ${known.join(', ')}.` : 'The operation has none.';
  const names = unknown.map((name) => JSON.stringify(name.slice(0, 100))).slice(0, 10);
  throw refused(`There is no argument ${names.join(', ')}. ${there}${body ? ' What is to be sent is the value of body.' : ''}`);
}

function expanded(path: string, parameters: readonly Parameter[], input: JsonObject): string {
  const text = path.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    const parameter = parameters.find((p) => p.in === 'path' && p.name === name);
    return parameter ? inPath(parameter, input[parameter.property] ?? null) : whole;
  });
  // the parser of URLs takes them away, with a segment before: this would be another operation
  if (text.split('/').some((segment) => /^(\.|%2e){1,2}$/i.test(segment)))
    throw refused('An argument in the path is "." or "..", which leads to another path.');
  return text;
}
