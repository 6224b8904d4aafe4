/** Targets that are a stage of a REST API of API Gateway: which of the operations in its export are tools, and under which names. */
import { invalid } from '../../../../errors.ts';
import { type Json, type JsonObject, put } from '../../../../json.ts';
import { isObject } from '../../../../json-schema/keywords.ts';
import { refused } from '../codec/error.ts';

interface Override {
  name: string;
  path: string;
  method: string;
  description?: string;
}

/** A stage of a REST API. */
export interface RestApiTarget {
  restApiId: string;
  stage: string;
  apiGatewayToolConfiguration: {
    toolFilters: readonly { filterPath: string; methods: readonly string[] }[];
    toolOverrides?: readonly Override[];
  };
}

/** Where the stage is called. */
export const restApiUrl = ({ restApiId, stage }: RestApiTarget, region: string): string =>
  `https://${restApiId}.execute-api.${region}.amazonaws.com/${stage}`;

/** What can be said of a target before its export is read. @throws AwsError `ValidationException`. */
export function checkRestApi({ apiGatewayToolConfiguration: { toolFilters, toolOverrides = [] } }: RestApiTarget): void {
  if (toolFilters.length === 0)
    throw refused('toolFilters is empty: name the operations that are tools, such as { "filterPath": "/*", "methods": ["GET"] }.');
  for (const { filterPath, methods } of toolFilters) {
    if (!/^\/([^*]*\/)?\*$|^\/[^*]*$/.test(filterPath))
      throw refused(`The filterPath ${filterPath} is neither a path, such as /pets/{petId}, nor one that ends in /*.`);
    if (methods.length === 0) throw refused(`The filter ${filterPath} has no methods.`);
  }
  for (const [i, { path, method }] of toolOverrides.entries()) {
    if (!/^\/[^*]*$/.test(path)) throw refused(`The path ${path} of an override is not an explicit one, such as /pets/{petId}.`);
    if (toolOverrides.findIndex((other) => other.path === path && other.method === method) < i)
      throw refused(`There are two overrides of ${method} ${path}.`);
  }
}

/** `GET /pets` */
const told = (method: string, path: string) => `${method.toUpperCase()} ${path}`;

/**
 * The OpenAPI document of the operations that are tools.
 * @param text what GetExport answers for the type `oas30`.
 * @throws RondoError `CONFIG_INVALID`: it is the reason of the target's failure.
 */
export function restApiDocument(text: string, { apiGatewayToolConfiguration }: RestApiTarget): { openapi: string } & JsonObject {
  const document = exported(text);
  const all = isObject(document.paths) ? document.paths : {};
  const { toolFilters, toolOverrides = [] } = apiGatewayToolConfiguration;
  const chosen = filtered(all, toolFilters);
  const named = new Map<string, Override>();
  for (const override of toolOverrides) {
    const { path, method } = override;
    if (!operationOf(all, path, method)) throw invalid(`The REST API has no operation ${told(method, path)}, which an override is for.`);
    const why = excluded(document, all, path, method);
    if (why !== undefined) throw invalid(`${told(method, path)}, which an override is for, is left out: ${why}.`);
    if (!chosen.has(told(method, path))) throw invalid(`No filter chooses ${told(method, path)}, which an override is for.`);
    named.set(told(method, path), override);
  }
  const paths: { [path: string]: { [field: string]: Json } } = {};
  const tools = new Map<string, string>();
  const unnamed: string[] = [];
  for (const [operation, { path, method }] of chosen) {
    if (excluded(document, all, path, method) !== undefined) continue;
    const own = overridden(operationOf(all, path, method) as JsonObject, named.get(operation));
    const name = own.operationId;
    if (typeof name !== 'string' || name === '') {
      unnamed.push(operation);
      continue;
    }
    const other = tools.get(name);
    if (other !== undefined)
      throw invalid(`${other} and ${operation} are both named ${name}. Give one of them another name by an override.`);
    tools.set(name, operation);
    const { parameters = [] } = all[path] as JsonObject;
    if (!Object.hasOwn(paths, path)) put(paths, path, { parameters });
    (paths[path] as { [field: string]: Json })[method.toLowerCase()] = withPathParameters(own, path, parameters);
  }
  if (unnamed.length > 0)
    throw invalid(
      `Operations have no name: ${unnamed.slice(0, 10).join(', ')}. Give each an operationName in API Gateway, or a name by an override.`,
    );
  if (tools.size === 0) throw invalid('The filters choose no operation of the REST API that can be a tool.');
  return { ...document, openapi: String(document.openapi), paths };
}

