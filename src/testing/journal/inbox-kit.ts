/** What the tests of the inbox share. */
import type { Inbox, Signal, WaitChange } from '../../journal/inbox.ts';
import type { Journal, RunHead } from '../../journal/port.ts';
import { all, entry, head } from './kit.ts';

export type Listening = Journal & { readonly inbox: Inbox };

export const headOf = async (journal: Journal, runId: string): Promise<RunHead | undefined> => (await all(journal.heads({ runId })))[0];

export const NOW = 1_000_000;
export const WEEK = 7 * 86_400_000;
export const TOPIC = { tenant: 't', event: 'reply', key: 'k' };
export const signal = (id: string, more: Partial<Signal> = {}): Signal => ({ ...TOPIC, id, data: { n: id }, by: 'ana', now: NOW, ...more });
export const open = (call: string, more: Partial<Extract<WaitChange, { to: 'open' }>> = {}): WaitChange => ({
  ...TOPIC,
  call,
  to: 'open',
  now: NOW,
  ...more,
});

/** Appends one entry to a run, with changes of waits. */
export async function change(journal: Journal, runId: string, waits: readonly WaitChange[], more: Partial<RunHead> = {}): Promise<void> {
  const { length } = await all(journal.read(runId));
  await journal.append(runId, length, [entry(length)], head(runId, { seq: length + 1, ...more }), { waits });
}

export const ids = async ({ inbox }: Listening, runId: string) => (await inbox.assigned(runId)).map(({ call, event }) => [call, event.id]);
export const states = async ({ inbox }: Listening, tenant: string | undefined = 't') =>
  (await inbox.list(tenant, 9)).map(({ id, state }) => [id, state]);
