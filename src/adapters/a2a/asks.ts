/** The questions of a remote agent to people, and their answers. A question is untrusted text: it is shown to people and decides nothing. */
import type { Message } from '@a2a-js/sdk';
import { ToolError } from '../../errors.ts';
import { askOf, LIMIT, webAddress } from '../../foreign/ask-of.ts';
import { cut } from '../../json-schema/size.ts';
import type { Ask, TurnContext } from '../../ports/foreign.ts';
import type { Decision } from '../../ports/tool.ts';
import { dataOf, dataPart, textOf, textPart } from './parts.ts';

/** The id of the ask of a peer that asks in plain text. */
const WORDS = 'input';

type Answers = readonly { id: string; decision: Decision }[];

/**
 * @param auth whether the task waits for consent, not for input.
 * @param secrets masked before texts are cut, because a secret that is cut in half would no longer be found.
 * @param refused why the peer refused the last answer and asks again.
 */
export function asksOf(
  name: string,
  page: string,
  auth: boolean,
  message: Message | undefined,
  secrets: TurnContext['secrets'],
  refused?: string,
): readonly [Ask, ...Ask[]] {
  const asks = asked(name, page, auth, message, secrets);
  if (refused === undefined) return asks;
  const again = ({ reason }: Ask) =>
    cut(`The agent did not take the answer: ${refused}${reason === undefined ? '' : ` (${reason})`}`, LIMIT.text);
  return asks.map((ask) => ({ ...ask, reason: again(ask) })) as [Ask, ...Ask[]];
}

function asked(
  name: string,
  page: string,
  auth: boolean,
  message: Message | undefined,
  secrets: TurnContext['secrets'],
): readonly [Ask, ...Ask[]] {
  const parts = message?.parts ?? [];
  const listed = dataOf(parts).find((d) => Array.isArray(d.approvals))?.approvals as unknown[] | undefined;
  if (listed) {
    const [first, ...rest] = listed.slice(0, LIMIT.asks).map((a) => askOf(secrets.maskJson(a), (what) => strange(name, what)));
    if (!first || listed.length > LIMIT.asks) throw strange(name, `${listed.length} approvals`);
    return [first, ...rest];
  }
  const text = cut(secrets.mask(textOf(parts)), LIMIT.text);
  if (!auth) return [{ id: WORDS, kind: 'question', question: text || `The agent ${name} needs more to go on.` }];
  const url = /https?:\/\/[^\s"'<>)\]]+/.exec(text)?.[0];
  return [{ id: WORDS, kind: 'consent', provider: name, url: webAddress(url) ?? page, ...(text && { reason: text }) }];
}

const strange = (name: string, what: string) =>
  new ToolError('A2A_BAD_RESPONSE', `agent "${name}" asks for something that makes no sense: ${what}.`, { outcome: 'unknown' });

/** The message parts that carry the decisions to the peer. */
export function answering(answers: Answers): Message['parts'] {
  const [only] = answers;
  if (only?.id === WORDS) return [textPart(inWords(only.decision))];
  return [dataPart({ decisions: answers.map(({ id, decision }) => ({ ...decision, approval: id })) })];
}

function inWords(decision: Decision): string {
  switch (decision.type) {
    case 'respond':
      return typeof decision.answer === 'string' ? decision.answer : JSON.stringify(decision.answer);
    case 'reject':
      return `Declined: ${decision.reason}`;
    case 'edit':
      return JSON.stringify(decision.input);
    case 'approve':
      return 'Done, please go on.';
  }
}

/** The reason, if a person refused the consent that a peer asked for in plain text. Such a peer would take any answer for consent. */
export const refusedConsent = (auth: boolean, answers: Answers): string | undefined => {
  const [only] = answers;
  return auth && only?.id === WORDS && only.decision.type === 'reject' ? only.decision.reason : undefined;
};
