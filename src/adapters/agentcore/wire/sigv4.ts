/** Verifies AWS Signature Version 4, in headers and in the query. The service name of AgentCore is `bedrock-agentcore` on both planes. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { AwsError, because } from './codec/error.ts';

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Required with the key if it is given. */
  readonly sessionToken?: string;
  /** 12 digits. A key of another account than the server's is refused. Default: the server's. */
  readonly account?: string;
}

export interface Signed {
  readonly method: string;
  /** As it was sent: encoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

export const ACCOUNT = '123456789012';
const SERVICE = 'bedrock-agentcore';
const ALGORITHM = 'AWS4-HMAC-SHA256';
const UNSIGNED = 'UNSIGNED-PAYLOAD';
/** Milliseconds by which the time of a signature may differ from the server's. */
const SKEW = 300_000;
/** Most seconds for which a signed URL is valid. */
const LONGEST = 604_800;

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: Uint8Array | string, text: string) => createHmac('sha256', key).update(text).digest();
const refused = (name: string, message: string) => new AwsError(name, message);
const unknownKey = () => refused('UnrecognizedClientException', 'The security token included in the request is invalid.');

interface Parts {
  id: string;
  scope: string;
  date: string;
  region: string;
  service: string;
  signedHeaders: string;
  signature: string;
  /** As in `x-amz-date`: 20260926T120000Z. */
  time: string;
  /** Seconds, of a signed URL. */
  expires?: number;
  token: string | undefined;
}

const header = ({ headers }: Signed, name: string): string | undefined => {
  const value = headers[name];
  return value === undefined ? undefined : [value].flat().join(',');
};

/** Whether a request carries a signature at all. */
export const isSigned = (request: Signed): boolean =>
  request.query.has('X-Amz-Signature') || header(request, 'authorization')?.startsWith(ALGORITHM) === true;