function exported(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value as Json)) return value as JsonObject;
  } catch {
    // told below
  }
  throw invalid(
    'The export of the REST API is not a JSON object. Write it with: aws apigateway get-export --export-type oas30 --parameters extensions=authorizers --rest-api-id ID --stage-name STAGE export.json',
  );
}

const operationOf = (all: JsonObject, path: string, method: string): JsonObject | undefined => {
  const item = Object.hasOwn(all, path) ? all[path] : undefined;
  const own = isObject(item) ? item[method.toLowerCase()] : undefined;
  return isObject(own) ? own : undefined;
};

type Chosen = ReadonlyMap<string, { path: string; method: string }>;

/** By `GET /pets`: filters may overlap. */
function filtered(all: JsonObject, filters: RestApiTarget['apiGatewayToolConfiguration']['toolFilters']): Chosen {
  const chosen = new Map<string, { path: string; method: string }>();
  for (const { filterPath, methods } of filters) {
    const start = filterPath.endsWith('/*') ? filterPath.slice(0, -1) : undefined;
    const found = Object.keys(all).filter((path) => (start === undefined ? path === filterPath : path.startsWith(start)));
    if (found.length === 0) throw invalid(`The filter ${filterPath} matches no path of the REST API.`);
    for (const path of found)
      for (const method of methods) if (operationOf(all, path, method)) chosen.set(told(method, path), { path, method });
  }
  return chosen;
}

/** Why AWS does not support an operation. */
function excluded(document: JsonObject, all: JsonObject, path: string, method: string): string | undefined {
  if (/\{[^{}]+\+\}/.test(path)) return 'proxy resources are not supported';
  const { security = document.security } = operationOf(all, path, method) ?? {};
  const schemes = isObject(document.components) && isObject(document.components.securitySchemes) ? document.components.securitySchemes : {};
  const names = (Array.isArray(security) ? security : []).flatMap((one) => (isObject(one) ? Object.keys(one) : []));
  const used = names.map((name) => (Object.hasOwn(schemes, name) ? schemes[name] : undefined)).filter((scheme) => isObject(scheme));
  const signed = used.some((scheme) => scheme['x-amazon-apigateway-authtype'] === 'awsSigv4');
  const keyed = used.some((scheme) => scheme.type === 'apiKey' && String(scheme.name).toLowerCase() === 'x-api-key');
  return signed && keyed ? 'AWS_IAM together with an API key is not supported' : undefined;
}

function overridden(operation: JsonObject, override: Override | undefined): JsonObject {
  if (!override) return operation;
  const { name: operationId, description } = override;
  if (description === undefined) return { ...operation, operationId };
  const { summary: _, ...rest } = operation;
  return { ...rest, operationId, description };
}

/** An export has the parameters of a path only where the method declares them. */
function withPathParameters(operation: JsonObject, path: string, inherited: Json): JsonObject {
  const own = Array.isArray(operation.parameters) ? operation.parameters : [];
  const declared = [...own, ...(Array.isArray(inherited) ? inherited : [])];
  const isDeclared = (name: string) => declared.some((one) => isObject(one) && one.in === 'path' && one.name === name);
  const missing = [...path.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name as string).filter((name) => !isDeclared(name));
  const added = missing.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } }));
  return added.length === 0 ? operation : { ...operation, parameters: [...own, ...added] };
}
