/**
 * The rules of the inbox are written for rows that are there at once. Here they run on what was read so far: if they ask for more, that is
 * read, and they run again. What they change is kept aside, and written once they have ended.
 */
import type { CallId } from '../../../journal/entries.ts';
import { type InboxRows, PURGE, type StoredEvent } from '../../../journal/inbox.ts';
import { eventDamaged } from '../../../journal/refuse.ts';
import { type EventRow, eventOf, eventRowOf, listedOf, type UseRow, useOf, useSum, type WaitRow, waitOf, waitSum } from '../rows/event.ts';
import { type Columns, checksum, fromColumns } from '../rows/head.ts';
import type { Query } from './client.ts';
import { ROW } from './heads.ts';
import { type Names, quote } from './schema.ts';

/** The columns of an event. */
export const EVENT = 'nr, tenant, id, topic, state, at, until, sender, body, checksum';

/** The condition on a tenant, which an index finds. */
export const ofTenant = (tenant: string | undefined, param: string) => (tenant === undefined ? 'tenant IS NULL' : `tenant = ${param}`);

/** Thrown where something was not read yet. */
class Missing extends Error {
  readonly load: () => Promise<void>;
  constructor(load: () => Promise<void>) {
    super('not read yet');
    this.load = load;
  }
}

/** An event as it will be read. */
const stored = (event: StoredEvent): StoredEvent => eventOf(eventRowOf(event));

interface Use {
  event: number;
  run: string;
  call: CallId;
}

/** What the rules have changed. */
interface Changes {
  events: Map<number, StoredEvent | undefined>;
  waits: { run: string; call: CallId; topic: string | undefined }[];
  uses: (Use & { added: boolean })[];
  woken: Set<string>;
  purge: number | undefined;
}

const nothing = (): Changes => ({ events: new Map(), waits: [], uses: [], woken: new Set(), purge: undefined });

/** The rows of the inbox, within a transaction that holds its lock. */
export function inboxRows(tx: Query, { schema, of }: Names) {
  const known = new Map<string, unknown>();
  let changes = nothing();
  let inserted = 0;

  function got<T extends object>(text: string, values: readonly unknown[]): readonly T[] {
    const key = JSON.stringify([text, values]);
    if (!known.has(key))
      throw new Missing(async () => {
        known.set(key, await tx<T>(text, values));
      });
    return known.get(key) as T[];
  }

  const event = (nr: number) => got<EventRow>(`SELECT ${EVENT} FROM ${of('event')} WHERE nr = $1`, [nr])[0];
  function listed(nr: number): StoredEvent | undefined {
    if (changes.events.has(nr)) return changes.events.get(nr);
    const row = event(nr);
    return row && listedOf(row);
  }
  const usesBy = (column: 'run' | 'event', value: unknown): Use[] => {
    const text = `SELECT event, run, call, checksum FROM ${of('event_use')} WHERE ${column} = $1 ORDER BY event, run, call`;
    let found: Use[] = got<UseRow>(text, [value]).map(useOf);
    for (const use of changes.uses.filter((use) => use[column] === value))
      if (use.added) found.push(use);
      else found = found.filter(({ event, run, call }) => event !== use.event || run !== use.run || call !== use.call);
    return found;
  };

  const rows: InboxRows = {
    find(tenant, id, now) {
      const values = tenant === undefined ? [id, now] : [id, now, tenant];
      const [row] = got<EventRow>(
        `SELECT ${EVENT} FROM ${of('event')} WHERE id = $1 AND until > $2 AND ${ofTenant(tenant, '$3')} ORDER BY nr DESC LIMIT 1`,
        values,
      );
      return row && eventOf(row);
    },
    event(nr) {
      const changed = changes.events.get(nr);
      if (changed) return changed;
      const row = event(nr);
      if (!row) throw eventDamaged(nr);
      return eventOf(row);
    },
    listed,
    oldest(topic, now) {
      const touched = [...changes.events.keys()];
      const [row] = got<EventRow>(
        `SELECT ${EVENT} FROM ${of('event')} WHERE topic = $1 AND state = 'waiting' AND until > $2 AND nr <> ALL($3::bigint[]) ORDER BY nr LIMIT 1`,
        [topic, now, touched],
      );
      let found = row && eventOf(row);
      for (const changed of changes.events.values())
        if (changed?.state === 'waiting' && changed.until > now && eventRowOf(changed).topic === topic)
          if (!found || changed.nr < found.nr) found = changed;
      return found;
    },
    insert(made) {
      const [next] = got<{ nr: number }>(`SELECT nextval('${quote(schema)}.event_nr') AS nr, $1::integer AS of`, [inserted++]);
      const nr = (next as { nr: number }).nr;
      changes.events.set(nr, stored({ ...made, nr }));
      return nr;
    },
    update: (changed) => void changes.events.set(changed.nr, stored(changed)),
    delete: (nr) => void changes.events.set(nr, undefined),
    sentBy(tenant, by) {
      const values = tenant === undefined ? [by] : [by, tenant];
      return got<{ nr: number }>(`SELECT nr FROM ${of('event')} WHERE sender = $1 AND ${ofTenant(tenant, '$2')} ORDER BY nr`, values).map(
        ({ nr }) => nr,
      );
    },
    purge: (before) => {
      changes.purge = before;
    },
    waits(topic) {
      const found = got<WaitRow>(`SELECT run, call, topic, checksum FROM ${of('event_wait')} WHERE topic = $1 ORDER BY nr`, [topic]).map(
        waitOf,
      );
      const gone = (run: string, call: CallId) => changes.waits.some((wait) => wait.run === run && wait.call === call);
      const kept = found.filter(({ run, call }) => !gone(run, call));
      return [...kept, ...changes.waits.flatMap((wait) => (wait.topic === topic ? [{ run: wait.run, call: wait.call }] : []))];
    },
    addWait(run, call, topic) {
      rows.dropWait(run, call);
      changes.waits.push({ run, call, topic });
    },
    dropWait(run, call) {
      changes.waits = changes.waits.filter((wait) => wait.run !== run || wait.call !== call);
      changes.waits.push({ run, call, topic: undefined });
    },
    assigned: (run) => usesBy('run', run).map(({ call, event }) => ({ call, event })),
    assignedTo: (nr) => usesBy('event', nr).map(({ run, call }) => ({ run, call })),
    assign: (nr, run, call) => void changes.uses.push({ event: nr, run, call, added: true }),
    unassign: (nr, run, call) => void changes.uses.push({ event: nr, run, call, added: false }),
    wake: (run) => void changes.woken.add(run),
  };

  /** Runs rules until they have all they ask for. */
  async function settled<T>(rules: (rows: InboxRows) => T): Promise<T> {
    const before = changes;
    const count = inserted;
    for (;;) {
      changes = {
        ...before,
        events: new Map(before.events),
        waits: [...before.waits],
        uses: [...before.uses],
        woken: new Set(before.woken),
      };
      inserted = count;
      try {
        return rules(rows);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        await error.load();
      }
    }
  }

  /** Writes what was changed. @param own the run that is appended to: its head is written by the append, but for the number of its events. */
  async function flush(own?: string): Promise<void> {
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
    changes = nothing();
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
    settled,
    flush,
    /** How many events are assigned to a run, once the rules have ended. */
    usesOf: (run: string) => settled((rows) => rows.assigned(run).length),
  };
}
