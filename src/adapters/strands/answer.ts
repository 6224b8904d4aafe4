import type { Approval } from '../../hitl/approvals.ts';
import type { Json } from '../../json.ts';
import type { Decision } from '../../ports/tool.ts';

const YES = new Set(['y', 'yes', 'approve', 'approved', 'true']);
const NO = new Set(['n', 'no', 'reject', 'rejected', 'deny', 'denied', 'false']);

/**
 * The decision in a response to a Strands interrupt: a Rondo decision (`{ type: 'edit', input }`), the answer to a question, or a plain
 * yes or no to a call. Anything else approves nothing.
 */
export function decisionOf({ id, kind, allow }: Approval, response: Json): Decision {
  const form = decisionForm(response);
  if (form && allow.includes(form.type)) return { ...form, approval: id } as Decision;
  if (kind === 'question') return { approval: id, type: 'respond', answer: response };
  const word = typeof response === 'string' ? response.trim().toLowerCase() : response;
  if (word === true || (typeof word === 'string' && YES.has(word))) return { approval: id, type: 'approve' };
  const said = typeof word === 'string' && word !== '' && !NO.has(word) ? (response as string) : 'A person rejected it.';
  return { approval: id, type: 'reject', reason: said };
}

function decisionForm(response: Json): { type: Decision['type'] } | undefined {
  if (typeof response !== 'object' || response === null || Array.isArray(response)) return undefined;
  const { type, reason, input, answer } = response as { readonly [k: string]: Json };
  if (type === 'approve') return { type };
  if (type === 'reject') return { type, reason: typeof reason === 'string' ? reason : 'A person rejected it.' } as { type: 'reject' };
  if (type === 'edit' && input !== undefined) return { type, input } as { type: 'edit' };
  if (type === 'respond' && answer !== undefined) return { type, answer } as { type: 'respond' };
  return undefined;
}
