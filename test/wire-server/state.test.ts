import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

test('a file has one server at a time: another one is told which has it, until that has ended, also by kill -9', async () => {
  const path = join(folder('state'), 'state.db');
  const source = `
    import { openState } from ${JSON.stringify(new URL('../../src/adapters/agentcore/wire/state.ts', import.meta.url).href)};
    globalThis.state = openState(${JSON.stringify(path)}, Date);
    console.log('open');
    setInterval(() => {}, 1_000);`;
  const flags = ['--disable-warning=ExperimentalWarning', '--import', join(import.meta.dirname, '../../scripts/source.ts')];
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const open = () => openState(path, movableClock());
  const refused = (pid: number | undefined) =>
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(`process ${pid}`), details: { path, pid } });
  expect(open).toThrow(refused(child.pid));
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
  const state = open();
  state.put('thing', 'a', { name: 'a' });
  expect(open).toThrow(refused(process.pid));
  expect(state.get('thing', 'a')).toEqual({ name: 'a' });
  state.close();
  const again = open();
  expect(again.get('thing', 'a')).toEqual({ name: 'a' });
  again.close();
});
