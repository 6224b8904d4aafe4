import { crc32 } from 'node:zlib';

/** "Rndo", in the header of our files: tells a journal from somebody else's database. */
export const APPLICATION_ID = 0x526e646f;
/** Of the tables below, in the header too (`user_version`). The format of entries has its own version, in each entry. */
export const SCHEMA_VERSION = 4;

/** The run of a row that stands for removed ones. */
export const GONE = 0;
/** Its checksum, so that no row that is hurt passes for one. `seq`: how many rows it stands for. */
export const goneChecksum = (id: number, seq: number) => crc32(`gone ${id} ${seq}`);
export const standsForRemoved = ({ id, run, seq, checksum }: { id: number; run: number; seq: number; checksum: number }) =>
  run === GONE && checksum === goneChecksum(id, seq);

/** Finds the runs that are due among any number of others. */
export const DUE_INDEXES = `
  CREATE INDEX head_lease ON head (ifnull(lease_until, 0), run_id) WHERE status = 'running';
  CREATE INDEX head_wake ON head (wake_at, run_id) WHERE status = 'paused' AND wake_at IS NOT NULL;
  CREATE INDEX head_record ON head (wake_at, run_id) WHERE status = 'completed' AND wake_at IS NOT NULL;
`;

/** `held`: the values that a record has, so that a missing one is noticed. `checksum`: CRC-32 of the body, which is one value as JSON. */
export const RECORD_TABLES = `
  CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    held INTEGER NOT NULL,
    UNIQUE (namespace, key)
  );
  CREATE TABLE record_value (
    record INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE UNIQUE INDEX record_value_seq ON record_value (record, seq);
`;

/**
 * `entry` is one log of all runs in the order of their appends, so that appends of many runs in one transaction share its pages.
 * `extent` finds a run in it: one row for each stretch of neighbouring log rows of one run. A run that appends alone has one
 * extent however long it gets, and each of its appends writes one page; runs that take turns have one per append, in few pages.
 *
 * Rows have neighbours: a removed stretch leaves one row of run {@link GONE}, whose `seq` is the number of rows it stands for. So a row
 * that is missing, or says that it is of another run, is noticed by a reader who comes to it, and ids never come back.
 *
 * A head's `seq` and `tail` (its run's last row) are those of the last time the head changed. `identity` and `checksum` are CRC-32s of
 * what the head says, see heads.ts. `blob_use` says which runs a blob is for.
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
    seq INTEGER NOT NULL,
    by_id TEXT,
    fork TEXT,
    tail INTEGER,
    identity INTEGER,
    checksum INTEGER
  );
  CREATE INDEX head_newest ON head (started_at);
  CREATE INDEX head_open ON head (status, started_at) WHERE status IN ('running', 'paused');
  CREATE INDEX head_session ON head (session, started_at) WHERE session IS NOT NULL;
  CREATE INDEX head_by ON head (by_id, started_at) WHERE by_id IS NOT NULL;
  CREATE INDEX head_fork ON head (fork, started_at) WHERE fork IS NOT NULL;
  CREATE UNIQUE INDEX head_session_open ON head (session, ifnull(tenant, 0)) WHERE session IS NOT NULL AND status IN ('running', 'paused');
  ${DUE_INDEXES}

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
  ${RECORD_TABLES}

  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
