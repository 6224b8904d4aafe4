/** The operations of a Smithy model with the protocol restJson1, as those of an OpenAPI document: there is one way to call an API. */
import type { Json, JsonObject } from '../../../../../json.ts';
import { isObject } from '../../../../../json-schema/keywords.ts';
import type { RequestBody } from '../../../../gateway/openapi/body.ts';
import type { ReadDocument } from '../../../../gateway/openapi/document.ts';
import { named, type Operation } from '../../../../gateway/openapi/operations.ts';
import type { Parameter } from '../../../../gateway/openapi/styles.ts';
import { type Member, plainText, type Shape, type SmithyModel, shortName, wrong } from './model.ts';
import { isRequired, SmithySchemas, type TimestampFormat } from './schemas.ts';

const PROTOCOL = 'aws.protocols#restJson1';

/** @throws RondoError `CONFIG_INVALID` for another protocol, for operations that stream, and for one that is not bound to HTTP. */
export function operationsOf(model: SmithyModel, server: string): ReadDocument {
  const { traits, id } = model.service;
  if (traits[PROTOCOL] === undefined) {
    const others = Object.keys(traits).filter((trait) => trait.startsWith('aws.protocols#'));
    throw wrong(`${id} speaks ${others.join(', ') || 'no protocol that is named'}. AgentCore takes models of ${PROTOCOL} alone.`);
  }
  const shapes = model.operations();
  if (shapes.length === 0) throw wrong(`${id} has no operations.`);
  const streams = shapes.filter((shape) => isStreaming(model, shape)).map((shape) => shortName(shape.id));
  if (streams.length > 0)
    throw wrong(
      `operations that stream are not supported: ${streams.slice(0, 10).join(', ')}. Take them out of the operations of ${shortName(id)}.`,
    );
  const schemas = new SmithySchemas(model);
  const operations = shapes.map((shape) => operationOf(model, schemas, shape, server));
  schemas.finish();
  return { document: { openapi: '3.1.0', components: { schemas: schemas.definitions } }, operations };
}

const isStreaming = (model: SmithyModel, shape: Shape): boolean =>
  (['input', 'output'] as const).some((side) =>
    Object.values(model.structureOf(shape, side)?.members ?? {}).some(
      (member) => model.traitsOf(member)['smithy.api#streaming'] !== undefined,
    ),
  );

function operationOf(model: SmithyModel, schemas: SmithySchemas, shape: Shape, server: string): Operation {
  const { id, traits } = shape;
  const http = traits['smithy.api#http'];
  if (!isObject(http) || typeof http.method !== 'string' || typeof http.uri !== 'string')
    throw wrong(`the operation ${id} has no trait smithy.api#http with a method and a uri.`);
  const [path = '', query] = http.uri.split('?', 2);
  const method = http.method.toUpperCase();
  const members = Object.entries(model.structureOf(shape, 'input')?.members ?? {});
  const bound = members.flatMap(([name, member]) => parameterOf(model, schemas, { name, member, at: id }, path));
  const parameters = named(bound, ({ member }) => member).map(({ member: _, ...parameter }): Parameter => parameter);
  for (const [, label = ''] of path.matchAll(/\{([^{}]+)\}/g))
    if (!parameters.some((parameter) => parameter.in === 'path' && parameter.name === label))
      throw wrong(`the operation ${id} has no member for the label {${label}} of its uri.`);
  const { hostPrefix } = isObject(traits['smithy.api#endpoint']) ? traits['smithy.api#endpoint'] : {};
  const description = plainText(traits['smithy.api#documentation']) ?? `${method} ${path}`;
  return {
    name: shortName(id),
    method,
    path,
    ...(query !== undefined && query !== '' && { query }),
    at: id,
    description: traits['smithy.api#deprecated'] === undefined ? description : `Deprecated.\n${description}`,
    parameters,
    body: method === 'GET' || method === 'HEAD' ? undefined : bodyOf(model, schemas, members, id),
    server: typeof hostPrefix === 'string' ? server.replace('://', `://${hostPrefix}`) : server,
  };
}

