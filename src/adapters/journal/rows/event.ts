/** Events, waits and what assigns one to the other as rows: their columns, and the checksums that detect changes by others. */
import { crc32 } from 'node:zlib';
import type { CallId } from '../../../journal/entries/entries.ts';
import { eventDamaged } from '../../../journal/errors.ts';
import { type DeadFilter, isDead, type StoredEvent, topicOf } from '../../../journal/inbox.ts';
import type { Json } from '../../../json.ts';

export interface EventRow {
  nr: number;
  tenant: string | null;
  id: string;
  topic: string;
  state: StoredEvent['state'];
  at: number;
  until: number;
  sender: string;
  /** The rest of the event, as JSON. */
  body: string;
  checksum: number;
}
export interface UseRow {
  event: number;
  run: string;
  call: CallId;
  checksum: number;
}
export interface WaitRow {
  run: string;
  call: CallId;
  topic: string;
  checksum: number;
}
type Body = Pick<StoredEvent, 'event' | 'key' | 'digest' | 'had' | 'problem' | 'dismissed'> & { data?: Json };

/** The row of an event. */
export function eventRowOf(event: StoredEvent): EventRow {
  const { nr, tenant = null, id, state, at, until, by: sender, event: name, key, data, digest, had, problem, dismissed } = event;
  const body = JSON.stringify({ event: name, key, data, digest, had, problem, dismissed } satisfies { [F in keyof Body]: unknown });
  const row = { nr, tenant, id, topic: topicOf(event), state, at, until, sender, body };
  return { ...row, checksum: checksumOf(row) };
}

/** The checksum of a wait. */
export const waitSum = (run: string, call: CallId, topic: string) => crc32(JSON.stringify([run, call, topic]));
/** @throws RondoError `JOURNAL_DAMAGED` */
export function waitOf({ run, call, topic, checksum }: WaitRow): { run: string; call: CallId } {
  if (checksum !== waitSum(run, call, topic)) throw eventDamaged();
  return { run, call };
}

/** The checksum of an assignment. */
export const useSum = (event: number, run: string, call: CallId) => crc32(JSON.stringify([event, run, call]));
/** @throws RondoError `JOURNAL_DAMAGED` */
export function useOf(use: UseRow): UseRow {
  if (!isSound(use)) throw eventDamaged(use.event);
  return use;
}

export const isSound = ({ event, run, call, checksum }: UseRow) => checksum === useSum(event, run, call);

const checksumOf = ({ nr, tenant, id, topic, state, at, until, sender, body }: Omit<EventRow, 'checksum'>) =>
  crc32(JSON.stringify([nr, tenant, id, topic, state, at, until, sender, body]));

/** @throws RondoError `JOURNAL_DAMAGED`: an event that is misread could go to the wrong run, or be lost. */
export function eventOf(row: EventRow): StoredEvent {
  if (row.checksum !== checksumOf(row)) throw eventDamaged(row.nr);
  const { nr, tenant, id, state, at, until, sender: by, body } = row;
  return { ...(JSON.parse(body) as Body), nr, tenant: tenant ?? undefined, id, state, at, until, by };
}

/** For lists: of a damaged event nothing is told, because it may be of another tenant. */
export function listedOf(row: EventRow): StoredEvent {
  if (row.checksum === checksumOf(row)) return eventOf(row);
  const { nr, tenant, state, at } = row;
  const nothing = { id: '', event: '', key: '', by: '', digest: '', until: 0 };
  return { ...nothing, nr, tenant: tenant ?? undefined, at: Number(at), state, doubtful: true };
}

/** Whether `dead()` lists an event. One that was changed by others is always listed, since nothing can be told of it. */
export const isListedDead = (one: StoredEvent, { now, event }: Pick<DeadFilter, 'now' | 'event'>): boolean =>
  one.doubtful === true || (isDead(one, now) && (event ?? one.event) === one.event);

/** What `dead()` answers for the event of a number. */
export const deadOf = (found: StoredEvent | undefined, { tenant, now }: DeadFilter): StoredEvent[] =>
  found && found.tenant === tenant && isListedDead(found, { now }) ? [found] : [];

/** What `list()` answers for the event of a number. */
export const listOf = (found: StoredEvent | undefined, tenant: string | undefined, limit: number): StoredEvent[] =>
  found && found.tenant === tenant && found.state !== 'taken' && limit > 0 ? [found] : [];

/** What `dead()` answers for lists of several states: the newest of all, newest first. */
export const newestDead = (lists: readonly (readonly StoredEvent[])[], { limit }: DeadFilter): StoredEvent[] =>
  lists
    .flat()
    .sort((a, b) => b.at - a.at || b.nr - a.nr)
    .slice(0, limit);
