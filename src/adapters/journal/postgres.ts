import { invalid } from '../../errors.ts';
import type { Journal } from '../../journal/port.ts';
import { checkOptions } from '../../options.ts';
import { Access } from './postgres/access.ts';
import { claims as claimsOf } from './postgres/claims.ts';
import type { PgPool } from './postgres/client.ts';
import { effects as effectsOf } from './postgres/effects.ts';
import { heads as headsOf } from './postgres/heads.ts';
import { inboxOf } from './postgres/inbox.ts';
import { readEntries } from './postgres/log.ts';
import { recordsOf } from './postgres/records.ts';
import { removal } from './postgres/removal.ts';
import { namesOf } from './postgres/schema.ts';
import { Watch } from './postgres/watch.ts';
import { writer } from './postgres/write.ts';

export type { PgClient, PgPool, PgQuery } from './postgres/client.ts';

export interface PostgresJournalOptions {
  /** Where the database is, `postgres://user:password@host:5432/database`. One of `url` and `pool`. */
  url?: string;
  /** A pool of `pg`, which stays open when the journal is closed. Listen to its `error` event, as `pg` asks for. */
  pool?: PgPool;
  /** Most connections of a pool that the journal makes. Default 10. One more listens for changes, once something is watched. */
  max?: number;
  /** The schema of the tables, 1 to 57 bytes. Default `rondo`. */
  schema?: string;
  /**
   * What an acknowledged append survives. By default the engine decides for each: power loss of the server for what must not be lost (the start of a
   * `once` effect, a decision, a claim), a killed process of the engine for the rest. `power` or `process` applies to all appends.
   */
  durability?: 'power' | 'process';
  /** Whether missing tables are made, and old ones upgraded, at the first use. Default true. */
  migrate?: boolean;
  /** Whether statements are prepared, once for each connection. Default true. False: for a PgBouncer without `max_prepared_statements`. */
  prepare?: boolean;
  /** Milliseconds for which a statement is tried again while the server cannot be reached. Default 5,000. */
  patience?: number;
}

const WHERE = 'postgresJournal()';
const OPTIONS: Required<Record<keyof PostgresJournalOptions, string>> = {
  url: "url: 'postgres://localhost/app'",
  pool: 'pool: new Pool()',
  max: 'max: 10',
  schema: "schema: 'rondo'",
  durability: "durability: 'power'",
  migrate: 'migrate: false',
  prepare: 'prepare: false',
  patience: 'patience: 5_000',
};

/**
 * A journal in a Postgres database (15 or newer), for any number of processes on any number of machines. It connects at the first use. The time of
 * leases, approvals and claims is that of the server.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function postgresJournal(given: string | PostgresJournalOptions): Journal {
  const o = typeof given === 'string' ? { url: given } : given;
  checkOptions(o, OPTIONS, WHERE);
  const { url, pool, max, schema = 'rondo', durability, migrate = true, prepare = true, patience = 5_000 } = o;
  if ((url === undefined) === (pool === undefined))
    throw invalid(`${WHERE} takes either url, such as 'postgres://localhost/app', or pool, a pool of the package pg.`);
  if (url !== undefined && !/^postgres(ql)?:\/\//.test(url))
    throw invalid(`${WHERE}: url begins with postgres://, such as 'postgres://user:password@localhost:5432/app'.`);
  for (const [name, value, least] of [
    ['max', max, 1],
    ['patience', patience, 0],
  ] as const)
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
      throw invalid(`${WHERE}: ${name} is an integer of ${least} or more.`);
  if (durability !== undefined && durability !== 'power' && durability !== 'process')
    throw invalid(`${WHERE}: durability is 'power' or 'process'.`);

  const access = new Access({ pool: (url ?? pool) as string | PgPool, max, names: namesOf(schema), prepare, migrate, patience });
  const claims = claimsOf(access);
  const effects = effectsOf(access);
  const heads = headsOf(access);
  const inboxes = inboxOf(access);
  const { records, append: appendRecord } = recordsOf(access, durability);
  const { remove, rewrite } = removal(access, claims, inboxes);
  const watch = new Watch(access);
  const append = writer({ access, claims, effects, inboxes, appendRecord, durability });

  return {
    durable: true,
    append,
    read: (runId, after = -1) => readEntries(access, runId, after),
    heads: heads.list,
    due: heads.due,
    renew: heads.renew,
    remove,
    rewrite,
    subscribe: (listener, how) => watch.add(listener, how),
    claim: claims.find,
    effects: effects.list,
    inbox: inboxes.inbox,
    records,
    now: () => access.now(),
    async close() {
      watch.close();
      await access.close();
    },
  };
}
