/**
 * The times of a cron pattern in a time zone.
 *
 * I1. A time of day that the clock skips comes at the end of the gap; together with others that are due then, once.
 * I2. A time of day that the clock shows twice comes once, the first time.
 * I3. A pattern of every hour, however it is written, comes in each real one: a gap or a repetition changes nothing.
 */
import { isDay } from '../../days.ts';
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
 * @param cron a pattern, or one date as ISO 8601: without an offset it is a time of the zone.
 * @throws RondoError `CONFIG_INVALID` for an invalid pattern, an unknown time zone, or without the package croner.
 */
export async function timesOf(cron: string, timezone: string, where: string): Promise<Times> {
  const { Cron, CronPattern } = await croner();
  const inZone = (zone: string) => new Cron(cron, { timezone: zone, paused: true });
  try {
    const clock = wallClock(timezone);
    const inUtc = inZone('UTC');
    const date = inUtc.getOnce()?.getTime();
    // croner takes 30 February for 2 March
    if (date !== undefined && !isDay(cron.trim().slice(0, 10))) throw new Error('there is no such day');
    if (date !== undefined) return once(inZone(ELSEWHERE).getOnce()?.getTime() === date ? date : clock.first(date));
    // some patterns are refused only now
    inUtc.nextRun(new Date(0));
    return new CronPattern(cron).hour.every((taken) => taken === 1) ? inRealTime(inZone(timezone)) : onTheWall(inUtc, clock);
  } catch (error) {
    throw invalid(`${where}: the cron pattern "${cron}" in the time zone "${timezone}" cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** A zone whose clocks never show the time of UTC. */
const ELSEWHERE = 'Etc/GMT+12';

/** Loaded on demand, because most applications have no schedules. */
const croner = lazy(() =>
  import('croner').catch((cause: unknown) => {
    throw invalid('Schedules need the package croner. Run `npm install croner`.', { cause });
  }),
);

/** The times that a pattern of croner has. */
interface Pattern {
  nextRun(after: Date): Date | null;
  /** Newest first. */
  previousRuns(count: number, before: Date): Date[];
}

const once = (at: number): Times => ({
  next: (after) => (at > after ? at : undefined),
  last: (count, until) => (at <= until && count > 0 ? [at] : []),
});

const inRealTime = (pattern: Pattern): Times => ({
  next: (after) => pattern.nextRun(new Date(after))?.getTime(),
  last: (count, until) =>
    pattern
      .previousRuns(count, new Date(until + 1))
      .map((date) => date.getTime())
      .reverse(),
});

/** A clock on the wall of a place. What it shows is told as the epoch milliseconds at which a clock of UTC shows the same. */
interface WallClock {
  /** The newest of what it has shown up to a time: what it shows then, unless it was set back and does not show that again yet. */
  newest(at: number): number;
  /** The first time at which it shows this, or the end of the gap if it skips it. What is shown later is not earlier. */
  first(shown: number): number;
}

const DAY = 86_400_000;

/** @throws RangeError for an unknown time zone. */
function wallClock(timeZone: string): WallClock {
  const fields = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const;
  const format = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'gregory', numberingSystem: 'latn', hourCycle: 'h23', ...fields });
  const shows = (at: number) => {
    const shown = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) + (((at % 1_000) + 1_000) % 1_000);
  };
  const first = (shown: number) => {
    // by the differences to UTC of a day before and of a day after: one of them, unless the clock changes just then
    const [early = 0, late = 0] = [-DAY, DAY].map((away) => shown + away - (shows(shown + away) - shown)).sort((a, b) => a - b);
    if (shows(early) === shown) return early;
    if (shows(late) === shown) return late;
    // skipped: the clock shows less than this at the one, and more at the other
    let [before, after] = [early, late];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (shows(middle) < shown) before = middle;
      else after = middle;
    }
    return after;
  };
  const newest = (at: number) => {
    const shown = shows(at);
    let [before, after] = [at - DAY, at];
    // in a day it was not set back
    if (shows(before) + DAY <= shown) return shown;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (shows(middle) - middle === shown - at) after = middle;
      else before = middle;
    }
    return Math.max(shown, shows(before));
  };
  return { first, newest };
}

/** @param pattern what a clock on the wall shows at its times, in UTC, where no time is skipped or comes twice. */
const onTheWall = (pattern: Pattern, { first, newest }: WallClock): Times => ({
  next(after) {
    const shown = pattern.nextRun(new Date(newest(Math.floor(after))));
    return shown ? first(shown.getTime()) : undefined;
  },
  last(count, until) {
    const found = new Set<number>();
    let before = new Date(newest(Math.floor(until)) + 1);
    while (found.size < count) {
      const some = pattern.previousRuns(count, before);
      for (const shown of some) if (found.size < count) found.add(first(shown.getTime()));
      const oldest = some.at(-1);
      if (!oldest) break;
      before = oldest;
    }
    return [...found].reverse();
  },
});
