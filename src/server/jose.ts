import { invalid, RondoError, ToolError } from '../errors.ts';
import { lazy } from '../flight.ts';

export type Jose = typeof import('jose');

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

/**
 * The keys that an issuer publishes, which are cached. An issuer that publishes none is at fault, not the token that fits none of them.
 * @throws RondoError, see `issuerFailed`; an error of jose for a token that fits none.
 */
export function keysAt(library: Jose, url: URL, fetched: typeof fetch): Keys {
  const { createRemoteJWKSet, customFetch } = library;
  const keys = createRemoteJWKSet(url, { [customFetch]: fetched });
  const failed = (why: string, cause: unknown) => issuerFailed(`The key set ${url}`, why, cause);
  return async (...asked) => {
    try {
      return await keys(...asked);
    } catch (error) {
      if (keys.jwks()?.keys.length === 0) throw failed('is empty', error);
      throw isBadToken(library, error) ? error : failed('could not be had', error);
    }
  };
}

/** Keys and discovery documents decide who a caller is, so they come over https, or from this machine. */
export const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost';
