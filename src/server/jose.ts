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

/** Whether a token is at fault. A failure to fetch the keys does not make it invalid. */
export const isBadToken = ({ errors }: Jose, error: unknown): error is Error =>
  error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC';

/** Keys and discovery documents decide who a caller is, so they come over https, or from this machine. */
export const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost';
