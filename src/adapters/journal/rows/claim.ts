/** A claim as a row: its columns, and the checksums that detect changes by others. */
import { crc32 } from 'node:zlib';
import { RondoError } from '../../../errors.ts';
import type { Claim } from '../../../journal/claims.ts';

export interface ClaimRow {
  mac: string;
  state: string;
  run: string | null;
  call: string | null;
  digest: string | null;
  since: number;
  until: number | null;
  generation: number;
  revision: number;
  mac_checksum: number;
  checksum: number;
}

export interface SecretRow {
  value: unknown;
  checksum: number;
}

export function rowOf(mac: string, { state, holder, digest, since, until, generation, revision }: Claim): ClaimRow {
  const { run = null, call = null } = holder ?? {};
  const row = { mac, state, run, call, digest: digest ?? null, since, until: until ?? null, generation, revision };
  return { ...row, mac_checksum: crc32(mac), checksum: checksumOf(row) };
}

const checksumOf = ({ mac, state, run, call, digest, since, until, generation, revision }: Omit<ClaimRow, 'mac_checksum' | 'checksum'>) =>
  crc32(JSON.stringify([mac, state, run, call, digest, since, until, generation, revision]));

/** @throws RondoError `JOURNAL_DAMAGED` */
export function secretOf(row: SecretRow | undefined): Uint8Array {
  if (row && row.value instanceof Uint8Array && crc32(row.value) === row.checksum) return row.value;
  throw claimDamaged('The secret of the claims is missing or damaged, so it is unknown what was done under any key, and nothing was done.');
}

/** Of a run that is to be forgotten: a claim that is damaged may stand for anything, so it stays unknown. */
export function readable(row: ClaimRow): Claim {
  if (row.checksum === checksumOf(row)) return claimOf(row) as Claim;
  return { state: 'unknown', since: Date.now(), generation: Number(row.generation) || 0, revision: Number(row.revision) || 1 };
}

export const claimDamaged = (what: string, details: { mac?: string } = {}) =>
  new RondoError('JOURNAL_DAMAGED', `${what} Restore the store from a copy.`, { details });

/** @throws RondoError `JOURNAL_DAMAGED`: a claim that is misread could let an effect happen twice. */
export function claimOf(row: ClaimRow | undefined): Claim | undefined {
  if (!row) return undefined;
  if (row.checksum !== checksumOf(row))
    throw claimDamaged('A claim of an intent is damaged, so it is unknown what was done under its key, and nothing was done.', {
      mac: row.mac,
    });
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
