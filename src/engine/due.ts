/** Finds due runs: those whose process died, and paused runs that can continue. */
import { dueAt } from '../journal/due.ts';
import type { DueFilter, Journal, RunHead } from '../journal/port.ts';
import { isGone, ownersHere } from './drive/owner.ts';
import type { Resources } from './resources.ts';

/** Heads read at a time. */
const PAGE = 100;

/**
 * The ids of due runs that this engine can drive, longest due first. Read page by page, as the caller consumes them.
 * @throws RondoError `ENGINE_CLOSED`, or what the store throws.
 */
export async function* dueRuns(resources: Resources, status: 'running' | 'paused'): AsyncGenerator<string, void, undefined> {
  resources.assertOpen();
  const now = await resources.host.now();
  const isOurs = ({ runId, agent }: RunHead) => resources.agentOf(runId, agent) !== undefined && !resources.active.has(runId);
  for await (const head of allDue(resources.journal, { status, now })) if (isOurs(head)) yield head.runId;
  if (status === 'running') for (const head of await orphans(resources.journal, now)) if (isOurs(head)) yield head.runId;
}

/** The due heads, read page by page. From a store without `due`, all heads of that status are read. */
export async function* allDue(journal: Journal, filter: Pick<DueFilter, 'status' | 'now'>): AsyncGenerator<RunHead, void, undefined> {
  if (!journal.due) {
    for await (const head of journal.heads({ status: filter.status }))
      if ((dueAt(head) ?? Number.POSITIVE_INFINITY) <= filter.now) yield head;
    return;
  }
  for (let after: RunHead | undefined; ; ) {
    const page: RunHead[] = [];
    for await (const head of journal.due({ ...filter, limit: PAGE, after })) page.push(head);
    yield* page;
    after = page.at(-1);
    if (page.length < PAGE) return;
  }
}

/** Runs with a live lease of a dead process on this machine. They are due now, before the lease expires. */
export async function orphans(journal: Journal, now: number): Promise<readonly RunHead[]> {
  const found: RunHead[] = [];
  for await (const head of journal.heads({ status: 'running', ownerPrefix: ownersHere() }))
    if ((head.leaseUntil ?? 0) > now && isGone(head.owner)) found.push(head);
  return found;
}
