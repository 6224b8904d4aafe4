import { type ListTasksRequest, type ListTasksResponse, type Task, TaskState } from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import type { RunSummary } from '../../engine/options.ts';
import { type Caller, contextOf, sessionOf } from './caller.ts';
import { type Reading, see } from './tasks.ts';

/** Runs that are looked at for one list. */
const MOST = 10_000;

/** The caller's tasks, newest first. A page token is the id of the last task of the page before. */
export async function listTasks(reading: Reading, caller: Caller, o: ListTasksRequest): Promise<ListTasksResponse> {
  const pageSize = o.pageSize ?? 50;
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > 100) throw new RequestMalformedError('pageSize is 1 to 100.');
  const after = o.statusTimestampAfter ? Date.parse(o.statusTimestampAfter) : undefined;
  if (Number.isNaN(after)) throw new RequestMalformedError('statusTimestampAfter is an ISO 8601 time.');
  const found: { id: string; task?: Task }[] = [];
  const wanted = { agent: reading.agent, by: caller.by, limit: MOST, ...(o.contextId && { session: sessionOf(caller, o.contextId) }) };
  for await (const run of reading.engine.runs(wanted)) {
    if (contextOf(caller, run.session) === undefined || !mayBe(o.status, run)) continue;
    if (after === undefined && !o.status) {
      found.push({ id: run.runId });
      continue;
    }
    const task = (await see(reading, caller, run.runId))?.task;
    if (!task || (o.status && task.status?.state !== o.status)) continue;
    if (after !== undefined && Date.parse(task.status?.timestamp ?? '') < after) continue;
    found.push({ id: run.runId, task });
  }
  const from = o.pageToken ? found.findIndex((f) => f.id === o.pageToken) + 1 : 0;
  if (o.pageToken && from === 0) throw new RequestMalformedError('This page token is not known.');
  const page = found.slice(from, from + pageSize);
  const tasks: Task[] = [];
  for (const { id, task } of page) {
    const shown = task ?? (await see(reading, caller, id))?.task;
    if (!shown) continue;
    const history = o.historyLength === undefined ? shown.history : o.historyLength <= 0 ? [] : shown.history.slice(-o.historyLength);
    tasks.push({ ...shown, history, artifacts: o.includeArtifacts ? shown.artifacts : [] });
  }
  const more = from + pageSize < found.length;
  return { tasks, nextPageToken: more ? (page.at(-1)?.id ?? '') : '', pageSize: tasks.length, totalSize: found.length };
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
