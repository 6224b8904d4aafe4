import type { Failure, Message, Part } from 'rondo';
import type { Issue, Ticket } from './tickets/seed.ts';

export type Observed<T = object> = (
  | ({ ok: true } & T)
  | { ok: false; failure: Pick<Failure, 'code' | 'message' | 'retryable' | 'outcome'> }
) & {
  /** How often the agent called it, without the retries inside a call. */
  tries: number;
};

/** The stand-in's knowledge: the newest task, and the tools' results since. */
export interface Seen {
  task: string;
  list?: Observed<{ tickets: Ticket[] }>;
  /** By ticket. */
  searches: Map<string, Observed<{ issues: Issue[] }>>;
  mail?: Observed;
}

/** Reads the conversation from its last task on. */
export function observe(messages: readonly Message[]): Seen {
  const start = messages.findLastIndex((m) => m.role === 'user');
  const seen: Seen = { task: textOf(messages[start]?.content ?? []), searches: new Map() };
  const calls = new Map<string, Extract<Part, { type: 'toolCall' }>>();
  for (const part of messages.slice(start + 1).flatMap((m) => m.content)) {
    if (part.type === 'toolCall') calls.set(part.id, part);
    const call = part.type === 'toolResult' ? calls.get(part.id) : undefined;
    if (part.type !== 'toolResult' || !call) continue;
    if (call.name === 'list_tickets') seen.list = merge(seen.list, read<{ tickets: Ticket[] }>(part, { tickets: [] }));
    if (call.name === 'send_mail') seen.mail = merge(seen.mail, read<object>(part, {}));
    const { ticket } = call.input as { ticket?: string };
    if (call.name === 'search_issues' && ticket)
      seen.searches.set(ticket, merge(seen.searches.get(ticket), read<{ issues: Issue[] }>(part, { issues: [] })));
  }
  return seen;
}

type Read<T> = ({ ok: true } & T) | { ok: false; failure: Pick<Failure, 'code' | 'message' | 'retryable' | 'outcome'> };

function read<T>(part: Extract<Part, { type: 'toolResult' }>, empty: T): Read<T> {
  const text = textOf(part.output);
  if (part.isError)
    return { ok: false, failure: { code: 'FAILED', message: text, retryable: false, outcome: 'failed', ...(parse(text) as object) } };
  return { ok: true, ...empty, ...(parse(text) as T) };
}

function merge<T>(before: Observed<T> | undefined, now: Read<T>): Observed<T> {
  return { ...now, tries: (before?.tries ?? 0) + 1 } as Observed<T>;
}

const textOf = (parts: readonly Part[]) => parts.map((p) => (p.type === 'text' ? p.text : '')).join('');

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}
