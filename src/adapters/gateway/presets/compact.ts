/** Operations of a service in a line each, as an OpenAPI document. */

import { invalid } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import type { Effect } from '../../../ports/tool.ts';
import type { ReadDocument } from '../openapi/document.ts';
import { operationsOf } from '../openapi/operations.ts';

/**
 * `operationId METHOD /path/{parameter} ?query:int required! = field! other:list -- What it does.`
 * Behind `?` are parameters of the query, behind `=` fields of the JSON body. `!` marks what is required; a type follows a colon, and is `string` without one. `~`
 * behind the method: a second call changes nothing more.
 */
const LINE = /^(\S+) (GET|POST|PUT|PATCH|DELETE)(~?) (\/\S*)(?: \?(.*?))?(?: = (.*?))? -- (.+)$/;

const TYPES: { readonly [type: string]: JsonObject } = {
  string: { type: 'string' },
  int: { type: 'integer' },
  bool: { type: 'boolean' },
  list: { type: 'array', items: { type: 'string' } },
  object: { type: 'object' },
  objects: { type: 'array', items: { type: 'object' } },
};

interface Field {
  name: string;
  required: boolean;
  schema: JsonObject;
}

function fieldsOf(text: string | undefined, line: string): Field[] {
  return (text ?? '').split(' ').flatMap((word): Field[] => {
    if (word === '') return [];
    const [, name, type = 'string', required] = /^([\w.-]+)(?::(\w+))?(!?)$/.exec(word) ?? [];
    const schema = TYPES[type];
    if (name === undefined || !schema) throw invalid(`"${word}" in "${line}" is not a field: name, name:int, name!.`);
    return [{ name, required: required === '!', schema }];
  });
}

/** @throws RondoError `CONFIG_INVALID` for a line that cannot be read. */
export function compact(title: string, lines: readonly string[], where: string): ReadDocument & { effects: Record<string, Effect> } {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  const effects: Record<string, Effect> = {};
  for (const line of lines) {
    const [, operationId = '', method = '', twice, path = '', query, body, summary = ''] = LINE.exec(line) ?? [];
    if (operationId === '') throw invalid(`${where}: "${line}" is not an operation.`);
    if (twice) effects[operationId] = 'idempotent';
    const variables = [...path.matchAll(/\{([^{}]+)\}/g)].map(
      ([, name = '']): Json => ({ name, in: 'path', required: true, schema: TYPES.string as Json }),
    );
    const parameters = fieldsOf(query, line).map(
      ({ name, required, schema }): Json => ({ name, in: 'query', required, explode: schema.type !== 'array', schema }),
    );
    const fields = fieldsOf(body, line);
    const required = fields.filter((field) => field.required).map(({ name }) => name);
    const schema = {
      type: 'object',
      properties: Object.fromEntries(fields.map((field) => [field.name, field.schema])),
      ...(required.length > 0 && { required }),
    };
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: {
        operationId,
        summary,
        parameters: [...variables, ...parameters],
        ...(fields.length > 0 && { requestBody: { required: required.length > 0, content: { 'application/json': { schema } } } }),
        responses: {},
      },
    };
  }
  const document = { openapi: '3.1.0', info: { title, version: '1' }, paths };
  return { document, operations: operationsOf(document, where), effects };
}
