/** What the policies of a gateway said of a call, for the log: those that decide, and what each that only logs would have done. */

import { type PolicyDecision, verdictOf } from '../../../policy/enforced.ts';
import type { Decider, Verdict } from '../../../policy/verdict.ts';

/** In the words of AWS: its metrics for policies have these names. */
export interface PolicyRecord {
  readonly decision: 'ALLOW' | 'DENY';
  /** Of the engine: with `LOG_ONLY` the decision did not hold. */
  readonly mode: 'ENFORCE' | 'LOG_ONLY';
  readonly determiningPolicies: readonly string[];
  /** Why nothing could be decided, or which policies failed. */
  readonly errors?: readonly string[];
  /** The policies with the enforcementMode `LOG_ONLY` that apply to the call. */
  readonly logOnlyMatches?: readonly string[];
  /** Of these, those that would have changed the decision, each by itself beside the policies that decide. */
  readonly logOnlyDecisionFlips?: readonly string[];
  /** Those that could not be evaluated. */
  readonly logOnlyEvalIncomplete?: readonly string[];
}

/** @param alone a decider for each policy that only logs. @param ask asks one about the call. */
export function recordOf(
  { decision, policies, errors }: PolicyDecision,
  mode: PolicyRecord['mode'],
  alone: ReadonlyMap<string, Decider>,
  ask: (decider: Decider) => Verdict,
): PolicyRecord {
  const matches: string[] = [];
  const flips: string[] = [];
  const incomplete: string[] = [];
  for (const [id, decider] of alone) {
    const own = verdictOf(() => ask(decider));
    if (own.errors.length > 0) incomplete.push(id);
    if (!own.policies.includes(id)) continue;
    matches.push(id);
    // a permit changes what no policy applied to, and a forbid what was permitted
    const changes = own.decision === 'allow' ? decision === 'deny' && policies.length === 0 && errors.length === 0 : decision === 'allow';
    if (changes) flips.push(id);
  }
  return {
    decision: decision === 'allow' ? 'ALLOW' : 'DENY',
    mode,
    determiningPolicies: policies,
    ...(errors.length > 0 && { errors }),
    ...(alone.size > 0 && { logOnlyMatches: matches, logOnlyDecisionFlips: flips }),
    ...(incomplete.length > 0 && { logOnlyEvalIncomplete: incomplete }),
  };
}
