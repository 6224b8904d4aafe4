/**
 * Writes the routes and shapes of AgentCore, `src/adapters/agentcore/wire/model/data.ts`, from the official npm clients:
 *
 *     node --import ./scripts/source.ts scripts/agentcore-model.ts
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import {
  type Binding,
  type Member,
  type ModelError,
  PLACES,
  type Plane,
  type Ref,
  type Shape,
  SIMPLE,
  type Stored,
} from '../src/adapters/agentcore/wire/model/model.ts';
import { root } from './doors.ts';

const require = createRequire(import.meta.url);
/** The clients' own library, wherever their packages have it. */
const ofClients = createRequire(require.resolve('@aws-sdk/client-bedrock-agentcore/package.json'));
const { NormalizedSchema } = ofClients('@smithy/core/schema') as { NormalizedSchema: { of(schema: unknown): Schema } };

/** What is used here of the clients' own reading of their schemas. */
interface Schema {
  getSchema(): readonly unknown[] | number | string;
  getName(): string | undefined;
  getMergedTraits(): Readonly<Record<string, unknown>>;
  getValueSchema(): Schema;
  structIterator(): Iterable<[string, Schema]>;
  isStructSchema(): boolean;
  isUnionSchema(): boolean;
  isListSchema(): boolean;
  isMapSchema(): boolean;
  isStringSchema(): boolean;
  isNumericSchema(): boolean;
  isBooleanSchema(): boolean;
  isTimestampSchema(): boolean;
  isBlobSchema(): boolean;
  isDocumentSchema(): boolean;
  isStreaming(): boolean;
}
type Package = Readonly<Record<string, unknown>>;

const PACKAGES: readonly [Plane, string, Package][] = [
  ['data', '@aws-sdk/client-bedrock-agentcore', data],
  ['control', '@aws-sdk/client-bedrock-agentcore-control', control],
];
const KINDS = { operation: 9, union: 4, error: -3 };
/** The clients' number of ISO 8601; their default in bodies is seconds since 1970. */
const ISO = 5;
const HANDLED = ['httpLabel', 'httpQuery', 'httpHeader', 'httpPayload', 'httpResponseCode', 'idempotencyToken', 'sensitive', 'streaming'];
const OF_SHAPES = ['error', 'httpError', 'retryable'];

const folderOf = (name: string) => dirname(require.resolve(`${name}/package.json`));
const called = (schema: unknown) => (typeof schema === 'function' ? schema() : schema);

function bindingOf(traits: Readonly<Record<string, unknown>>): Binding | undefined {
  if (traits.httpLabel) return { in: 'label' };
  if (traits.httpQuery) return { in: 'query', name: String(traits.httpQuery) };
  if (traits.httpHeader) return { in: 'header', name: String(traits.httpHeader).toLowerCase() };
  if (traits.httpPayload) return { in: 'payload' };
  if (traits.httpResponseCode) return { in: 'status' };
  return undefined;
}

/** The shapes of one client, by name. Shapes of one name are the same in one client. */
class Shapes {
  readonly found = new Map<string, Shape>();

  ref(schema: Schema): Ref {
    if (schema.getSchema() === 'unit') {
      this.found.set('Unit', { members: {} });
      return { shape: 'Unit' };
    }
    if (schema.isStructSchema() || schema.isUnionSchema()) return this.#named(schema);
    if (schema.isListSchema()) return { list: this.ref(schema.getValueSchema()) };
    if (schema.isMapSchema()) return { map: this.ref(schema.getValueSchema()) };
    if (schema.isStringSchema()) return 'string';
    if (schema.isNumericSchema()) return 'number';
    if (schema.isBooleanSchema()) return 'boolean';
    if (schema.isTimestampSchema()) return schema.getSchema() === ISO ? 'iso' : 'epoch';
    if (schema.isBlobSchema()) return schema.isStreaming() || schema.getMergedTraits().streaming ? 'stream' : 'blob';
    if (schema.isDocumentSchema()) return 'document';
    throw new Error(`a schema of an unknown kind: ${JSON.stringify(schema.getSchema())}`);
  }

  #named(schema: Schema): Ref {
    const name = (schema.getName() ?? '').split('#').at(-1) as string;
    if (this.found.has(name)) return { shape: name };
    const raw = schema.getSchema() as readonly unknown[];
    const union = raw[0] === KINDS.union;
    const required = Number(raw[6] ?? 0);
    const shape: { union?: true; members: Record<string, Member> } = { ...(union && { union }), members: {} };
    // before its members, because a shape may contain itself
    this.found.set(name, shape);
    let i = 0;
    for (const [member, type] of schema.structIterator()) {
      const traits = type.getMergedTraits();
      const other = Object.keys(traits).find((trait) => !HANDLED.includes(trait) && !OF_SHAPES.includes(trait));
      if (other) throw new Error(`${name}.${member} has the trait ${other}, which the codec does not know`);
      const binding = bindingOf(traits);
      shape.members[member] = {
        type: this.ref(type),
        ...(i++ < required && !union && { required: true }),
        ...(binding && { binding }),
        ...(traits.sensitive ? { sensitive: true } : {}),
        ...(traits.idempotencyToken ? { token: true } : {}),
      };
    }
    return { shape: name };
  }
}

