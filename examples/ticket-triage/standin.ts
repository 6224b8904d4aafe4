/**
 * The offline stand-in: a normal model adapter whose answers come from fixed rules, not from a model. It is a pure function of the
 * request, without a clock, a database or memory, so a run can continue in any process. Its reasoning names the rule that fired. Tokens
 * are an estimate, bytes / 4.
 */
import type { Model, ModelRequest, ModelResponse, Part } from 'rondo';
import { mailOf } from './drafts.ts';
import { type Observed, observe, type Seen } from './observed.ts';
import { TASK } from './usage.ts';

export const OTHER_TASK =
  'I only know this job: top three open tickets, check known issues, draft replies, mail the team. For any other, set RONDO_MODEL=<provider>:<model id>.';

export function standIn(): Model {
  return {
    provider: 'standin',
    id: 'ticket-rules',
    standin: true,
    maxOutput: 2_000,
    async generate(request, { emit }) {
      const { rule, parts } = decide(request);
      const content: Part[] = [{ type: 'reasoning', text: rule }, ...parts];
      for (const part of content) if (part.type === 'text' || part.type === 'reasoning') emit?.({ type: part.type, text: part.text });
      const stop = parts.some((p) => p.type === 'toolCall') ? 'tools' : 'end';
      return { content, stop, usage: { input: estimate(request), output: estimate(content) } } satisfies ModelResponse;
    },
  };
}

/** About how many tokens a model would count. */
const estimate = (value: unknown) => Math.ceil(Buffer.byteLength(JSON.stringify(value)) / 4);

interface Move {
  rule: string;
  parts: Part[];
}

/** The rules, first match first. */
export function decide(request: ModelRequest): Move {
  const seen = observe(request.messages);
  if (words(seen.task) !== words(TASK)) return say('rule 0: a task that no rule knows', OTHER_TASK);
  const { list, searches, mail } = seen;

  if (!list) return call('rule 1: nothing read yet, list open tickets', [listTickets(1)]);
  if (!list.ok) {
    if (list.failure.retryable && list.tries === 1) return call('rule 3: the list cannot be read, try once more', [listTickets(2)]);
    return say('rule 3: the list cannot be read, give up', `The tickets could not be read (${list.failure.code}). Nothing was mailed.`);
  }
  if (list.tickets.length === 0) return say('rule 3: no ticket is open', 'No ticket is open. Nothing was mailed.');

  const unread = list.tickets.filter((t) => !searches.has(t.id));
  if (unread.length > 0)
    return call(
      `rule 2: search known issues, ${unread.length === 1 ? 'one call' : `${NUMBERS[unread.length] ?? unread.length} calls in parallel`}`,
      unread.map((t) => search(t, 1)),
    );
  const again = list.tickets.filter((t) => mayRetry(searches.get(t.id)));
  if (again.length > 0 && !mail)
    return call(
      'rule 5: retryable error, try once more',
      again.map((t) => search(t, 2)),
    );

  if (!mail) {
    const unchecked = list.tickets.filter((t) => !searches.get(t.id)?.ok).map((t) => t.id);
    const drafts = `draft ${NUMBERS[list.tickets.length] ?? list.tickets.length} ${list.tickets.length === 1 ? 'reply' : 'replies'}`;
    const rule = unchecked.length
      ? `rule 6: still failing, ${drafts}, mark ${unchecked.join(', ')} unchecked`
      : `rule 4: all are checked, ${drafts}`;
    return call(rule, [{ type: 'toolCall', id: 'mail-1', name: 'send_mail', input: mailOf(seen as Seen & { list: typeof list }) }]);
  }
  return report(mail, seen);
}

function report(mail: NonNullable<Seen['mail']>, { list, searches }: Seen): Move {
  const tickets = list?.ok ? list.tickets : [];
  const unchecked = tickets.filter((t) => !searches.get(t.id)?.ok).map((t) => t.id);
  const done = `${tickets.length} tickets triaged (${tickets.map((t) => t.id).join(', ')})${unchecked.length ? `, not checked: ${unchecked.join(', ')}` : ''}.`;
  if (mail.ok) return say('rule 7: the mail is sent, report', `${done} The drafts were mailed to the support team.`);
  const { code, outcome, message } = mail.failure;
  if (outcome === 'unknown')
    return say(
      'rule 8: it is unknown whether the mail was sent, do not send it again',
      `${done} It is UNKNOWN whether the mail was sent (${code}): look into the outbox before you send it again.`,
    );
  return say('rule 9: the mail was not sent, report', `${done} The mail was NOT sent (${code}: ${message}).`);
}

const mayRetry = (o: Observed | undefined) => o !== undefined && !o.ok && o.failure.retryable && o.tries === 1;
const listTickets = (n: number): Part => ({ type: 'toolCall', id: `list-${n}`, name: 'list_tickets', input: { status: 'open', limit: 3 } });
const search = (t: { id: string; title: string }, n: number): Part => ({
  type: 'toolCall',
  id: `search-${t.id}-${n}`,
  name: 'search_issues',
  input: { query: t.title.toLowerCase(), ticket: t.id },
});
const call = (rule: string, parts: Part[]): Move => ({ rule, parts });
const say = (rule: string, text: string): Move => ({ rule, parts: [{ type: 'text', text }] });
const words = (text: string) => text.toLowerCase().match(/\w+/g)?.join(' ') ?? '';
const NUMBERS: Readonly<Record<number, string>> = { 1: 'one', 2: 'two', 3: 'three', 4: 'four', 5: 'five' };
