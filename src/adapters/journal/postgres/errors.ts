import { invalid, RondoError } from '../../../errors.ts';

/** An error of Postgres, whose code is an SQLSTATE, or of the network. */
interface PgError extends Error {
  code?: string;
  constraint?: string;
}

const codeOf = (error: unknown): string => {
  const { code } = (error ?? {}) as PgError;
  return typeof code === 'string' ? code : '';
};

/** SQLSTATEs after which the connection is of no more use: the server ends it, starts, or is a standby now. */
const GONE = /^(08...|57P0[1235]|25006)$/;
const NETWORK = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/;
/** What `pg` says without a code. */
const SAID =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error|not queryable/i;

/** What a pool says both of a server that does not answer and of its own connections, if none gets free. */
const NO_CONNECTION = /timeout exceeded when trying to connect/;

/** Whether the connection is lost, so that it is unknown what became of a statement. */
export const isLost = (error: unknown): boolean => {
  const code = codeOf(error);
  return GONE.test(code) || NETWORK.test(code) || (code === '' && error instanceof Error && SAID.test(error.message));
};

/** Nothing was written, and the same may succeed at once: a deadlock, a serialization failure, a lock that was not free, no free connection. */
export const isPassing = (error: unknown): boolean => /^(40001|40P01|55P03|53300)$/.test(codeOf(error));

/** An index holds another row of the same value. @param name of the index. */
export const breaks = (error: unknown, name: string): boolean => codeOf(error) === '23505' && (error as PgError).constraint === name;

/** A statement found other claims than those that were seen: see `append.ts`. */
export const sawOther = (error: unknown): boolean => codeOf(error) === '22012';

/** Converts an error of Postgres or `pg` to a RondoError that says what to do next. Never tells the address, which may hold a password. */
export function explain(error: unknown): Error {
  if (RondoError.is(error)) return error;
  const code = codeOf(error);
  const said = error instanceof Error ? error.message || code : String(error);
  const unavailable = (what: string) => new RondoError('JOURNAL_UNAVAILABLE', what, { cause: error, details: code ? { code } : {} });
  if (isLost(error)) {
    const [busy, raise] = NO_CONNECTION.test(said) ? [', or all connections of the pool are busy', ', or raise max'] : ['', ''];
    return unavailable(
      `Postgres cannot be reached${busy} (${said}). What was not acknowledged may be missing; start it again${raise}, and resume the runs.`,
    );
  }
  if (code === '53100') return unavailable('Postgres has no space left. Nothing was written; free some and resume.');
  if (code.startsWith('53')) return unavailable(`Postgres lacks resources (${said}). Nothing was written; raise its limits and resume.`);
  if (isPassing(error)) return unavailable(`Postgres was busy for too long (${said}). Nothing was written; try again.`);
  if (code.startsWith('28') || code === '3D000')
    return invalid(`postgresJournal() may not connect: ${said}. Check user, password and database of the URL.`, { cause: error });
  if (code === '42501')
    return invalid(
      `postgresJournal() lacks a privilege: ${said}. Grant usage of the schema and its sequences, and select, insert, update and delete on its tables.`,
      { cause: error },
    );
  if (code === '54000')
    return invalid(`A name is too long for an index of Postgres (${said}). Use run ids, sessions and tenants of up to 500 characters.`, {
      cause: error,
    });
  if (code === 'XX001' || code === 'XX002')
    return new RondoError('JOURNAL_DAMAGED', `The database is damaged (${said}). Restore it from a copy.`, {
      cause: error,
      details: { code },
    });
  return unavailable(`The journal in Postgres could not be used: ${said}.`);
}

export const tooNew = (schema: string, version: number, newest: number) =>
  new RondoError(
    'JOURNAL_VERSION',
    `The schema "${schema}" has tables of version ${version}, and this version of rondo knows up to ${newest}. Upgrade rondo to use it.`,
    { details: { schema, version, newest } },
  );
