import { expect, test, vi } from 'vitest';
import { ownTime } from '../../src/adapters/agentcore/wire/clock.ts';
import { movableClock } from '../../src/adapters/agentcore/wire/index.ts';
import { deferred } from '../kit/time.ts';

const START = Date.UTC(2030, 0, 1);

test('what becomes due is called in order, each at its own time, and so is what it starts', async () => {
  const clock = movableClock({ start: START, frozen: true });
  const called: [string, number][] = [];
  const note = (name: string) => () => void called.push([name, clock.now() - START]);
  clock.after(3_000, note('c'));
  clock.after(1_000, note('a'));
  clock.after(1_000, () => {
    note('b')();
    clock.after(500, note('started by b'));
  });
  const cancel = clock.after(2_000, note('cancelled'));
  clock.after(900_001, note('later'));
  cancel();
  await clock.advance(900_000);
  expect(called).toEqual([
    ['a', 1_000],
    ['b', 1_000],
    ['started by b', 1_500],
    ['c', 3_000],
  ]);
  expect(clock.now()).toBe(START + 900_000);
  await clock.advance(1);
  expect(called.at(-1)).toEqual(['later', 900_001]);
});

test('the time waits for what is called, and two moves are one after the other', async () => {
  const clock = movableClock({ start: START, frozen: true });
  const seen: number[] = [];
  clock.after(1_000, async () => {
    await new Promise(setImmediate);
    seen.push(clock.now() - START);
  });
  clock.after(12_000, () => void seen.push(clock.now() - START));
  await Promise.all([clock.advance(10_000), clock.advance(10_000)]);
  expect(seen).toEqual([1_000, 12_000]);
  expect(clock.now()).toBe(START + 20_000);
});

test('a call that fails stops the move at its time, and the clock goes on', async () => {
  const clock = movableClock({ start: START, frozen: true });
  clock.after(1_000, () => {
    throw new Error('failed');
  });
  await expect(clock.advance(5_000)).rejects.toThrow('failed');
  expect(clock.now()).toBe(START + 1_000);
  await clock.advance(5_000);
  expect(clock.now()).toBe(START + 6_000);
});

test('a time that no clock can have is refused, and the time stays', async () => {
  for (const start of [Number.NaN, -1, 1e300, Date.UTC(10_000, 0, 1)])
    expect(() => movableClock({ start }), String(start)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  const clock = movableClock({ start: START, frozen: true });
  for (const ms of [Number.NaN, -1, 1e300, Number.POSITIVE_INFINITY, undefined as never])
    await expect(clock.advance(ms), String(ms)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(clock.now()).toBe(START);
  await clock.advance(1);
  expect(clock.now()).toBe(START + 1);
});

test('a running clock calls in real time, from the time at which it starts', async () => {
  const clock = movableClock({ start: START });
  const at = await new Promise<number>((resolve) => clock.after(20, () => resolve(clock.now())));
  expect(at).toBeGreaterThanOrEqual(START + 20);
  expect(at).toBeLessThan(START + 3_600_000);
  clock.stop();
});

test('a call that fails on a running clock is told to the operator, and the clock goes on', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const clock = movableClock({ start: START });
  clock.after(0, () => {
    throw new Error('at once');
  });
  clock.after(0, async () => {
    throw new Error('later');
  });
  await new Promise<void>((resolve) => clock.after(1, resolve));
  await expect.poll(() => warned.mock.calls.length).toBe(2);
  expect(warned.mock.calls.map(String)).toEqual([expect.stringContaining('at once'), expect.stringContaining('later')]);
  clock.stop();
  warned.mockRestore();
});

test('the time of a server ends when what it has begun is over, and the clock goes on for others', async () => {
  const clock = movableClock({ start: START, frozen: true });
  const own = ownTime(clock);
  const work = deferred();
  const called: string[] = [];
  own.after(1_000, async () => {
    called.push('begun');
    await work.promise;
    called.push('over');
  });
  own.after(2_000, () => void called.push('of the server'));
  clock.after(2_000, () => void called.push('of another'));
  const moved = clock.advance(5_000);
  await expect.poll(() => called).toEqual(['begun']);
  const ended = own.end().then(() => called.push('ended'));
  own.after(0, () => void called.push('after its end'));
  work.resolve();
  await Promise.all([moved, ended]);
  expect(called.slice(0, 2)).toEqual(['begun', 'over']);
  expect(called.slice(2).sort()).toEqual(['ended', 'of another']);
});
