/** Approvals as interrupts of AG-UI, and the answers to them as decisions. */
import type { Interrupt, ResumeEntry } from '@ag-ui/core';
import type { Approval } from '../../hitl/approvals.ts';
import { copyJson, type Json } from '../../json.ts';
import type { Decision } from '../../ports/tool.ts';
import { HttpError } from '../../server/errors.ts';

/** The id of the interrupt of a question begins with it, so that the answer says by itself how it is to be read. */
const QUESTION = 'answer:';
/** Most answers of a request. */
const MOST_ANSWERS = 100;
/** The reason of a rejection without one. */
const NO_REASON = 'rejected without a reason';

/**
 * Approvals of sub-agents are interrupts of the run, so that a client can answer them.
 * @param callOf the id that the client knows the call by; undefined if it was not told of the call.
 */
export const interruptsOf = (approvals: readonly Approval[], callOf: (approval: Approval) => string | undefined): Interrupt[] =>
  approvals.map((approval) => {
    const { expiresAt } = approval;
    const toolCallId = callOf(approval);
    return {
      ...asked(approval),
      ...(toolCallId !== undefined && { toolCallId }),
      ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt).toISOString() }),
      metadata: { rondo: copyJson(approval) },
    };
  });

function asked(approval: Approval): Pick<Interrupt, 'id' | 'reason' | 'message' | 'responseSchema'> {
  const { id, allow } = approval;
  const why = approval.reason === undefined ? '' : ` (${approval.reason})`;
  if (approval.kind === 'question')
    return {
      id: QUESTION + id,
      reason: 'input_required',
      message: `${approval.question}${why}`,
      responseSchema: copyJson((approval.answer as { [k: string]: unknown } | undefined) ?? { type: 'string' }),
    };
  // clients show buttons only for a schema without further keywords that requires nothing but `approved`
  const properties = {
    approved: { type: 'boolean' },
    ...(allow.includes('edit') && { editedArgs: { type: 'object' } }),
    reason: { type: 'string' },
  };
  const responseSchema = { type: 'object', properties, required: ['approved'] };
  if (approval.kind === 'tool')
    return { id, reason: 'tool_call', message: `May ${approval.path.at(-1)} call ${approval.tool}?${why}`, responseSchema };
  return { id, reason: 'rondo:consent', message: `Consent to ${approval.provider} at ${approval.url}${why}`, responseSchema };
}

/** @throws HttpError 400 for an answer that cannot be read. */
export function decisionsOf(entries: readonly ResumeEntry[]): Decision[] {
  if (entries.length > MOST_ANSWERS) throw new HttpError(400, `resume has at most ${MOST_ANSWERS} entries.`);
  return entries.map(({ interruptId, status, payload }): Decision => {
    const question = interruptId.startsWith(QUESTION);
    const approval = question ? interruptId.slice(QUESTION.length) : interruptId;
    if (status === 'cancelled') return { approval, type: 'reject', reason: 'the person left without an answer' };
    if (question) return { approval, type: 'respond', answer: (payload ?? null) as Json };
    const { approved, editedArgs, reason } = (typeof payload === 'object' ? payload : {}) as { [field: string]: unknown };
    if (typeof approved !== 'boolean' || (reason !== undefined && typeof reason !== 'string'))
      throw new HttpError(400, `The answer to ${interruptId} is { "approved": true or false, "editedArgs"?: ..., "reason"?: "..." }.`);
    if (!approved) return { approval, type: 'reject', reason: reason || NO_REASON };
    const note = reason ? { note: reason } : {};
    return editedArgs === undefined || editedArgs === null
      ? { approval, type: 'approve', ...note }
      : { approval, type: 'edit', input: editedArgs as Json, ...note };
  });
}
