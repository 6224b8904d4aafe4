import type { KeyObject, webcrypto } from 'node:crypto';
import { invalid } from '../errors.ts';
import { lazy } from '../flight.ts';
import { checkOptions } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import { type Claims, principalFrom, scopesOf } from './claims.ts';
import { isBadToken, isTrusted, jose, keysAt } from './jose.ts';

export interface JwtOptions {
  /** The `iss` of a token, letter for letter. */
  issuer: string;
  /** The name of this server, or its names. A token for another audience is refused. */
  audience: string | readonly string[];
  /** The URL of the issuer's JWK set, its public key, or a shared secret of at least 32 bytes. */
  keys: URL | KeyObject | webcrypto.CryptoKey | Uint8Array;
  /** Accepted algorithms. Default: `RS256`, `ES256` and `EdDSA` for public keys, `HS256` for a secret. */
  algorithms?: readonly string[];
  /** Scopes that a token must have, all of them. */
  scopes?: readonly string[];
  /** Default: `sub` is the id, `roles` the roles, and there is no tenant. */
  principal?: (claims: Claims) => Principal | undefined;
}

const OPTIONS = {
  issuer: "issuer: 'https://id.example.com'",
  audience: "audience: 'support'",
  keys: "keys: new URL('https://id.example.com/jwks')",
  algorithms: "algorithms: ['RS256']",
  scopes: "scopes: ['support']",
  principal: 'principal: ({ sub }) => ({ id: String(sub) })',
} satisfies Record<keyof JwtOptions, string>;

type Verify = (token: string) => Promise<Claims>;

/**
 * Verifies a JWT: signature, issuer, audience, times, scopes. For `bearer({ verify: jwt({ ... }) })`. Needs the package `jose`, which is
 * loaded for the first token. `jwtAuthorizer()` finds issuer and keys by a discovery URL.
 * @throws RondoError `CONFIG_INVALID`. The returned function rejects if the keys cannot be had.
 */
export function jwt(o: JwtOptions): (token: string) => Promise<Principal | undefined> {
  checkOptions(o, OPTIONS, 'jwt()', { principal: 'function', scopes: 'list', algorithms: 'list' });
  const { issuer, keys } = o;
  const audience = typeof o.audience === 'string' ? o.audience : [...(o.audience ?? [])];
  if (!issuer || audience.length === 0 || !keys) throw invalid('jwt() needs issuer, audience and keys.');
  const secret = keys instanceof Uint8Array;
  if (secret && keys.length < 32) throw invalid('jwt(): a secret has at least 32 bytes.');
  if (keys instanceof URL && !isTrusted(keys)) throw invalid('jwt(): keys are fetched over https.');
  const algorithms = [...(o.algorithms ?? (secret ? ['HS256'] : ['RS256', 'ES256', 'EdDSA']))];
  const toPrincipal = o.principal ?? ((claims: Claims) => principalFrom(claims));
  const verifying = lazy(async (): Promise<Verify> => {
    const library = await jose();
    const { jwtVerify } = library;
    const options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
    if (keys instanceof URL) {
      const remote = keysAt(library, keys);
      return async (token) => (await jwtVerify(token, remote, options)).payload;
    }
    return async (token) => (await jwtVerify(token, keys, options)).payload;
  });
  return async (token) => {
    const library = await jose();
    const verify = await verifying();
    let claims: Claims;
    try {
      claims = await verify(token);
    } catch (error) {
      if (isBadToken(library, error)) return undefined;
      throw error;
    }
    const granted = scopesOf(claims);
    return o.scopes?.every((scope) => granted.includes(scope)) === false ? undefined : toPrincipal(claims);
  };
}
