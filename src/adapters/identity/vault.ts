/** An encrypted vault: one SQLite file with secrets, each sealed by itself and bound to its row. */

import { invalid } from '../../errors.ts';
import { copyJson, type Json, plainJson } from '../../json.ts';
import { checkOptions } from '../../options.ts';
import type { DataKey } from '../keys/data-key.ts';
import type { MasterKeys } from '../keys/master.ts';
import { type Database, openDatabase } from '../sqlite/database.ts';
import { type Alone, leases } from './lease.ts';
import { VAULT_FILE } from './schema.ts';
import { damaged, type VaultKey, vaultKey } from './vault-key.ts';

/** Where a secret is. These texts are stored as they are, and the secret is bound to them. */
export interface Place {
  /** What it is, such as `token`. */
  kind: string;
  /** Whose it is, see `ownerOf()`. */
  owner: string;
  provider: string;
  /** Which of them, such as the scopes of a token. */
  about: string;
}

export interface Kept {
  value: Json;
  /** When it is removed, epoch milliseconds. Default: never. */
  until?: number | undefined;
}

/** A change of one secret: it is kept, removed (null), or left as it is. */
export interface Change<T> {
  keep?: Kept | null;
  /** What is kept elsewhere, in the same transaction. */
  also?: readonly { place: Place; keep: Kept }[];
  answer: T;
}

export interface Vault {
  /** The secret at a place; undefined if there is none. @throws RondoError `VAULT_DAMAGED`, `VAULT_KEY_UNAVAILABLE`, `VAULT_UNAVAILABLE`. */
  get(place: Place): Promise<Json | undefined>;
  /** The same from this process's memory, if it is there and no other process has written to the file since. It must not be changed. */
  peek(place: Place): Json | undefined;
  put(place: Place, kept: Kept): Promise<void>;
  /** Reads and changes a secret in one transaction. @param change is called again if another process has replaced the key meanwhile. */
  change<T>(place: Place, change: (found: Json | undefined) => Change<T>): Promise<T>;
  /** @returns how many were removed. */
  remove(of: Partial<Place>): Promise<number>;
  /** The places of secrets, without the secrets. */
  list(of?: Partial<Place>): Promise<readonly Place[]>;
  /** Runs one function at a time under a name, over all processes that have this vault open. */
  readonly alone: Alone;
  /**
   * Seals all secrets again, with a new key that is wrapped by the current master key. Then an old master key is not needed any more, and
   * opens nothing that is in the file. @returns how many there are.
   */
  rotate(): Promise<number>;
  close(): Promise<void>;
}

export interface VaultOptions {
  /** Epoch milliseconds. Default `Date.now`. */
  now?: () => number;
}

/** Most secrets in the memory of this process. */
const MOST = 1_000;

/**
 * Opens a vault, or creates it, mode 0600. Any number of processes of one machine may have it open.
 * @param keys the master keys, as for `encrypted()`: `keyFile('vault.key')`, `keyEnv('VAULT_KEY')`, `{ current, keys }`, or a key service.
 * @throws RondoError `CONFIG_INVALID`. Methods throw `VAULT_KEY_UNAVAILABLE` for a missing or another key, `VAULT_DAMAGED` for a file that was
 *   changed, `VAULT_UNAVAILABLE` for one that is locked, cannot be written, or was closed.
 */
export function sqliteVault(path: string, keys: MasterKeys, o: VaultOptions = {}): Vault {
  if (typeof path !== 'string' || path === '')
    throw invalid("sqliteVault() takes the path of a file: sqliteVault('vault.db', keyFile('vault.key')).");
  checkOptions(o, { now: 'now: () => Date.now()' }, 'sqliteVault()', { now: 'function' });
  const { now = Date.now } = o;
  const db = openDatabase(path, VAULT_FILE);
  try {
    return vaultOf(db, vaultKey(db, keys), now);
  } catch (error) {
    void db.close();
    throw error;
  }
}

const SELECT = 'SELECT until, box FROM secret WHERE kind = ? AND owner = ? AND provider = ? AND about = ?';
const COLUMNS = ['kind', 'owner', 'provider', 'about'] as const;

interface Row {
  until: number | null;
  box: string;
}

