/** The rows of the inbox, as the rules of `src/journal/inbox.ts` read and change them. */
import { PURGE } from '../../../journal/inbox.ts';
import { type EventRow, eventRowOf, type UseRow, useSum, type WaitRow, waitSum } from '../rows/event.ts';
import { type Columns, checksum, fromColumns } from '../rows/head.ts';
import { inboxDraft } from '../rows/inbox-draft.ts';
import type { Query } from './client.ts';
import { ROW } from './heads.ts';
import { type Names, quote } from './schema.ts';

/** The columns of an event. */
export const EVENT = 'nr, tenant, id, topic, state, at, until, sender, body, checksum';

/** The condition on a tenant, which an index finds. */
export const ofTenant = (tenant: string | undefined, param: string) => (tenant === undefined ? 'tenant IS NULL' : `tenant = ${param}`);

/** Within a transaction that holds the lock of the inbox. */
export function inboxRows(tx: Query, { schema, of }: Names) {
  const first = async <T extends object>(text: string, values: readonly unknown[]) => (await tx<T>(text, values))[0];
  const withTenant = (values: readonly unknown[], tenant: string | undefined) => (tenant === undefined ? values : [...values, tenant]);
  const draft = inboxDraft({
    find: (tenant, id, now) =>
      first<EventRow>(
        `SELECT ${EVENT} FROM ${of('event')} WHERE id = $1 AND until > $2 AND ${ofTenant(tenant, '$3')} ORDER BY nr DESC LIMIT 1`,
        withTenant([id, now], tenant),
      ),
    event: (nr) => first<EventRow>(`SELECT ${EVENT} FROM ${of('event')} WHERE nr = $1`, [nr]),
    oldest: (topic, now, but) =>
      first<EventRow>(
        `SELECT ${EVENT} FROM ${of('event')} WHERE topic = $1 AND state = 'waiting' AND until > $2 AND nr <> ALL($3::bigint[]) ORDER BY nr LIMIT 1`,
        [topic, now, but],
      ),
    sentBy: async (tenant, by) => {
      const text = `SELECT nr FROM ${of('event')} WHERE sender = $1 AND ${ofTenant(tenant, '$2')} ORDER BY nr`;
      return (await tx<{ nr: number }>(text, withTenant([by], tenant))).map(({ nr }) => nr);
    },
    waits: (topic) => tx<WaitRow>(`SELECT run, call, topic, checksum FROM ${of('event_wait')} WHERE topic = $1 ORDER BY nr`, [topic]),
    uses: (column, value) =>
      tx<UseRow>(`SELECT event, run, call, checksum FROM ${of('event_use')} WHERE ${column} = $1 ORDER BY event, run, call`, [value]),
    number: async () => (await tx<{ nr: number }>(`SELECT nextval('${quote(schema)}.event_nr') AS nr`))[0]?.nr as number,
  });

  /** Writes what was changed. @param own the run that is appended to: its head is written by the append, but for the number of its events. */
  async function flush(own?: string): Promise<void> {
    const changes = draft.changes();
    for (const [nr, changed] of changes.events) {
      if (!changed) await tx(`DELETE FROM ${of('event')} WHERE nr = $1`, [nr]);
      else {
        const { tenant, id, topic, state, at, until, sender, body, checksum } = eventRowOf(changed);
        await tx(
          `INSERT INTO ${of('event')} (${EVENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (nr) DO UPDATE SET tenant = $2, id = $3, topic = $4, state = $5, at = $6, until = $7, sender = $8, body = $9, checksum = $10`,
          [nr, tenant, id, topic, state, at, until, sender, body, checksum],
        );
      }
    }
    for (const { run, call, topic } of changes.waits) {
      await tx(`DELETE FROM ${of('event_wait')} WHERE run = $1 AND call = $2`, [run, call]);
      if (topic !== undefined)
        await tx(`INSERT INTO ${of('event_wait')} (run, call, topic, checksum) VALUES ($1, $2, $3, $4)`, [
          run,
          call,
          topic,
          waitSum(run, call, topic),
        ]);
    }
    const counted = new Map<string, number>();
    for (const { event, run, call, added } of changes.uses) {
      counted.set(run, (counted.get(run) ?? 0) + (added ? 1 : -1));
      if (added)
        await tx(`INSERT INTO ${of('event_use')} (event, run, call, checksum) VALUES ($1, $2, $3, $4)`, [
          event,
          run,
          call,
          useSum(event, run, call),
        ]);
      else await tx(`DELETE FROM ${of('event_use')} WHERE event = $1 AND run = $2 AND call = $3`, [event, run, call]);
    }
    for (const run of [...new Set([...counted.keys(), ...changes.woken])].sort()) {
      await tx(`UPDATE ${of('head')} SET uses = uses + $2 WHERE run_id = $1`, [run, counted.get(run) ?? 0]);
      if (run !== own && changes.woken.has(run)) await wake(run);
    }
    if (changes.purge !== undefined)
      await tx(
        `DELETE FROM ${of('event')} WHERE nr IN (SELECT nr FROM ${of('event')} WHERE until < $1 AND state <> 'assigned' ORDER BY until LIMIT ${PURGE})`,
        [changes.purge],
      );
  }

  /** A paused run is due at once. Its row is held since its number of events was changed. */
  async function wake(run: string): Promise<void> {
    const [found] = await tx<Columns>(`SELECT ${ROW} FROM ${of('head')} WHERE run_id = $1 FOR UPDATE`, [run]);
    const head = found && fromColumns(found);
    if (head?.status !== 'paused' || head.doubtful) return;
    const sum = checksum({ ...head, wakeAt: 0 }, found?.tail as number);
    await tx(`UPDATE ${of('head')} SET wake_at = 0, checksum = $2 WHERE run_id = $1`, [run, sum]);
  }

  return {
    settled: draft.settled,
    flush,
    /** How many events are assigned to a run, once the rules have ended. */
    usesOf: (run: string) => draft.settled((rows) => rows.assigned(run).length),
  };
}
