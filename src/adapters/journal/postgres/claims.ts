/** The claims, see `src/journal/claims.ts`. */
import { type Claim, type ClaimChange, type ClaimKey, changedClaims, tombstone } from '../../../journal/claims.ts';
import { type ClaimRow, claimOf, readable, secretOf } from '../rows/claim.ts';
import { isFirst, keep, macs } from '../rows/macs.ts';
import type { Access } from './access.ts';
import type { SeenClaim } from './append.ts';
import type { Query } from './client.ts';

const FIELDS = 'mac, state, run, call, digest, since, until, generation, revision, mac_checksum, checksum';

export type Claims = ReturnType<typeof claims>;

export function claims({ names: { of }, query }: Access) {
  const SECRET = `SELECT value, checksum FROM ${of('claim_secret')}`;
  const FIND = `SELECT ${FIELDS} FROM ${of('claim')} WHERE mac = $1`;
  const TAKE = `SELECT ${FIELDS} FROM ${of('claim')} WHERE mac = ANY($1::text[]) ORDER BY mac FOR UPDATE`;
  const OF_RUN = `SELECT ${FIELDS} FROM ${of('claim')} WHERE run = $1 ORDER BY mac FOR UPDATE`;
  const KNOWN = `SELECT run_id FROM ${of('head')} WHERE run_id = ANY($1::text[])`;
  /** Rows as they were seen last, by name; undefined for none. Other processes may have changed them since. */
  const seen = new Map<string, ClaimRow | undefined>();
  const macOf = macs();
  let secret: Uint8Array | undefined;

  /** Call it before a transaction, which holds a connection. */
  async function known(): Promise<Uint8Array> {
    if (secret) return secret;
    const [row] = await query<{ value: string; checksum: number }>(SECRET, []);
    secret = secretOf(row && { value: Buffer.from(row.value, 'hex'), checksum: row.checksum });
    return secret;
  }

  function changed(
    runId: string,
    changes: readonly ClaimChange[],
    under: Uint8Array,
    now: number,
    rowOf: (mac: string) => ClaimRow | undefined,
    knows: (run: string) => boolean,
  ): SeenClaim[] {
    const found = changedClaims(runId, changes, { macOf: (key) => macOf(under, key), find: (mac) => claimOf(rowOf(mac)), knows, now });
    return [...found].map(([mac, claim]) => ({ mac, claim, before: rowOf(mac) }));
  }

  return {
    known,

    async find(key: ClaimKey): Promise<Claim | undefined> {
      const mac = macOf(await known(), key);
      const [row] = await query<ClaimRow>(FIND, [mac]);
      keep(seen, mac, row);
      return claimOf(row);
    },

    /** What the changes make of the claims that this process saw last. Undefined if they may be others: then `locked` decides. */
    guessed(runId: string, changes: readonly ClaimChange[], now: number): SeenClaim[] | undefined {
      const under = secret;
      if (!under) return undefined;
      let sure = true;
      const rowOf = (mac: string) => {
        if (!seen.has(mac)) sure &&= isFirst(changes, mac, (key) => macOf(under, key));
        return seen.get(mac);
      };
      const knows = () => {
        sure = false;
        return true;
      };
      try {
        const made = changed(runId, changes, under, now, rowOf, knows);
        return sure && made.length === changes.length ? made : undefined;
      } catch {
        // what was seen is not what decides
        return undefined;
      }
    },

    /** The same by what is stored, which stays as it is until the end of the transaction. @throws RondoError `INTENT_CLAIMED` */
    async locked(query: Query, runId: string, changes: readonly ClaimChange[], now: number): Promise<SeenClaim[]> {
      const under = await known();
      const names = [...new Set(changes.map((change) => macOf(under, change)))];
      const rows = new Map((await query<ClaimRow>(TAKE, [names])).map((row) => [row.mac, row]));
      for (const mac of names) keep(seen, mac, rows.get(mac));
      const others = changes.flatMap((change) => (change.to === 'unknown' && change.holder ? [change.holder.run] : []));
      const runs = others.length > 0 ? await query<{ run_id: string }>(KNOWN, [others]) : [];
      const there = new Set(runs.map(({ run_id }) => run_id));
      return changed(
        runId,
        changes,
        under,
        now,
        (mac) => rows.get(mac),
        (run) => there.has(run),
      );
    },

    /** What was written is what is seen next. */
    wrote(rows: Iterable<ClaimRow>): void {
      for (const row of rows) keep(seen, row.mac, row);
    },

    /** Nothing is known of these any more. */
    lost(made: readonly SeenClaim[]): void {
      for (const { mac } of made) seen.delete(mac);
    },

    /** What remains of the claims of a run that is removed. */
    async tombstones(query: Query, runId: string): Promise<SeenClaim[]> {
      const rows = await query<ClaimRow>(OF_RUN, [runId]);
      return rows.map((row) => ({ mac: row.mac, claim: tombstone(readable(row)), before: row }));
    },
  };
}
