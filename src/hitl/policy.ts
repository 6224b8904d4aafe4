/** Asks the policy, at each of its points. One that throws, hangs or answers nonsense denies. */
import { copyJson, type Json } from '../json.ts';
import type { AccessRequest, CallRequest, ContentRequest, ContentRuling, Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { ApprovalRule } from '../ports/tool.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { Halted, inTime } from '../reliability/patience.ts';
import { ruleProblem } from './rules.ts';

/** Milliseconds a policy or an approval rule may take; one that takes longer denies. */
export const HOOK_TIMEOUT = 10_000;

/** Who asks for a call, and in which run. */
export interface Asking {
  /** The agents from the top run down to the one that calls. */
  path: readonly string[];
  by: Principal | undefined;
  context: unknown;
  runId: string;
  session: string | undefined;
  /** Of the run: it ends the wait for a rule or a policy. */
  cancel: CancelSource;
}

/**
 * What a sub-agent does is also done for the agents above it: each of them must be allowed to.
 * @returns why the call is denied, or what persons are asked for by each agent on the way.
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
      const { allow, ask, reason } = (ruling ?? {}) as { allow?: unknown; ask?: unknown; reason?: unknown };
      if (ask === undefined) {
        if (allow !== true) return { denied: reasonOf(reason, 'The policy does not allow this call.'), asks };
        continue;
      }
      // a ruling that says both would be read one way by its author, and another way here
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

/** @returns why the caller may not do this; undefined where they may. */
export async function accessProblem(policy: Policy | undefined, r: AccessRequest): Promise<string | undefined> {
  if (!policy?.access) return undefined;
  try {
    const { allow, reason } = await inTime(policy.access(r), HOOK_TIMEOUT, 'the policy');
    return allow === true ? undefined : reasonOf(reason, 'The policy does not allow it.');
  } catch (error) {
    return `The policy could not be asked: ${messageOf(error)}`;
  }
}

/** What the policy makes of a value: nothing, another one in its place, or the reason why it is withheld. */
export type Allowed = { ok: true; replaced?: Json } | { ok: false; reason: string };

export async function allowedContent(policy: Policy | undefined, r: ContentRequest, cancel?: CancelSource): Promise<Allowed> {
  if (!policy?.content) return { ok: true };
  try {
    const ruling: ContentRuling = await inTime(policy.content({ ...r, value: copyJson(r.value) }), HOOK_TIMEOUT, 'the policy', cancel);
    if (ruling.allow !== true) return { ok: false, reason: reasonOf(ruling.reason, 'the policy does not allow it') };
    return ruling.value === undefined ? { ok: true } : { ok: true, replaced: copyJson(ruling.value) };
  } catch (error) {
    // a run that was halted meanwhile too: what has happened is written down all the same, without the value
    return { ok: false, reason: `the policy could not be asked: ${messageOf(error)}` };
  }
}

const reasonOf = (reason: unknown, otherwise: string) => (typeof reason === 'string' && reason !== '' ? bounded(reason) : otherwise);