/** The key that signed a request, and the region. @throws AwsError which names the rule that refused it. */
export function verified(request: Signed, keys: readonly Keys[], now: number, service = SERVICE): { keys: Keys; region: string } {
  const parts = request.query.has('X-Amz-Signature') ? fromQuery(request) : fromHeader(request);
  if (parts.service !== service)
    throw refused('InvalidSignatureException', `Credential should be scoped to correct service: '${service}'.`);
  const found = keys.find(({ accessKeyId }) => accessKeyId === parts.id);
  if (!found) throw because(unknownKey(), `The server was not told the key ${parts.id}.`);
  if (found.sessionToken !== parts.token) throw because(unknownKey(), `The key ${parts.id} came with another session token.`);
  checkTime(parts, now);
  checkCovered(request, parts);
  if (!hostsOf(request).some((own) => equal(parts.signature, signatureOf(canonicalOf(own, parts), parts, found.secretAccessKey))))
    throw because(
      refused(
        'InvalidSignatureException',
        'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      ),
      `The secret differs, or what was signed is not this canonical request:\n${withoutToken(canonicalOf(request, parts))}`,
    );
  return { keys: found, region: parts.region };
}

/** The request, and as the SDK of AgentCore signs it for WebSocket: with a host that lost its port. */
function hostsOf(request: Signed): Signed[] {
  const host = header(request, 'host') ?? '';
  const bare = host.replace(/:\d+$/, '');
  return bare === host ? [request] : [request, { ...request, headers: { ...request.headers, host: bare } }];
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function fromHeader(request: Signed): Parts {
  const text = header(request, 'authorization') ?? '';
  if (!text.startsWith(`${ALGORITHM} `)) throw refused('MissingAuthenticationTokenException', 'The request has no signature.');
  const fields = new Map(
    text
      .slice(ALGORITHM.length)
      .split(',')
      .map((field) => {
        const [name = '', ...value] = field.trim().split('=');
        return [name, value.join('=')] as const;
      }),
  );
  const time = header(request, 'x-amz-date') ?? '';
  return partsOf(
    fields.get('Credential'),
    fields.get('SignedHeaders'),
    fields.get('Signature'),
    time,
    header(request, 'x-amz-security-token'),
  );
}

function fromQuery({ query }: Signed): Parts {
  const get = (name: string) => query.get(`X-Amz-${name}`) ?? undefined;
  if (get('Algorithm') !== ALGORITHM) throw refused('IncompleteSignatureException', `The algorithm is not ${ALGORITHM}.`);
  const expires = Number(get('Expires'));
  if (!(expires > 0 && expires <= LONGEST)) throw refused('IncompleteSignatureException', `X-Amz-Expires is 1 to ${LONGEST} seconds.`);
  return { ...partsOf(get('Credential'), get('SignedHeaders'), get('Signature'), get('Date') ?? '', get('Security-Token')), expires };
}

function partsOf(credential = '', signedHeaders = '', signature = '', time: string, token: string | undefined): Parts {
  const [id, date, region, service, end] = credential.split('/');
  if (
    !id ||
    !date ||
    !region ||
    !service ||
    end !== 'aws4_request' ||
    !signature ||
    !signedHeaders ||
    !/^\d{8}T\d{6}Z$/.test(time) ||
    !time.startsWith(date)
  )
    throw refused('IncompleteSignatureException', 'The signature misses one of Credential, SignedHeaders, Signature and the date.');
  if (!signedHeaders.split(';').includes('host')) throw refused('IncompleteSignatureException', "The header 'host' is not signed.");
  return { id, scope: `${date}/${region}/${service}/${end}`, date, region, service, signedHeaders, signature, time, token };
}

function checkTime({ time, expires }: Parts, now: number): void {
  const [, year, month, day, hour, minute, second] = /^(....)(..)(..)T(..)(..)(..)Z$/.exec(time) as RegExpExecArray;
  const signed = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  if (signed > now + SKEW) throw refused('InvalidSignatureException', `Signature not yet current: ${time} is more than 5 minutes ahead.`);
  if (now > signed + (expires === undefined ? SKEW : expires * 1000))
    throw refused('InvalidSignatureException', `Signature expired: ${time}.`);
}

/** Headers that say who calls, or what: a signature must cover them. Proxies add the trace id, so clients leave it out. */
const COVERED = /^(x-amzn?-(?!trace-id$)|oauth2callbackurl$)/;

/** A header that is not signed could be added by anyone who sees the request. @throws AwsError */
function checkCovered({ headers }: Signed, { signedHeaders }: Parts): void {
  const signed = new Set(signedHeaders.split(';'));
  const open = Object.keys(headers).find((name) => headers[name] !== undefined && COVERED.test(name) && !signed.has(name));
  if (open !== undefined)
    throw refused('InvalidSignatureException', `There were headers present in the request which were not signed: ${open}.`);
}

/** Whether a request has a signature of a known key whose time is right. The signature itself is not checked: that needs the body. */
export function mayBeSigned(request: Signed, keys: readonly Keys[], now: number): boolean {
  try {
    const parts = request.query.has('X-Amz-Signature') ? fromQuery(request) : fromHeader(request);
    checkTime(parts, now);
    return parts.service === SERVICE && keys.some(({ accessKeyId }) => accessKeyId === parts.id);
  } catch {
    return false;
  }
}

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

function canonicalOf(request: Signed, { signedHeaders }: Parts): string {
  const pairs = [...request.query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  return [
    request.method,
    canonicalPath(request.path),
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
    ...signedHeaders.split(';').map((name) => `${name}:${(header(request, name) ?? '').trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    // a body that is streamed is not signed
    header(request, 'x-amz-content-sha256') === UNSIGNED ? UNSIGNED : sha256(request.body),
  ].join('\n');
}

/** For the log. */
const withoutToken = (canonical: string) => canonical.replace(/(x-amz-security-token[:=])[^\n&]*/gi, '$1(hidden)');

function signatureOf(canonical: string, { scope, date, region, service, time }: Parts, secret: string): string {
  const text = [ALGORITHM, time, scope, sha256(canonical)].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce<Uint8Array | string>((before, part) => hmac(before, part), `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}