function vaultOf(db: Database, key: VaultKey, now: () => number): Vault {
  const cache = new Cache(db);

  const find = (place: Place) => db.prepare(SELECT).get(...columns(place)) as Row | undefined;

  async function get(place: Place): Promise<Json | undefined> {
    const known = peek(place);
    if (known !== undefined) return copyJson(known);
    const seen = cache.stamp();
    const found = await key.read((opening) => {
      const row = find(place);
      return row && { until: row.until, value: open(opening, place, row) };
    });
    if (!found || isOver(found.until, now())) return undefined;
    cache.keep(seen, place, found);
    return copyJson(found.value);
  }

  function peek(place: Place): Json | undefined {
    const found = cache.get(place);
    return found && !isOver(found.until, now()) ? found.value : undefined;
  }

  async function change<T>(place: Place, decide: (found: Json | undefined) => Change<T>): Promise<T> {
    const { answer, also } = await key.write((sealing) => {
      const at = now();
      db.prepare('DELETE FROM secret WHERE until <= ?').run(at);
      const row = find(place);
      const decided = decide(row && open(sealing, place, row));
      if (decided.keep === null) db.prepare(`DELETE FROM secret WHERE ${where(place)}`).run(...columns(place));
      else if (decided.keep) write(sealing, place, decided.keep);
      for (const other of decided.also ?? []) write(sealing, other.place, other.keep);
      return decided;
    });
    cache.drop(place);
    for (const other of also ?? []) cache.drop(other.place);
    return answer;
  }

  function write(sealing: DataKey, place: Place, { value, until: end }: Kept | { value: Json; until: number | null }): void {
    // the column holds whole numbers, and what is past those of JavaScript could not be read again
    const until = end === undefined || end === null ? null : Math.min(Math.ceil(end), Number.MAX_SAFE_INTEGER);
    const box = sealing.seal(JSON.stringify(plainJson(value)), bound(place, until));
    db.prepare('INSERT OR REPLACE INTO secret (kind, owner, provider, about, until, box) VALUES (?, ?, ?, ?, ?, ?)').run(
      ...columns(place),
      until,
      box,
    );
  }

  async function remove(of: Partial<Place>): Promise<number> {
    const removed = await db.write(() => Number(db.prepare(`DELETE FROM secret WHERE ${where(of)}`).run(...columns(of)).changes));
    cache.clear();
    return removed;
  }

  const list = (of: Partial<Place> = {}) =>
    db.read(
      () => db.prepare(`SELECT ${COLUMNS.join(', ')} FROM secret WHERE ${where(of)}`).all(...columns(of)) as unknown as readonly Place[],
    );

  async function rotate(): Promise<number> {
    const resealed = await key.replace((old, fresh) => {
      const rows = db.prepare(`SELECT ${COLUMNS.join(', ')}, until, box FROM secret`).all() as unknown as (Place & Row)[];
      for (const row of rows) write(fresh, row, { value: open(old, row, row), until: row.until });
      return rows.length;
    });
    // older versions of pages are sealed with the old key
    await db.empty();
    return resealed;
  }

  async function close(): Promise<void> {
    cache.clear();
    await db.close();
  }

  return {
    get,
    peek,
    change,
    put: (place, keep) => change(place, () => ({ keep, answer: undefined })),
    remove,
    list,
    alone: leases(db),
    rotate,
    close,
  };
}

const isOver = (until: number | null, now: number) => until !== null && until <= now;

const columns = (place: Partial<Place>): string[] => COLUMNS.flatMap((name) => place[name] ?? []);
const where = (place: Partial<Place>): string =>
  COLUMNS.flatMap((name) => (place[name] === undefined ? [] : [`${name} = ?`])).join(' AND ') || 'TRUE';

const bound = (place: Place, until: number | null) => JSON.stringify(['secret', ...COLUMNS.map((name) => place[name]), until]);

/** @throws RondoError `VAULT_DAMAGED` */
function open(key: DataKey, place: Place, { until, box }: Row): Json {
  const text = key.open(box, bound(place, until));
  if (text === undefined) throw damaged(`what is kept for ${place.provider} was changed, cut or moved`);
  return JSON.parse(text) as Json;
}

/** Secrets that were opened, until another process writes to the file. */
class Cache {
  readonly #db: Database;
  readonly #known = new Map<string, { value: Json; until: number | null }>();
  #changed: number | undefined;
  #own = 0;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Differs after each write of any process. */
  stamp(): string {
    this.#look();
    return `${this.#changed} ${this.#own}`;
  }

  get(place: Place) {
    this.#look();
    return this.#known.get(nameOf(place));
  }

  /** @param seen the stamp before it was read. */
  keep(seen: string, place: Place, found: { value: Json; until: number | null }): void {
    if (this.stamp() !== seen) return;
    if (this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(nameOf(place), found);
  }

  /** This process has written there. */
  drop(place: Place): void {
    this.#own++;
    this.#known.delete(nameOf(place));
  }

  clear(): void {
    this.#own++;
    this.#known.clear();
  }

  #look(): void {
    const changed = this.#db.changed();
    if (changed === this.#changed) return;
    this.#known.clear();
    this.#changed = changed;
  }
}

const nameOf = ({ kind, owner, provider, about }: Place) => JSON.stringify([kind, owner, provider, about]);
