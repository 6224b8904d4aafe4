import { expect, test } from 'vitest';
import { afterPing, pingOf } from '../../src/adapters/agentcore/sessions/ping.ts';
import type { Wanted } from '../../src/adapters/agentcore/sessions/session.ts';
import { invoke, start, wanted } from './sessions.ts';

/** A session whose last invocation ended now, and how it ended after milliseconds of the clock. */
async function session(ping: object, o: Partial<Wanted> & Parameters<typeof start>[0] = {}) {
  const { idle = 900, lifetime = 28_800, ...options } = o;
  const { host, clock, warnings } = start(options);
  await invoke(host, wanted('one', { idle, lifetime }), { act: 'ping', ...ping });
  const from = clock.now();
  const ended = async () => {
    // the process is ended in real time
    await Promise.all(host.list().map((one) => one.ending && one.stop('stopped', 'it ends already')));
    return host.ended().map(({ reason, endedAt }) => ({ reason, after: endedAt - from }));
  };
  return { host, clock, warnings, ended };
}

/** Milliseconds. */
const IDLE = 900_000;

test.each([
  ['Healthy with a time that stands', { status: 'Healthy', time: 'fixed' }, 0],
  ['Healthy without a time', { status: 'Healthy', time: 'missing' }, 0],
  // the tenth ping after the invocation is the last with a new time
  ['Healthy with a time that moves for ten pings', { status: 'Healthy', time: 'moving', until: 10 }, 20_000],
  ['HealthyBusy without a time', { status: 'HealthyBusy', time: 'missing' }, 0],
])('%s: reaped at the exact second', async (_, ping, later) => {
  const { clock, ended, warnings } = await session(ping);
  await clock.advance(IDLE + later - 1);
  expect(await ended()).toEqual([]);
  await clock.advance(1);
  expect(await ended()).toEqual([{ reason: 'idle', after: IDLE + later }]);
  expect(warnings).toHaveLength(ping.status === 'HealthyBusy' ? 1 : 0);
});

test.each([
  ['Healthy that is stamped with the present', { status: 'Healthy', time: 'stamped' }],
  ['HealthyBusy that is stamped with the present', { status: 'HealthyBusy', time: 'stamped' }],
  ['HealthyBusy with a time that moves', { status: 'HealthyBusy', time: 'moving', until: 10 }],
  ['HealthyBusy with a time that stands', { status: 'HealthyBusy', time: 'fixed' }],
])('%s: never idle, and ended by its lifetime at the exact second', async (_, ping) => {
  const { clock, ended } = await session(ping, { lifetime: 2_000 });
  await clock.advance(1_999_999);
  expect(await ended()).toEqual([]);
  await clock.advance(1);
  expect(await ended()).toEqual([{ reason: 'lifetime', after: 2_000_000 }]);
});

test('where the platform is said to track changes, HealthyBusy without a time protects', async () => {
  const { clock, ended, warnings } = await session({ status: 'HealthyBusy', time: 'missing' }, { untimed: 'protect' });
  await clock.advance(2 * IDLE);
  expect(await ended()).toEqual([]);
  expect(warnings).toEqual([]);
});

test('an invocation that runs is not idle, and the idle time counts from its end', async () => {
  const { host, clock, ended } = await session({ status: 'Healthy', time: 'fixed' });
  const { done } = await host.enter(wanted('one'));
  await clock.advance(5_000_000);
  expect(await ended()).toEqual([]);
  done();
  await clock.advance(IDLE - 1);
  expect(await ended()).toEqual([]);
  await clock.advance(1);
  expect(await ended()).toEqual([{ reason: 'idle', after: 5_000_000 + IDLE }]);
});

test('a program that answers no ping is stopped after three, and told why', async () => {
  const { host, clock, ended } = await session({ time: 'fixed' });
  await clock.advance(5_999);
  expect(await ended()).toEqual([]);
  await clock.advance(1);
  expect(await ended()).toEqual([{ reason: 'unhealthy', after: 6_000 }]);
  expect(host.ended()[0]?.why).toBe('3 pings in a row failed: /ping answered 503');
});

test.each([
  [500, '{}', '/ping answered 500'],
  [200, 'Healthy', '/ping did not answer JSON'],
  [200, 'null', '/ping has the status undefined'],
  [200, '{"status":"healthy"}', '/ping has the status "healthy"'],
])('a ping of %i %s is a failure', (status, text, message) => {
  expect(() => pingOf(status, text)).toThrow(message);
});

test('the idle time restarts when a session stops being busy', () => {
  const busy = afterPing({ since: 0, busy: false }, { status: 'HealthyBusy', time: 1 }, 10, 'reap');
  expect(busy).toMatchObject({ since: 0, busy: true });
  expect(afterPing(busy, { status: 'HealthyBusy', time: 1 }, 20, 'reap')).toMatchObject({ since: 0, busy: true });
  expect(afterPing(busy, { status: 'Healthy', time: 2 }, 30, 'reap')).toMatchObject({ since: 30, busy: false });
});
