/** The claims, see `src/journal/claims.ts`. Each change names the claim that it saw. */
import { lazy } from '../../../flight.ts';
import { type Claim, type ClaimKey, changedClaims, tombstone } from '../../../journal/claims.ts';
import { type ClaimRow, claimOf, readable, rowOf } from '../rows/claim.ts';
import { isFirst, keep, macs } from '../rows/macs.ts';
import type { Access, Write } from './access.ts';
import type { Key, Row } from './client.ts';
import { Refused } from './errors.ts';
import { LAST, runKey } from './keys.ts';
import { secretOfStore } from './secret.ts';
import { known, type Part } from './write.ts';

const claimKey = (mac: string): Key => ({ pk: `claim#${mac}`, sk: 'claim' });
/** Says that a run held the claim once, so that a removal finds it. */
const heldKey = (runId: string, mac: string): Key => ({ pk: runKey(runId), sk: `c#${mac}` });

function claimRow(item: Row | undefined): ClaimRow | undefined {
  if (!item) return undefined;
  const { run = null, call = null, digest = null, until = null } = item;
  return { ...item, run, call, digest, until } as unknown as ClaimRow;
}

/** Puts a claim in the place of the row that was seen. */
function claimWrites(mac: string, claim: Claim, before: ClaimRow | undefined): Write[] {
  const was = before && { equal: { revision: before.revision, checksum: before.checksum } };
  const writes: Write[] = [{ put: { ...claimKey(mac), ...rowOf(mac, claim) }, if: was ?? 'absent' }];
  const { holder } = claim;
  if (holder && before?.run !== holder.run) writes.push({ put: { ...heldKey(holder.run, mac) } });
  return writes;
}

export function claimsOf(access: Access, now: () => number) {
  /** Rows as they were seen last, by name; undefined for none. Other processes may have changed them since. */
  const seen = new Map<string, ClaimRow | undefined>();
  const macOf = macs();
  const secret = lazy(() => secretOfStore(access));

  /** Changes of claims, by those that were seen. @throws RondoError `INTENT_CLAIMED`, by what is stored */
  const change: Part = async (runId, { claims: changes }, fresh) => {
    if (!changes) return undefined;
    const under = await secret();
    const names = [...new Set(changes.map((one) => macOf(under, one)))];
    const others = changes.flatMap((one) => (one.to === 'unknown' && one.holder ? [one.holder.run] : []));
    const there = others.length > 0 ? await known(access, others) : new Set<string>();
    const made = (store: ReadonlyMap<string, ClaimRow | undefined>) =>
      changedClaims(runId, changes, {
        macOf: (key) => macOf(under, key),
        find: (mac) => claimOf(store.get(mac)),
        knows: (run) => there.has(run),
        now: now(),
      });
    const load = async (wanted: readonly string[]) => {
      const items = new Map((await access.getAll(wanted.map(claimKey))).map((item) => [item.pk, item]));
      for (const mac of wanted) keep(seen, mac, claimRow(items.get(claimKey(mac).pk)));
    };
    const rowsOf = () => new Map(names.map((mac) => [mac, seen.get(mac)]));
    const stale = fresh ? names : names.filter((mac) => !seen.has(mac) && !isFirst(changes, mac, (key) => macOf(under, key)));
    if (stale.length > 0) await load(stale);
    let rows = rowsOf();
    let claims: ReadonlyMap<string, Claim>;
    try {
      claims = made(rows);
    } catch (error) {
      if (stale.length === names.length) throw error;
      // what was seen is not what decides
      await load(names);
      rows = rowsOf();
      claims = made(rows);
    }
    // what was not changed may have been seen too early
    if (claims.size < names.length && stale.length < names.length) {
      await load(names);
      rows = rowsOf();
      claims = made(rows);
    }
    const writes = [...claims].flatMap(([mac, claim]) => claimWrites(mac, claim, rows.get(mac)));
    // until it is known what was stored
    for (const mac of names) seen.delete(mac);
    const stored = () => {
      for (const [mac, claim] of claims) keep(seen, mac, rowOf(mac, claim));
    };
    return { writes, stored };
  };

  return {
    change,
    secret,

    async find(key: ClaimKey): Promise<Claim | undefined> {
      const mac = macOf(await secret(), key);
      const row = claimRow(await access.get(claimKey(mac)));
      keep(seen, mac, row);
      return claimOf(row);
    },

    /** What a run that is removed holds stays without holder. */
    async release(runId: string): Promise<void> {
      for await (const { sk } of access.query({ pk: runKey(runId), from: 'c#', to: `c#${LAST}` })) {
        const mac = sk.slice('c#'.length);
        seen.delete(mac);
        for (;;) {
          const row = claimRow(await access.get(claimKey(mac)));
          if (!row || row.run !== runId) break;
          try {
            await access.write(claimWrites(mac, tombstone(readable(row)), row));
            break;
          } catch (error) {
            if (!(error instanceof Refused)) throw error;
          }
        }
      }
    },
  };
}
