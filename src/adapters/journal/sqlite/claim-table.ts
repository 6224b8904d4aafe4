/** The statements on the tables `claim` and `claim_secret`, see schema.ts. */
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
  const secretRow = db.prepare('SELECT value FROM claim_secret');
  const find = db.prepare('SELECT * FROM claim WHERE mac = ?');
  const ofRun = db.prepare('SELECT * FROM claim WHERE run = ?');
  const remove = db.prepare('DELETE FROM claim WHERE mac = ?');
  const insert = db.prepare(
    'INSERT OR REPLACE INTO claim (mac, state, run, call, digest, since, until, generation, revision, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  let secret: Uint8Array | undefined;
  const macOf = (key: ClaimKey) => {
    secret ??= (secretRow.get() as { value: Uint8Array }).value;
    return claimMac(secret, key);
  };
  const stored = (mac: string): Claim | undefined => {
    const row = find.get(mac) as Row | undefined;
    return row && claimOf(row);
  };

  function put(mac: string, claim: Claim | undefined): void {
    if (!claim) return void remove.run(mac);
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
      const changed = changedClaims(runId, changes, { macOf, find: stored, now: Date.now() });
      return () => {
        for (const [mac, claim] of changed) put(mac, claim);
      };
    },

    /** The run is removed: what it did stays done. */
    forget(runId: string): void {
      for (const row of ofRun.all(runId) as unknown as Row[]) put(row.mac, tombstone(claimOf(row)));
    },
  };
}

const checksumOf = ({ mac, state, run, call, digest, since, until, generation, revision }: Omit<Row, 'checksum'>) =>
  crc32(JSON.stringify([mac, state, run, call, digest, since, until, generation, revision]));

/** @throws RondoError `JOURNAL_DAMAGED`: a claim that is misread could let an effect happen twice. */
function claimOf(row: Row): Claim {
  if (row.checksum !== checksumOf(row))
    throw new RondoError(
      'JOURNAL_DAMAGED',
      'A claim of an intent is damaged, so it is unknown what was done under its key, and nothing was done. Restore the store from a copy.',
      { details: { mac: row.mac } },
    );
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
