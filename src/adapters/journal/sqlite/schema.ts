import { crc32 } from 'node:zlib';

/** "Rndo", SQLite's `application_id` in the file header: distinguishes a journal from other databases. */
export const APPLICATION_ID = 0x526e646f;
/** The version of the tables below, SQLite's `user_version`. Entries have their own format version. */
export const SCHEMA_VERSION = 5;

/** The run number of a placeholder for removed rows. */
export const GONE = 0;
/** The checksum of a placeholder, so that a damaged row is not mistaken for one. @param seq the number of removed rows. */
export const goneChecksum = (id: number, seq: number) => crc32(`gone ${id} ${seq}`);
export const standsForRemoved = ({ id, run, seq, checksum }: { id: number; run: number; seq: number; checksum: number }) =>
  run === GONE && checksum === goneChecksum(id, seq);

/** Finds queued runs, by tenant. The columns have the order of `dueOrder`. */
export const QUEUE_INDEX = `
  CREATE INDEX head_queue ON head (ifnull(tenant, ''), started_at, run_id) WHERE status = 'queued';
  CREATE INDEX head_open ON head (status, started_at) WHERE status IN ('queued', 'running', 'paused');
`;

/** Finds paused runs that have an open approval. */
export const ASKS_INDEX = 'CREATE INDEX head_asks ON head (status, started_at) WHERE asks IS NOT NULL;';

/** Partial indexes that find due runs without a scan of all heads. */
export const DUE_INDEXES = `
  CREATE INDEX head_lease ON head (ifnull(lease_until, 0), run_id) WHERE status = 'running';
  CREATE INDEX head_wake ON head (wake_at, run_id) WHERE status = 'paused' AND wake_at IS NOT NULL;
  CREATE INDEX head_record ON head (wake_at, run_id) WHERE status = 'completed' AND wake_at IS NOT NULL;
`;

/** `held`: the number of values of a record, so that a missing one is detected. `checksum`: CRC-32 of `body`, one value as JSON. */
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
 * `mac`: HMAC-SHA-256 of tenant, intent and key, in hex, under the secret: what a key says is not in the table. `run` and `call` name the
 * holder; a claim whose run was removed has none. `mac_checksum`: CRC-32 of `mac`, which a claim that is not found is looked for by; `checksum`: of
 * the row.
 */
export const CLAIM_TABLES = `
  CREATE TABLE claim (
    mac TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    run TEXT,
    call TEXT,
    digest TEXT,
    since INTEGER NOT NULL,
    until INTEGER,
    generation INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    mac_checksum INTEGER NOT NULL,
    checksum INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX claim_run ON claim (run) WHERE run IS NOT NULL;
  CREATE TABLE claim_secret (value BLOB NOT NULL, checksum INTEGER NOT NULL);
`;

/**
 * The index of effects, see effects.ts in src/journal. `run` is the run's number in `head`. A row with `first_run` stands for a call that got
 * the result of that one. The table can be rebuilt from entries, so its rows have no checksums.
 */
export const EFFECT_TABLES = `
  CREATE TABLE effect (
    run INTEGER NOT NULL,
    call TEXT NOT NULL,
    at INTEGER NOT NULL,
    tool TEXT NOT NULL,
    outcome TEXT NOT NULL,
    amount TEXT,
    open INTEGER,
    first_run TEXT,
    first_call TEXT,
    PRIMARY KEY (run, call)
  ) WITHOUT ROWID;
  CREATE INDEX effect_newest ON effect (at) WHERE first_run IS NULL;
  CREATE INDEX effect_open ON effect (at) WHERE open IS NOT NULL;
  CREATE INDEX effect_first ON effect (first_run, first_call) WHERE first_run IS NOT NULL;
`;

/**
 * `event`: what came from outside, in the order of arrival. `topic`: tenant, name and key as JSON, emptied of its key once it was taken;
 * `sender`: the id of the principal that sent it; `body`: the rest as JSON. `event_wait`: the calls that wait. `event_use`: the events that are
 * assigned to calls, and not taken yet. `checksum`: CRC-32 of the row.
 */
export const INBOX_TABLES = `
  CREATE TABLE event (
    nr INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT,
    id TEXT NOT NULL,
    topic TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    sender TEXT NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
  CREATE INDEX event_id ON event (id);
  CREATE INDEX event_sender ON event (sender);
  CREATE INDEX event_listed ON event (ifnull(tenant, 0), nr) WHERE state <> 'taken';
  CREATE INDEX event_rejected ON event (ifnull(tenant, 0), at, nr) WHERE state = 'rejected';
  CREATE INDEX event_unclaimed ON event (ifnull(tenant, 0), at, nr) WHERE state = 'waiting';
  CREATE INDEX event_waiting ON event (topic, nr) WHERE state = 'waiting';
  CREATE INDEX event_until ON event (until);
  CREATE TABLE event_wait (
    nr INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    call TEXT NOT NULL,
    topic TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    UNIQUE (run, call)
  );
  CREATE INDEX event_wait_topic ON event_wait (topic, nr);
  CREATE TABLE event_use (
    run TEXT NOT NULL,
    call TEXT NOT NULL,
    event INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (run, call, event)
  ) WITHOUT ROWID;
  CREATE INDEX event_use_event ON event_use (event);
`;

/** The open run of each session: those with `aside` do not occupy it. */
export const SESSION_INDEX = `
  CREATE UNIQUE INDEX head_session_open ON head (session, ifnull(tenant, 0))
    WHERE session IS NOT NULL AND status IN ('running', 'paused') AND aside IS NULL;
`;

/**
 * `entry` is one log of all runs in append order, so that appends of many runs in one transaction share pages. `extent` has one row
 * for each range of consecutive log rows of one run. A run that appends alone has one extent, and each append writes one page. Runs that
 * alternate have one extent per append, in few pages.
 *
 * Ids have no gaps and are never reused: a removed range leaves one row of run {@link GONE}, whose `seq` is the number of removed rows. So
 * a reader detects a row that is missing or was assigned to another run.
 *
 * A head's `seq` and `tail` (its run's last row) are those of the last change of the head. `identity` and `checksum` are CRC-32s of
 * the head's fields, see head-row.ts. `blob_use` lists the runs that use a blob.
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
    checksum INTEGER,
    aside INTEGER,
    asks INTEGER
  );
  CREATE INDEX head_newest ON head (started_at);
  CREATE INDEX head_session ON head (session, started_at) WHERE session IS NOT NULL;
  CREATE INDEX head_by ON head (by_id, started_at) WHERE by_id IS NOT NULL;
  CREATE INDEX head_fork ON head (fork, started_at) WHERE fork IS NOT NULL;
  ${SESSION_INDEX}
  ${DUE_INDEXES}
  ${QUEUE_INDEX}
  ${ASKS_INDEX}

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
  ${CLAIM_TABLES}
  ${EFFECT_TABLES}
  ${INBOX_TABLES}

  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
