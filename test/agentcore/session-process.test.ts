import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from '../../src/adapters/agentcore/sessions/command.ts';
import { until } from '../kit/time.ts';
import { invoke, listOf, PROGRAM, runs, start, wanted } from './sessions.ts';

type Process = { pid: number };
type Env = Record<string, string>;

test('a session keeps its process, another id gets another, and first calls at the same time start one', async () => {
  const { host } = start();
  const firsts = await Promise.all(Array.from({ length: 10 }, () => invoke<Process>(host, wanted('one'), { act: 'pid' })));
  expect(new Set(firsts.map(({ pid }) => pid)).size).toBe(1);
  const again = await invoke<Process>(host, wanted('one'), { act: 'pid' });
  expect(again.pid).toBe(firsts[0]?.pid);
  const other = await invoke<Process>(host, wanted('two'), { act: 'pid' });
  expect(other.pid).not.toBe(again.pid);
  // the same id at another runtime is another session
  const elsewhere = await invoke<Process>(host, wanted('one', { runtime: 'another' }), { act: 'pid' });
  expect(elsewhere.pid).not.toBe(again.pid);
  expect(host.list()).toHaveLength(3);
});

test('a session has its own environment, folder and token, and nothing of the server', async () => {
  process.env.SECRET_OF_THE_SERVER = 'not for sessions';
  const { host } = start();
  const program = { command: ['node', PROGRAM] as const, cwd: process.cwd(), env: { FROM_BINDING: 'yes' } };
  const [one, two] = [wanted('one', { program }), wanted('two')];
  const [mine, other] = [await invoke<Env>(host, one, { act: 'env' }), await invoke<Env>(host, two, { act: 'env' })];
  expect(Object.keys(mine).sort()).toEqual(['FROM_BINDING', 'HOME', 'LANG', 'PATH', 'PORT', 'RONDO_SESSION_TOKEN', 'TMPDIR'].sort());
  expect(other).not.toHaveProperty('FROM_BINDING');
  for (const name of ['HOME', 'TMPDIR', 'PORT', 'RONDO_SESSION_TOKEN']) expect(mine[name]).not.toBe(other[name]);
  expect(JSON.stringify([mine, other])).not.toContain('not for sessions');

  // one leaves a secret in its folder; two looks where it can by what it was given, and calls the port of one
  await invoke(host, one, { act: 'write', name: 'secret.txt', text: 'of one' });
  expect(await invoke(host, two, { act: 'look' })).toEqual([]);
  expect(await invoke(host, two, { act: 'call', port: Number(mine.PORT) })).toEqual({ status: 403 });
  expect(await invoke(host, one, { act: 'look' })).toEqual(['secret.txt']);
  await host.find('demo', 'one')?.stop('stopped', 'a test');
  expect(existsSync(dirname(mine.HOME as string))).toBe(false);
  const later = await invoke<Env>(host, one, { act: 'env' });
  expect(later.RONDO_SESSION_TOKEN).not.toBe(mine.RONDO_SESSION_TOKEN);
});

test('a session of another owner is refused', async () => {
  const { host } = start();
  await invoke(host, wanted('one', { owner: 'ann' }), { act: 'pid' });
  for (const owner of ['bob', undefined])
    await expect(host.enter(wanted('one', { owner }))).rejects.toMatchObject({ code: 'SESSION_DENIED', outcome: 'not-run' });
});

test('25 new sessions a second: the 26th is refused, and calls of those that run are not', async () => {
  const { host, clock } = start();
  const all = await Promise.allSettled(Array.from({ length: 26 }, (_, i) => host.enter(wanted(`s${i}`, { program: instant }))));
  const refused = all.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  expect(refused).toHaveLength(26);
  expect(refused.filter(({ code }) => code === 'SESSION_QUOTA')).toHaveLength(1);
  await clock.advance(999);
  await expect(host.enter(wanted('later'))).rejects.toMatchObject({ code: 'SESSION_QUOTA', retryable: true });
  await clock.advance(1);
  await invoke(host, wanted('later'), { act: 'pid' });
  await invoke(host, wanted('later'), { act: 'pid' });
});
// ends at once, so that 25 cost little
const instant = { command: ['/bin/true'] as const, cwd: '/', env: {} };

