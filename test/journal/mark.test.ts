/** What is noticed of a log that lost its end, of a file that is another one by now, and who may read it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { all, entries, entry, head, read, refused, start } from '../../src/testing/journal/kit.ts';
import { file, folder } from './setup.ts';

const linux = process.platform === 'linux';

/** A journal of a process that was killed: 40 entries of run `r` one by one, of which the first 30 were synced. */
async function killed(): Promise<string> {
  const { path } = file();
  const child = spawn(process.execPath, [fileURLToPath(new URL('./child-killed.ts', import.meta.url)), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  return path;
}

function copyOf(path: string, change: (wal: Buffer) => Buffer, mark = true): string {
  const copy = join(folder(), 'runs.db');
  copyFileSync(path, copy);
  writeFileSync(`${copy}-wal`, change(readFileSync(`${path}-wal`)));
  if (mark) copyFileSync(`${path}-mark`, `${copy}-mark`);
  return copy;
}

/** As after the machine was started again: what was only written need not be there. */
function restarted(path: string): string {
  const bytes = readFileSync(`${path}-mark`);
  for (let at = 0; at < bytes.length; at += 32) {
    bytes[at + 12] = (bytes[at + 12] as number) ^ 0xff;
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 28)), at + 28);
  }
  writeFileSync(`${path}-mark`, bytes);
  return path;
}

const frames = (wal: Buffer) => {
  const size = 24 + wal.readUInt32BE(8);
  return Array.from({ length: Math.floor((wal.length - 32) / size) }, (_, i) => 32 + i * size);
};
const turn = (at: number) => (wal: Buffer) => {
  wal[at] = (wal[at] as number) ^ 4;
  return wal;
};

test('after any bit flip in a committed WAL frame, the lost entries are detected', async () => {
  const path = await killed();
  const all = frames(readFileSync(`${path}-wal`));
  expect(all.length).toBeGreaterThan(40);
  for (const [i, at] of all.entries())
    for (const place of [at + 8, at + 16, at + 24 + ((i * 97) % 4_096)]) {
      const copy = copyOf(path, turn(place));
      const journal = file(copy).open();
      const error = await refused('JOURNAL_DAMAGED', () => read(journal, 'r'));
      expect(error.message).toContain(`${copy}-mark`);
      await refused('JOURNAL_DAMAGED', () => journal.append('r', 40, [entry(40)], head('r')));
      await refused('JOURNAL_DAMAGED', async () => {
        for await (const _ of journal.heads({})) expect.unreachable();
      });
      // as the message says
      rmSync(`${copy}-mark`);
      const found = await read(file(copy).open(), 'r');
      expect(found).toEqual(entries(0, found.length));
    }
});

test('a truncated, emptied or missing WAL is detected, and so is a file without it', async () => {
  const path = await killed();
  const length = readFileSync(`${path}-wal`).length;
  for (const size of [length - 1, length - 5_000, length / 2, 32, 0])
    await refused('JOURNAL_DAMAGED', () => read(file(copyOf(path, (wal) => wal.subarray(0, size))).open(), 'r'));
  const copy = copyOf(path, (wal) => wal);
  rmSync(`${copy}-wal`);
  await refused('JOURNAL_DAMAGED', () => read(file(copy).open(), 'r'));
  // as it is, it is whole
  expect(await read(file(copyOf(path, (wal) => wal)).open(), 'r')).toEqual(entries(0, 40));
});

test('after power loss the WAL may end anywhere after the synced entries, but no earlier', async () => {
  const path = await killed();
  const all = frames(readFileSync(`${path}-wal`));
  const held: number[] = [];
  let damaged = 0;
  for (const at of all) {
    const journal = file(restarted(copyOf(path, (wal) => wal.subarray(0, at)))).open();
    try {
      held.push((await read(journal, 'r')).length);
    } catch (error) {
      expect((error as { code: string }).code).toBe('JOURNAL_DAMAGED');
      expect(held).toEqual([]);
      damaged++;
    }
  }
  expect(damaged).toBeGreaterThan(25);
  expect(new Set(held)).toEqual(new Set([30, 31, 32, 33, 34, 35, 36, 37, 38, 39]));
});

