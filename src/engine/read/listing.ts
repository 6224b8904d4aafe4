import { defined } from '../../defined.ts';
import { RondoError } from '../../errors.ts';
import type { RunStatus } from '../../journal/entries/entries.ts';
import { RUN_STATUSES } from '../../journal/entries/status.ts';
import type { HeadCursor, RunHead } from '../../journal/port.ts';
import { sessionId } from '../../journal/session.ts';
import type { Principal } from '../../ports/principal.ts';
import { aboutHead } from '../about.ts';
import { hasAccess, reaches } from '../access.ts';
import { loadRun } from '../drive/history.ts';
import type { RunSummary } from '../options.ts';
import type { Resources } from '../resources.ts';
import { checkList, LIST, type ListOptions } from './list-options.ts';
import { headsOfSession, sees } from './lookup.ts';

/** A run must match all that is given. */
export interface RunFilter {
  status?: RunStatus;
  /** The session that `by` would continue. */
  session?: string;
  /** The name of the top agent. */
  agent?: string;
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  /** Most runs. Default: all. */
  limit?: number;
  /** The last run of the previous page. */
  after?: HeadCursor;
}

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
  values: { status: RUN_STATUSES },
  places: { after: { runId: 'string', startedAt: 'number' } },
};

/** The runs that `by` may see and inspect, newest first. */
export async function* listedRuns(resources: Resources, filter: RunFilter): AsyncGenerator<RunSummary, void, undefined> {
  checkList(filter, OPTIONS);
  const { journal } = resources;
  const { by, limit = Number.POSITIVE_INFINITY, session, ...wanted } = filter;
  let left = limit;
  for await (const head of session === undefined ? journal.heads(wanted) : await headsOfSession(journal, session, by, wanted)) {
    if (left <= 0) return;
    const summary = await summaryOf(resources, head, by);
    if (!summary) continue;
    left--;
    yield summary;
  }
}

/**
 * The summary of a run for a list; undefined if the caller may not see or inspect it. A doubtful head is not trusted: then the entries
 * decide, or the summary says that they are damaged.
 */
export async function summaryOf(resources: Resources, head: RunHead, by: Principal | undefined): Promise<RunSummary | undefined> {
  const { runId, agent, status, session, startedAt, wakeAt, unknowns } = head;
  const summary: RunSummary = {
    runId,
    agent,
    status,
    startedAt,
    unknowns: unknowns ?? 0,
    ...defined({ session: session === undefined ? undefined : sessionId(session), wakeAt }),
  };
  const listed = async () => sees(by, head.tenant) && (await hasAccess(resources, 'inspect', by, aboutHead(head)));
  if (!head.doubtful) return (await listed()) ? summary : undefined;
  try {
    const run = await loadRun(resources.journal, runId);
    if (!run) return (await listed()) ? { ...summary, damaged: true } : undefined;
    if (!(await reaches(resources, 'inspect', by, run))) return undefined;
    const { started } = run;
    return {
      ...summary,
      agent: started.agent,
      status: run.status,
      startedAt: started.at,
      unknowns: run.unknowns.size,
      session: started.session,
    };
  } catch (error) {
    if (!RondoError.is(error, 'JOURNAL_DAMAGED')) throw error;
    return (await listed()) ? { ...summary, damaged: true } : undefined;
  }
}