test('a program that does not start, ends at once or never listens is told with its log, and leaves nothing', async () => {
  const { host, warnings } = start({ starting: 300 });
  const program = (...command: [string, ...string[]]) => ({ program: { command, cwd: process.cwd(), env: {} } });
  await expect(host.enter(wanted('none', program('no-such-program')))).rejects.toMatchObject({
    code: 'SESSION_FAILED',
    message: expect.stringContaining('no-such-program'),
  });
  await expect(
    host.enter(wanted('ends', program('node', '-e', "console.error('no journal here'); process.exit(3)"))),
  ).rejects.toMatchObject({
    message: expect.stringContaining('exited with 3'),
  });
  await expect(host.enter(wanted('mute', program('/bin/sleep', '1000')))).rejects.toMatchObject({
    message: expect.stringContaining('took more than 300 ms'),
  });
  expect(host.list()).toEqual([]);
  const [ends, mute] = host.ended();
  expect(ends).toMatchObject({ id: 'ends', reason: 'exited', why: expect.stringMatching(/did not listen.*exited with 3/) });
  expect(mute).toMatchObject({ id: 'mute', reason: 'exited', why: expect.stringMatching(/did not listen.*took more than 300 ms/) });
  // what the program said is where the operator is told to look
  expect(readFileSync(ends?.log ?? '', 'utf8')).toContain('no journal here');
  expect(warnings).toEqual([expect.stringContaining(ends?.log ?? '?'), expect.stringContaining(mute?.log ?? '?')]);
});

test('a program that exits ends its session, and says so; the next call starts another', async () => {
  const { host } = start();
  const { pid } = await invoke<Process>(host, wanted('one'), { act: 'pid' });
  await invoke(host, wanted('one'), { act: 'exit', code: 7 });
  await until(() => host.ended().length === 1);
  expect(host.ended()[0]).toMatchObject({ reason: 'exited', why: 'its process exited with 7', id: 'one' });
  expect((await invoke<Process>(host, wanted('one'), { act: 'pid' })).pid).not.toBe(pid);
});

test('stopping asks first, then kills, and refuses calls meanwhile; the log holds what the program said', async () => {
  const { host } = start({ grace: 200 });
  const calm = await invoke<Process>(host, wanted('calm'), { act: 'pid' });
  const stubborn = await invoke<Process>(host, wanted('stubborn'), { act: 'pid' });
  await invoke(host, wanted('stubborn'), { act: 'stubborn' });
  const [calmLog, session] = [host.find('demo', 'calm')?.log as string, host.find('demo', 'stubborn')];
  const over = session?.stop('stopped', 'a test');
  await expect(host.enter(wanted('stubborn'))).rejects.toMatchObject({ code: 'SESSION_CONFLICT', retryable: true });
  expect(() => host.find('demo', 'stubborn')).toThrow(expect.objectContaining({ code: 'SESSION_CONFLICT' }));
  await over;
  await host.find('demo', 'calm')?.stop('stopped', 'a test');
  for (const { pid } of [calm, stubborn]) expect(runs(pid)).toBe(false);
  expect(readFileSync(calmLog, 'utf8')).toBe(`started ${calm.pid}\nasked to stop\n`);
});

test('a command runs in the folder and environment of its session, and is killed in time with what it started', async () => {
  const { host, clock } = start();
  const { session, done } = await host.enter(wanted('one'));
  const never = new AbortController().signal;
  const all = async (command: string, signal = never) => listOf(runCommand(session, command, 300, clock.after, signal));
  const told = await all('printf "%s %s" "$PWD" "$TMPDIR"; printf wrong >&2; exit 3');
  const text = (of: 'stdout' | 'stderr') => told.map((event) => (of in event ? (event as Env)[of] : '')).join('');
  expect(text('stdout')).toBe(`${session.place.cwd} ${session.place.env.TMPDIR}`);
  expect(text('stderr')).toBe('wrong');
  expect(told.at(-1)).toEqual({ exitCode: 3, timedOut: false });

  const slow = runCommand(session, 'sleep 1000 & echo $!; wait', 300, clock.after, never);
  const first = await slow.next();
  const pid = Number((first.value as { stdout: string }).stdout);
  await clock.advance(299_999);
  expect(runs(pid)).toBe(true);
  await clock.advance(1);
  expect(await slow.next()).toEqual({ done: false, value: { exitCode: 137, timedOut: true } });
  await until(() => !runs(pid));
  done();
});

test('a server that is killed leaves no process and no folder', async () => {
  const server = spawn(process.execPath, ['--import', './scripts/source.ts', 'test/agentcore/fixtures/host.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = (await listOf<Buffer>(server.stdout)).join('');
  const { pid, child, home } = JSON.parse(line) as { pid: number; child: number; home: string };
  await until(() => !runs(pid) && !runs(child) && !existsSync(dirname(dirname(home))));
});
