/** Applies the policy and the guardrails to an agent's answer and to the results of its tools. */
import type { Failure } from '../../errors.ts';
import { type Allowed, allowedByGuardrails, allowedContent } from '../../hitl/content.ts';
import { promptParts, seenOf } from '../../journal/fold/conversation.ts';
import { type Json, plainJson } from '../../json.ts';
import type { Judged } from '../../ports/guardrail.ts';
import type { Part } from '../../ports/model.ts';
import type { ContentRequest } from '../../ports/policy.ts';
import type { Scope } from '../types.ts';
import type { Kept } from './late.ts';

function request({ run, agent }: Scope, point: ContentRequest['point'], value: Json, tool?: string, form?: 'content'): ContentRequest {
  const { runId, started } = run;
  return {
    point,
    by: started.by,
    agent: agent.name,
    runId,
    session: started.session,
    ...(tool !== undefined && { tool }),
    ...(form && { form }),
    value,
  };
}

const asking = ({ frame, cancel }: Scope) => ({ cancel, conversation: () => seenOf(frame) });

/** The final answer, by the policy: guardrails have checked it in `model/said.ts`. */
export const outputAllowed = (scope: Scope, value: Json): Promise<Allowed> =>
  allowedContent({ policy: scope.host.policy, guardrails: [] }, request(scope, 'output', value), asking(scope));

/** What a model, or an agent of another framework, said: by the guardrails. */
export const saidAllowed = (scope: Scope, value: Json, of?: 'reasoning'): Promise<Allowed> =>
  allowedByGuardrails(scope.host, request(scope, 'output', value), { ...asking(scope), ...(of && { of }) });

interface Result extends Judged {
  output?: Json | undefined;
  content?: readonly Part[] | undefined;
}

/**
 * The result of a successful call after the policy and the guardrails. The effect has happened; they can only replace or withhold its
 * result. @param again the guardrails have checked what it holds before, so only the policy is asked.
 */
export async function resultAllowed<R extends Result>(scope: Scope, tool: string, result: R, again = false): Promise<R> {
  const { policy, guardrails } = scope.host;
  const ask = (value: Json, form?: 'content') =>
    allowedContent({ policy, guardrails: again ? [] : guardrails }, request(scope, 'result', value, tool, form), asking(scope));
  const output = await ask(result.output ?? null);
  const content: Allowed = output.ok && result.content ? await ask(plainJson(result.content) ?? null, 'content') : { ok: true };
  const verdicts = [...(output.verdicts ?? []), ...(content.verdicts ?? [])];
  const judged: R = verdicts.length > 0 ? { ...result, verdicts } : result;
  const refused = [output, content].find((allowed) => !allowed.ok);
  if (refused?.ok === false) {
    const told: R = { ...judged, output: `(${tool} succeeded; what it gave is withheld: ${refused.reason})` };
    delete told.content;
    return told;
  }
  return {
    ...judged,
    ...(output.ok && output.replaced !== undefined && { output: output.replaced }),
    ...(content.ok && content.replaced !== undefined && { content: promptParts(content.replaced) }),
  };
}

/** A late result: what the model has seen does not change, but the journal has it. */
export function lateAllowed(scope: Scope, tool: string, output: Json): Kept | Promise<Kept> {
  return scope.host.checks.result.asked ? resultAllowed<Kept>(scope, tool, { output }) : { output };
}

/** A failure after the guardrails: what went wrong may quote what a service holds. */
export async function failureAllowed<F extends Judged & { error?: Failure }>(scope: Scope, tool: string, failed: F): Promise<F> {
  const { error } = failed;
  if (!error || scope.host.guardrails.length === 0) return failed;
  const { message } = error;
  const allowed = await allowedByGuardrails(scope.host, request(scope, 'result', message, tool), asking(scope));
  const told = !allowed.ok ? `(withheld: ${allowed.reason})` : typeof allowed.replaced === 'string' ? allowed.replaced : message;
  return { ...failed, error: { ...error, message: told }, ...(allowed.verdicts && { verdicts: allowed.verdicts }) };
}
