/** A head as a row: its columns, and the checksums that detect changes by others. */
import { crc32 } from 'node:zlib';
import type { RunHead } from '../../../journal/port.ts';

export const COLUMNS = [
  ['run_id', 'runId'],
  ['agent', 'agent'],
  ['status', 'status'],
  ['session', 'session'],
  ['tenant', 'tenant'],
  ['owner', 'owner'],
  ['lease_until', 'leaseUntil'],
  ['wake_at', 'wakeAt'],
  ['started_at', 'startedAt'],
  ['unknowns', 'unknowns'],
  ['version', 'version'],
  ['seq', 'seq'],
  ['by_id', 'by'],
  ['fork', 'fork'],
  ['aside', 'aside'],
  ['asks', 'asks'],
] as const satisfies readonly (readonly [string, keyof RunHead])[];
export const NAMES = COLUMNS.map(([column]) => column).join(', ');
/** The columns of a head, and those that `listed` and `find` need too. */
export const ROW = `run, ${NAMES}, tail, identity, checksum`;

export type Columns = Record<string, string | number | null>;

export const toColumns = (head: RunHead) => COLUMNS.map(([, field]) => (isMark(field) ? markOf(head[field]) : (head[field] ?? null)));

const isMark = (field: keyof RunHead): field is 'aside' | 'asks' => field === 'aside' || field === 'asks';

/** A number, because SQLite has no booleans. */
export const markOf = (mark: true | undefined) => (mark ? 1 : null);

export function fromColumns(columns: Columns): RunHead {
  const head: Record<string, unknown> = {};
  for (const [column, field] of COLUMNS) if (columns[column] !== null) head[field] = isMark(field) ? true : columns[column];
  if (columns.checksum !== checksum(head as unknown as RunHead, columns.tail as number | null)) head.doubtful = true;
  return head as unknown as RunHead;
}

/** Protects the pair of run number and id: a head with the number of another run would return that run's entries. */
export const identity = (run: number, runId: string) => crc32(`${run}/${runId}`);

/** A checksum of all fields except the lease, which is updated on its own. */
export const checksum = (
  { runId, agent, status, session, tenant, by, fork, wakeAt, startedAt, unknowns, version, seq, aside, asks }: RunHead,
  tail: number | null,
) =>
  crc32(
    // heads without marks have the checksum of older files
    JSON.stringify([
      runId,
      agent,
      status,
      session,
      tenant,
      by,
      fork,
      wakeAt,
      startedAt,
      unknowns,
      version,
      seq,
      tail,
      ...(aside ? [1] : []),
      ...(asks ? ['asks'] : []),
    ]),
  );
