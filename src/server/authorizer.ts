/** The check of a caller's JWT with the options of an AgentCore `customJWTAuthorizer`, so that it is the same locally as deployed. */

import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import { type Auth, bearer } from './auth.ts';
import {
  type Claims,
  type CustomClaim,
  checkCustomClaim,
  fitsClaim,
  isScope,
  type PrincipalClaims,
  principalFrom,
  scopesOf,
} from './claims.ts';
import { originsOf } from './egress.ts';
import { ALGORITHMS, issuerAt } from './issuer.ts';
import { isBadToken, isTrusted, jose } from './jose.ts';

/** The form of `customJWTAuthorizer` of AgentCore's control plane. At least one of the lists is needed; each that is given must be met. */
export interface CustomJwtAuthorizer {
  /** Ends with `/.well-known/openid-configuration`. Over https, or on this machine. */
  discoveryUrl: string;
  /** `aud` is, or has, one of these. */
  allowedAudience?: readonly string[] | undefined;
  /** `client_id`, or `azp` where there is none, is one of these. Access tokens of Cognito have no `aud`: name their clients. */
  allowedClients?: readonly string[] | undefined;
  /** The token has at least one of these. */
  allowedScopes?: readonly string[] | undefined;
  /** What callers are told to ask for, by allowed scope. Default: the scope itself. */
  advertisedScopeMapping?: Readonly<Record<string, string>> | undefined;
  /** All of them must fit. */
  customClaims?: readonly CustomClaim[] | undefined;
}

export interface JwtAuthorizerOptions extends CustomJwtAuthorizer {
  /** Which claims say who the caller is, or a function that makes the principal. Default: `sub`, and `roles`. */
  principal?: PrincipalClaims | ((claims: Claims) => Principal | undefined);
  /** The URL of the protected-resource document, which `WWW-Authenticate` names. */
  resourceMetadata?: string;
  /** Origins of keys that are not public. Default: that of `discoveryUrl` alone. */
  allow?: readonly string[];
}

/** A token that was let in, or why it was not: a word and a sentence for logs, which does not hold the token. */
export type Checked =
  | { ok: true; by: Principal; claims: Claims }
  | { ok: false; reason: 'token' | 'expired' | 'audience' | 'client' | 'scope' | 'claim' | 'principal'; message: string };

/** A checker of tokens, and what a server publishes about it. */
export interface JwtAuthorizer {
  /**
   * Checks a token.
   * @throws RondoError `PROVIDER_UNAVAILABLE` if the discovery document or the keys cannot be had: then it is not known whether the token is good.
   */
  check(token: string): Promise<Checked>;
  /** For a server of agents. */
  readonly auth: Auth;
  /** The value of `WWW-Authenticate` of a 401. @param metadata the URL of the protected-resource document; default `resourceMetadata`. */
  challenge(metadata?: string): string;
  /** The protected-resource document of RFC 9728. @param resource the URL that the callers call. */
  metadata(resource: string): ProtectedResource;
}

/** In the form of RFC 9728. */
export interface ProtectedResource {
  resource: string;
  authorization_servers: readonly string[];
  bearer_methods_supported: readonly ['header'];
  scopes_supported?: readonly string[];
}

const SUFFIX = '/.well-known/openid-configuration';
const WHERE = 'jwtAuthorizer()';
const OPTIONS = {
  discoveryUrl: "discoveryUrl: 'https://id.example.com/.well-known/openid-configuration'",
  allowedAudience: "allowedAudience: ['support']",
  allowedClients: "allowedClients: ['web']",
  allowedScopes: "allowedScopes: ['support']",
  advertisedScopeMapping: "advertisedScopeMapping: { support: 'api/support' }",
  customClaims: 'customClaims: [{ inboundTokenClaimName, inboundTokenClaimValueType, authorizingClaimMatchValue }]',
  principal: "principal: { tenant: 'org_id' }",
  resourceMetadata: "resourceMetadata: 'https://example.com/.well-known/oauth-protected-resource'",
  allow: "allow: ['http://127.0.0.1:9000']",
} satisfies Record<keyof JwtAuthorizerOptions, string>;
const PRINCIPAL = {
  id: "id: 'sub'",
  tenant: "tenant: 'org_id'",
  roles: "roles: 'groups'",
  claims: "claims: ['department']",
} satisfies Record<keyof PrincipalClaims, string>;

/**
 * Checks JWTs by the discovery document of their issuer: signature, issuer, times, audience, client, scopes, custom claims. Needs the package
 * `jose`, which is loaded for the first token.
 * @throws RondoError `CONFIG_INVALID`.
 */
export const jwtAuthorizer = (o: JwtAuthorizerOptions): JwtAuthorizer => authorizerAt(o, Date.now);

