/** Waits without a process: how long a call waits, and how its wait ends. */
import { timeIn } from '../../days.ts';
import type { Began } from '../../journal/entries/wait.ts';

/** A wait from now on, in milliseconds, or until a time: epoch milliseconds, a Date, or ISO 8601 with its offset from UTC. */
export type WaitFor = { for: number } | { until: number | string | Date };

/** Milliseconds of the longest wait: ten years. */
export const LONGEST = 3_652 * 86_400_000;

/** Whether a value is a number of milliseconds that a wait may take. */
export const isLength = (ms: unknown, longest = LONGEST): ms is number => typeof ms === 'number' && ms >= 0 && ms <= longest;

/** A time that says its offset from UTC. Without one it would be another time in each process. */
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/**
 * When a wait ends that begins now. A time in the past is due at once.
 * @param now epoch milliseconds by the store's clock. @returns a text that says what is wrong.
 */
export function beginning(wait: unknown, now: number, longest = LONGEST): Began | string {
  const { for: ms, until } = (typeof wait === 'object' && wait !== null ? wait : {}) as { for?: unknown; until?: unknown };
  if ((ms === undefined) === (until === undefined)) return 'a wait is { for: milliseconds } or { until: time }';
  if (ms !== undefined) {
    if (!isLength(ms, longest)) return `a wait is 0 to ${longest} milliseconds long, not ${String(ms)}`;
    return { until: now + Math.ceil(ms), for: Math.ceil(ms) };
  }
  const time =
    until instanceof Date
      ? until.getTime()
      : typeof until === 'number'
        ? until
        : typeof until === 'string' && ISO.test(until)
          ? timeIn(until)
          : Number.NaN;
  if (!Number.isFinite(time))
    return `${JSON.stringify(until) ?? String(until)} is not a time: it is epoch milliseconds, a Date, or a text such as 2026-03-01T09:00:00+01:00, of a day that there is`;
  if (time > now + longest) return `${new Date(time).toISOString()} is more than ${longest} milliseconds away`;
  return { until: Math.ceil(time) };
}

/** The output of a wait that is over. @param now epoch milliseconds by the store's clock. */
export const woken = (now: number) => ({ wokeAt: new Date(now).toISOString() });
