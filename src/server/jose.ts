import { invalid } from '../errors.ts';
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

/** The keys that an issuer publishes, which are cached. An issuer that publishes none is at fault, not the token that fits none of them. */
export function keysAt({ createRemoteJWKSet, customFetch, errors }: Jose, url: URL, fetched: typeof fetch = fetch): Keys {
  const keys = createRemoteJWKSet(url, { [customFetch]: fetched });
  return async (...asked) => {
    try {
      return await keys(...asked);
    } catch (error) {
      if (keys.jwks()?.keys.length === 0) throw new errors.JWKSInvalid(`${url} publishes no keys`, { cause: error });
      throw error;
    }
  };
}

/** Keys and discovery documents decide who a caller is, so they come over https, or from this machine. */
export const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost';
