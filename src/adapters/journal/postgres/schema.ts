/** The tables. Texts are compared by their bytes, as in SQLite. */
import { invalid } from '../../../errors.ts';

/** The version of the tables below. Entries have their own format version. */
export const SCHEMA_VERSION = 1;

/** The schema, and its tables with it, quoted. */
export interface Names {
  schema: string;
  /** The channel of notifications. */
  channel: string;
  of(table: string): string;
}

const TABLES = [
  'version',
  'head',
  'entry',
  'blob',
  'blob_use',
  'record',
  'record_value',
  'claim',
  'claim_secret',
  'effect',
  'event',
  'event_wait',
  'event_use',
];

/** Most bytes of a name in Postgres, which cuts off longer ones. */
const LONGEST = 63;

/** @throws RondoError `CONFIG_INVALID` */
export function namesOf(schema: string): Names {
  const channel = `rondo:${schema}`;
  if (typeof schema !== 'string' || schema === '' || schema.includes('\u0000') || Buffer.byteLength(channel) > LONGEST)
    throw invalid('postgresJournal(): schema is a name of 1 to 57 bytes, such as "rondo".');
  const quoted = new Map(TABLES.map((table) => [table, `${quote(schema)}.${quote(table)}`]));
  return { schema, channel, of: (table) => quoted.get(table) as string };
}

export const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/**
 * `entry`: one row for each append: the run's number, the number of its first entry, how many there are, and what the append is recognized by
 * if its answer was lost. `head.held`: how many entries the run has, by which an append is compared and set. `head.uses`: how many events are
 * assigned to calls of the run. `head.changed_at`: when the run was changed last, for watchers that missed it. Columns with the names of those of
 * SQLite hold the same, see its schema.ts.
 */
