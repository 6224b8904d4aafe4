/** The key that a vault's secrets are sealed with: one at a time, wrapped by a master key, in the vault itself. */
import { randomBytes } from 'node:crypto';
import { RondoError } from '../../errors.ts';
import { DataKey, newId } from '../keys/data-key.ts';
import { type KeyOwner, type MasterKeys, type Masters, mastersOf } from '../keys/master.ts';
import type { Database } from '../sqlite/database.ts';

export interface VaultKey {
  /** Runs a function in a transaction that reads, with the key that the file's secrets are sealed with. */
  read<T>(work: (key: DataKey) => T): Promise<T>;
  /** The same in a transaction that writes. */
  write<T>(work: (key: DataKey) => T): Promise<T>;
  /**
   * Replaces the key by a new one, wrapped by the current master key, in one transaction with the function, which seals all secrets again.
   * The master keys are asked for again before.
   */
  replace<T>(reseal: (old: DataKey, key: DataKey) => T): Promise<T>;
}

interface Row {
  id: string;
  by: string;
  wrapped: string;
}

const OWNER: KeyOwner = {
  where: 'sqliteVault()',
  rotated: 'rotate() is done',
  unavailable: (message, details, cause) =>
    new RondoError('VAULT_KEY_UNAVAILABLE', message, { details, ...(cause !== undefined && { cause }) }),
  failed: (cause) => new RondoError('VAULT_UNAVAILABLE', 'The master keys of the vault could not be had. Try again.', { cause }),
};

const CHANGED = Symbol('another process has replaced the key');
const contextOf = (id: string) => `rondo vault key ${id}`;

/** @throws RondoError `CONFIG_INVALID`. Its methods throw `VAULT_KEY_UNAVAILABLE`, `VAULT_DAMAGED`, `VAULT_UNAVAILABLE`. */
export function vaultKey(db: Database, given: MasterKeys): VaultKey {
  let masters = mastersOf(given, OWNER);
  let known: DataKey | undefined;

  /** Called in a transaction. */
  function stored(): Row | undefined {
    const rows = db.prepare('SELECT id, by, wrapped FROM data_key').all() as unknown as Row[];
    if (rows.length > 1) throw damaged('it holds more than one key');
    const [row] = rows;
    if (!row && db.prepare('SELECT 1 FROM secret LIMIT 1').get()) throw damaged('its key was removed');
    return row;
  }

  async function load(): Promise<DataKey> {
    const row = (await db.read(stored)) ?? (await make());
    const bytes = await masters.unwrap(row.by, Buffer.from(row.wrapped, 'base64'), contextOf(row.id));
    known = new DataKey(row.id, bytes);
    return known;
  }

  /** Of several processes that make the first key at once, all get the same. */
  async function make(): Promise<Row> {
    const { row } = await wrapped(masters);
    return db.write(() => {
      const found = stored();
      if (!found) insert(row);
      return found ?? row;
    });
  }

  function insert({ id, by, wrapped }: Row): void {
    db.prepare('INSERT INTO data_key (id, by, wrapped) VALUES (?, ?, ?)').run(id, by, wrapped);
  }

  async function within<T>(how: 'read' | 'write', work: (key: DataKey) => T): Promise<T> {
    for (;;) {
      const key = known ?? (await load());
      const done = await db[how](() => (stored()?.id === key.id ? { value: work(key) } : CHANGED));
      if (done !== CHANGED) return done.value;
      known = undefined;
    }
  }

  async function replace<T>(reseal: (old: DataKey, key: DataKey) => T): Promise<T> {
    masters = mastersOf(given, OWNER);
    const { row, key } = await wrapped(masters);
    const done = await within('write', (old) => {
      const answer = reseal(old, key);
      db.prepare('DELETE FROM data_key').run();
      insert(row);
      return answer;
    });
    known = key;
    return done;
  }

  return { read: (work) => within('read', work), write: (work) => within('write', work), replace };
}

async function wrapped(masters: Masters): Promise<{ row: Row; key: DataKey }> {
  const id = newId();
  const bytes = randomBytes(32);
  const by = await masters.current();
  const box = await masters.wrap(by, bytes, contextOf(id));
  return { row: { id, by, wrapped: Buffer.from(box).toString('base64') }, key: new DataKey(id, bytes) };
}

export const damaged = (why: string) =>
  new RondoError('VAULT_DAMAGED', `The vault was changed by something other than Rondo: ${why}. Restore it from a copy.`);
