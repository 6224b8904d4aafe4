import type { Approval } from '../../hitl/approvals.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { asksPeople } from '../../journal/head.ts';
import type { RunHead } from '../../journal/port.ts';
import type { Principal } from '../../ports/principal.ts';
import { reaches } from '../access.ts';
import { isUnreadable, loadRun } from '../drive/history.ts';
import type { Resources } from '../resources.ts';
import { checkList, LIST, type ListOptions } from './list-options.ts';
import { sees } from './lookup.ts';
import { approvalsOf } from './results.ts';

/** An open approval, with the top agent and the session of its run. */
export type OpenApproval = Approval & { agent: string; session?: string };

export interface ApprovalFilter {
  /** Who asks: it sees the runs of its tenant and those of none. Absent: only those of none. */
  by?: Principal;
  /** Most approvals. Default: all. */
  limit?: number;
  /** The last approval of the previous page. */
  after?: Pick<Approval, 'askedAt' | 'id'>;
}

const OPTIONS: ListOptions = {
  where: 'approvals()',
  examples: { by: LIST.by, limit: LIST.limit, after: 'after: lastOfPreviousPage' } satisfies Record<keyof ApprovalFilter, string>,
  places: { after: { askedAt: 'number', id: 'string' } },
};

/**
 * The open approvals of all runs that are paused, stopped at a limit, or failed for a time, oldest first. Runs that only sleep are not read. An approval is never
 * older than its run. So runs are read in start order, and an approval is yielded once no unread run can have an older one.
 */
export async function* openApprovals(resources: Resources, o: ApprovalFilter): AsyncGenerator<OpenApproval, void, undefined> {
  checkList(o, OPTIONS);
  const { by, limit = Number.POSITIVE_INFINITY, after } = o;
  const isNew = (approval: OpenApproval) => !after || inOrder(after, approval) < 0;
  const found: OpenApproval[] = [];
  let left = limit;
  for (const head of await askingRuns(resources, by)) {
    for (; left > 0 && found[0] && found[0].askedAt < head.startedAt; left--) yield found.shift() as OpenApproval;
    if (left <= 0) return;
    found.push(...(await approvalsIn(resources, head.runId, by)).filter(isNew));
    found.sort(inOrder);
  }
  for (const approval of found) if (left-- > 0) yield approval;
}

/** Runs that ask people, in start order. A doubtful head may have the wrong tenant, so its entries decide who may see it. */
async function askingRuns({ journal }: Resources, by: Principal | undefined): Promise<readonly Pick<RunHead, 'runId' | 'startedAt'>[]> {
  const runs: Pick<RunHead, 'runId' | 'startedAt'>[] = [];
  for (const status of ['paused', 'stopped', 'failed'] as const)
    for await (const { runId, startedAt, tenant, doubtful } of journal.heads({ status, asks: true }))
      if (doubtful || sees(by, tenant)) runs.push({ runId, startedAt });
  return runs.sort((a, b) => a.startedAt - b.startedAt);
}

async function approvalsIn(resources: Resources, runId: string, by: Principal | undefined): Promise<OpenApproval[]> {
  const run = await readable(resources, runId);
  // a run that was resumed since is listed again when it pauses again
  if (!run || !asksPeople(run)) return [];
  const approvals = approvalsOf(run, await resources.host.now());
  if (!(await reaches(resources, 'inspect', by, run))) return [];
  const { session } = run.started;
  return approvals.map((approval) => ({ ...approval, agent: run.root.agent, ...(session !== undefined && { session }) }));
}

async function readable({ journal }: Resources, runId: string): Promise<RunFold | undefined> {
  try {
    return await loadRun(journal, runId);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

type Place = Pick<Approval, 'askedAt' | 'id'>;
const inOrder = (a: Place, b: Place): number => a.askedAt - b.askedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
