/** Decisions in a word: for `engine.decide()`. */
import type { Json } from '../json.ts';
import type { Decision } from '../ports/tool.ts';

/** An approval as a run or `inspect()` gives it, or its id. */
type Asked = string | { readonly id: string };
const idOf = (approval: Asked) => (typeof approval === 'string' ? approval : approval.id);
const noted = (note: string | undefined) => (note === undefined ? {} : { note });

/** Lets the call go on as it was asked for. @param note kept with the decision. */
export const approve = (approval: Asked, note?: string): Decision => ({ approval: idOf(approval), type: 'approve', ...noted(note) });

/** Refuses the call. @param reason what the agent is told. */
export const reject = (approval: Asked, reason: string): Decision => ({ approval: idOf(approval), type: 'reject', reason });

/** Lets the call go on with other arguments. They are validated, and checked by the policy again. */
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
