/** Reads tasks from the journal. A task is a run; no other state is stored. */
import { type Artifact, type Message, Role, type Task, TaskState, type TaskStatus } from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import type { Engine } from '../../engine/engine.ts';
import type { RunResult, RunState } from '../../engine/read/results.ts';
import type { RunEvent } from '../../engine/read/run-event.ts';
import { RondoError } from '../../errors.ts';
import type { Approval } from '../../hitl/approvals.ts';
import type { Prompt } from '../../ports/model.ts';
import { asking } from './approvals.ts';
import { type Caller, contextOf } from './caller.ts';
import { APPROVALS, USAGE } from './names.ts';
import { dataPart, outputPart, textPart, toRemote } from './parts.ts';

/** The name of the artifact that holds the agent's output. */
export const OUTPUT = 'output';

/** Milliseconds to read the events of a run. A run that grows meanwhile would otherwise be followed. */
const READ = 2_000;

export interface Where {
  readonly id: string;
  readonly contextId: string;
}

/** The current state of a task. `seq` is the number of the newest entry in it. */
export interface Seen {
  readonly task: Task;
  readonly approvals: readonly Approval[];
  readonly running: boolean;
  readonly seq: number;
}

export interface Reading {
  readonly engine: Engine;
  readonly agent: string;
  readonly usage: boolean;
}

/** @returns undefined for a missing task and for one that the caller may not see, so that callers cannot tell the two apart. */
export async function see({ engine, agent, usage }: Reading, caller: Caller, id: string): Promise<Seen | undefined> {
  const state = await stateOf(engine, caller, id);
  const contextId = contextOf(caller, state?.session);
  if (!state || contextId === undefined || state.agent !== agent) return undefined;
  const where = { id, contextId };
  const queued = state.status === 'queued';
  const running = queued || state.status === 'running';
  const events = await eventsOf(engine, caller, state);
  const last = events.at(-1);
  const ended = running ? undefined : events.findLast((e) => e.type === 'run.ended');
  const result = ended?.type === 'run.ended' ? ended.result : undefined;
  const task: Task = {
    ...where,
    status: statusOf(where, ended?.at ?? last?.at ?? 0, result, state.approvals, queued),
    artifacts: result?.status === 'completed' ? [artifact(result.output)] : [],
    history: events.flatMap((e) => said(where, e)),
    metadata: usage ? usageOf(state) : undefined,
  };
  return { task, approvals: state.approvals, running, seq: state.seq };
}

async function stateOf(engine: Engine, caller: Caller, id: string): Promise<RunState | undefined> {
  try {
    return await engine.inspect(id, { by: caller.by });
  } catch (error) {
    if (RondoError.is(error, 'RUN_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** The journaled events of a run. For a queued or running one only the first, because the next may take long. */
async function eventsOf(engine: Engine, { by }: Caller, { runId, status, seq }: RunState): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  // the timeout: if the run is resumed right now, watch() would follow it to its next end
  for await (const event of engine.watch(runId, { by, signal: AbortSignal.timeout(READ) })) {
    if (event.seq === undefined || event.seq > seq) break;
    events.push(event);
    if (status === 'queued' || status === 'running' || event.seq === seq) break;
  }
  return events;
}

/** The messages of a task's history: what the caller sent and was asked. The steps of the run are not shown. */
function said(where: Where, event: RunEvent): Message[] {
  const id = `${where.id}-${event.seq}`;
  if (event.type === 'run.started') return [message(where, id, Role.ROLE_USER, toRemote(event.input as Prompt))];
  if (event.type === 'approval.asked') return [message(where, id, Role.ROLE_AGENT, asking([event.approval]), [APPROVALS])];
  if (event.type !== 'approval.decided') return [];
  return [message(where, id, Role.ROLE_USER, [dataPart({ decisions: [event.decision] })])];
}

const message = ({ id, contextId }: Where, messageId: string, role: Role, parts: Message['parts'], extensions: string[] = []): Message => ({
  messageId,
  contextId,
  taskId: id,
  role,
  parts,
  extensions,
  metadata: undefined,
  referenceTaskIds: [],
});

export const artifact = (output: unknown): Artifact => ({
  artifactId: OUTPUT,
  name: OUTPUT,
  description: '',
  parts: [outputPart(output)],
  metadata: undefined,
  extensions: [],
});

/** @param at epoch milliseconds. @param result undefined while the run is queued or running. */
export function statusOf(where: Where, at: number, result: RunResult | undefined, open: readonly Approval[], queued = false): TaskStatus {
  const status = (state: TaskState, parts?: Message['parts'], extensions?: string[]): TaskStatus => ({
    state,
    message: parts && message(where, `${where.id}-${at}`, Role.ROLE_AGENT, parts, extensions),
    timestamp: new Date(at).toISOString(),
  });
  switch (result?.status) {
    case 'completed':
      return status(TaskState.TASK_STATE_COMPLETED);
    case 'cancelled':
      return status(TaskState.TASK_STATE_CANCELED, [textPart(result.reason ?? 'Cancelled.')]);
    case 'stopped':
      return status(TaskState.TASK_STATE_FAILED, failed(`LIMIT_${result.limit.name.toUpperCase()}`, false));
    case 'failed':
      return status(TaskState.TASK_STATE_FAILED, failed(result.error.code, result.error.retryable));
    case 'paused': {
      // all approvals are decided, and the run has not resumed yet
      if (open.length === 0) return status(TaskState.TASK_STATE_WORKING);
      const consent = open.every((a) => a.kind === 'consent');
      return status(consent ? TaskState.TASK_STATE_AUTH_REQUIRED : TaskState.TASK_STATE_INPUT_REQUIRED, asking(open), [APPROVALS]);
    }
    default:
      return status(queued ? TaskState.TASK_STATE_SUBMITTED : TaskState.TASK_STATE_WORKING);
  }
}

/** @throws RequestMalformedError for an invalid number of messages. */
export function assertHistoryLength(length: number | undefined): void {
  if (length !== undefined && !(Number.isInteger(length) && length >= 0 && length < 2 ** 31))
    throw new RequestMalformedError('historyLength is a whole number of 0 or more.');
}

/** The task with at most `length` messages of its history, the newest. */
export function trimmed(task: Task, length: number | undefined): Task {
  if (length === undefined) return task;
  return { ...task, history: length === 0 ? [] : task.history.slice(-length) };
}

/** Only the code: the message of a failure may expose internals. */
const failed = (code: string, retryable: boolean) => [textPart(`Failed: ${code}.`), dataPart({ error: { code, retryable } })];

export const usageOf = ({ usage, costUsd }: Pick<RunState, 'usage' | 'costUsd'>): Task['metadata'] => ({
  [USAGE]: { input: usage.input, output: usage.output, ...(costUsd !== undefined && { costUsd }) },
});