/** Where a member is in a request. What is bound to none of these is in the JSON of the body. */
const TRAITS = {
  'smithy.api#httpLabel': 'path',
  'smithy.api#httpQuery': 'query',
  'smithy.api#httpQueryParams': 'query',
  'smithy.api#httpHeader': 'header',
  'smithy.api#httpPrefixHeaders': 'header',
} as const;
const FORMATS: Readonly<Record<string, TimestampFormat>> = { path: 'date-time', query: 'date-time', header: 'http-date' };

const bindingOf = ({ traits }: Member) => (Object.keys(TRAITS) as (keyof typeof TRAITS)[]).find((trait) => traits[trait] !== undefined);

function parameterOf(
  model: SmithyModel,
  schemas: SmithySchemas,
  { name, member, at }: { name: string; member: Member; at: string },
  path: string,
): (Omit<Parameter, 'property'> & { member: string })[] {
  const trait = bindingOf(member);
  if (trait === undefined) return [];
  const place = TRAITS[trait];
  const label = path.includes(`{${name}+}`) ? `${name}+` : name;
  const given = member.traits[trait];
  const schema = ofList(model, schemas, member, FORMATS[place] as TimestampFormat);
  const encoded = place === 'header' && model.traitsOf(member)['smithy.api#mediaType'] !== undefined ? 'In base64.' : undefined;
  return [
    {
      member: name,
      name: place === 'path' ? label : typeof given === 'string' ? given : name,
      in: place,
      style: place === 'query' ? 'form' : 'simple',
      explode: place === 'query',
      reserved: false,
      json: false,
      required: isRequired(member) || place === 'path',
      description: encoded,
      schema:
        encoded === undefined || typeof schema.description !== 'string'
          ? schema
          : { ...schema, description: `${schema.description}\n${encoded}` },
      at,
      ...(label.endsWith('+') && { greedy: true }),
      ...(trait === 'smithy.api#httpPrefixHeaders' && { prefixed: true }),
      ...(trait === 'smithy.api#httpQueryParams' && { listed: true }),
    },
  ];
}

/** The schema of a parameter. In a list too, times are written as its place has them. */
function ofList(model: SmithyModel, schemas: SmithySchemas, member: Member, format: TimestampFormat): JsonObject {
  const { type, members } = model.shape(member.target);
  if ((type !== 'list' && type !== 'set') || !members.member) return schemas.of(member, format);
  const { $ref: _, ...own } = schemas.of(member, format);
  return { ...own, type: 'array', items: schemas.of(members.member, format) };
}

function bodyOf(
  model: SmithyModel,
  schemas: SmithySchemas,
  members: readonly (readonly [string, Member])[],
  at: string,
): RequestBody | undefined {
  const base = { description: undefined, at, encoding: {}, files: new Set<string>() };
  const payload = members.find(([, { traits }]) => traits['smithy.api#httpPayload'] !== undefined)?.[1];
  if (payload) {
    const { type } = model.shape(payload.target);
    const mediaType = model.traitsOf(payload)['smithy.api#mediaType'];
    const [kind, usual] =
      type === 'blob'
        ? (['bytes', 'application/octet-stream'] as const)
        : type === 'string' || type === 'enum'
          ? (['text', 'text/plain'] as const)
          : (['json', 'application/json'] as const);
    const schema: Json = schemas.of(payload);
    return { ...base, kind, type: typeof mediaType === 'string' ? mediaType : usual, required: isRequired(payload), schema };
  }
  const own = members.filter(([, member]) => bindingOf(member) === undefined);
  if (own.length === 0) return undefined;
  const schema = schemas.objectOf(own);
  // the protocol has an empty object where nothing is given
  return { ...base, kind: 'json', type: 'application/json', required: schema.required !== undefined, schema, empty: {} };
}