export const tables = ({ schema, of }: Names) => `
  CREATE TABLE ${of('head')} (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL CONSTRAINT head_run_id UNIQUE,
    agent text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    session text COLLATE "C",
    tenant text COLLATE "C",
    owner text COLLATE "C",
    lease_until bigint,
    wake_at bigint,
    started_at bigint NOT NULL,
    unknowns integer,
    version integer NOT NULL,
    seq integer NOT NULL,
    by_id text COLLATE "C",
    fork text COLLATE "C",
    aside smallint,
    asks smallint,
    held integer NOT NULL,
    uses integer NOT NULL,
    changed_at bigint NOT NULL,
    checksum bigint NOT NULL
  ) WITH (fillfactor = 70);
  CREATE INDEX head_newest ON ${of('head')} (started_at, run);
  CREATE INDEX head_session ON ${of('head')} (session, started_at, run) WHERE session IS NOT NULL;
  CREATE INDEX head_by ON ${of('head')} (by_id, started_at, run) WHERE by_id IS NOT NULL;
  CREATE INDEX head_fork ON ${of('head')} (fork, started_at, run) WHERE fork IS NOT NULL;
  CREATE UNIQUE INDEX head_session_open ON ${of('head')} (session, tenant) NULLS NOT DISTINCT
    WHERE session IS NOT NULL AND status IN ('running', 'paused') AND aside IS NULL;
  CREATE INDEX head_lease ON ${of('head')} (coalesce(lease_until, 0), run_id) WHERE status = 'running';
  CREATE INDEX head_wake ON ${of('head')} (wake_at, run_id) WHERE status = 'paused' AND wake_at IS NOT NULL;
  CREATE INDEX head_record ON ${of('head')} (wake_at, run_id) WHERE status = 'completed' AND wake_at IS NOT NULL;
  CREATE INDEX head_queue ON ${of('head')} (coalesce(tenant, ''), started_at, run_id) WHERE status = 'queued';
  CREATE INDEX head_open ON ${of('head')} (status, started_at, run) WHERE status IN ('queued', 'running', 'paused');
  CREATE INDEX head_asks ON ${of('head')} (status, started_at, run) WHERE asks IS NOT NULL;

  CREATE TABLE ${of('entry')} (
    run bigint NOT NULL,
    seq integer NOT NULL,
    count integer NOT NULL,
    nonce bigint NOT NULL,
    body text NOT NULL,
    checksum bigint NOT NULL,
    PRIMARY KEY (run, seq)
  );

  CREATE TABLE ${of('blob')} (hash text COLLATE "C" PRIMARY KEY, body text NOT NULL);
  CREATE TABLE ${of('blob_use')} (hash text COLLATE "C" NOT NULL, run bigint NOT NULL, PRIMARY KEY (hash, run));
  CREATE INDEX blob_use_run ON ${of('blob_use')} (run);

  CREATE TABLE ${of('record')} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    held integer NOT NULL,
    UNIQUE (namespace, key)
  );
  CREATE TABLE ${of('record_value')} (
    record bigint NOT NULL,
    seq integer NOT NULL,
    nonce bigint NOT NULL,
    body text NOT NULL,
    checksum bigint NOT NULL,
    PRIMARY KEY (record, seq)
  );

  CREATE TABLE ${of('claim')} (
    mac text COLLATE "C" PRIMARY KEY,
    state text NOT NULL,
    run text COLLATE "C",
    call text COLLATE "C",
    digest text,
    since bigint NOT NULL,
    until bigint,
    generation integer NOT NULL,
    revision integer NOT NULL,
    mac_checksum bigint NOT NULL,
    checksum bigint NOT NULL
  );
  CREATE INDEX claim_run ON ${of('claim')} (run) WHERE run IS NOT NULL;
  CREATE TABLE ${of('claim_secret')} (value text NOT NULL, checksum bigint NOT NULL);

  CREATE TABLE ${of('effect')} (
    run bigint NOT NULL,
    call text COLLATE "C" NOT NULL,
    call_nr integer NOT NULL,
    at bigint NOT NULL,
    tool text COLLATE "C" NOT NULL,
    outcome text NOT NULL,
    amount text,
    open smallint,
    first_run text COLLATE "C",
    first_call text COLLATE "C",
    PRIMARY KEY (run, call)
  );
  CREATE INDEX effect_newest ON ${of('effect')} (at, run, call_nr, call) WHERE first_run IS NULL;
  CREATE INDEX effect_open ON ${of('effect')} (at, run, call_nr, call) WHERE first_run IS NULL AND open IS NOT NULL;
  CREATE INDEX effect_first ON ${of('effect')} (first_run, first_call) WHERE first_run IS NOT NULL;

  CREATE SEQUENCE ${quote(schema)}.event_nr;
  CREATE TABLE ${of('event')} (
    nr bigint PRIMARY KEY,
    tenant text COLLATE "C",
    id text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    state text NOT NULL,
    at bigint NOT NULL,
    until bigint NOT NULL,
    sender text COLLATE "C" NOT NULL,
    body text NOT NULL,
    checksum bigint NOT NULL
  );
  CREATE INDEX event_id ON ${of('event')} (id);
  CREATE INDEX event_sender ON ${of('event')} (sender);
  CREATE INDEX event_listed ON ${of('event')} (tenant, nr) WHERE state <> 'taken';
  CREATE INDEX event_rejected ON ${of('event')} (tenant, at, nr) WHERE state = 'rejected';
  CREATE INDEX event_unclaimed ON ${of('event')} (tenant, at, nr) WHERE state = 'waiting';
  CREATE INDEX event_waiting ON ${of('event')} (topic, nr) WHERE state = 'waiting';
  CREATE INDEX event_until ON ${of('event')} (until);
  CREATE TABLE ${of('event_wait')} (
    nr bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE "C" NOT NULL,
    call text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    checksum bigint NOT NULL,
    UNIQUE (run, call)
  );
  CREATE INDEX event_wait_topic ON ${of('event_wait')} (topic, nr);
  CREATE TABLE ${of('event_use')} (
    run text COLLATE "C" NOT NULL,
    call text COLLATE "C" NOT NULL,
    event bigint NOT NULL,
    checksum bigint NOT NULL,
    PRIMARY KEY (run, call, event)
  );
  CREATE INDEX event_use_event ON ${of('event_use')} (event);
`;
