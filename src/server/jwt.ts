import { KeyObject, type webcrypto } from 'node:crypto';
import { types } from 'node:util';
import { invalid } from '../errors.ts';
import { lazy } from '../flight.ts';
import { checkOptions } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import { type Claims, isScope, principalFrom, scopesOf } from './claims.ts';
import { ALGORITHMS, issuerFetch } from './issuer.ts';
import { isBadToken, isTrusted, jose, keysAt } from './jose.ts';

export interface JwtOptions {
  /** The `iss` of a token, letter for letter. */
  issuer: string;
  /** The name of this server, or its names. A token for another audience is refused. */
  audience: string | readonly string[];
  /** The URL of the issuer's JWK set, its public key, or a shared secret of at least 32 bytes. */
  keys: URL | KeyObject | webcrypto.CryptoKey | Uint8Array;
  /** Accepted algorithms, for secrets `HS256`, `HS384` and `HS512`. Default: `RS256`, `ES256` and `EdDSA` for public keys, `HS256` for a secret. */
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
 * @throws RondoError `CONFIG_INVALID`. The returned function throws `PROVIDER_UNAVAILABLE` if the keys cannot be had.
 */
export function jwt(o: JwtOptions): (token: string) => Promise<Principal | undefined> {
  const { issuer, keys, audience, algorithms } = checked(o);
  const toPrincipal = o.principal ?? ((claims: Claims) => principalFrom(claims));
  const verifying = lazy(async (): Promise<Verify> => {
    const library = await jose();
    const { jwtVerify } = library;
    const options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
    if (keys instanceof URL) {
      const remote = keysAt(library, keys, issuerFetch([keys.origin]));
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

/** What would refuse every token, or take one that it should not, is told where it is declared. @throws RondoError `CONFIG_INVALID` */
function checked(o: JwtOptions): { issuer: string; keys: JwtOptions['keys']; audience: string[]; algorithms: string[] } {
  checkOptions(o, OPTIONS, 'jwt()', { issuer: 'text', principal: 'function', scopes: 'list', algorithms: 'list' });
  const { issuer, keys } = o;
  if (!issuer || !o.audience || !keys) throw invalid('jwt() needs issuer, audience and keys.');
  const audience: readonly unknown[] = [o.audience].flat();
  if (audience.length === 0 || !audience.every((one) => typeof one === 'string' && one !== ''))
    throw invalid(`jwt(): audience is a text that is not empty, or a list of such: { ${OPTIONS.audience} }.`);
  if (o.scopes?.every(isScope) === false) throw invalid(`jwt(): a scope is a text without spaces: { ${OPTIONS.scopes} }.`);
  if (keys instanceof URL && !isTrusted(keys)) throw invalid('jwt(): keys are fetched over https.');
  const bytes = secretBytes(keys);
  if (bytes !== undefined && bytes < 32) throw invalid('jwt(): a secret has at least 32 bytes.');
  const known = bytes === undefined ? ALGORITHMS : ['HS256', 'HS384', 'HS512'];
  const algorithms = [...(o.algorithms ?? (bytes === undefined ? ['RS256', 'ES256', 'EdDSA'] : ['HS256']))];
  if (algorithms.length === 0 || !algorithms.every((one) => known.includes(one)))
    throw invalid(
      `jwt(): algorithms of ${bytes === undefined ? 'public keys' : 'a secret'} are ${known.join(', ')}; ${JSON.stringify(algorithms)} are not.`,
    );
  return { issuer, keys, audience: audience as string[], algorithms };
}

/** How long a secret is; undefined for public keys. The message never shows a key. @throws RondoError `CONFIG_INVALID` for what is neither. */
function secretBytes(keys: unknown): number | undefined {
  if (keys instanceof Uint8Array) return keys.length;
  if (keys instanceof URL) return undefined;
  const key = types.isCryptoKey(keys) ? KeyObject.from(keys) : keys;
  if (key instanceof KeyObject && key.type === 'secret') return key.symmetricKeySize;
  if (key instanceof KeyObject && key.type === 'public') return undefined;
  throw invalid(
    `jwt(): keys are a URL, a public key or the bytes of a secret, and not a private key or a text: { ${OPTIONS.keys} }, or { keys: createPublicKey(pem) } of node:crypto.`,
  );
}
