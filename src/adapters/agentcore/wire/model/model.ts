/** Routes and shapes of both planes of AgentCore, as data. */
import { MODEL } from './data.ts';

/** `data`: invocations, events, tokens. `control`: creates and lists resources. */
export type Plane = 'data' | 'control';

/** A type. `epoch`: a time in seconds since 1970, `iso`: in ISO 8601. `stream`: a blob that is not read at once. */
export type Ref =
  | 'string'
  | 'number'
  | 'boolean'
  | 'epoch'
  | 'iso'
  | 'blob'
  | 'stream'
  | 'document'
  | { list: Ref }
  | { map: Ref }
  | { shape: string };

/** Where a member is in a request or response, if not in the JSON body. Names of headers are in lower case. */
export type Binding = { in: 'label' | 'payload' | 'status' } | { in: 'query' | 'header'; name: string };

export interface Member {
  readonly type: Ref;
  readonly required?: true;
  readonly binding?: Binding;
  /** It must not be in a log. */
  readonly sensitive?: true;
  /** The client fills it in with a random text. */
  readonly token?: true;
}

export interface Shape {
  /** Exactly one member is set. */
  readonly union?: true;
  readonly members: Readonly<Record<string, Member>>;
}

export interface Operation {
  readonly name: string;
  readonly plane: Plane;
  readonly method: string;
  /** With labels: `/memories/{memoryId}/events`. */
  readonly path: string;
  /** The status of a success. */
  readonly code: number;
  /** Names of shapes of its plane. */
  readonly input: string;
  readonly output: string;
  /** Names of errors. */
  readonly errors: readonly string[];
}

export interface ModelError {
  readonly status: number;
  readonly shape: string;
}

export interface Model {
  /** Of the packages that it was written from. */
  readonly versions: Readonly<Record<string, string>>;
  readonly operations: readonly Operation[];
  readonly errors: Readonly<Record<Plane, Readonly<Record<string, ModelError>>>>;
  /** Values by the name of the enum. */
  readonly enums: Readonly<Record<Plane, Readonly<Record<string, readonly string[]>>>>;
}

/** The model as `data.ts` has it: as short as it can be read without a library. */
export interface Stored extends Pick<Model, 'versions' | 'errors' | 'enums'> {
  /** Lists of errors, which many operations share. */
  readonly errorSets: readonly (readonly string[])[];
  /** Name, method, path, status, input, output and place in `errorSets`, with blanks between. */
  readonly operations: Readonly<Record<Plane, readonly string[]>>;
  /** `both`: what is the same in both planes. See `shapeFrom`. */
  readonly shapes: Readonly<Record<Plane | 'both', Readonly<Record<string, string>>>>;
}

let stored: Stored | undefined;
let read: Model | undefined;

function storedModel(): Stored {
  stored ??= JSON.parse(MODEL) as Stored;
  return stored;
}

export function model(): Model {
  read ??= modelFrom(storedModel());
  return read;
}

function modelFrom({ versions, errors, enums, operations, errorSets }: Stored): Model {
  const planes: readonly Plane[] = ['data', 'control'];
  return { versions, errors, enums, operations: planes.flatMap((plane) => operations[plane].map((text) => operationFrom(plane, text))) };

  function operationFrom(plane: Plane, text: string): Operation {
    const [name = '', method = '', path = '', code, input = '', output = '', set] = text.split(' ');
    return { name, plane, method, path, code: Number(code), input, output, errors: errorSets[Number(set)] ?? [] };
  }
}

const shapes: Readonly<Record<Plane, Map<string, Shape>>> = { data: new Map(), control: new Map() };

/** @throws Error if there is none: a name comes from the model itself. */
export function shapeOf(plane: Plane, name: string): Shape {
  const known = shapes[plane].get(name);
  if (known) return known;
  const { [plane]: own, both } = storedModel().shapes;
  const text = own[name] ?? both[name];
  if (text === undefined) throw new Error(`the model has no shape ${name}`);
  const shape = shapeFrom(text);
  shapes[plane].set(name, shape);
  return shape;
}

export const SIMPLE = { s: 'string', n: 'number', b: 'boolean', e: 'epoch', i: 'iso', y: 'blob', w: 'stream', d: 'document' } as const;
export const PLACES = { l: 'label', p: 'payload', c: 'status', q: 'query', h: 'header' } as const;
const MEMBER = /^(?<name>\w+)(?<flags>[!~^]*):(?<type>[^@]+)(?:@(?<place>.)(?<in>.*))?$/;

/**
 * `|name!:s@l other:[Other`: members with blanks between, after a bar if the shape is a union. After a name: `!` required, `~` sensitive, `^` a token
 * of the client. Then the type, a letter of `SIMPLE` or a shape's name, after `[` for a list and `{` for a map, and a place that is not the body.
 */
function shapeFrom(text: string): Shape {
  const union = text.startsWith('|');
  const members = text.slice(union ? 1 : 0).split(' ');
  return { ...(union && { union }), members: Object.fromEntries(members.filter((member) => member !== '').map(memberFrom)) };
}

function memberFrom(text: string): [string, Member] {
  const { name = '', flags = '', type = '', place, in: key = '' } = MEMBER.exec(text)?.groups ?? {};
  const at = place && PLACES[place as keyof typeof PLACES];
  const member: Member = {
    type: typeFrom(type),
    ...(flags.includes('!') && { required: true }),
    ...(at && { binding: at === 'query' || at === 'header' ? { in: at, name: key } : { in: at } }),
    ...(flags.includes('~') && { sensitive: true }),
    ...(flags.includes('^') && { token: true }),
  };
  return [name, member];
}

function typeFrom(text: string): Ref {
  if (text.startsWith('[')) return { list: typeFrom(text.slice(1)) };
  if (text.startsWith('{')) return { map: typeFrom(text.slice(1)) };
  return SIMPLE[text as keyof typeof SIMPLE] ?? { shape: text };
}
