/**
 * The wire format of an AWS service, read off its official client: which operations there are, at which method and
 * path, how their inputs, outputs, errors and events look as bytes. Nothing here knows a particular service.
 */
import { createRequire } from 'node:module';

interface Traits {
  http?: [method: string, path: string, status: number];
  httpLabel?: number;
  httpQuery?: string;
  httpHeader?: string;
  httpPayload?: number;
  httpResponseCode?: number;
  httpError?: number;
  streaming?: number;
  eventHeader?: number;
  eventPayload?: number;
}
interface Shape {
  getMergedTraits(): Traits;
  getMemberSchema(name: string): Shape;
  getEventStreamMember(): string;
  structIterator(): Iterable<[string, Shape]>;
  isStructSchema(): boolean;
  isNumericSchema(): boolean;
  isBooleanSchema(): boolean;
  isBlobSchema(): boolean;
}
interface Codec {
  setSerdeContext(context: unknown): void;
  createSerializer(): { write(shape: unknown, value: unknown): void; flush(): Uint8Array | string };
  createDeserializer(): {
    read(shape: unknown, data: Uint8Array): Promise<Record<string, unknown>>;
    readObject(shape: unknown, data: unknown): unknown;
  };
}
type Header = { type: 'string'; value: string };
interface Framing {
  encode(message: { headers: Record<string, Header>; body: Uint8Array }): Uint8Array;
}
/** A module of the shared libraries under an official client, in the very copy that the client uses. */
export const shared = <T>(clientPackage: string, module: string): T =>
  createRequire(createRequire(import.meta.url).resolve(`${clientPackage}/package.json`))(module) as T;

/** An official client, and the module that exports its schemas. */
export interface Sdk {
  /** The npm package, to find its own copy of the shared libraries. */
  package: string;
  exports: Record<string, unknown>;
  /** Never sends anything: it lends its codec. */
  // biome-ignore lint/suspicious/noExplicitAny: every client has its own configuration type
  client: { config: any };
}

type OperationSchema = [9, namespace: string, name: string, traits: Traits, input: () => unknown, output: () => unknown];

export interface Operation {
  name: string;
  method: string;
  path: string;
  status: number;
  input: Shape;
  output: Shape;
  /** The output member that is an event stream; empty where there is none. */
  events: string;
}

/** What arrived, decoded by the operation's schema. */
// biome-ignore lint/suspicious/noExplicitAny: tests know which operation they look at
export type Decoded = any;

export class Service {
  readonly operations: readonly Operation[];
  private readonly sdk: Sdk;
  private readonly codec: Codec;
  private readonly framing: Framing;
  private readonly routes: { operation: Operation; pattern: RegExp; labels: string[] }[];

  constructor(sdk: Sdk) {
    const { NormalizedSchema } = shared<{ NormalizedSchema: { of(s: unknown): Shape } }>(sdk.package, '@smithy/core/schema');
    const { EventStreamCodec } = shared<{
      EventStreamCodec: new (toUtf8: (b: Uint8Array) => string, fromUtf8: (s: string) => Uint8Array) => Framing;
    }>(sdk.package, '@smithy/core/event-streams');
    this.sdk = sdk;
    this.shape = NormalizedSchema.of.bind(NormalizedSchema);
    this.codec = sdk.client.config.protocol.getPayloadCodec();
    this.codec.setSerdeContext(sdk.client.config);
    this.framing = new EventStreamCodec(
      (bytes) => Buffer.from(bytes).toString('utf8'),
      (text) => Buffer.from(text, 'utf8'),
    );
    const schemas = Object.values(sdk.exports).filter((s): s is OperationSchema => Array.isArray(s) && s[0] === 9);
    this.operations = schemas.map(([, , name, traits, input, output]) => {
      const [method, path, status] = traits.http ?? ['POST', '/', 200];
      const out = this.shape(output);
      return {
        name,
        method,
        path,
        status,
        input: this.shape(input),
        output: out,
        events: out.isStructSchema() ? out.getEventStreamMember() : '',
      };
    });
    this.routes = this.operations.map((operation) => {
      const labels: string[] = [];
      const [path = '/'] = operation.path.split('?');
      const source = path.replace(/[.*()|[\]\\^$]/g, '\\$&').replace(/\{(\w+)(\+?)\}/g, (_, label: string, greedy: string) => {
        labels.push(label);
        return greedy ? '(.+)' : '([^/]+)';
      });
      return { operation, pattern: new RegExp(`^${source}$`), labels };
    });
  }

  private readonly shape: (schema: unknown) => Shape;

