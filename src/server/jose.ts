import { invalid, RondoError, ToolError } from '../errors.ts';
import { lazy } from '../flight.ts';
import { messageOf } from '../reliability/classify.ts';
import { warnOnce } from '../reliability/warn.ts';

export type Jose = typeof import('jose');
type JSONWebKeySet = import('jose').JSONWebKeySet;

/** Loaded on demand, because most servers do not use JWTs. @throws RondoError `CONFIG_INVALID` without the package. */
export const jose = lazy(
  (): Promise<Jose> =>
    import('jose').catch((cause: unknown) => {
      throw invalid('JWTs need the package jose. Run `npm install jose`.', { cause });
    }),
);

/** The errors about a token. All others are about its keys, and do not make it invalid: an issuer may publish no key set, or a broken one. */
const BAD_TOKEN: ReadonlySet<string> = new Set([
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'ERR_JOSE_NOT_SUPPORTED',
  'ERR_JWKS_MULTIPLE_MATCHING_KEYS',
  'ERR_JWKS_NO_MATCHING_KEY',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_EXPIRED',
  'ERR_JWT_INVALID',
]);

/** Whether a token is at fault. */
export const isBadToken = ({ errors }: Jose, error: unknown): error is Error =>
  error instanceof errors.JOSEError && BAD_TOKEN.has(error.code);

export type Keys = (...asked: Parameters<ReturnType<Jose['createRemoteJWKSet']>>) => ReturnType<ReturnType<Jose['createRemoteJWKSet']>>;

/**
 * What the operator is told of an issuer whose tokens cannot be checked.
 * @param what begins the message: what is at which address.
 */
export function issuerFailed(what: string, why: string, cause?: unknown): RondoError {
  const inside = cause instanceof ToolError && cause.code === 'ADDRESS_REFUSED';
  const remedy = inside ? 'Add its origin to allow, if that is meant.' : 'Look at the address, and at its server.';
  const said = cause instanceof Error ? ` (${cause.message.replace(/\.$/, '')})` : '';
  return new RondoError('PROVIDER_UNAVAILABLE', `${what} ${why}${said}, so no token of its issuer can be checked now. ${remedy}`, {
    cause,
  });
}

/** Milliseconds after a failure of an issuer until it is asked again: callers must not wait for it each time. */
export const AFTER_FAILURE = 30_000;
/** Milliseconds after the last check by fresh keys for which these are used while no new ones can be had: one may have been revoked since. */
const KEPT = 3_600_000;

/**
 * The keys that an issuer publishes, which are cached. While it fails, those of the last hour are used, and a token of another key cannot be checked.
 * An issuer that publishes none is at fault, not the token that fits none of them.
 * @throws RondoError, see `issuerFailed`; an error of jose for a token that fits none.
 */
export function keysAt(library: Jose, url: URL, fetched: typeof fetch): Keys {
  const { createLocalJWKSet, createRemoteJWKSet, customFetch, errors } = library;
  const keys = createRemoteJWKSet(url, { [customFetch]: fetched });
  const failed = (why: string, cause: unknown) => issuerFailed(`The key set ${url}`, why, cause);
  let checkedAt = 0;
  let outage: { until: number; cause: unknown } | undefined;
  const old = async (known: JSONWebKeySet, { cause }: NonNullable<typeof outage>, asked: Parameters<Keys>) => {
    if (performance.now() - checkedAt >= KEPT) throw failed('could not be had', cause);
    return createLocalJWKSet(known)(...asked).catch((error: unknown) => {
      // it may be a new one
      throw error instanceof errors.JWKSNoMatchingKey ? failed('could not be had', cause) : error;
    });
  };
  return async (...asked) => {
    const known = keys.jwks();
    if (known && outage && performance.now() < outage.until) return old(known, outage, asked);
    try {
      const key = await keys(...asked);
      checkedAt = performance.now();
      outage = undefined;
      return key;
    } catch (error) {
      if (keys.jwks()?.keys.length === 0) throw failed('is empty', error);
      if (isBadToken(library, error)) throw error;
      // fresh ones are known, and it was asked only because a token has another key
      if (!known || keys.fresh) throw failed('could not be had', error);
      warnOnce(keys, 'old', `The key set ${url} could not be had (${messageOf(error)}). Its keys of the last hour are used meanwhile.`);
      outage = { until: performance.now() + AFTER_FAILURE, cause: error };
      return old(known, outage, asked);
    }
  };
}

/** Keys and discovery documents decide who a caller is, so they come over https, or from this machine. */
export const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost';
