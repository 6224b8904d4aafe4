import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { isGone, newOwner } from '../../src/engine/drive/owner.ts';

/** The owner that a process of this machine had, or has. */
const ownerOf = (pid: number | undefined, start = '') => newOwner().replace(/\/\d+@\d*\//, `/${pid}@${start}/`);
const linux = process.platform === 'linux';

test('an owner has a unique name, and is not gone while its process lives', () => {
  const one = newOwner();
  expect(newOwner()).not.toBe(one);
  expect(isGone(one)).toBe(false);
  expect(isGone(ownerOf(process.ppid))).toBe(false);
});

test('an owner is gone when its process is, which can be known only on the same machine', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  const dead = ownerOf(pid);
  expect(isGone(dead)).toBe(true);
  expect(isGone(ownerOf(pid, '12345'))).toBe(true);
  expect(isGone(`elsewhere${dead}`)).toBe(false);
  for (const odd of [undefined, '', 'x', 'a/b', dead.split('/').slice(0, 2).join('/')]) expect(isGone(odd)).toBe(false);
});

test.runIf(linux)('a process that has the id of another that ended is not that one', async () => {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  expect(isGone(ownerOf(child.pid, '1'))).toBe(true);
  expect(isGone(ownerOf(child.pid))).toBe(false);
  child.stdin.end();
  await once(child, 'exit');
  // also where it is this process that has the id
  expect(isGone(ownerOf(process.pid, '1'))).toBe(true);
});

test.runIf(linux)('the start of the machine and the numbering of its processes are part of the name', () => {
  const dead = ownerOf(spawnSync(process.execPath, ['--version']).pid);
  const [host, namespace, boot] = (dead.split('/')[0] as string).split('#');
  expect(host).toBe(hostname());
  expect(boot).toMatch(/^[0-9a-f-]{36}$/);
  // another host may have the name, or a container: its lease is waited for
  expect(isGone(dead.replace(boot as string, 'another'))).toBe(false);
  expect(isGone(dead.replace(namespace as string, '1'))).toBe(false);
});
