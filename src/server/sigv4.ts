/** AWS Signature Version 4: what is signed, and how. Verified in `sigv4-check.ts`. */
import { createHash, createHmac } from 'node:crypto';

/** Keys of AWS. */
export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** A request, as much of it as a signature covers. */
export interface Signable {
  readonly method: string;
  /** As it is sent: encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array | string;
}

/** What a signature is for. */
export interface Scope {
  /** As in `x-amz-date`: 20260926T120000Z. */
  readonly time: string;
  /** For example `us-east-1`. */
  readonly region: string;
  /** The name under which the service signs, such as `bedrock-agentcore`. */
  readonly service: string;
}

export const ALGORITHM = 'AWS4-HMAC-SHA256';
const UNSIGNED = 'UNSIGNED-PAYLOAD';

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: Uint8Array | string, text: string) => createHmac('sha256', key).update(text).digest();

export const headerOf = ({ headers }: Pick<Signable, 'headers'>, name: string): string | undefined => {
  const value = headers[name];
  return value === undefined ? undefined : [value].flat().join(',');
};

/** All but the characters that a URI needs not encode. */
const encoded = (text: string) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** A path without empty and dot segments, encoded once more than it is on the wire. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(encoded(segment));
  }
  return `/${segments.join('/')}${segments.length > 0 && path.endsWith('/') ? '/' : ''}`;
}

/** The text that is signed. @param signedHeaders names with `;` between, in order. */
export function canonicalOf(request: Signable, signedHeaders: string): string {
  const pairs = [...request.query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  return [
    request.method,
    canonicalPath(request.path),
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
    ...signedHeaders.split(';').map((name) => `${name}:${(headerOf(request, name) ?? '').trim().replace(/\s+/g, ' ')}`),
    '',
    signedHeaders,
    // a body that is streamed is not signed
    headerOf(request, 'x-amz-content-sha256') === UNSIGNED ? UNSIGNED : sha256(request.body),
  ].join('\n');
}

const dateOf = ({ time }: Scope) => time.slice(0, 8);
const scopeOf = (scope: Scope) => `${dateOf(scope)}/${scope.region}/${scope.service}/aws4_request`;

export function signatureOf(canonical: string, scope: Scope, secret: string): string {
  const text = [ALGORITHM, scope.time, scopeOf(scope), sha256(canonical)].join('\n');
  const parts = [dateOf(scope), scope.region, scope.service, 'aws4_request'];
  const key = parts.reduce<Uint8Array | string>((before, part) => hmac(before, part), `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}

/** Set, or changed, by those who pass a request on. */
const UNSTEADY: ReadonlySet<string> = new Set([
  ...['connection', 'expect', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'user-agent'],
  ...['x-amzn-trace-id', 'traceparent', 'tracestate', 'baggage', 'authorization'],
]);

/**
 * The headers that sign a request, to be added to its own: `authorization`, `x-amz-date`, `x-amz-content-sha256`, and `x-amz-security-token` with keys
 * that have a session token. All other headers are signed too, but those that a proxy may change. `fetch` sets the header `host` by the URL.
 * @param o.at epoch milliseconds.
 */
export function signedHeaders(
  request: { method: string; url: URL; headers: Readonly<Record<string, string>>; body: Uint8Array | string },
  keys: SigningKeys,
  o: { region: string; service: string; at: number },
): Record<string, string> {
  const { method, url, body } = request;
  const time = new Date(o.at).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const added = {
    'x-amz-date': time,
    'x-amz-content-sha256': sha256(body),
    ...(keys.sessionToken !== undefined && { 'x-amz-security-token': keys.sessionToken }),
  };
  const own = Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const headers: Record<string, string> = { ...Object.fromEntries(own.filter(([name]) => !UNSTEADY.has(name))), host: url.host, ...added };
  const names = Object.keys(headers).sort().join(';');
  const scope = { time, region: o.region, service: o.service };
  const canonical = canonicalOf({ method, path: url.pathname, query: url.searchParams, headers, body }, names);
  const signature = signatureOf(canonical, scope, keys.secretAccessKey);
  const credential = `${keys.accessKeyId}/${scopeOf(scope)}`;
  return { ...added, authorization: `${ALGORITHM} Credential=${credential}, SignedHeaders=${names}, Signature=${signature}` };
}
