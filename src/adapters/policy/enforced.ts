/** Policies as a `Policy`: every failure denies, and a mode that only logs denies nothing. */
import { heard } from '../../journal/heard.ts';
import type { CallRequest, OffersRequest, Policy, Ruling } from '../../ports/policy.ts';
import type { Principal } from '../../ports/principal.ts';
import { messageOf } from '../../reliability/classify.ts';
import { type CedarPrincipal, entityOf } from './principals.ts';
import type { Decider, Verdict } from './verdict.ts';

/** What the policies said of a call. */
export interface PolicyDecision {
  decision: 'allow' | 'deny';
  /** Whether the decision held: not with `LOG_ONLY`. */
  enforced: boolean;
  /** The ids of the policies that decided: those that permit it, or those that forbid it. Empty: none permits it, or see `errors`. */
  policies: readonly string[];
  /** Why nothing could be decided, or which policies failed. A call that cannot be decided is denied, and so is one whose `forbid` fails. */
  errors: readonly string[];
  /** The call: its tool, principal, agent, run and session. */
  call: Pick<CallRequest, 'tool' | 'by' | 'agent' | 'runId' | 'session'>;
}

export interface Enforcing {
  /** Default `ENFORCE`. `LOG_ONLY` allows every call and tells `onDecision` what it would have done. */
  mode: 'ENFORCE' | 'LOG_ONLY';
  /** Default: an `OAuthUser` with tags. See `oauthUser` and `iamEntity`. Undefined: the call is denied. */
  principal: (by: Principal | undefined) => CedarPrincipal | undefined;
  /** Called after each decision. What it throws is a warning, and changes nothing. */
  onDecision: ((decision: PolicyDecision) => void) | undefined;
  /** The time of `context.system.now`, epoch milliseconds. Default: this machine's. */
  now: () => number;
}

export interface Enforced extends Policy {
  decide(r: CallRequest): Ruling;
  offers(r: OffersRequest): readonly string[];
}

/** @param current what decides now. @throws nothing: a call that cannot be decided is denied. */
export function enforced(current: () => Decider, { mode, principal, onDecision, now }: Enforcing): Enforced {
  function told(r: CallRequest, { decision, policies, errors }: Verdict): void {
    const { tool, by, agent, runId, session } = r;
    heard(onDecision, [{ decision, enforced: mode === 'ENFORCE', policies, errors, call: { tool, by, agent, runId, session } }], (error) =>
      process.emitWarning(`onDecision of a policy in Cedar failed: ${messageOf(error)}`, 'RondoWarning'),
    );
  }
  return {
    decide(r) {
      const verdict = verdictOf(() => current().call(entityOf(r.by, principal), r, now()));
      told(r, verdict);
      return mode === 'LOG_ONLY' || verdict.decision === 'allow' ? { allow: true } : { allow: false, reason: reasonOf(verdict) };
    },
    offers({ by, agent, tools }) {
      if (mode === 'LOG_ONLY') return tools;
      const caller = entityOf(by, principal);
      return caller ? current().offers(caller, agent, tools) : [];
    },
  };
}

/** Never throws: what cannot be decided is denied. */
export function verdictOf(ask: () => Verdict): Verdict {
  try {
    return ask();
  } catch (error) {
    return { decision: 'deny', policies: [], errors: [messageOf(error)] };
  }
}

/** Why a call is denied, in the words of AgentCore. */
function reasonOf({ policies, errors }: Verdict): string {
  const why =
    policies.length > 0
      ? `Policy evaluation denied due to ${policies.join(', ')}`
      : errors.length > 0
        ? `It could not be decided: ${errors.join('; ')}`
        : 'No policy applies to the request (denied by default).';
  return `Tool call not allowed due to policy enforcement [${why}]`;
}
