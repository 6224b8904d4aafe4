import { type ListTasksRequest, type ListTasksResponse, type Task, TaskState } from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import { timeIn } from '../../days.ts';
import type { RunSummary } from '../../engine/options.ts';
import { type Caller, checkContextId, contextOf, sessionsOf } from './caller.ts';
import { assertHistoryLength, type Reading, see, trimmed } from './tasks.ts';

/** Most run heads read for one request, and most tasks read in full beyond the page size. */
const MOST = { heads: 10_000, read: 200 };

/**
 * The caller's tasks, newest first. A page token is the id of the last task examined. Some filters need the whole task. Then a bounded
 * number of tasks is read, so a page may be short and still have a next token. `totalSize` is an upper bound.
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
function checked({ pageSize = 50, status, statusTimestampAfter, historyLength, contextId }: ListTasksRequest) {
  checkContextId(contextId);
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

/** RFC 3339 only. Other forms that `Date.parse` accepts are ambiguous. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

function timeOf(text: string): number {
  const time = TIME.test(text) ? timeIn(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new RequestMalformedError('statusTimestampAfter is a time such as 2026-11-28T12:00:00Z, of a day that there is.');
  return time;
}

/** `may`: whether the task can match, by the head of its run. One that cannot is kept in the list, because a page token may be its id. */
interface Candidate {
  readonly id: string;
  readonly at: number;
  readonly may: boolean;
}

/** The caller's tasks in any state, newest first. The task of a page token must be found even if its state has changed since. */
async function candidatesOf({ engine, agent }: Reading, caller: Caller, o: ListTasksRequest): Promise<Candidate[]> {
  const found: Candidate[] = [];
  let looked = 0;
  // all sessions of a context, even after an empty one: its runs may have been forgotten
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

/** Whether a task can be in a state, by the head of its run. */
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
      return status === 'paused' || status === 'running' || status === 'queued';
  }
}
