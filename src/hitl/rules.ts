/** Approval rules: validates them, combines several, and checks whether a person satisfies one. */
import { hint } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, DecisionType } from '../ports/tool.ts';

/** Why an approval rule is invalid; undefined if it is valid. @param besides names of further fields that are allowed. */
export function ruleProblem(rule: unknown, besides: readonly string[] = []): string | undefined {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule))
    return `an approval rule is true, false, or an object such as { reason, roles, expires }, not ${typeof rule}`;
  // unknown fields are refused: with a misspelt `roles`, anyone could decide
  const odd = Object.entries(rule).find(([key, value]) => value !== undefined && !RULE.has(key) && !besides.includes(key))?.[0];
  if (odd !== undefined)
    return `an approval rule has no "${odd}". ${hint(odd, [...RULE]).replace(/\.$/, '')}, as in { roles: ['lead'], expires: 86_400_000 }`;
  const { reason, roles, expires, allow } = rule as ApprovalRule;
  if (reason !== undefined && typeof reason !== 'string') return 'reason must be a text';
  const texts = (list: unknown) => Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === 'string' && item !== '');
  if (roles !== undefined && !texts(roles)) return 'roles must be a list of texts that is not empty';
  if (expires !== undefined && !(typeof expires === 'number' && expires > 0)) return 'expires must be a number of milliseconds above 0';
  if (allow !== undefined && !(texts(allow) && allow.every((type) => DECISIONS.has(type))))
    return 'allow must be a list of approve, edit, reject, respond';
  return undefined;
}

const RULE: ReadonlySet<string> = new Set(['reason', 'roles', 'expires', 'allow'] satisfies (keyof ApprovalRule)[]);
const DECISIONS: ReadonlySet<string> = new Set(['approve', 'edit', 'reject', 'respond']);

/**
 * Combines rules: a person must satisfy each. The reasons are joined, and the earliest expiry counts.
 * @returns undefined if no role, or no type of decision, satisfies all of them.
 */
export function together(rules: readonly ApprovalRule[]): ApprovalRule | undefined {
  const [first, ...others] = rules;
  if (others.length === 0) return first ?? {};
  const roles = common(rules.map((rule) => rule.roles));
  const allow = common<DecisionType>(rules.map((rule) => rule.allow));
  if (roles?.length === 0 || allow?.length === 0) return undefined;
  const reasons = rules.flatMap(({ reason }) => (reason === undefined ? [] : [reason]));
  const expires = rules.flatMap((rule) => (rule.expires === undefined ? [] : [rule.expires]));
  return {
    ...(reasons.length > 0 && { reason: [...new Set(reasons)].join('; ') }),
    roles,
    allow,
    ...(expires.length > 0 && { expires: Math.min(...expires) }),
  };
}

/** The intersection of the lists. An undefined list stands for everything. */
function common<T>(lists: readonly (readonly T[] | undefined)[]): readonly T[] | undefined {
  const given = lists.filter((list) => list !== undefined);
  return given.length === 0 ? undefined : given.reduce((a, b) => a.filter((item) => b.includes(item)));
}

/** Whether a rule allows this person to make this type of decision. If it names roles, the person who started the run may not decide. */
export const mayDecide = (by: Principal, type: DecisionType, { roles, allow }: ApprovalRule, requester: Principal | undefined) =>
  (!allow || allow.includes(type)) && (!roles || (roles.some((role) => by.roles?.includes(role)) && by.id !== requester?.id));
