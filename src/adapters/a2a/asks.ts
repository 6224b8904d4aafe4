/** The questions of a remote agent to people, and their answers. A question is untrusted text: it is shown to people and decides nothing. */
import type { Message } from '@a2a-js/sdk';
import { ToolError } from '../../errors.ts';
import { plainJson } from '../../json.ts';
import type { Ask, TurnContext } from '../../ports/foreign.ts';
import type { Decision, DecisionType } from '../../ports/tool.ts';
import type { JsonSchema } from '../../schema.ts';
import { cut, LIMIT } from './names.ts';
import { dataOf, dataPart, textOf, textPart } from './parts.ts';

const KINDS: readonly DecisionType[] = ['approve', 'edit', 'reject', 'respond'];
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
    const [first, ...rest] = listed.slice(0, LIMIT.asks).map((a) => askOf(name, secrets.maskJson(a)));
    if (!first || listed.length > LIMIT.asks) throw strange(name, `${listed.length} approvals`);
    return [first, ...rest];
  }
  const text = cut(secrets.mask(textOf(parts)), LIMIT.text);
  if (!auth) return [{ id: WORDS, kind: 'question', question: text || `The agent ${name} needs more to go on.` }];
  const url = /https?:\/\/[^\s"'<>)\]]+/.exec(text)?.[0];
  return [{ id: WORDS, kind: 'consent', provider: name, url: webAddress(url) ?? page, ...(text && { reason: text }) }];
}

function askOf(name: string, value: unknown): Ask {
  const a = (typeof value === 'object' && value !== null ? value : {}) as { [k: string]: unknown };
  if (!isText(a.id, LIMIT.id)) throw strange(name, 'an approval without an id');
  const allow = Array.isArray(a.allow) ? KINDS.filter((k) => (a.allow as unknown[]).includes(k)) : [];
  const ask = {
    id: a.id,
    ...(typeof a.reason === 'string' && { reason: cut(a.reason, LIMIT.text) }),
    ...(allow.length > 0 && { allow }),
    ...rolesOf(name, a.roles),
    ...expiryOf(a.expiresAt),
  };
  if (a.kind === 'tool' && isText(a.tool, LIMIT.id)) return { ...ask, kind: 'tool', tool: a.tool, input: plainJson(a.input) ?? null };
  if (a.kind === 'question' && isText(a.question, LIMIT.text)) {
    const schema = typeof a.answer === 'object' && a.answer !== null ? (plainJson(a.answer) as JsonSchema) : undefined;
    return { ...ask, kind: 'question', question: a.question, ...(schema && { answer: schema }) };
  }
  const url = a.kind === 'consent' ? webAddress(a.url) : undefined;
  if (url && isText(a.provider, LIMIT.id)) return { ...ask, kind: 'consent', provider: a.provider, url };
  throw strange(name, `an approval of kind ${JSON.stringify(a.kind)?.slice(0, 50)}`);
}

/** Ten years in milliseconds. A later expiry is ignored. */
const LATEST = 315_576_000_000;

function expiryOf(at: unknown): { expires?: number } {
  const expires = typeof at === 'number' ? at - Date.now() : Number.NaN;
  return expires > 0 && expires < LATEST ? { expires } : {};
}

/** The roles that the peer requires. It would refuse the answer of anyone else. */
function rolesOf(name: string, roles: unknown): { roles?: readonly string[] } {
  if (roles === undefined || roles === null) return {};
  if (!Array.isArray(roles) || roles.length === 0 || roles.length > LIMIT.asks || !roles.every((role) => isText(role, LIMIT.id)))
    throw strange(name, 'an approval with roles that are none');
  return { roles };
}

const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value !== '' && value.length <= max;

/** An http or https URL, which is safe to open in a browser; undefined for any other value. */
function webAddress(value: unknown): string | undefined {
  if (typeof value !== 'string' || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined;
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
