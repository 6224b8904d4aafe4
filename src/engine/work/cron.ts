import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';
import { messageOf } from '../../reliability/classify.ts';

/** The times of a schedule, epoch milliseconds. */
export interface Times {
  /** The first firing after this time; undefined if there is none. */
  next(after: number): number | undefined;
  /** The newest ones up to and including this time, oldest first. */
  last(count: number, until: number): readonly number[];
}

/**
 * The times of a cron pattern in a time zone. A time of day that the clock skips is at the end of the gap; one that it shows twice comes
 * once. @throws RondoError `CONFIG_INVALID` for an invalid pattern, an unknown time zone, or without the package croner.
 */
export async function timesOf(cron: string, timezone: string, where: string): Promise<Times> {
  const { Cron } = await croner();
  try {
    const pattern = new Cron(cron, { timezone, paused: true });
    // an unknown time zone is refused only now
    pattern.nextRun(new Date(0));
    return {
      next: (after) => pattern.nextRun(new Date(after))?.getTime(),
      last: (count, until) =>
        pattern
          .previousRuns(count, new Date(until + 1))
          .map((date) => date.getTime())
          .reverse(),
    };
  } catch (error) {
    throw invalid(`${where}: the cron pattern "${cron}" in the time zone "${timezone}" cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Loaded on demand, because most applications have no schedules. */
const croner = lazy(() =>
  import('croner').catch((cause: unknown) => {
    throw invalid('Schedules need the package croner. Run `npm install croner`.', { cause });
  }),
);
