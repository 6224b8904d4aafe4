import type { RunStatus } from '../../journal/entries/entries.ts';
import type { HeadCursor, Journal } from '../../journal/port.ts';
import type { Principal } from '../../ports/principal.ts';
import type { RunSummary } from '../options.ts';
import { checkList, LIST, type ListOptions } from './list-options.ts';
import { headsOfSession, summaryOf } from './lookup.ts';

export interface RunFilter {
  status?: RunStatus;
  /** The session that `by` would continue. */
  session?: string;
  agent?: string;
  by?: Principal;
  limit?: number;
  /** The last run of the previous page. */
  after?: HeadCursor;
}

const STATUSES = ['queued', 'running', 'paused', 'completed', 'failed', 'cancelled', 'stopped'] satisfies RunStatus[];
const OPTIONS: ListOptions = {
  where: 'runs()',
  examples: {
    status: "status: 'paused'",
    session: LIST.session,
    agent: "agent: 'support'",
    by: LIST.by,
    limit: LIST.limit,
    after: 'after: lastOfPreviousPage',
  } satisfies Record<keyof RunFilter, string>,
  values: { status: STATUSES },
  places: { after: { runId: 'string', startedAt: 'number' } },
};

/** The runs that `by` may see, newest first. */
export async function* listedRuns(journal: Journal, filter: RunFilter): AsyncGenerator<RunSummary, void, undefined> {
  checkList(filter, OPTIONS);
  const { by, limit = Number.POSITIVE_INFINITY, session, ...wanted } = filter;
  let left = limit;
  for await (const head of session === undefined ? journal.heads(wanted) : await headsOfSession(journal, session, by, wanted)) {
    if (left <= 0) return;
    const summary = await summaryOf(journal, head, by);
    if (!summary) continue;
    left--;
    yield summary;
  }
}
