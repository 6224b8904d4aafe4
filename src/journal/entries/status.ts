export const RUN_STATUSES = ['queued', 'running', 'paused', 'completed', 'failed', 'cancelled', 'stopped'] as const;
/**
 * `queued`: no process has begun it. `running`: a process drives it, or died while it did. `paused`: it waits for a person, a time or an
 * event. `stopped`: it reached a limit. `resume()` continues a stopped run with higher limits, and a failed one whose error may have gone.
 */
export type RunStatus = (typeof RUN_STATUSES)[number];
/** Of runs that have not ended. */
export const OPEN_STATUSES: ReadonlySet<RunStatus> = new Set(['queued', 'running', 'paused']);
