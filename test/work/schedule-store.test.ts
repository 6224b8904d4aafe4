import { expect, test } from 'vitest';
import { ScheduleStore } from '../../src/engine/work/schedule-store.ts';
import { memoryJournal } from '../../src/index.ts';
import type { Records } from '../../src/journal/records.ts';
import { all } from '../kit/journals.ts';
import { deferred } from '../kit/time.ts';

const NAMESPACE = 'rondo/schedules';
const DAY = 86_400_000;
const state = (last: number) => ({
  name: 'it',
  agent: 'echo',
  input: 'secret',
  by: { id: 'ana', tenant: 'acme' },
  cron: '0 9 * * *',
  timezone: 'UTC',
  overlap: 'skip' as const,
  catchUp: 1,
  last,
  missed: 0,
  misses: [],
});

function setup(over: Partial<Records> = {}) {
  const { records } = memoryJournal();
  if (!records) throw new Error('no records');
  const open = (more: Partial<Records> = {}) => new ScheduleStore({ ...records, ...more });
  return { records, open, store: open(over), keys: () => all(records.list(NAMESPACE)) };
}

/** Changes a schedule until the next change moves it. */
async function fill(store: ScheduleStore): Promise<void> {
  for (let i = 1; i <= 32; i++) await store.put(state(i), await store.find('acme', 'it'));
}

const lastOf = async (store: ScheduleStore) => (await store.list(0)).map(({ state }) => state.last);

// holds schedule-store.I1
test.each([
  ['deletion', 'delete'],
  ['append', 'append'],
] as const)('a process that dies before the %s of a move leaves what the next reader ends', async (_, method) => {
  const { records, open, keys } = setup();
  await fill(open());
  let appends = 0;
  const dying = open({
    [method]: (...a: never[]) => {
      if (method === 'append' && appends++ === 0) return records.append(...(a as unknown as Parameters<Records['append']>));
      throw new Error('gone');
    },
  });
  await expect(dying.put(state(33), await dying.find('acme', 'it'))).rejects.toThrow('gone');
  expect(await keys()).toHaveLength(method === 'delete' ? 2 : 1);
  const next = open();
  expect(await lastOf(next)).toEqual([33]);
  expect(await keys()).toHaveLength(1);
  expect((await next.put(state(34), await next.find('acme', 'it')))?.state.last).toBe(34);
  expect(await lastOf(open())).toEqual([34]);
});

// holds schedule-store.I1, schedule-store.I2
test('a process that moves a schedule slowly does not bring it back after it was removed', async () => {
  const { records, open, keys } = setup();
  await fill(open());
  const [reached, free] = [deferred(), deferred()];
  let appends = 0;
  const slow = open({
    append: async (...a) => {
      if (appends++ > 0) {
        reached.resolve(undefined);
        await free.promise;
      }
      return records.append(...a);
    },
  });
  const put = slow.put(state(33), await slow.find('acme', 'it'));
  await reached.promise;
  const other = open();
  const place = await other.find('acme', 'it');
  expect(place && (await other.remove(place, 0))).toBe(true);
  free.resolve(undefined);
  expect(await put).toBeUndefined();
  for (const store of [open(), slow, other]) expect(await lastOf(store)).toEqual([]);
  expect(await keys()).toHaveLength(1);
});

// holds schedule-store.I2
test('a process that read a schedule before it was removed cannot write it back, also if it was made again', async () => {
  const { records, open, store, keys } = setup();
  await store.put(state(1));
  const slow = open();
  const read = await slow.find('acme', 'it');
  const place = await store.find('acme', 'it');
  expect(place && (await store.remove(place, 0))).toBe(true);
  const [key = ''] = await keys();
  expect(JSON.stringify(await all(records.read(NAMESPACE, key)))).not.toContain('secret');
  expect(await slow.put(state(2), read)).toBeUndefined();
  expect((await store.put(state(7), await store.find('acme', 'it')))?.state.last).toBe(7);
  expect(await slow.put(state(2), read)).toBeUndefined();
  expect(await lastOf(open())).toEqual([7]);
});

// holds schedule-store.I2
test('the mark of a schedule that was removed is deleted after a day, and never what was made over it', async () => {
  const { open, store, keys } = setup();
  await store.put(state(1));
  const place = await store.find('acme', 'it');
  expect(place && (await store.remove(place, 0))).toBe(true);
  expect(await store.list(DAY)).toEqual([]);
  expect(await keys()).toHaveLength(1);
  const slow = open();
  const mark = await slow.find('acme', 'it');
  expect(await store.list(DAY + 1)).toEqual([]);
  expect(await keys()).toEqual([]);
  expect(await slow.put(state(2), mark)).toBeUndefined();
  expect((await slow.put(state(2), await slow.find('acme', 'it')))?.state.last).toBe(2);
  expect(await lastOf(open())).toEqual([2]);
});
