/** The statements on the tables `claim` and `claim_secret`, see schema.ts. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { RondoError } from '../../../errors.ts';
import { type Claim, type ClaimChange, type ClaimKey, changedClaims, claimMac, tombstone } from '../../../journal/claims.ts';

interface Row {
  mac: string;
  state: string;
  run: string | null;
  call: string | null;
  digest: string | null;
  since: number;
  until: number | null;
  generation: number;
  revision: number;
  checksum: number;
}

export type ClaimTable = ReturnType<typeof claimTable>;

/** Call the writing functions within a transaction. */
export function claimTable(db: DatabaseSync) {
  const secretRow = db.prepare('SELECT value, checksum FROM claim_secret');
  const head = db.prepare('SELECT 1 FROM head WHERE run_id = ?');
  const find = db.prepare('SELECT * FROM claim WHERE mac = ?');
  const ofRun = db.prepare('SELECT * FROM claim WHERE run = ?');
  const insert = db.prepare(
    'INSERT OR REPLACE INTO claim (mac, state, run, call, digest, since, until, generation, revision, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  let secret: Uint8Array | undefined;
  const macOf = (key: ClaimKey) => {
    secret ??= secretOf(secretRow.get() as SecretRow | undefined);
    return claimMac(secret, key);
  };
  const stored = (mac: string): Claim | undefined => {
    const row = find.get(mac) as Row | undefined;
    return row && claimOf(row);
  };

  function put(mac: string, claim: Claim): void {
    const { state, holder, digest = null, since, until = null, generation, revision } = claim;
    const row: Omit<Row, 'checksum'> = {
      mac,
      state,
      run: holder?.run ?? null,
      call: holder?.call ?? null,
      digest,
      since,
      until,
      generation,
      revision,
    };
    insert.run(mac, state, row.run, row.call, digest, since, until, generation, revision, checksumOf(row));
  }

  return {
    find: (key: ClaimKey): Claim | undefined => stored(macOf(key)),

    /** Works the changes out, and writes nothing before the result is called. @throws RondoError `INTENT_CLAIMED` */
    prepare(runId: string, changes: readonly ClaimChange[]): () => void {
      const changed = changedClaims(runId, changes, { macOf, find: stored, knows: (run) => head.get(run) !== undefined, now: Date.now() });
      return () => {
        for (const [mac, claim] of changed) put(mac, claim);
      };
    },

    /** The run is removed: what it did stays done. */
    forget(runId: string): void {
      // all are read before one is written
      const claims = (ofRun.all(runId) as unknown as Row[]).map((row) => [row.mac, tombstone(readable(row))] as const);
      for (const [mac, claim] of claims) put(mac, claim);
    },
  };
}

const checksumOf = ({ mac, state, run, call, digest, since, until, generation, revision }: Omit<Row, 'checksum'>) =>
  crc32(JSON.stringify([mac, state, run, call, digest, since, until, generation, revision]));

interface SecretRow {
  value: unknown;
  checksum: number;
}

/** Makes the secret, once for each file: under another one every key would look as if nothing had been done. */
export function makeSecret(db: DatabaseSync): void {
  const value = randomBytes(32);
  db.prepare('INSERT INTO claim_secret (value, checksum) VALUES (?, ?)').run(value, crc32(value));
}

/** @throws RondoError `JOURNAL_DAMAGED` */
function secretOf(row: SecretRow | undefined): Uint8Array {
  if (row && row.value instanceof Uint8Array && crc32(row.value) === row.checksum) return row.value;
  throw damaged('The secret of the claims is missing or damaged, so it is unknown what was done under any key, and nothing was done.');
}

/** Of a run that is to be forgotten: a claim that is damaged may stand for anything, so it stays unknown. */
function readable(row: Row): Claim {
  if (row.checksum === checksumOf(row)) return claimOf(row);
  return { state: 'unknown', since: Date.now(), generation: Number(row.generation) || 0, revision: Number(row.revision) || 1 };
}

const damaged = (what: string, details: { mac?: string } = {}) =>
  new RondoError('JOURNAL_DAMAGED', `${what} Restore the store from a copy.`, { details });

/** @throws RondoError `JOURNAL_DAMAGED`: a claim that is misread could let an effect happen twice. */
function claimOf(row: Row): Claim {
  if (row.checksum !== checksumOf(row))
    throw damaged('A claim of an intent is damaged, so it is unknown what was done under its key, and nothing was done.', { mac: row.mac });
  const { state, run, call, digest, since, until, generation, revision } = row;
  return {
    state: state as Claim['state'],
    ...(run !== null && call !== null && { holder: { run, call } }),
    ...(digest !== null && { digest }),
    since,
    ...(until !== null && { until }),
    generation,
    revision,
  };
}
