/** What is used of `pg`, which is loaded when a journal is used first. */
import { invalid } from '../../../errors.ts';

export interface PgQuery {
  text: string;
  values?: unknown[];
  name?: string;
  types?: { getTypeParser(oid: number): (text: string) => unknown };
}

/** A client of a pool of `pg`. */
export interface PgClient {
  query(query: PgQuery): Promise<{ rows: unknown[] }>;
  release(destroy?: boolean): void;
  unref?(): void;
  on(event: 'notification', listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
}

/** A pool of `pg`, or anything that behaves like one. */
export interface PgPool {
  connect(): Promise<PgClient>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  end(): Promise<void>;
}

/** Runs a statement on a connection. */
export type Query = <T extends object = Record<string, unknown>>(text: string, values?: readonly unknown[]) => Promise<T[]>;

/** Milliseconds until an attempt to connect, or the answer to a statement, is given up. */
const CONNECT = 5_000;
const ANSWER = 30_000;

/** A pool of the journal's own. It does not keep the process alive. @throws RondoError `CONFIG_INVALID` if `pg` is not installed. */
export async function poolOf(url: string, max: number | undefined): Promise<PgPool> {
  let pg: typeof import('pg');
  try {
    pg = await import('pg');
  } catch (cause) {
    throw invalid('postgresJournal() needs the package pg, which is not installed: npm install pg.', { cause });
  }
  const { Pool } = pg.default ?? pg;
  return new Pool({
    connectionString: url,
    max: max ?? 10,
    connectionTimeoutMillis: CONNECT,
    query_timeout: ANSWER,
    keepAlive: true,
    allowExitOnIdle: true,
    application_name: 'rondo',
  }) as unknown as PgPool;
}

/** Types of Postgres by their number. */
const INT8 = 20;
const INT4 = 23;
const INT2 = 21;
const TEXT = 25;
const BOOL = 16;

/** Integers are numbers, because none is above 2^53. */
export const TYPES = {
  getTypeParser(oid: number): (text: string) => unknown {
    if (oid === INT8 || oid === INT4 || oid === INT2) return Number;
    if (oid === TEXT) return unescaped;
    if (oid === BOOL) return (text) => text === 't';
    return (text) => text;
  },
};

/** A null character, and the one that stands before what is escaped. */
const NULL = '\0';
const MARK = String.fromCharCode(1);

/**
 * Postgres stores no null character. It becomes two others, so that texts keep their order and their prefixes. JSON has no such characters, so
 * it is stored as it is.
 */
export function escaped(value: unknown): unknown {
  if (typeof value === 'string')
    return value.includes(NULL) || value.includes(MARK) ? value.replaceAll(MARK, `${MARK}2`).replaceAll(NULL, `${MARK}1`) : value;
  return Array.isArray(value) ? value.map(escaped) : value;
}

const unescaped = (text: string): string => (text.includes(MARK) ? text.replaceAll(`${MARK}1`, NULL).replaceAll(`${MARK}2`, MARK) : text);
