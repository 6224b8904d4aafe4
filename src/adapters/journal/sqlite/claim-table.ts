/** The statements on the tables `claim` and `claim_secret`, see schema.ts. */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { type Claim, type ClaimChange, type ClaimKey, changedClaims, tombstone } from '../../../journal/claims.ts';
import { type ClaimRow, claimDamaged, claimOf, readable, rowOf, type SecretRow, secretOf } from '../rows/claim.ts';
import { isFirst, keep, macs } from '../rows/macs.ts';

/** The claims beside the place of a name that was not found, in one statement: each takes a lock of its own outside of a transaction. */
export const BESIDE = `
  SELECT * FROM (SELECT mac, mac_checksum FROM claim WHERE mac < ? ORDER BY mac DESC LIMIT 1)
  UNION ALL SELECT * FROM (SELECT mac, mac_checksum FROM claim WHERE mac > ? ORDER BY mac LIMIT 1)`;

export type ClaimTable = ReturnType<typeof claimTable>;

/** Call the writing functions within a transaction. */
export function claimTable(db: DatabaseSync) {
  const secretRow = db.prepare('SELECT value, checksum FROM claim_secret');
  const head = db.prepare('SELECT 1 FROM head WHERE run_id = ?');
  const find = db.prepare('SELECT * FROM claim WHERE mac = ?');
  const ofRun = db.prepare('SELECT * FROM claim WHERE run = ?');
  const beside = db.prepare(BESIDE);
  const insert = db.prepare(`
    INSERT INTO claim (state, call, digest, since, until, generation, revision, checksum, run, mac, mac_checksum)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING`);
  const update = (more: string) =>
    db.prepare(`
      UPDATE claim SET state = ?, call = ?, digest = ?, since = ?, until = ?, generation = ?, revision = ?, checksum = ?${more}
      WHERE mac = ? AND revision = ? AND checksum = ?`);
  // the index on runs is written only if the holder is of another run
  const sameRun = update('');
  const otherRun = update(', run = ?');
  /** Rows as they were seen last, by name; undefined for none. Other connections may have changed them since. */
  const seen = new Map<string, ClaimRow | undefined>();
  let secret: Uint8Array | undefined;
  const names = macs();

  function macOf(key: ClaimKey): string {
    secret ??= secretOf(secretRow.get() as SecretRow | undefined);
    return names(secret, key);
  }

  function stored(mac: string): ClaimRow | undefined {
    const row = find.get(mac) as ClaimRow | undefined;
    if (!row) assertNotThere(mac);
    keep(seen, mac, row);
    return row;
  }

  /**
   * Damage does not move a row: one whose name was changed in the file still stands at the place of its name.
   * @throws RondoError `JOURNAL_DAMAGED`
   */
  function assertNotThere(mac: string): void {
    for (const found of beside.all(mac, mac) as Pick<ClaimRow, 'mac' | 'mac_checksum'>[])
      if (found.mac_checksum !== crc32(found.mac))
        throw claimDamaged('The name of a claim is damaged, so it is unknown what was done under a key, and nothing was done.', {
          mac: found.mac,
        });
  }

  function changedOf(
    runId: string,
    changes: readonly ClaimChange[],
    rowOf: (mac: string) => ClaimRow | undefined,
  ): ReadonlyMap<string, Claim> {
    const knows = (run: string) => head.get(run) !== undefined;
    return changedClaims(runId, changes, { macOf, find: (mac) => claimOf(rowOf(mac)), knows, now: Date.now() });
  }

  /** Writes a claim in the place of the row that was seen last. @returns false if another one is stored. Then nothing was written. */
  function put(mac: string, claim: Claim): boolean {
    const before = seen.get(mac);
    const row = rowOf(mac, claim);
    const { state, run, call, digest, since, until, generation, revision, checksum } = row;
    const values = [state, call, digest, since, until, generation, revision, checksum];
    keep(seen, mac, row);
    if (!before) return insert.run(...values, run, mac, row.mac_checksum).changes === 1;
    const same =
      run === before.run
        ? sameRun.run(...values, mac, before.revision, before.checksum)
        : otherRun.run(...values, run, mac, before.revision, before.checksum);
    return same.changes === 1;
  }

  return {
    find: (key: ClaimKey): Claim | undefined => claimOf(stored(macOf(key))),

    /** Works the changes out, and writes nothing before the result is called. @throws RondoError `INTENT_CLAIMED` */
    prepare(runId: string, changes: readonly ClaimChange[]): () => void {
      const changed = changedOf(runId, changes, stored);
      return () => {
        for (const [mac, claim] of changed) put(mac, claim);
      };
    },

    /**
     * The same without reading, if all claims are as this connection saw them last, and those that are taken for the first time are not there.
     * @returns false if they may not be: the transaction must be rolled back, and `prepare` decides in another one. @throws RondoError as
     * `prepare`, by what was seen, so `prepare` decides then too.
     */
    changeSeen(runId: string, changes: readonly ClaimChange[]): boolean {
      let known = true;
      const changed = changedOf(runId, changes, (mac) => {
        if (!seen.has(mac)) known &&= isFirst(changes, mac, macOf);
        return seen.get(mac);
      });
      // what does not apply to the claim that was seen may apply to the one that is stored
      if (!known || changed.size !== changes.length) return false;
      for (const [mac, claim] of changed) {
        if (!seen.has(mac)) assertNotThere(mac);
        if (!put(mac, claim)) return false;
      }
      return true;
    },

    /** The run is removed: what it did stays done. */
    forget(runId: string): void {
      // all are read before one is written
      for (const row of ofRun.all(runId) as unknown as ClaimRow[]) {
        keep(seen, row.mac, row);
        put(row.mac, tombstone(readable(row)));
      }
    },
  };
}

/** Makes the secret, once for each file: under another one every key would look as if nothing had been done. */
export function makeSecret(db: DatabaseSync): void {
  const value = randomBytes(32);
  db.prepare('INSERT INTO claim_secret (value, checksum) VALUES (?, ?)').run(value, crc32(value));
}
