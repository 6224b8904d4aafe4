import type { KeyObject, webcrypto } from 'node:crypto';
import { invalid } from '../errors.ts';
import type { Principal } from '../ports/principal.ts';

/** The claims of a token. */
export interface Claims {
  readonly sub?: string;
  /** Scopes separated by spaces. */
  readonly scope?: unknown;
  readonly [claim: string]: unknown;
}

export interface JwtOptions {
  issuer: string;
  /** The name of this server. A token for another audience is refused. */
  audience: string;
  /** The URL of the issuer's JWK set, its public key, or a shared secret of at least 32 bytes. */
  keys: URL | KeyObject | webcrypto.CryptoKey | Uint8Array;
  /** Accepted algorithms. Default: `RS256`, `ES256` and `EdDSA` for public keys, `HS256` for a secret. */
  algorithms?: readonly string[];
  /** Scopes that a token must have. */
  scopes?: readonly string[];
  /** Default: `sub` is the id, `roles` the roles, and there is no tenant. */
  principal?: (claims: Claims) => Principal | undefined;
}

type Verify = (token: string) => Promise<Claims>;

/**
 * Verifies a JWT: signature, issuer, audience, times, scopes. For `bearer({ verify: jwt({ ... }) })`. Needs the package `jose`, which is
 * loaded for the first token.
 * @throws RondoError `CONFIG_INVALID`. The returned function rejects if the keys cannot be fetched.
 */
export function jwt(o: JwtOptions): (token: string) => Promise<Principal | undefined> {
  const { issuer, audience, keys } = o;
  if (!issuer || !audience || !keys) throw invalid('jwt() needs issuer, audience and keys.');
  const secret = keys instanceof Uint8Array;
  if (secret && keys.length < 32) throw invalid('jwt(): a secret has at least 32 bytes.');
  if (keys instanceof URL && keys.protocol !== 'https:' && keys.hostname !== '127.0.0.1' && keys.hostname !== 'localhost')
    throw invalid('jwt(): keys are fetched over https.');
  const algorithms = [...(o.algorithms ?? (secret ? ['HS256'] : ['RS256', 'ES256', 'EdDSA']))];
  const toPrincipal = o.principal ?? standard;
  let verifying: Promise<Verify> | undefined;
  const verifier = async (): Promise<Verify> => {
    const { createRemoteJWKSet, jwtVerify } = await jose();
    const options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
    if (keys instanceof URL) {
      // caches the fetched keys
      const remote = createRemoteJWKSet(keys);
      return async (token) => (await jwtVerify(token, remote, options)).payload;
    }
    return async (token) => (await jwtVerify(token, keys, options)).payload;
  };
  return async (token) => {
    const { errors } = await jose();
    verifying ??= verifier();
    const verify = await verifying;
    let claims: Claims;
    try {
      claims = await verify(token);
    } catch (error) {
      // a failure to fetch the keys does not make the token invalid
      if (error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC') return undefined;
      throw error;
    }
    const granted = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
    return o.scopes?.every((scope) => granted.includes(scope)) === false ? undefined : toPrincipal(claims);
  };
}

let loading: Promise<typeof import('jose')> | undefined;

/** Loaded on demand, because most servers do not use JWTs. */
function jose(): Promise<typeof import('jose')> {
  loading ??= import('jose').catch((cause: unknown) => {
    loading = undefined;
    throw invalid('jwt() needs the package jose. Run `npm install jose`.', { cause });
  });
  return loading;
}

function standard({ sub, roles }: Claims): Principal | undefined {
  if (!sub) return undefined;
  return Array.isArray(roles) && roles.every((role) => typeof role === 'string') ? { id: sub, roles } : { id: sub };
}
