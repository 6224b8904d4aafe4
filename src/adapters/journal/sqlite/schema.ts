/** "Rndo", in the header of our files: tells a journal from somebody else's database. */
export const APPLICATION_ID = 0x526e646f;
/** Of the tables below, in the header too (`user_version`). The format of entries has its own version, in each entry. */
export const SCHEMA_VERSION = 1;

/**
 * `entry` is one log of all runs in the order of their appends, so that appends of many runs in one transaction share its pages.
 * `extent` finds a run in it: one row for each stretch of neighbouring log rows of one run. A run that appends alone has one
 * extent however long it gets, and each of its appends writes one page; runs that take turns have one per append, in few pages.
 *
 * A head's `seq` is that of the last time the head changed. `blob_use` says which runs a blob is for.
 */
export const SCHEMA = `
  CREATE TABLE head (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    status TEXT NOT NULL,
    session TEXT,
    tenant TEXT,
    owner TEXT,
    lease_until INTEGER,
    wake_at INTEGER,
    started_at INTEGER NOT NULL,
    unknowns INTEGER,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL
  );
  CREATE INDEX head_newest ON head (started_at);
  CREATE INDEX head_open ON head (status, started_at) WHERE status IN ('running', 'paused');
  CREATE INDEX head_session ON head (session, started_at) WHERE session IS NOT NULL;
  CREATE UNIQUE INDEX head_session_open ON head (session, ifnull(tenant, 0)) WHERE session IS NOT NULL AND status IN ('running', 'paused');

  CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE TABLE extent (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
  ) WITHOUT ROWID;

  CREATE TABLE blob (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
  );
  CREATE TABLE blob_use (
    hash TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (hash, run)
  ) WITHOUT ROWID;
  CREATE INDEX blob_use_run ON blob_use (run);

  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