/** The errors that an operation can answer, by the documentation in its types. */
function thrown(folder: string, operation: string): string[] {
  const text = readFileSync(join(folder, 'dist-types', 'commands', `${operation}Command.d.ts`), 'utf8');
  return [...text.matchAll(/@throws \{@link (\w+)\}/g)].flatMap(([, name = '']) =>
    name.endsWith('ServiceException') && /^Bedrock/.test(name) ? [] : name,
  );
}

/** The values of each enum that a client exports. */
function enumsOf(folder: string, client: Package): Record<string, readonly string[]> {
  const declared = readdirSync(join(folder, 'dist-types', 'models'))
    .filter((file) => file === 'enums.d.ts')
    .map((file) => readFileSync(join(folder, 'dist-types', 'models', file), 'utf8'))
    .join('\n');
  const names = [...declared.matchAll(/export declare const (\w+): \{/g)].map(([, name]) => name as string);
  return Object.fromEntries(names.map((name) => [name, Object.values(client[name] as Record<string, string>)]));
}

/** What the installed clients say. */
export function modelOf(): Stored {
  const errorSets: string[][] = [];
  const operations: Record<Plane, string[]> = { data: [], control: [] };
  const shapes: Record<Plane, Record<string, string>> = { data: {}, control: {} };
  const errors: Record<Plane, Record<string, ModelError>> = { data: {}, control: {} };
  const enums: Record<Plane, Record<string, readonly string[]>> = { data: {}, control: {} };
  const versions: Record<string, string> = {};
  for (const [plane, name, client] of PACKAGES) {
    const folder = folderOf(name);
    versions[name] = (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version;
    const found = new Shapes();
    const nameOf = (schema: unknown): string | undefined => {
      const ref = found.ref(NormalizedSchema.of(called(schema)));
      return typeof ref === 'object' && 'shape' in ref ? ref.shape : undefined;
    };
    for (const [key, schema] of Object.entries(client)) {
      if (!key.endsWith('$') || !Array.isArray(schema)) continue;
      if (schema[0] === KINDS.error && schema[3]?.httpError) {
        errors[plane][schema[2]] = { status: schema[3].httpError, shape: nameOf(schema) as string };
        continue;
      }
      if (schema[0] !== KINDS.operation) continue;
      const [method, uri, code] = schema[3].http as [string, string, number];
      const input = nameOf(schema[4]);
      const output = nameOf(schema[5]);
      const text = [schema[2], method, uri, code, input, output, placeOf(errorSets, thrown(folder, schema[2]))].join(' ');
      operations[plane].push(text);
    }
    operations[plane].sort();
    for (const [shape, value] of [...found.found].sort(([a], [b]) => (a < b ? -1 : 1))) shapes[plane][shape] = shapeText(value);
    enums[plane] = enumsOf(folder, client);
  }
  return { versions, errorSets, operations, shapes: shared(shapes), errors, enums };
}

function typeText(type: Ref): string {
  if (typeof type === 'string') return Object.entries(SIMPLE).find(([, name]) => name === type)?.[0] as string;
  if ('list' in type) return `[${typeText(type.list)}`;
  return 'map' in type ? `{${typeText(type.map)}` : type.shape;
}

/** A shape as `shapeFrom` reads it. */
function shapeText({ union, members }: Shape): string {
  const texts = Object.entries(members).map(([name, { type, required, binding, sensitive, token }]) => {
    const flags = `${required ? '!' : ''}${sensitive ? '~' : ''}${token ? '^' : ''}`;
    const place = binding && Object.entries(PLACES).find(([, at]) => at === binding.in)?.[0];
    return `${name}${flags}:${typeText(type)}${place ? `@${place}${'name' in binding ? binding.name : ''}` : ''}`;
  });
  return `${union ? '|' : ''}${texts.join(' ')}`;
}

/** The place of a list in a list of lists, where it is added if it is new. */
function placeOf(sets: string[][], set: string[]): number {
  const at = sets.findIndex((other) => other.join() === set.join());
  return at < 0 ? sets.push(set) - 1 : at;
}

/** What is the same in both planes is there once. */
function shared({ data: ofData, control: ofControl }: Record<Plane, Record<string, string>>): Stored['shapes'] {
  const same = (name: string) => ofData[name] === ofControl[name];
  const pick = (from: Record<string, string>, keep: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(from).filter(([name]) => keep(name)));
  return { both: pick(ofData, same), data: pick(ofData, (name) => !same(name)), control: pick(ofControl, (name) => !same(name)) };
}

/** The text of `data.ts`. A string is parsed faster than a literal, and only when it is needed. */
export const sourceOf = (model: Stored): string =>
  `// Written by scripts/agentcore-model.ts. A change here is lost.
/** The model as JSON, see \`Stored\`. The type keeps the text out of the declarations. */
export const MODEL =
  ${quoted(JSON.stringify(model))} as string;
`;

const quoted = (json: string) => `'${json.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

export const MODEL_FILE = join(root, 'src', 'adapters', 'agentcore', 'wire', 'model', 'data.ts');

if (process.argv[1] === import.meta.filename) writeFileSync(MODEL_FILE, sourceOf(modelOf()));
