import { type ListTasksRequest, type ListTasksResponse, type Task, TaskState } from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import type { RunSummary } from '../../engine/options.ts';
import { type Caller, contextOf, sessionsOf } from './caller.ts';
import { assertHistoryLength, type Reading, see, trimmed } from './tasks.ts';

/** Runs whose heads are looked at for one list, and tasks that are read in full besides those of the page. */
const MOST = { heads: 10_000, read: 200 };

/**
 * The caller's tasks, newest first. A page token is the id of the last task that was looked at. A filter that only the whole task can
 * answer reads a bounded number of tasks for a page: it may be shorter, and goes on with its token. `totalSize` counts what may fit.
 */
export async function listTasks(reading: Reading, caller: Caller, o: ListTasksRequest): Promise<ListTasksResponse> {
  const { pageSize, fits } = checked(o);
  const candidates = await candidatesOf(reading, caller, o);
  const from = o.pageToken ? candidates.findIndex(({ id }) => id === o.pageToken) + 1 : 0;
  if (o.pageToken && from === 0) throw new RequestMalformedError('This page token is not known.');
  const tasks: Task[] = [];
  let next = from;
  let read = 0;
  for (; next < candidates.length && tasks.length < pageSize && read < pageSize + MOST.read; next++) {
    const { id, may } = candidates[next] as Candidate;
    if (!may) continue;
    read++;
    const task = (await see(reading, caller, id))?.task;
    if (task && fits(task)) tasks.push({ ...trimmed(task, o.historyLength), artifacts: o.includeArtifacts ? task.artifacts : [] });
  }
  const more = candidates.slice(next).some(({ may }) => may);
  const nextPageToken = more ? (candidates[next - 1]?.id ?? '') : '';
  return { tasks, nextPageToken, pageSize: tasks.length, totalSize: candidates.filter(({ may }) => may).length };
}

/** @throws RequestMalformedError for an invalid filter. */
function checked({ pageSize = 50, status, statusTimestampAfter, historyLength }: ListTasksRequest) {
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 100) throw new RequestMalformedError('pageSize is 1 to 100.');
  assertHistoryLength(historyLength);
  if (status === undefined || TaskState[status] === undefined || status === TaskState.UNRECOGNIZED)
    throw new RequestMalformedError('status is a state of tasks, such as TASK_STATE_COMPLETED.');
  const after = statusTimestampAfter ? timeOf(statusTimestampAfter) : undefined;
  const fits = (task: Task) =>
    (status === TaskState.TASK_STATE_UNSPECIFIED || task.status?.state === status) &&
    (after === undefined || Date.parse(task.status?.timestamp ?? '') >= after);
  return { pageSize, fits };
}

/** RFC 3339 only: two sides may read the other forms that `Date.parse` takes differently. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

function timeOf(text: string): number {
  const time = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new RequestMalformedError('statusTimestampAfter is a time such as 2026-11-28T12:00:00Z.');
  // a day that the month does not have is moved to the next one
  if (new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().slice(0, 10) !== text.slice(0, 10))
    throw new RequestMalformedError('statusTimestampAfter names a day that there is not.');
  return time;
}

/** `may`: whether it can fit, as far as the head of its run tells. One that cannot still names a place in the list: a page token may be its id. */
interface Candidate {
  readonly id: string;
  readonly at: number;
  readonly may: boolean;
}

/** The caller's tasks, newest first, whatever state they are in: the state of one that ended a page may have changed since. */
async function candidatesOf({ engine, agent }: Reading, caller: Caller, o: ListTasksRequest): Promise<Candidate[]> {
  const found: Candidate[] = [];
  let looked = 0;
  // all sessions of a context: one whose runs were forgotten stands before others that have some
  const sessions = o.contextId ? sessionsOf(caller, o.contextId) : [undefined];
  for (const session of sessions) {
    const wanted = { agent, by: caller.by, limit: MOST.heads - looked, ...(session !== undefined && { session }) };
    for await (const run of engine.runs(wanted)) {
      looked++;
      if (contextOf(caller, run.session) !== undefined) found.push({ id: run.runId, at: run.startedAt, may: mayBe(o.status, run) });
    }
    if (looked >= MOST.heads) break;
  }
  if (o.contextId) found.sort((a, b) => b.at - a.at);
  return found;
}

/** Whether a run can be in a task's state, as far as its head tells. */
function mayBe(state: TaskState, { status }: RunSummary): boolean {
  switch (state) {
    case TaskState.TASK_STATE_UNSPECIFIED:
      return true;
    case TaskState.TASK_STATE_COMPLETED:
      return status === 'completed';
    case TaskState.TASK_STATE_CANCELED:
      return status === 'cancelled';
    case TaskState.TASK_STATE_FAILED:
      return status === 'failed' || status === 'stopped';
    default:
      return status === 'paused' || status === 'running';
  }
}
