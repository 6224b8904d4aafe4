/** The operations of an OpenAPI document as tools. */

import { invalid, RondoError, ToolError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { foreignSchema } from '../../../json-schema.ts';
import {
  briefly,
  checkForeignTools,
  checkNamedTools,
  FOREIGN_TOOL_EXAMPLES,
  type ForeignToolOptions,
  givenOptions,
  own,
  validNames,
} from '../../../loop/tools/foreign-tools.ts';
import { RESERVED_NAME, tool } from '../../../loop/tools/tool.ts';
import { checkOptions } from '../../../options.ts';
import type { Assertion } from '../../../ports/identity.ts';
import type { Part } from '../../../ports/model.ts';
import type { Effect, Tool, ToolSource } from '../../../ports/tool.ts';
import { secretsIn } from '../../../secrets.ts';
import { publicFetch } from '../../../server/egress.ts';
import { type Outbound, type OutboundAuth, outbound } from '../outbound/auth.ts';
import { type Answer, type Binary, contentOf, send } from '../outbound/send.ts';
import { type OpenApiDocument, type ReadDocument, readDocument } from './document.ts';
import type { Operation } from './operations.ts';
import { inputSchema, requestOf } from './request.ts';

export interface OpenApiOptions extends ForeignToolOptions {
  /** OpenAPI 3.0 or 3.1, as an object or as JSON or YAML. References lead to places in the document only. */
  document: OpenApiDocument;
  /** The name of the source, and of the service in errors. Default: the host of `server`, else `openapi`. */
  name?: string;
  /**
   * Where the service is, such as `https://api.example.com/v2`. A query in it is sent with each request. Required with `credentials` and `headers`:
   * no secret goes to an address that only the document names. Default: the address in the document, if it is public.
   */
  server?: string;
  /** How requests are authorized. Several are sent together. */
  credentials?: OutboundAuth | readonly OutboundAuth[];
  /** Sent with every request. Values that look like secrets are masked in all that a run with these tools writes. */
  headers?: Readonly<Record<string, string>>;
  /** A header that gets `ctx.idempotencyKey` with each call that is not a read, such as `Idempotency-Key`. */
  idempotencyHeader?: string;
  /** Most bytes of an answer that are read. Default 1,000,000. */
  maxResponse?: number;
}

/** The options of a service whose operations are known. */
export const SERVICE_EXAMPLES = {
  name: "name: 'crm'",
  server: "server: 'https://api.example.com/v2'",
  credentials: "credentials: { type: 'api-key', provider: 'crm' }",
  headers: "headers: { 'x-version': '7' }",
  idempotencyHeader: "idempotencyHeader: 'Idempotency-Key'",
  maxResponse: 'maxResponse: 1_000_000',
  ...FOREIGN_TOOL_EXAMPLES,
} satisfies { [K in keyof Omit<OpenApiOptions, 'document'>]-?: string };
const EXAMPLES = { document: 'document: await readFile("openapi.yaml", "utf8")', ...SERVICE_EXAMPLES };

/** Operations that are offered at most. */
const MOST = 5_000;

/** What a kind of service does in its own way. */
export interface Manner {
  /** Who asks, in errors. */
  readonly where: string;
  read(): Promise<ReadDocument>;
  /** Where an operation is served, in place of `server`: for a document whose addresses are those of who configures the service. */
  servedAt?(operation: Operation): URL;
  /** An error that came with a status of success. */
  refusal?(answer: Json): Error | undefined;
  /** Whether an error is one of too many requests, with another status than 429. */
  limited?(answer: Answer): boolean;
  /** What the service calls an error. */
  errorName?(answer: Answer): string | undefined;
}

/**
 * The operations of an OpenAPI document as tools: `GET` and `HEAD` read, others are `once` unless `effects` says more. Needs `@readme/openapi-parser`.
 *
 * An answer of status 2xx is the output; any other is a ToolError with the code, outcome and wait of the table of HTTP (docs/reliability.md), and
 * `REDIRECTED`, `TOO_LARGE`, `INVALID_ARGUMENTS` (not run: an argument that would call another operation), `ADDRESS_REFUSED`. An operation whose
 * schema is invalid, or too large for a prompt, is left out with a `RondoWarning`; if `allow` names it, `open()` fails.
 *
 * `open()` rejects with RondoError `CONFIG_INVALID`, and the position in `details.at`, for a document that is not valid, of another version, without operations, with
 * two of the same name, or with a reference that leads out of it, to nothing or in a circle; and for a name that no operation has.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function openApiTools(o: OpenApiOptions): ToolSource {
  const where = 'openApiTools()';
  checkOptions(o, EXAMPLES, where);
  if (!o.document) throw invalid(`${where} needs a document: { ${EXAMPLES.document} }.`);
  return serviceSource(o, { where, read: () => readDocument(o.document, where) });
}

/** @throws RondoError `CONFIG_INVALID`. */
export function serviceSource(o: Omit<OpenApiOptions, 'document'>, manner: Manner): ToolSource {
  const { where } = manner;
  checkForeignTools(o, where);
  const server = o.server === undefined ? undefined : serverUrl(o.server, where, 'server');
  const auth = outbound(o.credentials, where);
  if (!server && !manner.servedAt && (o.credentials !== undefined || o.headers !== undefined))
    throw invalid(
      `${where} sends credentials and headers to a server that you name, not to one that only the document does: { ${EXAMPLES.server} }.`,
    );
  checkHeaders(o, where);
  const { maxResponse = 1_000_000 } = o;
  if (!(maxResponse > 0)) throw invalid(`${where}: maxResponse is ${maxResponse}; it is bytes, above 0.`);
  const name = o.name ?? server?.host ?? 'openapi';
  const secrets = secretsIn({ ...o.headers, ...(o.server !== undefined && { server: o.server }) });
  const read = lazy(async () => offered(await manner.read(), o, auth, manner, server));
  return {
    name,
    secrets,
    ...(auth.perCaller && { perCaller: true }),
    async open({ assertion }) {
      const offers = await read();
      const line = { name, maxBytes: maxResponse, auth, headers: lowerCase(o.headers), ...(assertion && { assertion }) };
      const tools = offers.map((offer) => toolOf(offer, o, line, manner));
      return { list: async () => tools, close: async () => {} };
    },
  };
}

/** An operation that is offered. */
interface Offer {
  readonly operation: Operation;
  /** The name for a model. */
  readonly name: string;
  readonly schema: ReturnType<typeof foreignSchema>;
  readonly effect: Effect;
  readonly server: URL;
  readonly fetch: typeof fetch;
}

const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

function offered(
  { document, operations: all }: ReadDocument,
  o: Omit<OpenApiOptions, 'document'>,
  auth: Outbound,
  manner: Manner,
  server: URL | undefined,
): Offer[] {
  const { where } = manner;
  checkNamedTools(
    o,
    all.map((operation) => operation.name),
    where,
  );
  const chosen = all.filter(({ name }) => !o.allow || o.allow.includes(name));
  const names = validNames(
    chosen.slice(0, MOST).map((operation) => operation.name),
    o.prefix ?? '',
  );
  const outside = ofDocument(publicFetch({ timeout: o.timeout ?? 60_000, maxBytes: (o.maxResponse ?? 1_000_000) + 1 }));
  /** Names of operations, by why they are left out: the same may hold for all of them. */
  const left = new Map<string, string[]>();
  const offers = chosen.slice(0, MOST).flatMap((operation): Offer[] => {
    const name = names.get(operation.name) as string;
    try {
      if (RESERVED_NAME.test(name)) throw invalid('its name is reserved for the engine: give it another with prefix');
      const effect = effectOf(operation, o);
      const known = manner.servedAt?.(operation) ?? server;
      const to = known ?? serverUrl(operation.server, where, 'the server of the document');
      const own = withoutReserved(operation, auth, o, to);
      const schema = foreignSchema(inputSchema(document, own, where), 'its input');
      return [{ operation: own, name, schema, effect, server: to, fetch: known ? fetch : outside }];
    } catch (error) {
      if (!RondoError.is(error) || o.allow) throw error;
      const same = left.get(error.message) ?? [];
      left.set(error.message, [...same, JSON.stringify(operation.name.slice(0, 80))]);
      return [];
    }
  });
  const why = [
    ...(chosen.length > MOST ? [`all after the first ${MOST}: name those you need in allow`] : []),
    ...[...left].map(([reason, of]) => `${few(of, ', ')}: ${reason.slice(0, 300)}`),
  ];
  if (offers.length === 0) throw invalid(`${where}: no operation can be offered. ${few(why, '; ')}`);
  if (why.length > 0) process.emitWarning(`${where}: operations are left out. ${few(why, '; ')}`, 'RondoWarning');
  return offers;
}

/** The first of many texts, and how many there are besides. */
const few = (texts: readonly string[], between: string): string =>
  [...texts.slice(0, 5), ...(texts.length > 5 ? [`and ${texts.length - 5} more`] : [])].join(between);

/** For a server that only the document names: what is refused there may be called if the application names it. */
const ofDocument =
  (fetched: typeof fetch): typeof fetch =>
  (...asked) =>
    fetched(...asked).catch((error) => {
      if (!ToolError.is(error) || error.code !== 'ADDRESS_REFUSED') throw error;
      const { message, outcome } = error;
      throw new ToolError('ADDRESS_REFUSED', `${message}. The document names it; if it is meant, name it too: { ${EXAMPLES.server} }.`, {
        outcome,
        cause: error,
      });
    });

function effectOf({ name, method }: Operation, o: ForeignToolOptions): Effect {
  return own(o.effects ?? {}, name) ?? (READS.has(method) ? 'read' : 'once');
}

/** What credentials and the application send, no argument does. */
function withoutReserved(
  operation: Operation,
  { reserved }: Outbound,
  { headers, idempotencyHeader }: Pick<OpenApiOptions, 'headers' | 'idempotencyHeader'>,
  server: URL,
): Operation {
  const taken = new Set([
    ...[...Object.keys(headers ?? {}), idempotencyHeader ?? ''].map((name) => `header ${name.toLowerCase()}`),
    ...[...server.searchParams.keys()].map((name) => `query ${name}`),
  ]);
  const free = operation.parameters.filter((p) => {
    const key = `${p.in} ${p.in === 'header' ? p.name.toLowerCase() : p.name}`;
    return !reserved.has(key) && !taken.has(key);
  });
  if (free.length === operation.parameters.length) return operation;
  const ours = operation.parameters.flatMap((p) => (free.includes(p) ? [] : [p.property]));
  return { ...operation, parameters: free, reserved: new Set(ours) };
}

interface Calling {
  readonly name: string;
  readonly maxBytes: number;
  readonly auth: Outbound;
  readonly headers: Readonly<Record<string, string>>;
  readonly assertion?: Assertion;
}

function toolOf(
  { operation, name, schema, effect, server, fetch }: Offer,
  o: Omit<OpenApiOptions, 'document'>,
  line: Calling,
  manner: Manner,
): Tool {
  const { auth, assertion } = line;
  const key = o.idempotencyHeader?.toLowerCase();
  return tool({
    name,
    description: briefly(operation.description),
    input: schema,
    effect,
    ...givenOptions(o, operation.name),
    ...(Object.keys(auth.requests).length > 0 && { credentials: auth.requests }),
    async execute(input, { signal, idempotencyKey, credentials }) {
      const headers = { ...line.headers, ...(key !== undefined && effect !== 'read' && { [key]: idempotencyKey }) };
      const request = await requestOf(operation, input as JsonObject, { server, headers });
      const { answer, mask } = await send(
        {
          ...line,
          fetch,
          ...(manner.limited && { limited: manner.limited }),
          ...(manner.errorName && { errorName: manner.errorName }),
          authorize: (asked) => auth.authorize(asked, credentials, assertion),
        },
        request,
        signal,
      );
      const content = operation.method === 'HEAD' ? headersOf(answer, mask) : contentOf(answer, mask);
      const refusal = manner.refusal?.(content);
      if (refusal) throw refusal;
      return content;
    },
    toModel: shown,
  });
}

/** All that a HEAD tells. */
const headersOf = ({ status, headers }: Answer, mask: (text: string) => string): Json => ({
  status,
  headers: Object.fromEntries([...headers].filter(([name]) => name !== 'set-cookie').map(([name, value]) => [name, mask(value)])),
});

/** Images and documents as such; everything else as text. */
function shown(content: Json): string | readonly Part[] {
  if (typeof content === 'string') return content;
  const { mediaType, base64 } = (isObject(content) ? content : {}) as Partial<Binary>;
  if (typeof mediaType === 'string' && typeof base64 === 'string' && /^image\/|^application\/pdf$/.test(mediaType))
    return [{ type: mediaType.startsWith('image/') ? 'image' : 'document', mediaType, data: base64 }];
  return JSON.stringify(content);
}

/** @throws RondoError `CONFIG_INVALID` without the value of a header, which may be a secret. */
function checkHeaders({ headers = {}, idempotencyHeader }: Pick<OpenApiOptions, 'headers' | 'idempotencyHeader'>, where: string): void {
  for (const [name, value] of Object.entries({ ...headers, ...(idempotencyHeader !== undefined && { [idempotencyHeader]: 'x' }) }))
    try {
      new Headers([[name, value]]);
    } catch {
      throw invalid(`${where}: "${name}" cannot be sent as a header: its name or its value has characters that a header cannot have.`);
    }
}

const lowerCase = (headers: OpenApiOptions['headers'] = {}) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** @throws RondoError `CONFIG_INVALID`. */
function serverUrl(text: string | undefined, where: string, what: string): URL {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  if ((url?.protocol === 'https:' || url?.protocol === 'http:') && !url.username && !url.password) return url;
  // it may hold a password
  const told = url && (url.username || url.password) ? 'has credentials in it' : `is ${JSON.stringify(text) ?? 'not given'}`;
  throw invalid(`${where}: ${what} ${told}: name the service by its address, such as { ${EXAMPLES.server} }.`);
}
