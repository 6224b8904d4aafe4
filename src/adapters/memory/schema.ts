/** The tables of a memory file. Times are epoch milliseconds. Numbers of rows are never used again. */
import type { FileKind } from '../sqlite/database.ts';
import { EXTRACTION } from './extraction/tables.ts';

/** "RnMm" in ASCII. */
const APPLICATION_ID = 0x526e4d6d;
const VERSION = 1;

/** `space` keeps memories of one file apart. `vectors` counts changes of vectors that are not additions, so that caches notice them. */
const SPACES = `
  CREATE TABLE space (nr INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, vectors INTEGER NOT NULL DEFAULT 0) STRICT;`;

/**
 * `nr` of an event is the order in which events were committed. `branch_root` and `branch_parent` are those of the branch, on each of
 * its events: they stay when its first event is deleted. `digest` is of what came with `key`.
 */
const EVENTS = `
  CREATE TABLE session (
    nr INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, actor TEXT NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (space, actor, id)
  ) STRICT;
  CREATE INDEX session_newest ON session (space, actor, created_at, nr);
  CREATE TABLE event (
    nr INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, session INTEGER NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    items TEXT NOT NULL, branch TEXT, branch_root TEXT, branch_parent TEXT, metadata TEXT, extract INTEGER NOT NULL, variables TEXT,
    key TEXT, digest TEXT, expires_at INTEGER,
    UNIQUE (session, id)
  ) STRICT;
  CREATE UNIQUE INDEX event_key ON event (space, key) WHERE key IS NOT NULL;
  CREATE INDEX event_branch ON event (session, branch) WHERE branch IS NOT NULL;
  CREATE INDEX event_expiry ON event (expires_at) WHERE expires_at IS NOT NULL;`;

/**
 * `source` is what a record was learned from: `nr` below 0 where it only said again what the record says, and `version` its earlier texts. `record_text` has the terms of a text, see
 * terms.ts, and its namespace as a word, so that a search of one namespace does not read the others. `embedder` is that of the record's vector. `revision` of a
 * vector counts up, so that a cache reads what is new.
 */
const RECORDS = `
  CREATE TABLE namespace (nr INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, path TEXT NOT NULL, UNIQUE (space, path)) STRICT;
  CREATE TABLE record (
    nr INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, id TEXT NOT NULL, namespace INTEGER NOT NULL, text TEXT NOT NULL,
    strategy TEXT, metadata TEXT, origin TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER, expires_at INTEGER,
    embedder TEXT,
    UNIQUE (space, id)
  ) STRICT;
  CREATE INDEX record_newest ON record (namespace, created_at, nr);
  CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX record_embedder ON record (space, embedder);
  CREATE TABLE source (
    record INTEGER NOT NULL, nr INTEGER NOT NULL, actor TEXT NOT NULL, session TEXT, events TEXT, run TEXT, PRIMARY KEY (record, nr)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX source_actor ON source (actor, session);
  CREATE TABLE version (record INTEGER NOT NULL, nr INTEGER NOT NULL, text TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (record, nr)) STRICT, WITHOUT ROWID;
  CREATE VIRTUAL TABLE record_text USING fts5 (terms, place, tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'");
  INSERT INTO record_text (record_text, rank) VALUES ('secure-delete', 1);
  CREATE TABLE vector (
    record INTEGER PRIMARY KEY, revision INTEGER NOT NULL UNIQUE, space INTEGER NOT NULL, embedder TEXT NOT NULL, value BLOB NOT NULL
  ) STRICT;
  CREATE INDEX vector_newest ON vector (space, embedder, revision);`;

const SCHEMA = `
  ${SPACES}
  ${EVENTS}
  ${RECORDS}
  ${EXTRACTION}
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};`;

export const MEMORY: FileKind = {
  where: 'sqliteMemory()',
  what: 'memory',
  applicationId: APPLICATION_ID,
  version: VERSION,
  schema: SCHEMA,
  unavailable: 'MEMORY_UNAVAILABLE',
  damaged: 'MEMORY_DAMAGED',
  tooNew: 'MEMORY_VERSION',
  closed: 'MEMORY_CLOSED',
};
