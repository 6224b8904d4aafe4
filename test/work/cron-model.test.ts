/** The times of patterns against a model that looks at the clock of a place minute by minute. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timesOf } from '../../src/engine/work/cron.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Gaps and repetitions of 20 minutes to a day, at midnight, at a minute past it, at noon, twice a year or not at all. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Havana',
  'America/St_Johns',
  'America/Sao_Paulo',
  'Australia/Lord_Howe',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'Asia/Tehran',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'Pacific/Apia',
  'Pacific/Kwajalein',
];

interface Fields {
  minutes: readonly number[];
  hours: readonly number[];
  days: readonly number[] | undefined;
}

/** What a clock shows at a time, as the time at which a clock of UTC shows the same. */
function wall(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
  return (at) => Date.parse(`${format.format(at).replace(' ', 'T')}Z`);
}

const matches = ({ minutes, hours, days }: Fields, shown: number) => {
  const date = new Date(shown);
  return (
    minutes.includes(date.getUTCMinutes()) &&
    hours.includes(date.getUTCHours()) &&
    date.getUTCSeconds() === 0 &&
    (!days || days.includes(date.getUTCDate()))
  );
};

/** Every time from `from` to `to` at which the pattern comes. */
function expected(fields: Fields, timezone: string, from: number, to: number): number[] {
  const shows = wall(timezone);
  const hourly = fields.hours.length === 24;
  const found: number[] = [];
  // what it has shown: no clock is set back by more than a day
  let newest = Number.NEGATIVE_INFINITY;
  for (let at = from - DAY; at < from; at += MINUTE) newest = Math.max(newest, shows(at));
  for (let at = from; at <= to; at += MINUTE) {
    const shown = shows(at);
    if (hourly) {
      if (matches(fields, shown)) found.push(at);
      continue;
    }
    // all that it shows now for the first time, and all that it skips
    let due = false;
    for (let each = newest + MINUTE; each <= shown; each += MINUTE) due ||= matches(fields, each);
    if (due) found.push(at);
    newest = Math.max(newest, shown);
  }
  return found;
}

/** The days of a year in which a clock changes. */
function changes(timezone: string, year: number): number[] {
  const shows = wall(timezone);
  const found: number[] = [];
  for (let at = Date.UTC(year, 0, 1); at < Date.UTC(year + 1, 0, 1); at += DAY) if (shows(at + DAY) - shows(at) !== DAY) found.push(at);
  return found;
}

const list = (values: readonly number[]) => values.join(',');

/** The hours in one of the ways in which they can be written. */
function written(hours: readonly number[], how: number): string {
  if (hours.length < 24) return list(hours);
  return ['*', '?', '*/1', '0-23', '00-23', '0-23/1', '*,5', '0-11,12-23', list(hours)][how] as string;
}

const some = (least: number, most: number, count: number) =>
  fc
    .uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: count })
    .map((values) => values.toSorted((a, b) => a - b));
const every = Array.from({ length: 24 }, (_, i) => i);

const patterns = fc.record({
  minutes: fc.oneof(some(0, 59, 4), fc.constantFrom([0], [0, 15, 30, 45])),
  // hours about those at which clocks change, others, and all
  hours: fc.oneof(some(0, 4, 3), some(0, 23, 6), fc.constant(every)),
  days: fc.option(some(1, 31, 12), { nil: undefined, freq: 3 }),
});

// holds cron.I1, cron.I2, cron.I3
test('next() and last() are what a clock on the wall says, over zones, years and patterns', { timeout: 120_000 }, async () => {
  let changed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ZONES),
      fc.integer({ min: 1986, max: 2037 }),
      patterns,
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 0, max: 10_000 }),
      async (timezone, year, fields, how, where) => {
        const near = changes(timezone, year);
        changed += near.length;
        const middle = near[where % near.length] ?? Date.UTC(year, 0, 1) + where * 50 * MINUTE;
        // it begins where there is a time to come, before the change, in it and after it
        const from = middle + ((where % 36) - 12) * HOUR;
        const to = from + 36 * HOUR;
        const text = `${list(fields.minutes)} ${written(fields.hours, how)} ${fields.days ? list(fields.days) : '*'} * *`;
        const { next, last } = await timesOf(text, timezone, 'test');
        const times = expected(fields, timezone, from, to);
        const found: number[] = [];
        for (let at = next(from - 1); at !== undefined && at <= to; at = next(at)) found.push(at);
        expect(found, `${text} in ${timezone} from ${new Date(from).toISOString()}`).toEqual(times);
        expect(last(times.length, to), `the last ones of ${text} in ${timezone} up to ${new Date(to).toISOString()}`).toEqual(times);
      },
    ),
    { numRuns: 100 },
  );
  expect(changed).toBeGreaterThan(0);
});