  /** The operation at a method and a path, and the labels in that path, decoded. */
  route(method: string, path: string): { operation: Operation; labels: Record<string, string> } | undefined {
    for (const { operation, pattern, labels } of this.routes) {
      const match = operation.method === method ? pattern.exec(path) : null;
      if (match) return { operation, labels: Object.fromEntries(labels.map((l, i) => [l, decodeURIComponent(match[i + 1] ?? '')])) };
    }
    return undefined;
  }

  async decodeInput(
    operation: Operation,
    r: { labels: Record<string, string>; query: URLSearchParams; headers: Record<string, unknown>; body: Buffer },
  ): Promise<Decoded> {
    const members = [...operation.input.structIterator()];
    const payload = members.find(([, shape]) => shape.getMergedTraits().httpPayload);
    const input: Record<string, unknown> = {};
    if (payload) input[payload[0]] = payload[1].isStructSchema() ? await this.read(payload[1], r.body) : r.body;
    else if (r.body.length) Object.assign(input, await this.read(operation.input, r.body));
    for (const [name, shape] of members) {
      const { httpLabel, httpQuery, httpHeader } = shape.getMergedTraits();
      const text = httpLabel
        ? r.labels[name]
        : httpQuery
          ? r.query.get(httpQuery)
          : httpHeader
            ? r.headers[httpHeader.toLowerCase()]
            : undefined;
      if (typeof text !== 'string') continue;
      input[name] = shape.isNumericSchema() ? Number(text) : shape.isBooleanSchema() ? text === 'true' : text;
    }
    return input;
  }

  /** Headers, status and body of an answer that is not an event stream. */
  encodeOutput(
    operation: Operation,
    output: Record<string, unknown>,
  ): { status: number; headers: Record<string, string>; body: Uint8Array } {
    const headers: Record<string, string> = {};
    let status = operation.status;
    let body: Uint8Array | undefined;
    for (const [name, shape] of operation.output.structIterator()) {
      const { httpHeader, httpPayload, httpResponseCode } = shape.getMergedTraits();
      const value = output[name];
      if (value === undefined) continue;
      if (httpHeader) headers[httpHeader.toLowerCase()] = String(value);
      else if (httpResponseCode) status = Number(value);
      else if (httpPayload) body = shape.isStructSchema() ? this.write(shape, value) : Buffer.from(value as string | Uint8Array);
    }
    headers['content-type'] ??= 'application/json';
    return { status, headers, body: body ?? this.write(operation.output, output) };
  }

  /** An error of the service. The status is the schema's where the service's model knows the error. */
  encodeError(e: { name: string; status?: number; [member: string]: unknown }): {
    status: number;
    headers: Record<string, string>;
    body: Uint8Array;
  } {
    const { name, status, ...members } = e;
    const schema = this.sdk.exports[`${name}$`];
    const known = schema === undefined ? undefined : this.shape(schema);
    return {
      status: status ?? known?.getMergedTraits().httpError ?? 400,
      headers: { 'content-type': 'application/json', 'x-amzn-errortype': name },
      body: known ? this.write(known, members) : Buffer.from(JSON.stringify(members)),
    };
  }

  /** One event as a frame, such as `{ messageStop: { stopReason: 'end_turn' } }`. */
  encodeEvent(operation: Operation, event: Record<string, unknown>): Uint8Array {
    const [[type, value] = ['', undefined]] = Object.entries(event);
    const shape = operation.output.getMemberSchema(operation.events).getMemberSchema(type);
    const members = [...shape.structIterator()];
    const payload = members.find(([, s]) => s.getMergedTraits().eventPayload);
    const body = payload ? Buffer.from((value as Record<string, Uint8Array>)[payload[0]] ?? '') : this.write(shape, value);
    return this.encodeFrame({ ':message-type': 'event', ':event-type': type, ':content-type': 'application/json' }, body);
  }

  /** An exception inside a stream: modelled ones by their member's name, others as the service would send them. */
  encodeException(type: string, message: string): Uint8Array {
    return this.encodeFrame(
      { ':message-type': 'exception', ':exception-type': type, ':content-type': 'application/json' },
      Buffer.from(JSON.stringify({ message })),
    );
  }

  encodeFrame(headers: Record<string, string>, body: Uint8Array): Uint8Array {
    const typed = Object.fromEntries(Object.entries(headers).map(([k, value]) => [k, { type: 'string' as const, value }]));
    return this.framing.encode({ headers: typed, body });
  }

  private async read(shape: Shape, body: Buffer): Promise<Record<string, unknown>> {
    return this.codec.createDeserializer().read(shape, body);
  }

  private write(shape: Shape, value: unknown): Uint8Array {
    const serializer = this.codec.createSerializer();
    serializer.write(shape, value);
    const bytes = serializer.flush();
    return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