/** The same by a clock of its own. @param now epoch milliseconds. */
export function authorizerAt(o: JwtAuthorizerOptions, now: () => number): JwtAuthorizer {
  checkAuthorizer(o);
  const { allowedAudience, allowedClients, allowedScopes, customClaims = [], principal, resourceMetadata } = o;
  const toPrincipal = typeof principal === 'function' ? principal : (claims: Claims) => principalFrom(claims, principal);
  const issuerOf = issuerAt(o.discoveryUrl, o.allow);

  async function check(token: string): Promise<Checked> {
    const library = await jose();
    const { issuer, keys } = await issuerOf();
    let claims: Claims;
    try {
      const currentDate = new Date(now());
      const verified = await library.jwtVerify(token, keys, { issuer, algorithms: ALGORITHMS, requiredClaims: ['exp'], currentDate });
      claims = verified.payload;
    } catch (error) {
      if (!isBadToken(library, error)) throw error;
      if (error instanceof library.errors.JWTExpired) return refusal('expired', 'the token has expired');
      return refusal('token', `the token is not one of ${issuer}: ${error.message}`);
    }
    const { aud } = claims;
    if (allowedAudience && ![aud].flat().some((one) => allowedAudience.includes(one as string)))
      return refusal('audience', 'the token is for another audience');
    if (allowedClients && !allowedClients.includes((claims.client_id ?? claims.azp) as string))
      return refusal('client', 'the token was issued to another client');
    if (allowedScopes && !scopesOf(claims).some((scope) => allowedScopes.includes(scope)))
      return refusal('scope', 'the token has none of the allowed scopes');
    const odd = customClaims.find((claim) => !fitsClaim(claims, claim));
    if (odd) return refusal('claim', `the claim ${odd.inboundTokenClaimName} of the token does not fit`);
    const by = toPrincipal(claims);
    return by ? { ok: true, by, claims } : refusal('principal', 'the claims of the token do not say who the caller is');
  }

  const scopes = allowedScopes?.map((scope) => o.advertisedScopeMapping?.[scope] ?? scope);
  const challenge = (metadata = resourceMetadata) =>
    ['Bearer', [metadata && `resource_metadata="${metadata}"`, scopes && `scope="${scopes.join(' ')}"`].filter(Boolean).join(', ')]
      .filter(Boolean)
      .join(' ');
  const verify = async (token: string) => {
    const checked = await check(token);
    return checked.ok ? checked.by : undefined;
  };
  return {
    check,
    challenge,
    auth: Object.assign(bearer({ verify }), { challenge: () => challenge() }),
    metadata: (resource) => ({
      resource,
      authorization_servers: [o.discoveryUrl.slice(0, -SUFFIX.length)],
      bearer_methods_supported: ['header'],
      ...(scopes && { scopes_supported: scopes }),
    }),
  };
}

const refusal = (reason: Extract<Checked, { ok: false }>['reason'], message: string): Checked => ({ ok: false, reason, message });

function checkAuthorizer(o: JwtAuthorizerOptions): void {
  checkOptions(o, OPTIONS, WHERE, { advertisedScopeMapping: 'object' });
  if (typeof o.principal !== 'function' && o.principal !== undefined)
    checkOptions(o.principal, PRINCIPAL, `${WHERE}: principal`, { id: 'text', tenant: 'text', roles: 'text', claims: 'list' });
  originsOf(o.allow ?? [], `${WHERE}: `);
  const { discoveryUrl, customClaims, resourceMetadata } = o;
  if (typeof discoveryUrl !== 'string' || !URL.canParse(discoveryUrl) || !discoveryUrl.endsWith(SUFFIX))
    throw invalid(`${WHERE}: discoveryUrl is a URL that ends with ${SUFFIX}.`);
  if (!isTrusted(new URL(discoveryUrl))) throw invalid(`${WHERE}: discoveryUrl is fetched over https.`);
  if (resourceMetadata !== undefined && (!URL.canParse(resourceMetadata) || /["\\\s]/.test(resourceMetadata)))
    throw invalid(`${WHERE}: resourceMetadata is a URL.`);
  const lists = { allowedAudience: o.allowedAudience, allowedClients: o.allowedClients, allowedScopes: o.allowedScopes };
  for (const [name, list] of Object.entries(lists))
    if (list !== undefined && (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === 'string' && one !== '')))
      throw invalid(`${WHERE}: ${name} is a list of texts that is not empty.`);
  // they stand in a header
  if (![...(o.allowedScopes ?? []), ...Object.values(o.advertisedScopeMapping ?? {})].every(isScope))
    throw invalid(`${WHERE}: a scope is 1 to 255 printable characters without space, quote and backslash.`);
  if (customClaims !== undefined && !Array.isArray(customClaims)) throw invalid(`${WHERE}: customClaims is a list.`);
  for (const claim of customClaims ?? []) checkCustomClaim(claim, WHERE);
  if (Object.values(lists).every((list) => list === undefined) && !customClaims?.length)
    throw invalid(
      `${WHERE} needs allowedAudience, allowedClients, allowedScopes or customClaims: without them any token of the issuer would do.`,
    );
}
