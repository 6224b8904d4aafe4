import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { isGone, newOwner } from '../../src/engine/owner.ts';

test('an owner has a name of its own, and is not gone while its process lives', () => {
  const one = newOwner();
  expect(newOwner()).not.toBe(one);
  expect(isGone(one)).toBe(false);
  expect(isGone(one.replace(`/${process.pid}/`, `/${process.ppid}/`))).toBe(false);
});

test('an owner is gone when its process is, and only on this machine can anybody say', () => {
  const { pid } = spawnSync(process.execPath, ['--version']);
  const dead = newOwner().replace(`/${process.pid}/`, `/${pid}/`);
  expect(isGone(dead)).toBe(true);
  expect(isGone(`elsewhere${dead}`)).toBe(false);
  for (const odd of [undefined, '', 'x', 'a/b', dead.split('/').slice(0, 2).join('/')]) expect(isGone(odd)).toBe(false);
});
