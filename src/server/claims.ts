/** What the claims of a token say about its caller. */
import { invalid } from '../errors.ts';
import type { Principal } from '../ports/principal.ts';

/** The claims of a token. */
export interface Claims {
  readonly sub?: string;
  /** Scopes separated by spaces. */
  readonly scope?: unknown;
  readonly [claim: string]: unknown;
}

/** A claim that a token must have. The form is that of `customClaims` of an AgentCore authorizer. */
export interface CustomClaim {
  inboundTokenClaimName: string;
  /** `STRING` goes with `EQUALS`, `STRING_ARRAY` with `CONTAINS` and `CONTAINS_ANY`. */
  inboundTokenClaimValueType: 'STRING' | 'STRING_ARRAY';
  authorizingClaimMatchValue: {
    claimMatchOperator: 'EQUALS' | 'CONTAINS' | 'CONTAINS_ANY';
    /** `matchValueString` for `EQUALS` and `CONTAINS`, the list for `CONTAINS_ANY`. */
    claimMatchValue: { matchValueString: string } | { matchValueStringList: readonly string[] };
  };
}

/** Which claims say who the caller is. */
export interface PrincipalClaims {
  /** Default `sub`. */
  id?: string;
  /** Default none. With one, a token without this claim is refused: its caller would be of no tenant. */
  tenant?: string;
  /** A list of texts, or one text. Default `roles`. */
  roles?: string;
  /** Claims that become the principal's `claims`, for policies: texts, numbers, booleans, and lists of texts, which are joined by spaces. */
  claims?: readonly string[];
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isTexts = (value: unknown): value is readonly string[] => Array.isArray(value) && value.length > 0 && value.every(isText);

/** @throws RondoError `CONFIG_INVALID`. */
export function checkCustomClaim(claim: CustomClaim, where: string): void {
  const { inboundTokenClaimName: name, inboundTokenClaimValueType: type, authorizingClaimMatchValue: match } = claim ?? {};
  const { claimMatchOperator: operator, claimMatchValue } = match ?? {};
  const { matchValueString: one, matchValueStringList: list } = (claimMatchValue ?? {}) as { [k: string]: unknown };
  const fits =
    (type === 'STRING' && operator === 'EQUALS' && isText(one)) ||
    (type === 'STRING_ARRAY' && operator === 'CONTAINS' && isText(one)) ||
    (type === 'STRING_ARRAY' && operator === 'CONTAINS_ANY' && isTexts(list));
  if (!isText(name) || !fits)
    throw invalid(
      `${where}: a custom claim is a STRING that EQUALS a matchValueString, or a STRING_ARRAY that CONTAINS a matchValueString or CONTAINS_ANY of a matchValueStringList; "${String(name)}" is none of these.`,
    );
}

/** Whether a claim has the type and the value that are asked for. */
export function fitsClaim(claims: Claims, { inboundTokenClaimName: name, authorizingClaimMatchValue: match }: CustomClaim): boolean {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  const wanted = match.claimMatchValue as { matchValueString?: string; matchValueStringList?: readonly string[] };
  if (match.claimMatchOperator === 'EQUALS') return typeof value === 'string' && value === wanted.matchValueString;
  const list = isTexts(value) ? value : [];
  const any = match.claimMatchOperator === 'CONTAINS' ? [wanted.matchValueString] : (wanted.matchValueStringList ?? []);
  return any.some((one) => list.includes(one as string));
}

/** Whether a text is one scope, as RFC 6749 has it. */
export const isScope = (scope: unknown): scope is string => typeof scope === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/.test(scope);

/** `scope` is a text with spaces between scopes; Entra and Okta have `scp`, a text or a list. */
export function scopesOf({ scope, scp }: Claims): readonly string[] {
  const of = (value: unknown) => (typeof value === 'string' ? value.split(' ') : isTexts(value) ? value : []);
  return [...of(scope), ...of(scp)];
}

/** A claim as a text; undefined if it is none of the kinds that have one. */
const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : isTexts(value)
      ? value.join(' ')
      : undefined;

/** The principal that the claims name; undefined if one that it needs is missing. */
export function principalFrom(
  claims: Claims,
  { id = 'sub', tenant, roles = 'roles', claims: kept = [] }: PrincipalClaims = {},
): Principal | undefined {
  const of = (name: string) => (Object.hasOwn(claims, name) ? claims[name] : undefined);
  const who = of(id);
  const where = tenant === undefined ? undefined : of(tenant);
  if (!isText(who) || (tenant !== undefined && !isText(where))) return undefined;
  const has = of(roles);
  const list = isTexts(has) ? [...has] : isText(has) ? [has] : undefined;
  const texts = kept.flatMap((name) => {
    const text = textOf(of(name));
    return text === undefined ? [] : [[name, text] as const];
  });
  return {
    id: who,
    ...(isText(where) && { tenant: where }),
    ...(list && { roles: list }),
    ...(texts.length > 0 && { claims: Object.fromEntries(texts) }),
  };
}
