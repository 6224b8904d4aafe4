/** Who calls, as Cedar has it. */
import { type Principal, principalProblem } from '../../ports/principal.ts';
import type { Caller } from './verdict.ts';

/** A principal of AgentCore's form. Tags are for an `OAuthUser` only. */
export interface CedarPrincipal {
  type: 'OAuthUser' | 'IamEntity';
  id: string;
  tags?: Readonly<Record<string, string>>;
}

/** The prefix of a tag for each role, so that a role is asked for exactly: `principal.hasTag("role:lead")`. */
const ROLE = 'role:';

/**
 * A user with tags: each of the claims, `tenant`, `roles` (separated by spaces), and `role:<name>` for each role. What the principal has as
 * tenant and roles comes before claims of these names, so that a claim cannot give a role.
 */
export function oauthUser(by: Principal | undefined): CedarPrincipal | undefined {
  if (by === undefined) return undefined;
  const { id, tenant, roles, claims = {} } = by;
  const tags = new Map(Object.entries(claims).filter(([name]) => !name.startsWith(ROLE)));
  if (tenant !== undefined) tags.set('tenant', tenant);
  if (roles) tags.set('roles', roles.join(' '));
  for (const role of roles ?? []) tags.set(ROLE + role, role);
  return { type: 'OAuthUser', id, tags: Object.fromEntries(tags) };
}

/** An IAM user or role, by its ARN. */
export const iamEntity = (by: Principal | undefined): CedarPrincipal | undefined => by && { type: 'IamEntity', id: by.id };

/** @throws Error for a principal that cannot be one of a request. */
export function entityOf(
  by: Principal | undefined,
  toPrincipal: (by: Principal | undefined) => CedarPrincipal | undefined,
): Caller | undefined {
  const wrong = by && principalProblem(by);
  if (wrong) throw new Error(`the principal is not valid: ${wrong}`);
  const principal = toPrincipal(by);
  if (!principal) return undefined;
  const { type, id, tags } = principal;
  if ((type !== 'OAuthUser' && type !== 'IamEntity') || !isText(id) || !Object.values(tags ?? {}).every(isText))
    throw new Error('the principal must be { type: "OAuthUser" or "IamEntity", id }, with texts as tags');
  return { uid: { type: `AgentCore::${type}`, id }, attrs: { id }, parents: [], ...(type === 'OAuthUser' && tags && { tags }) };
}

const isText = (value: unknown) => typeof value === 'string' && value.isWellFormed();
