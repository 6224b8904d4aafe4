/** The operations of an OpenAPI document, each with what it takes. */
import { invalid } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { bodyOf, type RequestBody } from './body.ts';
import { resolved, step } from './references.ts';
import { isStyle, NOT_PARAMETERS, type Parameter, STYLES } from './styles.ts';

export interface Operation {
  /** The operationId, or made of the method and the path. */
  readonly name: string;
  /** In capitals. */
  readonly method: string;
  readonly path: string;
  /** A query that is sent with every call of it, encoded. */
  readonly query?: string;
  /** Its position in the document. */
  readonly at: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  /** Arguments of parameters that credentials or the application set: what a model says of them is not sent. */
  readonly reserved?: ReadonlySet<string>;
  readonly body: RequestBody | undefined;
  /** The URL in the document where it is served, with defaults in place of variables. */
  readonly server: string | undefined;
}

/** TRACE is left out: `fetch` does not send it. */
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

/** @throws RondoError `CONFIG_INVALID` for two operations of one name, none at all, or a parameter that cannot be sent. */
export function operationsOf(document: JsonObject, where: string): Operation[] {
  const found = new Map<string, Operation>();
  for (const [path, item] of Object.entries(isObject(document.paths) ? document.paths : {})) {
    const at = `#/paths${step(path)}`;
    const paths = resolved(document, item, at, where);
    if (!isObject(paths)) continue;
    for (const method of METHODS) {
      if (!isObject(paths[method])) continue;
      const operation = operationAt(document, { path, method, paths, own: paths[method], at: `${at}/${method}` }, where);
      const other = found.get(operation.name);
      if (other)
        throw invalid(
          `${where}: two operations are named "${operation.name}": ${other.at} and ${operation.at}. Give each an operationId of its own.`,
          {
            details: { at: operation.at, other: other.at },
          },
        );
      found.set(operation.name, operation);
    }
  }
  if (found.size > 0) return [...found.values()];
  throw invalid(`${where}: #/paths has no operations: there is nothing to call.`, { details: { at: '#/paths' } });
}

interface Place {
  path: string;
  method: string;
  paths: JsonObject;
  own: JsonObject;
  at: string;
}

function operationAt(document: JsonObject, { path, method, paths, own, at }: Place, where: string): Operation {
  const name = typeof own.operationId === 'string' && own.operationId !== '' ? own.operationId : derived(method, path);
  const texts = [own.summary ?? paths.summary, own.description ?? paths.description].filter((t) => typeof t === 'string' && t !== '');
  const description = [...(own.deprecated === true ? ['Deprecated.'] : []), ...new Set(texts)].join('\n') || `${method} ${path}`;
  const parameters = named(parametersOf(document, paths, own, at, where), ({ name }) => name);
  for (const [, variable] of path.matchAll(/\{([^{}]+)\}/g))
    if (!parameters.some((p) => p.in === 'path' && p.name === variable))
      throw invalid(`${where}: ${at} has no parameter for {${variable}} of its path.`, { details: { at } });
  const request = resolved(document, own.requestBody, `${at}/requestBody`, where);
  return {
    name,
    method: method.toUpperCase(),
    path,
    at,
    description,
    parameters,
    // fetch sends none with these, and OpenAPI gives it no meaning
    body: isObject(request) && method !== 'get' && method !== 'head' ? bodyOf(document, request, `${at}/requestBody`, where) : undefined,
    server: serverOf(own.servers) ?? serverOf(paths.servers) ?? serverOf(document.servers),
  };
}

/** `GET /pets/{id}/photos` is `get_pets_id_photos`. */
const derived = (method: string, path: string): string => [method, ...(path.match(/[\p{L}\p{N}]+/gu) ?? [])].join('_');

