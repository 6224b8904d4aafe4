/** Events from outside, see `src/journal/inbox.ts`. One process at a time changes them. */
import type { CallId } from '../../../journal/entries/entries.ts';
import {
  type DeadFilter,
  type Inbox,
  type InboxRows,
  inboxOver,
  KEPT,
  type StoredEvent,
  topicOf,
  withoutWaits,
} from '../../../journal/inbox.ts';
import {
  deadOf,
  type EventRow,
  isListedDead,
  isSound,
  listedOf,
  listOf,
  newestDead,
  type UseRow,
  type WaitRow,
  waitOf,
} from '../rows/event.ts';
import { burying, forgetting } from '../rows/repeated.ts';
import type { Access } from './access.ts';
import type { Query } from './client.ts';
import { EVENT, inboxRows, ofTenant } from './inbox-rows.ts';
import { LOCK } from './migrate.ts';

/** Held until the end of the transaction. Another schema has another lock. */
const ALONE = "SELECT pg_advisory_xact_lock($1::int, hashtext('inbox ' || $2::text))";

export function inboxOf(access: Access) {
  const { query, names } = access;
  const { of } = names;
  const lock = (tx: Query) => tx(ALONE, [LOCK, names.schema]);
  const ASSIGNED = `SELECT event, run, call, checksum FROM ${of('event_use')} WHERE run = $1 ORDER BY event`;
  const WAITS = `SELECT run, call, topic, checksum FROM ${of('event_wait')} WHERE topic = $1 ORDER BY nr`;

  /** Runs the rules and writes what they change, alone. */
  const alone = <T>(rules: (rows: InboxRows) => T): Promise<T> =>
    access.transact('power', async (tx) => {
      await lock(tx);
      const rows = inboxRows(tx, names);
      const result = await rows.settled(rules);
      await rows.flush();
      return result;
    });

  /** The newest dead events of one state. */
  async function newest(
    state: 'rejected' | 'waiting',
    { tenant, now, event, since = Number.MIN_SAFE_INTEGER, after, limit }: DeadFilter,
  ): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    // none that waits is older than its arrival says
    const last = state === 'waiting' ? now - KEPT : Number.MAX_SAFE_INTEGER;
    let from: Pick<StoredEvent, 'at' | 'nr'> = after && after.at <= last ? after : { at: last, nr: Number.MAX_SAFE_INTEGER };
    const text = `
      SELECT ${EVENT} FROM ${of('event')} WHERE ${ofTenant(tenant, '$5')} AND state = '${state}' AND (at, nr) < ($1, $2) AND at >= $3
      ORDER BY at DESC, nr DESC LIMIT $4`;
    for (;;) {
      const page = await query<EventRow>(text, [from.at, from.nr, since, limit, ...(tenant === undefined ? [] : [tenant])]);
      for (const row of page) {
        const listed = listedOf(row);
        if (isListedDead(listed, { now, event })) found.push(listed);
      }
      if (found.length >= limit || page.length < limit) return found.slice(0, limit);
      from = page.at(-1) as EventRow;
    }
  }

  async function numbered(nr: number): Promise<StoredEvent | undefined> {
    const [row] = await query<EventRow>(`SELECT ${EVENT} FROM ${of('event')} WHERE nr = $1`, [nr]);
    return row && listedOf(row);
  }

  const inbox: Inbox = {
    signal: (event) => alone((rows) => inboxOver(rows).signal(event)),
    bury: (tenant, nr, change) => alone(burying(tenant, nr, change)),
    forget: (sender) => alone(forgetting(sender)),

    assigned: (runId) => access.connected((tx) => inboxRows(tx, names).settled((rows) => inboxOver(rows).assigned(runId))),

    async waits(topic) {
      return (await query<WaitRow>(WAITS, [topicOf(topic)])).map(waitOf);
    },

    async list(tenant, limit, nr) {
      if (nr !== undefined) return listOf(await numbered(nr), tenant, limit);
      const text = `SELECT ${EVENT} FROM ${of('event')} WHERE ${ofTenant(tenant, '$2')} AND state <> 'taken' ORDER BY nr DESC LIMIT $1`;
      return (await query<EventRow>(text, tenant === undefined ? [limit] : [limit, tenant])).map(listedOf);
    },

    async dead(filter) {
      const { nr } = filter;
      if (nr === undefined) return newestDead([await newest('rejected', filter), await newest('waiting', filter)], filter);
      return deadOf(await numbered(nr), filter);
    },
  };

  return {
    inbox,
    lock,

    /** The run is removed. What is damaged does not keep it: a damaged assignment goes, and its event stays as it is. */
    async removed(tx: Query, runId: string): Promise<void> {
      for (const use of await tx<UseRow>(ASSIGNED, [runId]))
        if (!isSound(use))
          await tx(`DELETE FROM ${of('event_use')} WHERE event = $1 AND run = $2 AND call = $3`, [use.event, use.run, use.call]);
      const calls = await tx<{ call: CallId }>(`SELECT call FROM ${of('event_wait')} WHERE run = $1 ORDER BY nr`, [runId]);
      const rows = inboxRows(tx, names);
      await rows.settled((inner) =>
        withoutWaits(
          inner,
          runId,
          calls.map(({ call }) => call),
        ),
      );
      await rows.flush();
    },
  };
}

export type Inboxes = ReturnType<typeof inboxOf>;
