import { describe, expect, test, vi } from 'vitest';
import { timesOf } from '../../src/engine/work/cron.ts';
import { refused } from '../kit/runs.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The times of a pattern within two days, as UTC to the minute. */
async function times(cron: string, timezone: string, from: string): Promise<string[]> {
  const { next } = await timesOf(cron, timezone, 'test');
  const start = Date.parse(from);
  const found: string[] = [];
  for (let at = next(start - 1); at !== undefined && at <= start + 2 * DAY; at = next(at))
    found.push(new Date(at).toISOString().slice(5, 16));
  return found;
}

describe('daylight saving time', () => {
  // holds cron.I1
  test.each([
    ['Europe/Berlin', '0,30 2 * * *', '2027-03-27T12:00Z', ['03-28T01:00', '03-29T00:00', '03-29T00:30']],
    ['Europe/Berlin', '*/20 2 * * SUN', '2027-03-27T12:00Z', ['03-28T01:00']],
    ['Europe/Berlin', '30 1,2,3 28 3 *', '2027-03-27T12:00Z', ['03-28T00:30', '03-28T01:00', '03-28T01:30']],
    ['Europe/Berlin', '0 1-3 28 3 *', '2027-03-27T12:00Z', ['03-28T00:00', '03-28T01:00']],
    ['America/New_York', '15 2 * * *', '2027-03-13T12:00Z', ['03-14T07:00', '03-15T06:15']],
    // a gap of half an hour, one at midnight, and one of a whole day
    ['Australia/Lord_Howe', '0,15,45 2 3 10 *', '2027-10-02T00:00Z', ['10-02T15:30', '10-02T15:45']],
    ['America/Havana', '0 0 * * *', '2027-03-13T12:00Z', ['03-14T05:00', '03-15T04:00']],
    ['Pacific/Apia', '0 9 * * *', '2011-12-29T12:00Z', ['12-29T19:00', '12-30T10:00', '12-30T19:00']],
  ])('in %s, times in the gap come at its end, once: %s from %s', async (timezone, cron, from, expected) => {
    expect(await times(cron, timezone, from)).toEqual(expected);
  });

  // holds cron.I2
  test.each([
    ['Europe/Berlin', '0,30 2 31 10 *', '2027-10-30T12:00Z', ['10-31T00:00', '10-31T00:30']],
    ['Europe/Berlin', '0 1-3 31 10 *', '2027-10-30T12:00Z', ['10-30T23:00', '10-31T00:00', '10-31T02:00']],
    ['Europe/Berlin', '0 */2 31 10 *', '2027-10-30T20:00Z', ['10-30T22:00', '10-31T00:00', '10-31T03:00', '10-31T05:00']],
    ['America/New_York', '*/30 1 7 11 *', '2027-11-06T12:00Z', ['11-07T05:00', '11-07T05:30']],
    ['Australia/Lord_Howe', '0,45 1 4 4 *', '2027-04-03T00:00Z', ['04-03T14:00', '04-03T14:45']],
  ])('in %s, a time that the clock shows twice comes once: %s from %s', async (timezone, cron, from, expected) => {
    expect((await times(cron, timezone, from)).slice(0, 4)).toEqual(expected);
  });

  // holds cron.I3
  test.each([
    ['0 * * * *', '2027-03-27T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0 * * * *', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0 0 * * * *', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['@hourly', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0 00-23 * * *', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0 0-23/1 * * *', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0 *,5 * * *', '2027-10-30T22:30Z', ['23:00', '00:00', '01:00', '02:00']],
    ['0,30 0-11,12-23 * * *', '2027-10-30T23:50Z', ['00:00', '00:30', '01:00', '01:30']],
  ])('a pattern of every hour comes in each real one: %s from %s', async (cron, from, expected) => {
    expect((await times(cron, 'Europe/Berlin', from)).slice(0, 4).map((at) => at.slice(6))).toEqual(expected);
  });

  // holds cron.I1, cron.I2
  test.each([
    ['Europe/Berlin', '2027-03-27T12:00Z'],
    ['Europe/Berlin', '2027-10-30T12:00Z'],
    ['Australia/Lord_Howe', '2027-04-03T00:00Z'],
  ])('the newest times up to one are those that come before it, in %s from %s', async (timezone, start) => {
    for (const cron of ['*/20 1-3 * * *', '30 2 * * *']) {
      const { next, last } = await timesOf(cron, timezone, 'test');
      const from = Date.parse(start);
      const listed: number[] = [];
      for (let at = next(from - 1); at !== undefined && at <= from + DAY; at = next(at)) listed.push(at);
      expect(listed.length).toBeGreaterThan(0);
      for (let until = from; until <= from + DAY; until += HOUR / 4) {
        const before = listed.filter((at) => at <= until);
        expect(last(before.length, until)).toEqual(before);
      }
    }
  });
});

test('in a repeated hour, the next time is found without a look at each second of it', async () => {
  const { next } = await timesOf('* * 1-5 * * *', 'America/New_York', 'test');
  const looked = vi.spyOn(Intl.DateTimeFormat.prototype, 'formatToParts');
  expect(next(Date.parse('2026-11-01T06:00:00Z'))).toBe(Date.parse('2026-11-01T07:00:00Z'));
  expect(looked.mock.calls.length).toBeGreaterThan(0);
  expect(looked.mock.calls.length).toBeLessThan(100);
  looked.mockRestore();
});

describe('a date instead of a pattern', () => {
  test.each([
    ['2027-06-01T12:00:00Z', '2027-06-01T12:00:00Z'],
    ['2027-06-01T12:00:00+02:00', '2027-06-01T10:00:00Z'],
    ['2027-06-01T12:00:00', '2027-06-01T16:00:00Z'],
    ['2027-06-01T12:00', '2027-06-01T16:00:00Z'],
    // skipped, and shown twice
    ['2027-03-14T02:30:00', '2027-03-14T07:00:00Z'],
    ['2027-11-07T01:30:00', '2027-11-07T05:30:00Z'],
    ['2027-11-07T01:30:00-05:00', '2027-11-07T06:30:00Z'],
  ])('%s comes once, in New York at %s', async (cron, expected) => {
    const { next, last } = await timesOf(cron, 'America/New_York', 'test');
    const at = Date.parse(expected);
    for (const before of [0, at - 1]) expect(next(before)).toBe(at);
    expect(next(at)).toBeUndefined();
    expect([last(5, at - 1), last(5, at), last(0, at)]).toEqual([[], [at], []]);
  });

  test('that is none is refused', async () => {
    for (const cron of [
      '2027-02-32T12:00:00Z',
      '2027-02-30T12:00:00Z',
      '2027-04-31T12:00:00',
      '2027-02-29T12:00:00+02:00',
      '2027-06-01',
      'tomorrow',
    ])
      await refused('CONFIG_INVALID', timesOf(cron, 'America/New_York', 'test'));
  });
});
