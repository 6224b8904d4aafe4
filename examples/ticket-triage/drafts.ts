import type { Seen } from './observed.ts';
import type { Issue, Ticket } from './tickets/seed.ts';

type Listed = Seen & { list: Extract<NonNullable<Seen['list']>, { ok: true }> };

/** The stand-in's mail, built only from what was read. The bodies of tickets are not repeated. */
export function mailOf({ list, searches }: Listed): { to: string; subject: string; body: string } {
  const checked = list.tickets.map((ticket) => {
    const found = searches.get(ticket.id);
    return { ticket, issue: found?.ok ? (found.issues[0] ?? null) : undefined };
  });
  const missing = checked.filter(({ issue }) => issue === undefined).length;
  return {
    to: 'support-team@example.test',
    subject: `${checked.length} tickets triaged${missing ? `, ${missing} NOT CHECKED` : ''}`,
    body: `${checked.map(({ ticket, issue }) => section(ticket, issue).split('\n').map(wrap).join('\n')).join('\n\n')}\n`,
  };
}

/** @param issue null: none is known; undefined: could not be looked up. */
function section(t: Ticket, issue: Issue | null | undefined): string {
  const head = `${t.id} ${t.title} | ${t.customer} | ${t.priority} | since ${t.opened}`;
  const name = t.customer.split(' ')[0];
  if (issue === undefined)
    return `${head}\nNOT CHECKED: the search for known issues failed.\nDraft: Hello ${name}, we have your report and are looking into it. You will hear from us today.`;
  if (issue === null)
    return `${head}\nNo known issue.\nDraft: Hello ${name}, this is new to us. An engineer will look at it and come back to you.`;
  return `${head}\nKnown issue ${issue.id}: ${issue.title}\nDraft: Hello ${name}, we know this one (${issue.id}): ${issue.advice}. Tell us if that does not help.`;
}

/** Short lines, as mail likes them. */
const wrap = (line: string) => line.replace(/(.{1,72})( +|$)/g, '$1\n').trimEnd();
