/** Days of a calendar in texts, and times that a store keeps. `Date.parse` turns 30 February into 2 March, which is not what was meant. */

/** Whether there is a day, such as `2026-02-28`. */
export function isDay(text: string): boolean {
  const at = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/** Epoch milliseconds of a text that begins with its day, `2026-02-28T09:00:00Z`; NaN if it is not a time, or there is no such day. */
export const timeIn = (text: string): number => (isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN);

/** The last time that a Date can be, epoch milliseconds. */
export const LAST_TIME = 8.64e15;

/** A time in so many milliseconds, which may be fractions, in whole epoch milliseconds. Undefined for one that never comes. */
export const timeAfter = (now: number, ms = Number.POSITIVE_INFINITY): number | undefined =>
  now + ms <= LAST_TIME ? Math.ceil(now + ms) : undefined;
