/** The tables of a vault. */
import type { FileKind } from '../sqlite/database.ts';

/** "RVLT" */
const APPLICATION_ID = 0x52564c54;
const VERSION = 1;

/**
 * `secret`: what is sealed. `box` is bound to all other columns. `until`: when the row is removed, epoch milliseconds.
 * `data_key`: the one key that all boxes are sealed with, wrapped by a master key.
 * `lease`: who does something alone, and until when.
 */
export const VAULT_FILE: FileKind = {
  where: 'sqliteVault()',
  what: 'vault',
  applicationId: APPLICATION_ID,
  version: VERSION,
  schema: `
    CREATE TABLE secret (
      kind TEXT NOT NULL,
      owner TEXT NOT NULL,
      provider TEXT NOT NULL,
      about TEXT NOT NULL,
      until INTEGER,
      box TEXT NOT NULL,
      PRIMARY KEY (kind, owner, provider, about)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX secret_until ON secret (until) WHERE until IS NOT NULL;
    CREATE TABLE data_key (id TEXT PRIMARY KEY, by TEXT NOT NULL, wrapped TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    PRAGMA application_id = ${APPLICATION_ID};
    PRAGMA user_version = ${VERSION};`,
  unavailable: 'VAULT_UNAVAILABLE',
  damaged: 'VAULT_DAMAGED',
  tooNew: 'VAULT_UNAVAILABLE',
  closed: 'VAULT_UNAVAILABLE',
};
