/** What a session or a memory leaves, where it cannot be removed. */
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { started } from './memory/kit.ts';
import { invoke, start, wanted } from './sessions.ts';

/** Whether nothing can be removed. A real file system refuses root nothing. */
const disk = vi.hoisted(() => ({ refuses: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const rmSync: typeof fs.rmSync = (path, o) => {
    if (disk.refuses) throw Object.assign(new Error(`EACCES: permission denied, unlink '${path}'`), { code: 'EACCES' });
    fs.rmSync(path, o);
  };
  return { ...fs, rmSync };
});

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => {
  disk.refuses = false;
  vi.restoreAllMocks();
});

const told = () => vi.mocked(process.emitWarning).mock.calls.map(([text]) => String(text));

test('a session whose folder cannot be removed ends all the same, is told, and the next of its id starts', async () => {
  const { host, clock, warnings } = start();
  const ended = () => host.ended().map(({ reason }) => reason);
  const first = await invoke<{ HOME: string }>(host, wanted('one'), { act: 'env' });
  disk.refuses = true;
  await host.find('demo', 'one')?.stop('stopped', 'a test');
  expect(ended()).toEqual(['stopped']);
  expect(warnings).toEqual([expect.stringContaining(dirname(first.HOME))]);

  const second = await invoke<{ HOME: string }>(host, wanted('one'), { act: 'env' });
  expect(second.HOME).not.toBe(first.HOME);
  await clock.advance(900_000);
  await until(() => host.ended().length === 2);
  expect(ended()).toEqual(['stopped', 'idle']);

  await invoke(host, wanted('one'), { act: 'exit', code: 3 });
  await until(() => host.ended().length === 3);
  expect(ended()).toEqual(['stopped', 'idle', 'exited']);
  expect(host.list()).toEqual([]);
});

test('a program that does not start is told by its own failure, also if its folder stays', async () => {
  const { host, warnings } = start();
  disk.refuses = true;
  const program = (command: [string, ...string[]]) => wanted('one', { program: { command, cwd: process.cwd(), env: {} } });
  await expect(host.enter(program(['no-such-program']))).rejects.toMatchObject({ code: 'SESSION_FAILED' });
  await expect(host.enter(program(['false']))).rejects.toMatchObject({ code: 'SESSION_FAILED' });
  // one for each folder, and one with the log of the program that ran
  expect(warnings).toHaveLength(3);
});

test('a host whose folder cannot be removed closes, and can be used again', async () => {
  const { host, warnings } = start();
  await invoke(host, wanted('one'), { act: 'pid' });
  disk.refuses = true;
  await host.close();
  expect(warnings).toHaveLength(2);
  await invoke(host, wanted('one'), { act: 'pid' });
});

test('a memory is deleted, and a server is reset, also where their files stay', async () => {
  const { server, controls } = await started({ state: join(folder('removal'), 'state.sqlite') });
  const { memory } = await controls.send(new control.CreateMemoryCommand({ name: 'support', eventExpiryDuration: 30 }));
  await server.clock.advance(2_000);
  disk.refuses = true;
  await controls.send(new control.DeleteMemoryCommand({ memoryId: memory?.id }));
  await server.clock.advance(2_000);
  expect((await controls.send(new control.ListMemoriesCommand({}))).memories).toEqual([]);
  expect(told()).toContainEqual(expect.stringContaining(`${memory?.id}.db`));
  const reset = await fetch(`${server.url}/_rondo/reset`, { method: 'POST', headers: { authorization: `Bearer ${server.adminToken}` } });
  expect(reset.status).toBe(200);
});

const asRoot = process.getuid?.() === 0;
test.skipIf(asRoot)(`a folder that a program made read-only is removed${asRoot ? ' (needs another user than root)' : ''}`, async () => {
  const { host, warnings } = start();
  const { HOME } = await invoke<{ HOME: string }>(host, wanted('one'), { act: 'env' });
  mkdirSync(join(HOME, 'cache', 'module'), { recursive: true });
  chmodSync(join(HOME, 'cache'), 0o555);
  await host.find('demo', 'one')?.stop('stopped', 'a test');
  expect(existsSync(dirname(HOME))).toBe(false);
  expect(warnings).toEqual([]);
});
