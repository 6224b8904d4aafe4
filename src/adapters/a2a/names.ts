import { TaskState } from '@a2a-js/sdk';

/** Metadata of a message: how many agents have passed this work on, so that a circle of delegation ends. */
export const DEPTH = 'rondo/depth';
/** Metadata of a task: tokens so far, and US dollars where they are known: `{ input, output, costUsd? }`. */
export const USAGE = 'rondo/usage';
/** The extension of cards whose approvals come as data, and take `{ decisions: [...] }` as their answer. */
export const APPROVALS = 'urn:rondo:a2a:approvals:1';

/** Limits in bytes and characters: far above normal use, they stop an attacker. */
export const LIMIT = { id: 256, text: 10_000, asks: 50 } as const;

const OVER: ReadonlySet<TaskState> = new Set([
  TaskState.TASK_STATE_COMPLETED,
  TaskState.TASK_STATE_FAILED,
  TaskState.TASK_STATE_CANCELED,
  TaskState.TASK_STATE_REJECTED,
]);
const WAITS: ReadonlySet<TaskState> = new Set([TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED]);

export const isOver = (state: TaskState | undefined): boolean => state !== undefined && OVER.has(state);
/** Whether a task waits for somebody. */
export const waits = (state: TaskState | undefined): boolean => state !== undefined && WAITS.has(state);

/** At most so many characters, and never half a one. */
export const cut = (text: string, max: number): string =>
  text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text;

/** `completed` for TASK_STATE_COMPLETED. */
export const wordOf = (state: TaskState | undefined): string =>
  (TaskState[state ?? TaskState.TASK_STATE_UNSPECIFIED] ?? 'UNKNOWN').replace('TASK_STATE_', '').toLowerCase().replace('_', '-');
