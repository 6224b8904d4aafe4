/** Approvals in A2A messages: the questions to a remote caller, and the caller's decisions. */
import type { Message } from '@a2a-js/sdk';
import { RequestMalformedError, UnsupportedOperationError } from '@a2a-js/sdk/errors';
import { LIMIT } from '../../foreign/ask-of.ts';
import type { Approval } from '../../hitl/approvals.ts';
import type { Json } from '../../json.ts';
import { cut } from '../../json-schema/size.ts';
import type { Decision } from '../../ports/tool.ts';
import { dataOf, dataPart, textPart } from './parts.ts';

/** The parts of a message with open approvals: as text for people, and as data for programs. */
export function asking(approvals: readonly Approval[]): Message['parts'] {
  const data = { approvals: JSON.parse(JSON.stringify(approvals)) as Json };
  return [textPart(`${approvals.map(sentence).join('\n')}\n${howTo(approvals)}`), dataPart(data)];
}

function sentence(a: Approval): string {
  const why = a.reason === undefined ? '' : ` (${a.reason})`;
  if (a.kind === 'question') return `${a.question}${why}`;
  if (a.kind === 'consent') return `Consent to ${a.provider} at ${a.url}${why}.`;
  return `May ${a.path.at(-1)} call ${a.tool} with ${cut(JSON.stringify(a.input), 2_000)}${why}?`;
}

function howTo(approvals: readonly Approval[]): string {
  const data = 'a data part { "decisions": [{ "approval": id, "type": ... }] }';
  const [only] = approvals;
  if (approvals.length !== 1 || !only) return `Answer each in ${data}.`;
  if (only.kind === 'question') return `Answer with a text on this task, or in ${data}.`;
  return `Answer "approve" or "reject <reason>" on this task, or in ${data}.`;
}

/**
 * The decisions in a message. Data takes precedence. Text is accepted only if it is unambiguous: exactly one approval is open, and the
 * whole text is an answer to it.
 * @throws RequestMalformedError if the message decides nothing, UnsupportedOperationError if no approval is open.
 */
export function decisionsIn(message: Message, open: readonly Approval[]): Decision[] {
  const [data, second] = dataOf(message.parts).filter((d) => 'decisions' in d);
  if (second) throw new RequestMalformedError('Send one list of decisions.');
  if (data) {
    const { decisions } = data;
    if (!Array.isArray(decisions) || decisions.length === 0 || decisions.length > LIMIT.asks)
      throw new RequestMalformedError(`decisions is a list of 1 to ${LIMIT.asks}: [{ "approval": id, "type": "approve" }].`);
    if (!decisions.every((d) => typeof d === 'object' && d !== null && typeof d.approval === 'string'))
      throw new RequestMalformedError('Each decision names its approval: { "approval": id, "type": "approve" }.');
    return decisions as Decision[];
  }
  const [only] = open;
  if (!only) throw new UnsupportedOperationError('This task does not wait for an answer.');
  const texts = message.parts.map((p) => (p.content?.$case === 'text' ? p.content.value.trim() : undefined));
  const [text] = texts;
  if (open.length > 1 || texts.length !== 1 || !text) throw new RequestMalformedError(`Nothing was decided. ${howTo(open)}`);
  return [inWords(only, text)];
}

function inWords(approval: Approval, text: string): Decision {
  const { id, allow } = approval;
  const rejected = /^reject(?:[\s:,]+(.*))?$/is.exec(text);
  if (approval.kind === 'question') {
    if (allow.includes('respond')) return { approval: id, type: 'respond', answer: text };
  } else if (/^approve[.!]?$/i.test(text) && allow.includes('approve')) return { approval: id, type: 'approve' };
  else if (rejected && allow.includes('reject')) return { approval: id, type: 'reject', reason: rejected[1] || 'without a reason' };
  throw new RequestMalformedError(`Nothing was decided. ${howTo([approval])}`);
}
