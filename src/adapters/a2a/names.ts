import { TaskState } from '@a2a-js/sdk';

/** Metadata of a message: the number of agents that passed this work on. It bounds cycles of delegation. */
export const DEPTH = 'rondo/depth';
/** Metadata of a task: tokens so far, and US dollars if known: `{ input, output, costUsd? }`. */
export const USAGE = 'rondo/usage';
/** The card extension of agents that send approvals as data and accept `{ decisions: [...] }` as the answer. */
export const APPROVALS = 'urn:rondo:a2a:approvals:1';

const OVER: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
]);
const WAITS: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED]);

export const isOver = (state: TaskState | undefined): boolean => state !== undefined && OVER.has(state);
/** Whether a task waits for input or consent. */
export const waits = (state: TaskState | undefined): boolean => state !== undefined && WAITS.has(state);

/** The state as a word: `completed` for TASK_STATE_COMPLETED. */
export const wordOf = (state: TaskState | undefined): string =>
  (TaskState[state ?? TaskState.TASK_STATE_UNSPECIFIED] ?? 'UNKNOWN').replace('TASK_STATE_', '').toLowerCase().replace('_', '-');
