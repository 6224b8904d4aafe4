/** What Bedrock and the models behind it refuse of a tool's schema, see docs/bedrock-rules.md. */
// biome-ignore-all lint/suspicious/noExplicitAny: a decoded request is walked as the service would, trusting nothing

import type { Feature } from '../../src/adapters/bedrock/families.ts';

const ARGUMENT = /^[a-zA-Z0-9_.-]{1,64}$/;
const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);

export function schemas(json: any, i: number, lacks: ReadonlySet<Feature>): string | undefined {
  if (json?.type !== 'object')
    return `The value at toolConfig.tools.${i}.toolSpec.inputSchema.json.type must be one of the following: object.`;
  const said = 'The model returned the following errors: ';
  if (lacks.has('union') && ['oneOf', 'anyOf', 'allOf', '$ref'].some((k) => k in json))
    return `${said}tools.${i}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level`;
  if (lacks.has('root')) {
    const other = Object.keys(json).find((k) => !['type', 'properties', 'required'].includes(k));
    if (other)
      return `Malformed input request: #/toolConfig/tools/${i}/toolSpec/inputSchema/json: extraneous key [${other}] is not permitted`;
    if (JSON.stringify(json).includes('"$ref":"')) return `toolSpec.inputSchema: references have nowhere to point`;
  }
  for (const node of nodes(json)) {
    if (lacks.has('argument') && Object.keys(node.properties ?? {}).some((k) => !ARGUMENT.test(k)))
      return `${said}tools.${i}.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'`;
    const wrong = invalid(node, json) ?? (lacks.has('argument') && 'patternProperties' in node ? 'patternProperties' : undefined);
    if (wrong)
      return `${said}tools.${i}.custom.input_schema: JSON schema is invalid (${wrong}). It must match JSON Schema draft 2020-12 (https://json-schema.org/draft/2020-12).`;
  }
  return undefined;
}

/** Of the meta-schema of draft 2020-12, what tools written for older drafts break. */
function invalid(node: any, root: any): string | undefined {
  const list = (v: unknown): v is unknown[] => Array.isArray(v);
  if ('$schema' in node && !String(node.$schema).includes('2020-12')) return '$schema';
  if ('type' in node && !(list(node.type) ? node.type : [node.type]).every((t: any) => TYPES.has(t))) return 'type';
  if ('required' in node && !(list(node.required) && node.required.every((n: any) => typeof n === 'string'))) return 'required';
  if ('enum' in node && !list(node.enum)) return 'enum';
  if ('items' in node && list(node.items)) return 'items';
  if ('additionalProperties' in node && !['object', 'boolean'].includes(typeof node.additionalProperties)) return 'additionalProperties';
  for (const key of ['exclusiveMinimum', 'exclusiveMaximum', 'minimum', 'maximum'])
    if (key in node && typeof node[key] !== 'number') return key;
  for (const key of ['anyOf', 'oneOf', 'allOf', 'prefixItems']) if (key in node && !(list(node[key]) && node[key].length)) return key;
  for (const key of ['title', 'description', 'format', 'pattern']) if (key in node && typeof node[key] !== 'string') return key;
  if ('$ref' in node) {
    const steps = typeof node.$ref === 'string' && node.$ref.startsWith('#') ? node.$ref.slice(2).split('/').filter(Boolean) : undefined;
    const unescaped = (step: string) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
    if (steps?.reduce((at: any, step: string) => at?.[unescaped(step)], root) === undefined) return '$ref';
  }
  return undefined;
}

const MAPS = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const NESTED = [
  'items',
  'prefixItems',
  'anyOf',
  'oneOf',
  'allOf',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'additionalProperties',
];

/** A schema and all within it. */
function* nodes(schema: any): Generator<any> {
  if (typeof schema !== 'object' || schema === null) return;
  yield schema;
  for (const key of MAPS) for (const inner of Object.values(schema[key] ?? {})) yield* nodes(inner);
  for (const key of NESTED) for (const inner of Array.isArray(schema[key]) ? schema[key] : [schema[key]]) yield* nodes(inner);
}
