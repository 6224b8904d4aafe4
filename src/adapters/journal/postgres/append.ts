/** One append is one statement, and so one round trip and one transaction. */
import type { Claim } from '../../../journal/claims.ts';
import type { StoredEffect } from '../../../journal/effects.ts';
import type { StoredAppend } from '../../../journal/entries/codec.ts';
import type { RunHead } from '../../../journal/port.ts';
import { type ClaimRow, rowOf } from '../rows/claim.ts';
import { COLUMNS, checksum, NAMES, toColumns } from '../rows/head.ts';
import { CLOCK, SYNC } from './access.ts';
import type { Query } from './client.ts';
import type { Names } from './schema.ts';

/** The types of the columns of a head. */
const TYPES: Record<(typeof COLUMNS)[number][0], string> = {
  run_id: 'text',
  agent: 'text',
  status: 'text',
  session: 'text',
  tenant: 'text',
  owner: 'text',
  lease_until: 'bigint',
  wake_at: 'bigint',
  started_at: 'bigint',
  unknowns: 'integer',
  version: 'integer',
  seq: 'integer',
  by_id: 'text',
  fork: 'text',
  aside: 'smallint',
  asks: 'smallint',
};

/** A claim to store, in the place of the row that was seen; undefined: none was. */
export interface SeenClaim {
  claim: Claim;
  mac: string;
  before: ClaimRow | undefined;
}

export interface Append {
  runId: string;
  expected: number;
  count: number;
  /** A random number, to find out later whether this append was stored. */
  nonce: number;
  stored: StoredAppend;
  head: RunHead;
  sync: 'power' | 'process';
  /** How many events are assigned to a run that begins. */
  uses?: number;
  effects?: readonly StoredEffect[] | undefined;
  claims?: readonly SeenClaim[] | undefined;
}

export interface Appended {
  /** The run's number; null if it does not hold what was expected. Then nothing was written. */
  run: number | null;
  clock: number;
}

/**
 * Appends if the run holds what is expected. Claims and effects are changed only if all claims are as they were seen; otherwise the statement
 * fails, see `sawOther`. @param begins the run has no head.
 */
export async function appendOne(query: Query, names: Names, a: Append, begins: boolean): Promise<Appended> {
  const { text, values } = statementOf(names, a, begins);
  const [row] = await query<Appended>(text, values);
  return row as Appended;
}

/** The text depends on these only, so it is built once for each: a statement of a few kilobytes is costly to put together. */
const texts = new Map<string, string>();

function statementOf({ of, channel }: Names, a: Append, begins: boolean): { text: string; values: unknown[] } {
  const { runId, expected, count, nonce, stored, head, sync, uses = 0, effects = [], claims = [] } = a;
  const values: unknown[] = [];
  const shape = `${channel} ${begins} ${sync} ${count > 0} ${head.status === 'paused'} ${stored.blobs.length > 0} ${effects.length > 0} ${claims.length > 0}`;
  const known = texts.get(shape);
  const p = (value: unknown, type: string) => {
    const place = values.push(value);
    return known === undefined ? `$${place}::${type}` : '';
  };
  const columns = toColumns(head);
  const held = p(expected + count, 'integer');
  const of_ = Object.fromEntries(COLUMNS.map(([column], i) => [column, p(columns[i], TYPES[column])])) as Record<
    keyof typeof TYPES,
    string
  >;
  const sum = p(checksum(head, expected + count), 'bigint');
  const parts: string[] = [];

  if (begins)
    parts.push(`moved AS (
      INSERT INTO ${of('head')} AS h (${NAMES}, held, uses, changed_at, checksum)
      VALUES (${COLUMNS.map(([column]) => of_[column]).join(', ')}, ${held}, ${p(uses, 'integer')}, ${CLOCK}, ${sum})
      ON CONFLICT (run_id) DO NOTHING RETURNING h.run)`);
  else {
    const { run_id, status, owner, lease_until, wake_at, ...plain } = of_;
    // a paused run to which an event is assigned is due at once
    const woken = head.status === 'paused' ? p(checksum({ ...head, wakeAt: 0 }, expected + count), 'bigint') : undefined;
    const ifWoken = (then: string, otherwise: string) => (woken ? `CASE WHEN h.uses > 0 THEN ${then} ELSE ${otherwise} END` : otherwise);
    // a running head without an owner keeps the lease, and an older head does not shorten one that was renewed meanwhile
    const foreign = `${status} = 'running' AND ${owner} IS NULL`;
    parts.push(`moved AS (
      UPDATE ${of('head')} AS h SET ${Object.entries(plain)
        .map(([column, value]) => `${column} = ${value}`)
        .join(', ')}, status = ${status},
        owner = CASE WHEN ${foreign} THEN h.owner ELSE ${owner} END,
        lease_until = CASE WHEN ${foreign} THEN h.lease_until
          WHEN h.owner = ${owner} AND h.lease_until > coalesce(${lease_until}, 0) THEN h.lease_until ELSE ${lease_until} END,
        wake_at = ${ifWoken('0', wake_at)}, checksum = ${ifWoken(woken ?? '', sum)}, held = ${held}, changed_at = ${CLOCK}
      WHERE h.run_id = ${run_id} AND h.held = ${p(expected, 'integer')} RETURNING h.run)`);
  }

  if (count > 0)
    parts.push(`stored AS (
      INSERT INTO ${of('entry')} (run, seq, count, nonce, body, checksum)
      SELECT run, ${p(expected, 'integer')}, ${p(count, 'integer')}, ${p(nonce, 'bigint')}, ${p(stored.body, 'text')}, ${p(stored.checksum, 'bigint')} FROM moved)`);

  // in one order, so that two appends do not wait for each other; the update locks a row that a removal might delete
  const blobs = [...new Map(stored.blobs.map((blob) => [blob.hash, blob])).values()].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  if (blobs.length > 0) {
    const hashes = p(
      blobs.map(({ hash }) => hash),
      'text[]',
    );
    const bodies = p(
      blobs.map(({ body }) => body),
      'text[]',
    );
    parts.push(
      `blobs AS (
        INSERT INTO ${of('blob')} (hash, body) SELECT b.hash, b.body FROM moved, unnest(${hashes}, ${bodies}) AS b(hash, body)
        ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash)`,
      `used AS (
        INSERT INTO ${of('blob_use')} (hash, run) SELECT b.hash, moved.run FROM moved, unnest(${hashes}) AS b(hash) ON CONFLICT DO NOTHING)`,
    );
  }

  if (effects.length > 0) parts.push(effectsPart(of, p, effects));
  let certain = '';
  if (claims.length > 0) {
    const { changed, made } = claimParts(of, p, claims);
    parts.push(changed, made);
    // a division by zero rolls all of it back
    certain = `, CASE WHEN (SELECT count(*) FROM moved) = 0 THEN 1
      ELSE 1 / ((SELECT count(*) FROM changed) + (SELECT count(*) FROM made) = ${p(claims.length, 'integer')})::integer END AS certain`;
  }
  const text = `WITH ${parts.join(', ')}
    SELECT (SELECT run FROM moved) AS run, ${CLOCK} AS clock,
      (SELECT pg_notify(${p(channel, 'text')}, ${p(runId, 'text')}) FROM moved) AS told, (${SYNC[sync]}) AS sync${certain}`;
  if (known === undefined) texts.set(shape, text);
  return { text: known ?? text, values };
}

