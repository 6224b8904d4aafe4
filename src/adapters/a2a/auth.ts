import type { IncomingHttpHeaders } from 'node:http';
import { SecurityRequirement, SecurityScheme } from '@a2a-js/sdk';
import { type CryptoKey, createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify, type KeyObject } from 'jose';
import { RondoError } from '../../errors.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Declared } from './card.ts';

export interface AuthRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** Who a request comes from; undefined for nobody we know, who gets 401. What it throws is answered with 503. */
export interface Auth {
  (request: AuthRequest): Principal | undefined | Promise<Principal | undefined>;
  /** What the card says of it. */
  readonly card?: Declared;
}

/** Of the card: where a caller gets its token. */
export interface OAuth2 {
  tokenUrl: string;
  /** With it, the flow is authorizationCode; without, clientCredentials. */
  authorizationUrl?: string;
  /** What each scope is for, by its name. */
  scopes?: Readonly<Record<string, string>>;
}

export interface BearerOptions {
  /** Who a token stands for. */
  verify: (token: string) => Principal | undefined | Promise<Principal | undefined>;
  /** Declares OAuth 2 in the card. Default: a bearer token of nobody says where from. */
  oauth2?: OAuth2;
}

/** Callers with `Authorization: Bearer ...`. */
export function bearer({ verify, oauth2 }: BearerOptions): Auth {
  if (typeof verify !== 'function')
    throw new RondoError('CONFIG_INVALID', 'bearer() needs verify: a function from a token to a principal, such as jwt({ ... }).');
  const auth = ({ headers }: AuthRequest) => {
    const token = /^Bearer +([\w\-.~+/]+=*)$/i.exec(headers.authorization ?? '')?.[1];
    return token === undefined || token.length > 16_384 ? undefined : verify(token);
  };
  return Object.assign(auth, { card: declared(oauth2) });
}

function declared(oauth2: OAuth2 | undefined): Declared {
  if (!oauth2)
    return {
      securitySchemes: { bearer: SecurityScheme.fromJSON({ httpAuthSecurityScheme: { scheme: 'Bearer', bearerFormat: 'JWT' } }) },
      securityRequirements: [SecurityRequirement.fromJSON({ schemes: { bearer: { list: [] } } })],
    };
  const { tokenUrl, authorizationUrl, scopes = {} } = oauth2;
  const flows = authorizationUrl
    ? { authorizationCode: { authorizationUrl, tokenUrl, scopes, pkceRequired: true } }
    : { clientCredentials: { tokenUrl, scopes } };
  return {
    securitySchemes: { oauth2: SecurityScheme.fromJSON({ oauth2SecurityScheme: { flows } }) },
    securityRequirements: [SecurityRequirement.fromJSON({ schemes: { oauth2: { list: Object.keys(scopes) } } })],
  };
}

export interface JwtOptions {
  issuer: string;
  /** Of this agent: a token for somebody else is none for us. */
  audience: string;
  /** Where the issuer's keys are, or its key, or a secret of at least 32 bytes. */
  keys: URL | KeyObject | CryptoKey | Uint8Array;
  /** Those that are taken, and no others. Default: `RS256` and `ES256` and `EdDSA` for public keys, `HS256` for a secret. */
  algorithms?: readonly string[];
  /** Scopes that a token must have. */
  scopes?: readonly string[];
  /** Default: `sub` is the id, `roles` the roles, and no tenant. */
  principal?: (claims: JWTPayload) => Principal | undefined;
}

/**
 * Checks a JWT: signature, issuer, audience, times, scopes. For `bearer({ verify: jwt({ ... }) })`.
 * @throws RondoError `CONFIG_INVALID`. The check itself throws where the keys cannot be fetched.
 */
export function jwt(o: JwtOptions): (token: string) => Promise<Principal | undefined> {
  const { issuer, audience, keys } = o;
  if (!issuer || !audience || !keys) throw new RondoError('CONFIG_INVALID', 'jwt() needs issuer, audience and keys.');
  const secret = keys instanceof Uint8Array;
  if (secret && keys.length < 32) throw new RondoError('CONFIG_INVALID', 'jwt(): a secret has at least 32 bytes.');
  if (keys instanceof URL && keys.protocol !== 'https:' && keys.hostname !== '127.0.0.1' && keys.hostname !== 'localhost')
    throw new RondoError('CONFIG_INVALID', 'jwt(): keys are fetched over https.');
  const algorithms = [...(o.algorithms ?? (secret ? ['HS256'] : ['RS256', 'ES256', 'EdDSA']))];
  const options = { issuer, audience, algorithms, requiredClaims: ['exp'] };
  const remote: JWTVerifyGetKey | undefined = keys instanceof URL ? createRemoteJWKSet(keys) : undefined;
  const toPrincipal = o.principal ?? standard;
  return async (token) => {
    let claims: JWTPayload;
    try {
      const checked = remote ? await jwtVerify(token, remote, options) : await jwtVerify(token, keys as Exclude<typeof keys, URL>, options);
      claims = checked.payload;
    } catch (error) {
      // keys that cannot be had are our trouble, anything else the token's
      if (error instanceof errors.JOSEError && error.code !== 'ERR_JWKS_TIMEOUT' && error.code !== 'ERR_JOSE_GENERIC') return undefined;
      throw error;
    }
    const granted = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
    return o.scopes?.every((s) => granted.includes(s)) === false ? undefined : toPrincipal(claims);
  };
}

function standard({ sub, roles }: JWTPayload): Principal | undefined {
  if (!sub) return undefined;
  return Array.isArray(roles) && roles.every((r) => typeof r === 'string') ? { id: sub, roles } : { id: sub };
}
