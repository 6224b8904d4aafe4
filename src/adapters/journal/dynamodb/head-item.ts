/** The head of a run as an item, and the items that lists of a session, of a principal and of forks begin with. */
import { dueAt } from '../../../journal/due.ts';
import type { RunHead } from '../../../journal/port.ts';
import type { UseRow } from '../rows/event.ts';
import { COLUMNS, type Columns, checksum, fromColumns, toColumns } from '../rows/head.ts';
import type { Write } from './access.ts';
import type { Key, Row } from './client.ts';
import type { RunWait } from './inbox-items.ts';
import { checkKey, headKey, ordered, tenantKey } from './keys.ts';

export interface StoredHead {
  head: RunHead;
  /** How many entries the run has. */
  held: number;
  /** A random number, another one after each write: the next write names the one that it saw. */
  rev: number;
  /** The `rev` of its first write. A removed run that was begun again has another one. */
  born: number;
  /** Which events are assigned to calls of the run. */
  uses: readonly UseRow[];
  /** Which of its calls wait for an event. */
  waits: readonly RunWait[];
  /** The checksum as it was read, which a renewed lease leaves as it is. */
  sum?: number;
  /** It is being removed: it accepts no append, and lists have it until all of it is gone. */
  gone: boolean;
}

export function storedHead(item: Row): StoredHead {
  const columns: Columns = { tail: item.held as number, checksum: item.checksum as number };
  for (const [column] of COLUMNS) columns[column] = (item[column] as string | number | undefined) ?? null;
  return {
    head: fromColumns(columns),
    held: item.held as number,
    rev: item.rev as number,
    born: item.born as number,
    uses: listOfItem<UseRow>(item.uses),
    waits: listOfItem<RunWait>(item.waits),
    gone: item.gone === 1,
    sum: item.checksum as number,
  };
}

const listOfItem = <T>(value: Row[string] | undefined): T[] => (typeof value === 'string' ? (JSON.parse(value) as T[]) : []);

/** @throws RondoError `CONFIG_INVALID` for names that no key can hold. */
export function headItem(stored: StoredHead): Key & Row {
  const { head, held, rev, born, uses, waits, gone, sum = checksum(head, held) } = stored;
  const item: Row = { ...headKey(head.runId), held, rev, born, checksum: sum };
  const columns = toColumns(head);
  for (const [i, [column]] of COLUMNS.entries()) {
    const value = columns[i];
    if (value !== null && value !== undefined) item[column] = value as string | number;
  }
  if (uses.length > 0) item.uses = JSON.stringify(uses);
  if (waits.length > 0) item.waits = JSON.stringify(waits);
  if (gone) item.gone = 1;
  item.l_pk = listOf(head.status, head.asks);
  item.l_sk = placeOf(head);
  const due = gone ? undefined : dueKey(head);
  if (due !== undefined) Object.assign(item, { d_pk: `due#${head.status}`, d_sk: due });
  checkKey(item);
  return item as Key & Row;
}

/** The partition of the list of runs. Those with an open approval have one of their own. */
export const listOf = (status: string, asks?: true) => (asks && mayAsk(status) ? 'runs#asks' : `runs#${status}`);
export const mayAsk = (status: string) => status === 'paused' || status === 'stopped' || status === 'failed';
export const placeOf = ({ startedAt, runId }: Pick<RunHead, 'startedAt' | 'runId'>) => `${ordered(startedAt)}#${runId}`;

/** Where a run stands among those that are due. Queued ones are by tenant first. */
export function dueKey(head: RunHead): string | undefined {
  const at = dueAt(head);
  if (at === undefined) return undefined;
  const place = `${ordered(at)}#${head.runId}`;
  return head.status === 'queued' ? `${queueOf(head.tenant ?? '')}${place}` : place;
}
/** What the places of a tenant's queued runs begin with. */
export const queueOf = (tenant: string) => `${tenant}\0`;

export const POINTED = ['session', 'by', 'fork'] as const;
export const pointersKey = (field: (typeof POINTED)[number], value: string) => `${field}#${value}`;

function pointersOf(head: RunHead): Key[] {
  return POINTED.flatMap((field) => {
    const value = head[field];
    return value === undefined ? [] : [{ pk: pointersKey(field, value), sk: `r#${placeOf(head)}` }];
  });
}

/** The item by which a session has one open run at most. */
function openKey({ session, tenant, status, aside }: RunHead): Key | undefined {
  if (session === undefined || aside || (status !== 'running' && status !== 'paused')) return undefined;
  return { pk: pointersKey('session', session), sk: `open#${tenantKey(tenant)}` };
}

const differs = (a: Key | undefined, b: Key | undefined) => a?.pk !== b?.pk || a?.sk !== b?.sk;

/** What a write of a head changes in the items that point to it. `open`: the write that its session must be free for. */
export function pointerWrites(before: RunHead | undefined, after: RunHead | undefined): { writes: Write[]; open: Write | undefined } {
  const runId = (after ?? before)?.runId as string;
  const had = before ? pointersOf(before) : [];
  const has = after ? pointersOf(after) : [];
  const writes: Write[] = [];
  for (const key of had) if (!has.some((other) => !differs(key, other))) writes.push({ delete: key });
  for (const key of has) {
    checkKey(key);
    if (!had.some((other) => !differs(key, other))) writes.push({ put: { ...key, run: runId } });
  }
  const from = before && openKey(before);
  const to = after && openKey(after);
  if (!differs(from, to)) return { writes, open: undefined };
  const mine = { equal: { run: runId }, orAbsent: true } as const;
  if (from) writes.push({ delete: from, if: mine });
  if (!to) return { writes, open: undefined };
  checkKey(to);
  return { writes, open: { put: { ...to, run: runId }, if: mine } };
}
