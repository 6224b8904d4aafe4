import { expect, test } from 'vitest';
import { inTurn, joining, lazy } from '../src/flight.ts';
import { eventually } from './kit/time.ts';

/** Work that ends when the test says so. */
function work() {
  const begun: { done(value: number): void; fail(error: Error): void }[] = [];
  const run = () => new Promise<number>((done, fail) => begun.push({ done, fail }));
  return { begun, run };
}

test('lazy loads once for all callers, and again after a failure', async () => {
  const { begun, run } = work();
  const get = lazy(run);
  expect(get.current()).toBeUndefined();
  const both = Promise.allSettled([get(), get()]);
  expect(begun).toHaveLength(1);
  begun[0]?.fail(new Error('gone'));
  expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const again = get();
  begun[1]?.done(7);
  expect([await again, await get(), await get.current()]).toEqual([7, 7, 7]);
  expect(begun).toHaveLength(2);
});

test('lazy: a failure that comes after forget() leaves the load that began since', async () => {
  const { begun, run } = work();
  const get = lazy(run);
  const old = get().catch((error: Error) => error.message);
  get.forget();
  const fresh = get();
  begun[0]?.fail(new Error('gone'));
  expect(await old).toBe('gone');
  expect(get()).toBe(fresh);
  begun[1]?.done(1);
  expect(await fresh).toBe(1);
});

test('lazy: a failed load that was awaited by its caller alone is not an unhandled rejection', async () => {
  await expect(lazy(async () => Promise.reject(new Error('gone')))()).rejects.toThrow('gone');
});

test('joining runs one piece of work for each key at a time', async () => {
  const { begun, run } = work();
  const join = joining<string, number>();
  const all = [join('a', run), join('a', run), join('b', run)];
  expect(begun).toHaveLength(2);
  begun[0]?.done(1);
  begun[1]?.fail(new Error('gone'));
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  const [next, other] = [join('a', run), join('b', run)];
  begun[2]?.done(3);
  begun[3]?.done(4);
  expect([await next, await other]).toEqual([3, 4]);
});

test('inTurn runs the work of one key in the order of the calls, also after a failure, and that of another at once', async () => {
  const { begun, run } = work();
  const turn = inTurn<string>();
  const begins = (count: number) => eventually(() => expect(begun).toHaveLength(count));
  const [first, second, other] = [turn('a', run).catch((error: Error) => error.message), turn('a', run), turn('b', run)];
  await begins(2);
  begun[1]?.done(3);
  expect(await other).toBe(3);
  expect(begun).toHaveLength(2);
  begun[0]?.fail(new Error('gone'));
  expect(await first).toBe('gone');
  await begins(3);
  begun[2]?.done(2);
  expect(await second).toBe(2);
  const again = turn('a', run);
  await begins(4);
  begun[3]?.done(4);
  expect(await again).toBe(4);
});