type Param = (value: unknown, type: string) => string;

function effectsPart(of: Names['of'], p: Param, effects: readonly StoredEffect[]): string {
  // the last row of each call, because a statement changes a row once
  const rows = [...new Map(effects.map((effect) => [effect.call, effect])).values()];
  const column = (value: (effect: StoredEffect) => unknown, type: string) => p(rows.map(value), `${type}[]`);
  const lists = [
    column(({ call }) => call, 'text'),
    column(({ call }) => numberOf(call), 'integer'),
    column(({ at }) => at, 'bigint'),
    column(({ tool }) => tool, 'text'),
    column(({ outcome }) => outcome, 'text'),
    column(({ amount }) => (amount ? JSON.stringify(amount) : null), 'text'),
    column(({ open }) => (open ? 1 : null), 'smallint'),
    column(({ first }) => first?.run ?? null, 'text'),
    column(({ first }) => first?.call ?? null, 'text'),
  ];
  const names = 'call, call_nr, at, tool, outcome, amount, open, first_run, first_call';
  const set = names
    .split(', ')
    .map((name) => `${name} = excluded.${name}`)
    .join(', ');
  return `effects AS (
    INSERT INTO ${of('effect')} (run, ${names}) SELECT moved.run, e.* FROM moved, unnest(${lists.join(', ')}) AS e(${names})
    ON CONFLICT (run, call) DO UPDATE SET ${set})`;
}

/** The entry's number in the id of a call, by which lists are sorted. */
export const numberOf = (call: string): number => Number.parseInt(call, 10) || 0;

const CLAIM = {
  mac: 'text',
  state: 'text',
  run: 'text',
  call: 'text',
  digest: 'text',
  since: 'bigint',
  until: 'bigint',
  generation: 'integer',
  revision: 'integer',
  mac_checksum: 'bigint',
  checksum: 'bigint',
} as const satisfies Record<keyof ClaimRow, string>;
const FIELDS = Object.keys(CLAIM) as (keyof ClaimRow)[];

/** The statements that change the claims that were seen, and make those that were not there. */
function claimParts(of: Names['of'], p: Param, claims: readonly SeenClaim[]): { changed: string; made: string } {
  const sorted = [...claims].sort((a, b) => (a.mac < b.mac ? -1 : 1));
  const rows = sorted.map(({ mac, claim }) => rowOf(mac, claim));
  const lists = FIELDS.map((field) =>
    p(
      rows.map((row) => row[field]),
      `${CLAIM[field]}[]`,
    ),
  );
  const was = (field: 'revision' | 'checksum') =>
    p(
      sorted.map(({ before }) => before?.[field] ?? null),
      `${CLAIM[field]}[]`,
    );
  const names = FIELDS.join(', ');
  const from = `moved, unnest(${[...lists, was('revision'), was('checksum')].join(', ')}) AS n(${names}, was_revision, was_checksum)`;
  const set = FIELDS.filter((field) => field !== 'mac' && field !== 'mac_checksum').map((field) => `${field} = n.${field}`);
  return {
    changed: `changed AS (
      UPDATE ${of('claim')} AS c SET ${set.join(', ')} FROM ${from}
      WHERE c.mac = n.mac AND c.revision = n.was_revision AND c.checksum = n.was_checksum RETURNING 1)`,
    made: `made AS (
      INSERT INTO ${of('claim')} (${names}) SELECT ${FIELDS.map((field) => `n.${field}`).join(', ')} FROM ${from}
      WHERE n.was_revision IS NULL ON CONFLICT (mac) DO NOTHING RETURNING 1)`,
  };
}
