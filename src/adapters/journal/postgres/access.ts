/** Access to the database: connections, transactions, and what happens if the server goes away. */

import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import { sha256 } from '../../../journal/canonical.ts';
import { escaped, type PgClient, type PgPool, poolOf, type Query, TYPES } from './client.ts';
import { StoreClock } from './clock.ts';
import { explain, isLost, isPassing } from './errors.ts';
import { migrate } from './migrate.ts';
import type { Names } from './schema.ts';

export interface AccessOptions {
  pool: PgPool | string;
  /** Connections of a pool of its own. */
  max?: number | undefined;
  names: Names;
  /** Whether statements are prepared under a name, once for each connection. */
  prepare: boolean;
  migrate: boolean;
  /** Milliseconds for which a statement is tried again while the server cannot be reached. */
  patience: number;
}

/** The current time of the server in epoch milliseconds. */
export const CLOCK = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
const NOW = `SELECT ${CLOCK} AS clock`;
/** Milliseconds between two attempts, at first and at most. */
const PAUSE = { first: 10, most: 500 };

const names = new Map<string, string>();
/** Equal statements have equal names, because a pool may be shared by journals. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `rondo_${sha256(text).slice(0, 24)}`;
    names.set(text, name);
  }
  return name;
}

export class Access {
  readonly clock = new StoreClock();
  readonly names: Names;
  readonly #o: AccessOptions;
  readonly #pool = lazy(() => this.#opened());
  #migrated: Promise<void> | undefined;
  readonly #heard = new WeakSet<PgClient>();
  #closed = false;
  #end: Promise<void> | undefined;

  constructor(o: AccessOptions) {
    this.#o = o;
    this.names = o.names;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs a statement in a transaction of its own. It is repeated if the connection is lost, so twice must be as good as once. */
  readonly query: Query = (text, values) => this.connected((query) => query(text, values));

  /** The same, in a transaction of several statements. */
  transact<T>(sync: 'power' | 'process', work: (query: Query) => Promise<T>): Promise<T> {
    return this.connected(async (query) => {
      await query('BEGIN');
      try {
        await query(SYNC[sync]);
        const result = await work(query);
        await query('COMMIT');
        return result;
      } catch (error) {
        // one that is lost is rolled back by the server
        if (!isLost(error)) await query('ROLLBACK');
        throw error;
      }
    });
  }

  /** Work on one connection, repeated on another one if it is lost. @throws RondoError only. */
  async connected<T>(work: (query: Query) => Promise<T>): Promise<T> {
    this.refuseClosed();
    const until = performance.now() + this.#o.patience;
    for (let pause = PAUSE.first; ; pause = Math.min(2 * pause, PAUSE.most)) {
      try {
        return await this.#attempt(work);
      } catch (error) {
        const again = isLost(error) || isPassing(error);
        if (!again || this.#closed || performance.now() + pause > until) throw explain(error);
      }
      await sleep(pause * (0.5 + Math.random()));
    }
  }

  async #attempt<T>(work: (query: Query) => Promise<T>): Promise<T> {
    if (!this.#migrated) {
      const migrated = this.#prepared();
      this.#migrated = migrated;
      migrated.catch(() => {
        if (this.#migrated === migrated) this.#migrated = undefined;
      });
    }
    await this.#migrated;
    return this.#use(work);
  }

  async #prepared(): Promise<void> {
    await this.#use((query) => migrate(query, this.names, this.#o.migrate));
  }

  async #use<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const client = await this.client();
    let lost = false;
    try {
      return await work((text, values) => this.#ask(client, text, values));
    } catch (error) {
      lost = isLost(error);
      throw error;
    } finally {
      client.release(lost);
    }
  }

  async #ask<T>(client: PgClient, text: string, values?: readonly unknown[]): Promise<T[]> {
    const name = this.#o.prepare && values ? { name: nameOf(text) } : undefined;
    const { rows } = await client.query({ text, types: TYPES, ...name, ...(values && { values: values.map(escaped) }) });
    return rows as T[];
  }

  /** A connection of the pool. */
  async client(): Promise<PgClient> {
    const client = await (await this.#pool()).connect();
    // without a listener, a connection that is lost while it is in use would end the process; its statement fails too
    if (!this.#heard.has(client)) client.on('error', () => undefined);
    this.#heard.add(client);
    return client;
  }

  async #opened(): Promise<PgPool> {
    const { pool, max } = this.#o;
    const opened = typeof pool === 'string' ? await poolOf(pool, max) : pool;
    // an idle connection that is lost is replaced by the next one
    if (typeof pool === 'string') opened.on('error', () => undefined);
    return opened;
  }

  /** The server's clock: at once if an answer told it a moment ago. */
  now(): number | Promise<number> {
    return this.clock.read() ?? this.#asked();
  }

  async #asked(): Promise<number> {
    const [row] = await this.query<{ clock: number }>(NOW, []);
    const { clock } = row as { clock: number };
    this.clock.sample(clock);
    return this.clock.read() ?? clock;
  }

  refuseClosed(): void {
    if (this.#closed) throw new RondoError('ENGINE_CLOSED', 'The journal was closed. Make a new one with postgresJournal().');
  }

  /** Ends a pool of its own. One that was given stays open. */
  close(): Promise<void> {
    this.#closed = true;
    this.#end ??= (async () => {
      if (typeof this.#o.pool === 'string') await (await this.#pool.current())?.end();
    })();
    return this.#end;
  }
}

/** What a transaction survives. A setting of the server that promises more stays. */
export const SYNC = {
  power: `SELECT CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END`,
  process: `SELECT set_config('synchronous_commit', 'off', true)`,
} as const;
