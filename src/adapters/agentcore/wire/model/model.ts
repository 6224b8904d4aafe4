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

/** A shape as it is stored: a member that has nothing but a type is its type. */
export interface StoredShape {
  readonly union?: true;
  readonly members: Readonly<Record<string, Member | Ref>>;
}

export interface Model<S = StoredShape> {
  /** Of the packages that it was written from. */
  readonly versions: Readonly<Record<string, string>>;
  readonly operations: readonly Operation[];
  readonly shapes: Readonly<Record<Plane, Readonly<Record<string, S>>>>;
  readonly errors: Readonly<Record<Plane, Readonly<Record<string, ModelError>>>>;
  /** Values by the name of the enum. */
  readonly enums: Readonly<Record<Plane, Readonly<Record<string, readonly string[]>>>>;
}

let parsed: Model | undefined;

export function model(): Model {
  parsed ??= JSON.parse(MODEL) as Model;
  return parsed;
}

const shapes: Readonly<Record<Plane, Map<string, Shape>>> = { data: new Map(), control: new Map() };

/** @throws Error if there is none: a name comes from the model itself. */
export function shapeOf(plane: Plane, name: string): Shape {
  const known = shapes[plane].get(name);
  if (known) return known;
  const stored = model().shapes[plane][name];
  if (!stored) throw new Error(`the model has no shape ${name}`);
  const members = Object.fromEntries(
    Object.entries(stored.members).map(([key, member]) => [key, isMember(member) ? member : { type: member }]),
  );
  const shape: Shape = { ...stored, members };
  shapes[plane].set(name, shape);
  return shape;
}

const isMember = (value: Member | Ref): value is Member => typeof value === 'object' && 'type' in value;
