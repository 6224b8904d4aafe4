import { invalid } from '../errors.ts';

export type Jose = typeof import('jose');

let loading: Promise<Jose> | undefined;

/** Loaded on demand, because most servers do not use JWTs. @throws RondoError `CONFIG_INVALID` without the package. */
export function jose(): Promise<Jose> {
  loading ??= import('jose').catch((cause: unknown) => {
    loading = undefined;
    throw invalid('JWTs need the package jose. Run `npm install jose`.', { cause });
  });
  return loading;
}

/** Whether a token is at fault. A failure to fetch the keys does not make it invalid. */
export const isBadToken = ({ errors }: Jose, error: unknown): error is Error =>
  error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC';

/** Keys and discovery documents decide who a caller is, so they come over https, or from this machine. */
export const isTrusted = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || hostname === '127.0.0.1' || hostname === 'localhost';
