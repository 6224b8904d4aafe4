/** What the local server keeps: resources, and the client tokens of requests, in one SQLite file. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { deserialize, serialize } from 'node:v8';
import { invalid } from '../../../errors.ts';
import { canonical } from '../../../journal/canonical.ts';
import type { Clock } from './clock.ts';
import { AwsError, invalidInput } from './codec/error.ts';
import { keyIn, type Sealing, sealing } from './sealing.ts';
import { openFile } from './state-file.ts';

export interface Page<T> {
  items: T[];
  nextToken: string | undefined;
}

export interface PageRequest {
  maxResults?: number | undefined;
  nextToken?: string | undefined;
}

export interface State {
  /** The file; undefined: in memory. */
  readonly path: string | undefined;
  get<T>(kind: string, id: string): T | undefined;
  /**
   * Adds a resource, or replaces it. Values may hold dates and bytes. From the time on that a value has as its `goneAt`, epoch milliseconds, the
   * resource is removed, and with it all that is listed under its id.
   * @param parent what it is listed under.
   */
  put(kind: string, id: string, value: unknown, parent?: string): void;
  delete(kind: string, id: string): void;
  /** All of a parent, in the order in which they were added. */
  list<T>(kind: string, parent?: string): T[];
  /** A page of those that pass. @throws AwsError `ValidationException` for a token that is not of this list. */
  page<T>(kind: string, parent: string, request: PageRequest, passes?: (value: T) => boolean): Page<T>;
  /**
   * The answer of the first request with a client token. Without a token, `make` is called each time. What `make` stores is stored with the token.
   * @throws AwsError `ConflictException` if the token came with another request before.
   */
  once<T>(operation: string, token: string | undefined, input: unknown, make: () => T): T;
  /** What the requests with a client token are answered from now on, where more of the first answer is known only after its effect. */
  amend(operation: string, token: string | undefined, answer: unknown): void;
  /** For what must not be in the file as it is. */
  readonly sealing: Sealing;
  /** How many resources of each kind there are. */
  counts(): Readonly<Record<string, number>>;
  clear(): void;
  close(): void;
}

/** Entries of a page, where the request does not say. */
const PAGE = 100;

/**
 * @param path a file, made for its owner alone; undefined: in memory. The key of its secrets is beside it, in `<path>.key`.
 * @throws RondoError `CONFIG_INVALID` if it cannot be opened, or if the key is another one.
 */