/** Those of the path, replaced by those of the operation. */
function parametersOf(document: JsonObject, paths: JsonObject, own: JsonObject, at: string, where: string): Omit<Parameter, 'property'>[] {
  const all = new Map<string, Omit<Parameter, 'property'>>();
  for (const [list, position] of [
    [paths.parameters, `${at.slice(0, at.lastIndexOf('/'))}/parameters`],
    [own.parameters, `${at}/parameters`],
  ] as const)
    for (const [i, given] of (Array.isArray(list) ? list : []).entries()) {
      const here = `${position}/${i}`;
      const value = resolved(document, given, here, where);
      if (!isObject(value) || typeof value.name !== 'string') continue;
      const parameter = parameterAt(value, here, where);
      if (parameter) all.set(`${parameter.in} ${parameter.name}`, parameter);
    }
  return [...all.values()];
}

function parameterAt(value: JsonObject, at: string, where: string): Omit<Parameter, 'property'> | undefined {
  const place = value.in;
  if (place !== 'path' && place !== 'query' && place !== 'header' && place !== 'cookie')
    throw invalid(`${where}: ${at}/in is ${JSON.stringify(place) ?? 'missing'}: a parameter is in path, query, header or cookie.`, {
      details: { at: `${at}/in` },
    });
  const name = String(value.name);
  if (place === 'header' && NOT_PARAMETERS.has(name.toLowerCase())) return undefined;
  const style = value.style ?? STYLES[place][0];
  if (!isStyle(style) || !STYLES[place].includes(style))
    throw invalid(`${where}: ${at}/style is ${JSON.stringify(style)}: a ${place} parameter has one of ${STYLES[place].join(', ')}.`, {
      details: { at: `${at}/style` },
    });
  const [content] = isObject(value.content) ? Object.values(value.content) : [];
  return {
    name,
    in: place,
    style,
    explode: typeof value.explode === 'boolean' ? value.explode : style === 'form',
    reserved: value.allowReserved === true,
    json: isObject(content),
    required: place === 'path' || value.required === true,
    description: typeof value.description === 'string' ? value.description : undefined,
    schema: isObject(content) ? content.schema : value.schema,
    at: isObject(content) ? `${at}/content` : `${at}/schema`,
  };
}

/** The names of the arguments: those of the parameters; where two are the same, with the place before it. `body` is the body's. */
export function named<P extends Pick<Parameter, 'in'>>(
  parameters: readonly P[],
  nameOf: (p: P) => string,
): (P & Pick<Parameter, 'property'>)[] {
  const times = new Map<string, number>([['body', 1]]);
  for (const p of parameters) times.set(plainName(nameOf(p)), (times.get(plainName(nameOf(p))) ?? 0) + 1);
  const taken = new Set<string>();
  return parameters.map((p) => {
    const plain = plainName(nameOf(p));
    const wanted = times.get(plain) === 1 ? plain : `${p.in}_${plain}`;
    let property = wanted.slice(0, LONGEST_NAME);
    for (let i = 2; taken.has(property); i++) property = `${wanted.slice(0, LONGEST_NAME - 4)}_${i}`;
    taken.add(property);
    return { ...p, property };
  });
}

/** Models take letters, digits, `_`, `.` and `-` in the names of arguments: `$filter` is `filter`, `page[size]` is `page_size`. */
const plainName = (name: string): string =>
  /^[\w.-]+$/.test(name) ? name : name.replace(/[^\w.-]+/g, '_').replace(/^_+|_+$/g, '') || 'parameter';
const LONGEST_NAME = 64;

function serverOf(servers: Json | undefined): string | undefined {
  const [first] = Array.isArray(servers) ? servers : [];
  if (!isObject(first) || typeof first.url !== 'string') return undefined;
  const variables = isObject(first.variables) ? first.variables : {};
  return first.url.replace(/\{([^{}]+)\}/g, (whole, name: string) => {
    const variable = Object.hasOwn(variables, name) ? variables[name] : undefined;
    return isObject(variable) && typeof variable.default === 'string' ? variable.default : whole;
  });
}