test('a damaged or missing note is ignored, and a new file has none', async () => {
  const path = await killed();
  const cut = (wal: Buffer) => wal.subarray(0, wal.length / 2);
  const without = copyOf(path, cut, false);
  expect((await read(file(without).open(), 'r')).length).toBeLessThan(40);
  const torn = copyOf(path, cut);
  writeFileSync(`${torn}-mark`, Buffer.from(readFileSync(`${torn}-mark`).map((byte) => byte && byte ^ 1)));
  expect((await read(file(torn).open(), 'r')).length).toBeLessThan(40);
  const fresh = copyOf(path, cut);
  for (const name of [fresh, `${fresh}-wal`]) rmSync(name);
  await start(file(fresh).open(), 'new');
  await refused('JOURNAL_DAMAGED', async () => {
    const emptied = copyOf(path, () => Buffer.alloc(0));
    truncateSync(emptied, 0);
    await start(file(emptied).open(), 'new');
  });
});

test.skipIf(!existsSync('/dev/full'))('a note for which the disk has no room does not fail what is committed', async () => {
  const { path, open } = file();
  const before = open();
  await start(before, 'old');
  await before.close?.();
  // it can be opened and read, and has no room for a byte
  symlinkSync('/dev/full', `${path}-mark`);
  const journal = open();
  await start(journal, 'r', 1);
  for (const sync of ['power', 'process'] as const)
    for (let n = 0; n < 40; n++) {
      const { length } = await read(journal, 'r');
      await journal.append('r', length, [entry(length)], head('r', { seq: length }), { sync });
    }
  expect(await read(journal, 'r')).toHaveLength(81);
});

test('a removed run does not make the log shorter', async () => {
  const { path, open } = file();
  const journal = open();
  await start(journal, 'a');
  await start(journal, 'b', 3);
  for (let seq = 3; seq < 40; seq++) await journal.append('b', seq, [entry(seq)], head('b'), { sync: 'power' });
  await journal.remove('b');
  expect(await read(open(), 'a')).toEqual([entry(0)]);
  await start(journal, 'c');
  expect(await read(open(), 'c')).toEqual([entry(0)]);
  await journal.remove('a');
  await journal.remove('c');
  expect(await all(open().heads({}))).toEqual([]);
  expect(existsSync(`${path}-mark`)).toBe(true);
});

describe('a file that is no longer the one that was opened', () => {
  const swaps: [string, (path: string) => void][] = [
    ['deleted', (path) => rmSync(path)],
    ['renamed', (path) => renameSync(path, `${path}.old`)],
    [
      'replaced by a copy',
      (path) => {
        copyFileSync(path, `${path}.copy`);
        renameSync(`${path}.copy`, path);
      },
    ],
    ['without its log of writes', (path) => rmSync(`${path}-wal`)],
    ['gone with its folder', (path) => rmSync(dirname(path), { recursive: true })],
  ];
  test.each(swaps)('%s: every use of it says so, from then on', async (_, swap) => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    await journal.append('r', 1, [entry(1)], head('r'));
    expect(await read(journal, 'r')).toEqual(entries(0, 2));
    swap(path);
    for (const attempt of [
      () => read(journal, 'r'),
      () => journal.append('r', 2, [entry(2)], head('r'), { sync: 'power' }),
      () => journal.append('r', 2, [entry(2)], head('r')),
      () => all(journal.heads({})),
      () => journal.renew('r', 'me', Date.now() + 1_000),
      () => start(journal, 'another'),
      () => journal.remove('r'),
    ]) {
      const error = await refused('JOURNAL_DAMAGED', attempt);
      expect(error.message).toMatch(/was (deleted|replaced) while it was open/);
    }
  });
});

describe.runIf(linux)('rights', () => {
  const modes = (path: string) =>
    Object.fromEntries(readdirSync(dirname(path)).map((name) => [name, statSync(join(dirname(path), name)).mode & 0o777]));

  test('a new file, and those beside it, are its owner`s alone, whatever the umask', async () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const { path, open } = file();
    await start(open(), 'r');
    expect(modes(path)).toEqual({ 'runs.db': 0o600, 'runs.db-wal': 0o600, 'runs.db-shm': 0o600, 'runs.db-mark': 0o600 });
  });

  test('the permissions of an accessible file are kept, with one warning', async () => {
    const { path, open } = file();
    const made = open();
    await start(made, 'r');
    await made.close?.();
    chmodSync(path, 0o644);
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    onTestFinished(() => warn.mockRestore());
    await read(open(), 'r');
    await read(open(), 'r');
    expect(modes(path)['runs.db']).toBe(0o644);
    const said = warn.mock.calls.map(([text]) => String(text)).filter((text) => text.includes(path));
    expect(said).toHaveLength(1);
    expect(said[0]).toContain('chmod 600');
  });
});