export function openState(path: string | undefined, clock: Pick<Clock, 'now'>): State {
  const { db, close } = openFile(path);
  const secret = secretOf(db);
  const sealed = sealingOf(db, path, close);
  const get = db.prepare('SELECT value FROM resource WHERE kind = ? AND id = ?');
  const put = db.prepare(
    `INSERT INTO resource (kind, id, parent, value, gone_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET parent = excluded.parent, value = excluded.value, gone_at = excluded.gone_at`,
  );
  const remove = db.prepare('DELETE FROM resource WHERE kind = ? AND id = ?');
  const list = db.prepare('SELECT value FROM resource WHERE kind = ? AND parent = ? ORDER BY nr');
  const page = db.prepare('SELECT nr, value FROM resource WHERE kind = ? AND parent = ? AND nr > ? ORDER BY nr');
  const gone = db.prepare('SELECT nr, id FROM resource WHERE gone_at <= ?');
  const removeWithParts = db.prepare('DELETE FROM resource WHERE nr = ? OR parent = ?');
  const known = db.prepare('SELECT input, answer FROM token WHERE operation = ? AND token = ?');
  const remember = db.prepare('INSERT INTO token (operation, token, input, answer) VALUES (?, ?, ?, ?)');
  const amend = db.prepare('UPDATE token SET answer = ? WHERE operation = ? AND token = ?');
  const counts = db.prepare('SELECT kind, count(*) AS n FROM resource GROUP BY kind');

  const sign = (text: string) => createHmac('sha256', secret).update(text).digest('base64url').slice(0, 22);
  const tokenOf = (kind: string, parent: string, nr: number) => `${nr}.${sign(`${kind}\n${parent}\n${nr}`)}`;
  function placeOf(kind: string, parent: string, token: string | undefined): number {
    if (token === undefined) return 0;
    const nr = Number(token.split('.')[0]);
    const [given, own] = [Buffer.from(token), Buffer.from(tokenOf(kind, parent, nr))];
    if (given.length !== own.length || !timingSafeEqual(given, own))
      throw invalidInput([{ name: 'nextToken', message: 'Member must be the nextToken of a page of this list' }]);
    return nr;
  }

  /** Before anything is read: the time may have come without anyone who asked. */
  function removeGone(): void {
    for (const { nr, id } of gone.all(clock.now())) removeWithParts.run(nr as number, id as string);
  }

  /** All of it, or nothing. */
  function whole<T>(make: () => T): T {
    db.exec('BEGIN IMMEDIATE');
    try {
      const made = make();
      db.exec('COMMIT');
      return made;
    } catch (error) {
      db.exec('ROLLBACK');
      throw error;
    }
  }

  return {
    path,
    sealing: sealed,
    get<T>(kind: string, id: string): T | undefined {
      removeGone();
      return storedValue<T>(get.get(kind, id));
    },
    put(kind, id, value, parent = '') {
      removeGone();
      put.run(kind, id, parent, serialize(value), (value as { goneAt?: number } | undefined)?.goneAt ?? null);
    },
    delete: (kind, id) => void remove.run(kind, id),
    list<T>(kind: string, parent = ''): T[] {
      removeGone();
      return list.all(kind, parent).map((row) => storedValue<T>(row) as T);
    },
    page<T>(kind: string, parent: string, { maxResults = PAGE, nextToken }: PageRequest, passes = (_: T) => true): Page<T> {
      removeGone();
      const items: T[] = [];
      let last = 0;
      for (const row of page.iterate(kind, parent, placeOf(kind, parent, nextToken))) {
        const value = storedValue<T>(row) as T;
        if (!passes(value)) continue;
        if (items.length === maxResults) return { items, nextToken: tokenOf(kind, parent, last) };
        items.push(value);
        last = row.nr as number;
      }
      return { items, nextToken: undefined };
    },
    once<T>(operation: string, token: string | undefined, input: unknown, make: () => T): T {
      if (token === undefined) return whole(make);
      const said = canonical(JSON.parse(JSON.stringify(input)));
      const before = known.get(operation, token);
      if (before && before.input !== said)
        throw new AwsError('ConflictException', 'The clientToken was used before, in a request with other parameters.');
      if (before) return deserialize(before.answer as Uint8Array) as T;
      return whole(() => {
        const answer = make();
        remember.run(operation, token, said, serialize(answer));
        return answer;
      });
    },
    amend(operation, token, answer) {
      if (token !== undefined) amend.run(serialize(answer), operation, token);
    },
    counts() {
      removeGone();
      return Object.fromEntries(counts.all().map(({ kind, n }) => [kind, n])) as Record<string, number>;
    },
    clear: () => db.exec('DELETE FROM resource; DELETE FROM token'),
    close,
  };
}

const CHECKED = 'the key of this file';

/** Another key is told at the start, because a secret that cannot be opened is found late. @throws RondoError `CONFIG_INVALID`. */
function sealingOf(db: DatabaseSync, path: string | undefined, close: () => void): Sealing {
  const [row] = db.prepare('SELECT value FROM sealed').all();
  try {
    const own = sealing(path === undefined ? undefined : keyIn(`${path}.key`, row === undefined));
    if (!row) db.prepare('INSERT INTO sealed (value) VALUES (?)').run(own.seal(CHECKED, true));
    else if (own.open(CHECKED, row.value as string) === undefined)
      throw invalid(`startAgentCore(): ${path}.key is not the key of ${path}. Put its own key file there, or start with a new state file.`);
    return own;
  } catch (error) {
    close();
    throw error;
  }
}

const storedValue = <T>(row: Record<string, unknown> | undefined): T | undefined =>
  row === undefined ? undefined : (deserialize(row.value as Uint8Array) as T);

function secretOf(db: DatabaseSync): Uint8Array {
  const [row] = db.prepare('SELECT value FROM secret').all();
  if (row) return row.value as Uint8Array;
  const value = randomBytes(32);
  db.prepare('INSERT INTO secret (value) VALUES (?)').run(value);
  return value;
}
