/** Helpers that create decisions for `engine.decide()`. */
import { invalid } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Decision } from '../ports/tool.ts';

/** An approval from a run's result or `inspect()`, or its id. */
type Asked = string | { readonly id: string };
function idOf(approval: Asked): string {
  const id: unknown = typeof approval === 'string' ? approval : approval?.id;
  if (typeof id === 'string' && id !== '') return id;
  throw invalid('a decision is about an approval: one of result.approvals or inspect(), or its id: approve(result.approvals[0]).');
}

const noted = (note: string | undefined) => (note === undefined ? {} : { note });

/** Approves the call with its arguments. @param note stored with the decision. */
export const approve = (approval: Asked, note?: string): Decision => ({ approval: idOf(approval), type: 'approve', ...noted(note) });

/** Rejects the call. @param reason shown to the agent. */
export const reject = (approval: Asked, reason: string): Decision => ({ approval: idOf(approval), type: 'reject', reason });

/** Approves the call with other arguments. They are validated and checked by the policy again. */
export const edit = (approval: Asked, input: Json, note?: string): Decision => ({
  approval: idOf(approval),
  type: 'edit',
  input,
  ...noted(note),
});

/** Answers a question. */
export const respond = (approval: Asked, answer: Json, note?: string): Decision => ({
  approval: idOf(approval),
  type: 'respond',
  answer,
  ...noted(note),
});
