/** Events and waits as items, see docs/dynamodb.md. Each event has a partition of its own; small items beside it say where to look. */
import { sha256 } from '../../../journal/canonical.ts';
import type { CallId } from '../../../journal/entries/entries.ts';
import { type EventRow, type UseRow, type WaitRow, waitSum } from '../rows/event.ts';
import type { Access, Write } from './access.ts';
import type { Key, Row } from './client.ts';
import { bodiesOf, split } from './content.ts';
import { ordered, tenantKey } from './keys.ts';

/** What all changes of events and waits go through, one after the other. `nr`: the last number that was given. */
export const INBOX: Key = { pk: 'inbox', sk: 'inbox' };

/** An event with the calls that it is assigned to. */
export interface EventItem {
  row: EventRow;
  uses: readonly UseRow[];
}
/** A wait, as the head of its run has it. `nr`: its number in the order in which waits began. */
export type RunWait = Omit<WaitRow, 'run'> & { nr: number };

export const eventKey = (nr: number): Key => ({ pk: `event#${ordered(nr)}`, sk: 'event' });
const tenantOf = (tenant: string | null | undefined) => tenantKey(tenant ?? undefined);
export const idsKey = (tenant: string | null | undefined, id: string) => `event-id#${tenantOf(tenant)}#${sha256(id)}`;
export const freeKey = (topic: string) => `event-free#${sha256(topic)}`;
export const sentKey = (tenant: string | null | undefined, by: string) => `event-by#${tenantOf(tenant)}#${sha256(by)}`;
export const EXPIRING = 'event-until';
export const waitsKey = (topic: string) => `event-wait#${sha256(topic)}`;
/** The places of events in the indexes: all that were not taken, and those of a state. */
export const listedKey = (tenant: string | null | undefined) => `events#${tenantOf(tenant)}`;
export const stateKey = (tenant: string | null | undefined, state: EventRow['state']) => `events#${state}#${tenantOf(tenant)}`;
export const arrivalOf = ({ at, nr }: Pick<EventRow, 'at' | 'nr'>) => `${ordered(at)}#${ordered(nr)}`;

/** The item of an event, and what of its text it does not hold. */
function eventItem({ row, uses }: EventItem): Write[] {
  const { tenant, body, ...rest } = row;
  const key = eventKey(row.nr);
  const { fields, parts } = split(key.pk, 'body', body);
  const item: Row = { ...rest, ...fields, ...(tenant !== null && { tenant }) };
  if (uses.length > 0) item.uses = JSON.stringify(uses);
  item.l_pk = stateKey(tenant, row.state);
  item.l_sk = arrivalOf(row);
  if (row.state !== 'taken') Object.assign(item, { d_pk: listedKey(tenant), d_sk: ordered(row.nr) });
  return [{ put: { ...item, ...key } }, ...parts];
}

/** What says where to look for an event. */
function pointers({ nr, tenant, id, topic, state, until, sender }: EventRow): (Key & Row)[] {
  const sk = ordered(nr);
  return [
    { pk: idsKey(tenant, id), sk, nr, until },
    ...(state === 'waiting' ? [{ pk: freeKey(topic), sk, nr, until }] : []),
    ...(sender === '' ? [] : [{ pk: sentKey(tenant, sender), sk, nr }]),
    ...(state === 'assigned' ? [] : [{ pk: EXPIRING, sk: `${ordered(until)}#${sk}`, nr }]),
  ];
}

/** The keys of the item of an event and of its parts. */
const itemKeys = (row: EventRow): Key[] => {
  const key = eventKey(row.nr);
  return [key, ...split(key.pk, 'body', row.body).parts.map(({ put: { pk, sk } }) => ({ pk, sk }))];
};

const nameOf = ({ pk, sk }: Key) => `${pk} ${sk}`;

/** The writes that put one event in the place of another. @param after undefined: it is deleted. */
export function eventWrites(before: EventItem | undefined, after: EventItem | undefined): Write[] {
  const had = before ? pointers(before.row) : [];
  const has = after ? pointers(after.row) : [];
  const was = new Map(had.map((one) => [nameOf(one), JSON.stringify(one)]));
  const own = after ? eventItem(after) : [];
  const stays = new Set([...has, ...own.flatMap((write) => ('put' in write ? [write.put] : []))].map(nameOf));
  const gone = [...(before ? itemKeys(before.row) : []), ...had].filter((one) => !stays.has(nameOf(one)));
  return [
    ...own,
    ...has.filter((one) => was.get(nameOf(one)) !== JSON.stringify(one)).map((put): Write => ({ put })),
    ...gone.map(({ pk, sk }): Write => ({ delete: { pk, sk } })),
  ];
}

/** Events by their items. */
export async function eventsOf(access: Access, items: readonly (Row & Key)[]): Promise<EventItem[]> {
  const bodies = await bodiesOf(access, items);
  return items.map((item, i) => {
    const { nr, tenant = null, id, topic, state, at, until, sender, checksum, uses } = item;
    const row = { nr, tenant, id, topic, state, at, until, sender, body: bodies[i] as string, checksum } as EventRow;
    return { row, uses: typeof uses === 'string' ? (JSON.parse(uses) as UseRow[]) : [] };
  });
}

const waitKey = ({ topic, nr }: RunWait): Key => ({ pk: waitsKey(topic), sk: ordered(nr) });

/** The writes that put the waits of a run in the place of others. */
export function waitWrites(run: string, before: readonly RunWait[], after: readonly RunWait[]): Write[] {
  const isIn = (waits: readonly RunWait[], { nr }: RunWait) => waits.some((wait) => wait.nr === nr);
  return [
    ...before.filter((wait) => !isIn(after, wait)).map((wait): Write => ({ delete: waitKey(wait) })),
    ...after.filter((wait) => !isIn(before, wait)).map((wait): Write => ({ put: { ...waitKey(wait), ...wait, run } })),
  ];
}

export const waitRow = (item: Row): WaitRow => {
  const { run, call, topic, checksum } = item as unknown as WaitRow;
  return { run, call, topic, checksum };
};

/** The waits of a run as changes leave them. @param last the last number that was given; @returns it as it is then. */
export function changedRunWaits(
  run: string,
  before: readonly RunWait[],
  changes: readonly { run: string; call: CallId; topic: string | undefined }[],
  last: number,
): { waits: RunWait[]; last: number } {
  let waits = [...before];
  let nr = last;
  for (const { call, topic } of changes.filter((change) => change.run === run)) {
    waits = waits.filter((wait) => wait.call !== call);
    if (topic !== undefined) waits.push({ call, topic, nr: ++nr, checksum: waitSum(run, call, topic) });
  }
  return { waits, last: nr };
}
