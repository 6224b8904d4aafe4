/** Asks the policy and the guardrails about a value on its way in or out. What they cannot be asked about is withheld. */
import { copyJson, type Json } from '../json.ts';
import type { Guardrail, GuardrailVerdict, Judged } from '../ports/guardrail.ts';
import type { ContentRequest, Policy } from '../ports/policy.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import { messageOf } from '../reliability/classify.ts';
import { inTime } from '../reliability/patience.ts';
import { type Asking, guarded, guards } from './guardrails.ts';
import { HOOK_TIMEOUT, reasonOf, ruledBy } from './policy.ts';

/** What an engine was given. */
export interface Checks {
  readonly policy: Pick<Policy, 'content'> | undefined;
  /** Asked in this order, after the policy. */
  readonly guardrails: readonly Guardrail[];
}

/** The ruling on a value: unchanged, replaced, or withheld with a reason. `code`: a guardrail could not be asked. */
export type Allowed = Judged & ({ ok: true; replaced?: Json } | { ok: false; reason: string; code?: 'GUARDRAIL_FAILED' });

/** By kind of value: whether `asked` anything is asked about it, and whether nothing of it may be shown before (`held`). */
export type Points = { readonly [point in ContentRequest['point']]: { readonly asked: boolean; readonly held: boolean } };

/** Decided once for an engine, so that a run without checks does not look for them. */
export function pointsOf({ policy, guardrails }: Checks): Points {
  const of = (point: ContentRequest['point']) => {
    const held = guards(guardrails, point);
    return { asked: held || policy?.content !== undefined, held };
  };
  return { input: of('input'), output: of('output'), result: of('result') };
}

/** Asks the policy, and the guardrails about what it made of the value. */
export async function allowedContent({ policy, guardrails }: Checks, r: ContentRequest, o: Asking = {}): Promise<Allowed> {
  const allowed = await allowedByPolicy(policy, r, o.cancel);
  if (!allowed.ok || guardrails.length === 0) return allowed;
  const { value, changed, blocked, verdicts } = await guarded(guardrails, { ...r, value: allowed.replaced ?? r.value }, o);
  return ruling({ value, changed: changed || allowed.replaced !== undefined, blocked, verdicts });
}

/** What guardrails alone say about a value. */
export async function allowedByGuardrails({ guardrails }: Checks, r: ContentRequest, o: Asking): Promise<Allowed> {
  return ruling(await guarded(guardrails, r, o));
}

function ruling({ value, changed, blocked, verdicts: all }: Awaited<ReturnType<typeof guarded>>): Allowed {
  const verdicts: readonly GuardrailVerdict[] | undefined = all.length > 0 ? all : undefined;
  if (blocked) return { ok: false, reason: blocked.reason, verdicts, ...(blocked.code === 'GUARDRAIL_FAILED' && { code: blocked.code }) };
  return { ok: true, verdicts, ...(changed && { replaced: value }) };
}

async function allowedByPolicy(policy: Pick<Policy, 'content'> | undefined, r: ContentRequest, cancel?: CancelSource): Promise<Allowed> {
  if (!policy?.content) return { ok: true };
  try {
    const said = await inTime(policy.content({ ...r, value: copyJson(r.value) }), HOOK_TIMEOUT, 'the policy', cancel);
    const { allow, reason, value } = ruledBy(policy, 'content', said);
    if (allow !== true) return { ok: false, reason: reasonOf(reason, 'the policy does not allow it') };
    return value === undefined ? { ok: true } : { ok: true, replaced: copyJson(value as Json) };
  } catch (error) {
    // also if the run was halted meanwhile: the result is still journaled, without the value
    return { ok: false, reason: `the policy could not be asked: ${messageOf(error)}` };
  }
}
