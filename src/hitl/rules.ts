/** Approval rules: what makes sense as one, how several apply together, and whether a person satisfies one. */
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule, DecisionType } from '../ports/tool.ts';

/** What is wrong with an approval rule; undefined for one that makes sense. */
export function ruleProblem(rule: unknown, besides: readonly string[] = []): string | undefined {
  if (typeof rule !== 'object' || rule === null || Array.isArray(rule))
    return `an approval rule is true, false, or an object such as { reason, roles, expires }, not ${typeof rule}`;
  // a role under another name would let anyone decide
  const odd = Object.keys(rule).find((key) => !RULE.has(key) && !besides.includes(key));
  if (odd !== undefined) return `an approval rule has no "${odd}": it has ${[...RULE].join(', ')}`;
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
 * Several rules as one: a person must satisfy each. The reasons are joined, the earliest expiry counts.
 * @returns undefined where no role, or no kind of decision, satisfies them all.
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
    ...(roles && { roles }),
    ...(allow && { allow }),
    ...(expires.length > 0 && { expires: Math.min(...expires) }),
  };
}

/** What all lists have in common; a list that is left out has everything. */
function common<T>(lists: readonly (readonly T[] | undefined)[]): readonly T[] | undefined {
  const given = lists.filter((list) => list !== undefined);
  return given.length === 0 ? undefined : given.reduce((a, b) => a.filter((item) => b.includes(item)));
}

/** Whether a rule lets this person decide so: with one of its roles, and not for a run of their own. */
export const mayDecide = (by: Principal, type: DecisionType, { roles, allow }: ApprovalRule, requester: Principal | undefined) =>
  (!allow || allow.includes(type)) && (!roles || (roles.some((role) => by.roles?.includes(role)) && by.id !== requester?.id));
