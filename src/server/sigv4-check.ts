/** Verifies AWS Signature Version 4, in headers and in the query. */
import { timingSafeEqual } from 'node:crypto';
import { ALGORITHM, canonicalOf, headerOf, type Scope, type Signable, type SigningKeys, signatureOf } from './sigv4.ts';

/** A signature that does not hold. `name`: as AWS calls it, such as `InvalidSignatureException`. */
export class SignatureError extends Error {
  override readonly name: string;
  /** For a log: more than the caller is told. */
  readonly because: string | undefined;

  constructor(name: string, message: string, because?: string) {
    super(message);
    this.name = name;
    this.because = because;
  }
}

/** Milliseconds by which the time of a signature may differ from the server's. */
const SKEW = 300_000;
/** Most seconds for which a signed URL is valid. */
const LONGEST = 604_800;

const refused = (name: string, message: string, because?: string) => new SignatureError(name, message, because);
const unknownKey = (because: string) =>
  refused('UnrecognizedClientException', 'The security token included in the request is invalid.', because);

interface Parts extends Scope {
  id: string;
  signedHeaders: string;
  signature: string;
  /** Seconds, of a signed URL. */
  expires?: number;
  token: string | undefined;
}

/** Whether a request carries a signature at all. */
export const isSigned = (request: Signable): boolean =>
  request.query.has('X-Amz-Signature') || headerOf(request, 'authorization')?.startsWith(ALGORITHM) === true;

const partsIn = (request: Signable): Parts => (request.query.has('X-Amz-Signature') ? fromQuery(request) : fromHeader(request));

/**
 * The key that signed a request, and the region that it signed for.
 * @param now epoch milliseconds. @throws SignatureError which names the rule that refused it.
 */
export function checkSignature<K extends SigningKeys>(
  request: Signable,
  keys: readonly K[],
  now: number,
  service: string,
): { keys: K; region: string } {
  const parts = partsIn(request);
  if (parts.service !== service)
    throw refused('InvalidSignatureException', `Credential should be scoped to correct service: '${service}'.`);
  const found = keys.find(({ accessKeyId }) => accessKeyId === parts.id);
  if (!found) throw unknownKey(`The server was not told the key ${parts.id}.`);
  if (found.sessionToken !== parts.token) throw unknownKey(`The key ${parts.id} came with another session token.`);
  checkTime(parts, now);
  checkCovered(request, parts);
  const good = (own: Signable) => equal(parts.signature, signatureOf(canonicalOf(own, parts.signedHeaders), parts, found.secretAccessKey));
  if (!hostsOf(request).some(good))
    throw refused(
      'InvalidSignatureException',
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
      `The secret differs, or what was signed is not this canonical request:\n${withoutSecrets(canonicalOf(request, parts.signedHeaders))}`,
    );
  return { keys: found, region: parts.region };
}

/** Whether a request has a signature of a known key whose time is right. The signature itself is not checked: that needs the body. */
export function mayBeSigned(request: Signable, keys: readonly SigningKeys[], now: number, service: string): boolean {
  try {
    const parts = partsIn(request);
    checkTime(parts, now);
    return parts.service === service && keys.some(({ accessKeyId }) => accessKeyId === parts.id);
  } catch {
    return false;
  }
}

/** The request, and as the SDK of AgentCore signs it for WebSocket: with a host that lost its port. */
function hostsOf(request: Signable): Signable[] {
  const host = headerOf(request, 'host') ?? '';
  const bare = host.replace(/:\d+$/, '');
  return bare === host ? [request] : [request, { ...request, headers: { ...request.headers, host: bare } }];
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function fromHeader(request: Signable): Parts {
  const text = headerOf(request, 'authorization') ?? '';
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
  const time = headerOf(request, 'x-amz-date') ?? '';
  return partsOf(
    fields.get('Credential'),
    fields.get('SignedHeaders'),
    fields.get('Signature'),
    time,
    headerOf(request, 'x-amz-security-token'),
  );
}

function fromQuery({ query }: Signable): Parts {
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
    time.slice(0, 8) !== date
  )
    throw refused('IncompleteSignatureException', 'The signature misses one of Credential, SignedHeaders, Signature and the date.');
  if (!signedHeaders.split(';').includes('host')) throw refused('IncompleteSignatureException', "The header 'host' is not signed.");
  return { id, region, service, signedHeaders, signature, time, token };
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

/** A header that is not signed could be added by anyone who sees the request. @throws SignatureError */
function checkCovered({ headers }: Signable, { signedHeaders }: Parts): void {
  const signed = new Set(signedHeaders.split(';'));
  const open = Object.keys(headers).find((name) => headers[name] !== undefined && COVERED.test(name) && !signed.has(name));
  if (open !== undefined)
    throw refused('InvalidSignatureException', `There were headers present in the request which were not signed: ${open}.`);
}

/** Headers whose values are no secret, and say why a signature differs. */
const TOLD: ReadonlySet<string> = new Set(['host', 'content-type', 'content-length', 'content-md5', 'x-amz-date', 'x-amz-content-sha256']);

/** For the log: of other headers the length alone, since they may be tokens. */
const withoutSecrets = (canonical: string) =>
  canonical
    .replace(/(x-amz-security-token=)[^\n&]*/gi, '$1(hidden)')
    .replace(/^([\w-]+):(.*)$/gm, (line, name: string, value: string) =>
      TOLD.has(name) ? line : `${name}:(hidden, ${value.length} characters)`,
    );
