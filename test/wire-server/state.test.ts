import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { AwsError } from '../../src/adapters/agentcore/wire/codec/error.ts';
import { movableClock } from '../../src/adapters/agentcore/wire/index.ts';
import { openState } from '../../src/adapters/agentcore/wire/state.ts';
import { folder } from '../kit/folder.ts';

interface Named {
  name: string;
  goneAt?: number;
}

function opened() {
  const clock = movableClock({ start: 1_000, frozen: true });
  const state = openState(undefined, clock);
  onTestFinished(() => state.close());
  const put = (name: string, more: Partial<Named> = {}, parent = '') => state.put('thing', name, { name, ...more }, parent);
  const names = (request: { maxResults?: number; nextToken?: string | undefined } = {}) => {
    const { items, nextToken } = state.page<Named>('thing', '', request);
    return { names: items.map(({ name }) => name), nextToken };
  };
  return { clock, state, put, names };
}

test('a resource is gone from its goneAt on, with what is listed under it, and its id is free', async () => {
  const { clock, state, put, names } = opened();
  put('a', { goneAt: 3_000 });
  put('b');
  state.put('part', 'a/1', { name: '1' }, 'a');
  state.put('part', 'b/1', { name: '1' }, 'b');
  await clock.advance(1_999);
  expect(names().names).toEqual(['a', 'b']);
  expect(state.counts()).toEqual({ thing: 2, part: 2 });
  await clock.advance(1);
  expect(state.get('thing', 'a')).toBeUndefined();
  expect(state.get('part', 'a/1')).toBeUndefined();
  expect(state.list('thing')).toEqual([{ name: 'b' }]);
  expect(names()).toEqual({ names: ['b'], nextToken: undefined });
  expect(state.counts()).toEqual({ thing: 1, part: 1 });
  put('a');
  expect(names().names).toEqual(['b', 'a']);
});

test('what has gone stays gone when the request that found it is refused', async () => {
  const { clock, state, put } = opened();
  put('a', { goneAt: 2_000 });
  await clock.advance(1_000);
  const refused = () =>
    state.once('Create', undefined, {}, () => {
      expect(state.list('thing')).toEqual([]);
      throw new AwsError('ConflictException', 'no');
    });
  expect(refused).toThrow('no');
  expect(state.get('thing', 'a')).toBeUndefined();
});

test('the first page is full where resources that have gone were before it', async () => {
  const { clock, put, names } = opened();
  for (let n = 0; n < 10; n++) put(`old${n}`, { goneAt: 2_000 });
  for (const name of ['a', 'b', 'c']) put(name);
  await clock.advance(1_000);
  const first = names({ maxResults: 2 });
  expect(first.names).toEqual(['a', 'b']);
  expect(names({ maxResults: 2, nextToken: first.nextToken })).toEqual({ names: ['c'], nextToken: undefined });
});

test('a page holds as many as it may of those that pass its filter, and has a token where one more does', () => {
  const { state, put } = opened();
  for (let n = 0; n < 20; n++) put(`${n}`);
  const page = (maxResults: number, nextToken?: string) =>
    state.page<Named>('thing', '', { maxResults, nextToken }, ({ name }) => Number(name) % 5 === 4);
  const first = page(2);
  expect(first.items.map(({ name }) => name)).toEqual(['4', '9']);
  const rest = page(2, first.nextToken);
  expect(rest.items.map(({ name }) => name)).toEqual(['14', '19']);
  expect(rest.nextToken).toBeUndefined();
});

test.each(['an older version', 'another application'])('a file of %s is refused, and left as it is', (whose) => {
  const path = join(folder('state'), 'state.db');
  const db = new DatabaseSync(path);
  db.exec(`CREATE TABLE ${whose === 'another application' ? 'mail' : 'resource'} (id TEXT)`);
  db.close();
  const before = readFileSync(path);
  const open = () => openState(path, movableClock());
  expect(open).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('is not a state file of') }));
  expect(readFileSync(path).equals(before)).toBe(true);
});
