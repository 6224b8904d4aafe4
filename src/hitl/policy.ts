/** Asks the policy. A policy that throws, hangs or returns an invalid ruling denies. */
import { copyJson } from '../json.ts';
import { shown } from '../options.ts';
import type { AccessRequest, CallRequest, Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule } from '../ports/tool.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { Halted, inTime } from '../reliability/patience.ts';
import { warnOnce } from '../reliability/warn.ts';
import { ruleProblem } from './rules.ts';

/** Milliseconds that a policy or an approval rule may take. After that it denies. */
export const HOOK_TIMEOUT = 10_000;

/** The caller of a tool, and its run. */
export interface Asking {
  /** The agents from the run's top agent down to the one that calls. */
  path: readonly string[];
  /** The principal of the run; undefined for a run of the application. */
  by: Principal | undefined;
  /** As the application passed it. */
  context: unknown;
  runId: string;
  /** The session as the application named it. */
  session: string | undefined;
  /** The run's cancellation. It ends the wait for a rule or a policy. */
  cancel: CancelSource;
}

/**
 * Asks the policy about a call. A sub-agent acts for the agents above it, so the call must be allowed for each of them.
 * @returns why the call is denied, or the approvals that the policy requires for each agent on the path.
 */
export async function permission(
  policy: Policy,
  { path, by, context, runId, session, cancel }: Asking,
  call: Omit<CallRequest, 'by' | 'agent' | 'context' | 'runId' | 'session'>,
): Promise<{ denied?: string; asks: readonly ApprovalRule[] }> {
  const asks: ApprovalRule[] = [];
  for (const agent of new Set(path)) {
    try {
      const asked = policy.decide({ ...copyJson(call), by, agent, context, runId, session });
      const ruling: unknown = await inTime(asked, HOOK_TIMEOUT, 'the policy', cancel);
      const { allow, ask, reason } = ruledBy(policy, 'decide', ruling);
      if (ask === undefined) {
        if (allow !== true) return { denied: reasonOf(reason, 'The policy does not allow this call.'), asks };
        continue;
      }
      // a ruling with both is ambiguous, so it denies
      const wrong = allow !== undefined ? 'a ruling is { allow } or { ask }, not both' : ask === true ? undefined : ruleProblem(ask);
      if (wrong !== undefined)
        return { denied: `The policy asked for an approval that makes no sense, so the call is denied: ${wrong}.`, asks };
      const rule = ask === true ? {} : (ask as ApprovalRule);
      asks.push({ ...rule, ...(rule.reason === undefined && typeof reason === 'string' && { reason: bounded(reason) }) });
    } catch (error) {
      if (error instanceof Halted) throw error;
      return { denied: `The policy could not be asked, so the call is denied: ${messageOf(error)}`, asks };
    }
  }
  return { asks };
}

/** What the methods of a policy return, for the message about one that returns something else. */
const RULINGS = {
  decide: '{ allow: true }, { allow: false, reason }, or { ask: true }',
  access: '{ allow: true }, or { allow: false, reason }',
  content: '{ allow: true }, { allow: true, value }, or { allow: false, reason }',
};

/** The fields of a ruling, none of which is checked. The operator is told once of an answer that is not a ruling, because all that it does is deny. */
export function ruledBy(
  policy: object,
  method: keyof typeof RULINGS,
  said: unknown,
): { readonly allow?: unknown; readonly ask?: unknown; readonly reason?: unknown; readonly value?: unknown } {
  const ruling = typeof said === 'object' && said !== null ? (said as { readonly allow?: unknown; readonly ask?: unknown }) : {};
  if (typeof ruling.allow !== 'boolean' && !(method === 'decide' && ruling.ask !== undefined)) {
    const returned = said === undefined ? 'nothing' : shown(said);
    warnOnce(policy, method, `policy.${method} returned ${returned}, which denies. It returns ${RULINGS[method]}.`);
  }
  return ruling;
}

/** The policy if it is asked about calls. */
export const callPolicy = (policy: Partial<Policy> | undefined): Policy | undefined => (decides(policy) ? policy : undefined);

const decides = (policy: Partial<Policy> | undefined): policy is Policy => Boolean(policy?.decide);

/** @returns why access is denied; undefined if it is allowed. */
export async function accessProblem(policy: Pick<Policy, 'access'> | undefined, r: AccessRequest): Promise<string | undefined> {
  if (!policy?.access) return undefined;
  try {
    const { allow, reason } = ruledBy(policy, 'access', await inTime(policy.access(r), HOOK_TIMEOUT, 'the policy'));
    return allow === true ? undefined : reasonOf(reason, 'The policy does not allow it.');
  } catch (error) {
    return `The policy could not be asked: ${messageOf(error)}`;
  }
}

/** The reason that user code gave, bounded. */
export const reasonOf = (reason: unknown, otherwise: string) => (typeof reason === 'string' && reason !== '' ? bounded(reason) : otherwise);
