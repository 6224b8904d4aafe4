/**
 * How far the log has come, told outside of it. SQLite takes damage in the `-wal` file for the end of what was written: all after it is
 * left out, and nothing says so. So a writer notes the end of the log in `<path>-mark`, and the next one to open the file compares.
 *
 * A note says two numbers. `synced`: rows up to here have reached the disk, so they must be there whatever happened. `written`: rows up
 * to here were handed to the operating system, so they must be there while it has not been started again. A note is made after the
 * commit it is about, so it is never ahead of what must be there.
 *
 * 64 slots of 32 bytes, because writers do not wait for each other: synced, written, boot (a hash), CRC-32 of these.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { bootId } from '../../../journal/boot.ts';
import { sha256 } from '../../../journal/canonical.ts';

const SLOT = 32;
const SLOTS = 64;
const BYTES = 6;

export const markOf = (path: string) => `${path}-mark`;

/** Zero where it is not known: nothing is then said of what was only written. */
const boot = () => (bootId() === '' ? Buffer.alloc(8) : Buffer.from(sha256(bootId()), 'hex').subarray(0, 8));

export interface Mark {
  /** The row that the log must have come to, as of when this was opened. */
  readonly least: number;
  /** The log ends at `row` now. `synced`: and that has reached the disk. `flush`: the note is to reach it too. */
  note(row: number, synced: boolean, flush: boolean): void;
  close(): void;
}

/** The notes beside a journal file, which are made if there are none. */
export function mark(path: string): Mark {
  const opened = () => openSync(markOf(path), constants.O_RDWR | constants.O_CREAT, 0o600);
  let file = opened();
  const all = Buffer.alloc(SLOT * SLOTS);
  readSync(file, all, 0, all.length, 0);
  const now = boot();
  const place = Math.floor(Math.random() * SLOTS) * SLOT;
  const slot = Buffer.alloc(SLOT);
  let synced = 0;
  let written = 0;
  let least = 0;
  for (let at = 0; at < all.length; at += SLOT) {
    const found = all.subarray(at, at + SLOT);
    // one that is not whole says nothing
    if (found.readUInt32LE(SLOT - 4) !== crc32(found.subarray(0, SLOT - 4)) || found.every((byte) => byte === 0)) continue;
    const same = found.subarray(2 * BYTES, 2 * BYTES + 8).equals(now) && bootId() !== '';
    const own = { synced: found.readUIntLE(0, BYTES), written: same ? found.readUIntLE(BYTES, BYTES) : 0 };
    least = Math.max(least, own.synced, own.written);
    if (at === place) ({ synced, written } = own);
  }
  now.copy(slot, 2 * BYTES);
  return {
    least,
    note(row, isSynced, flush) {
      written = Math.max(written, row);
      if (isSynced) synced = Math.max(synced, row);
      slot.writeUIntLE(synced, 0, BYTES);
      slot.writeUIntLE(written, BYTES, BYTES);
      slot.writeUInt32LE(crc32(slot.subarray(0, SLOT - 4)), SLOT - 4);
      // a process that took itself for the last one took the notes away
      if (flush && fstatSync(file).nlink === 0) {
        closeSync(file);
        file = opened();
      }
      writeSync(file, slot, 0, SLOT, place);
      if (flush) fdatasyncSync(file);
    },
    close: () => closeSync(file),
  };
}

/** The row that the log of a file must have come to. */
export function leastOf(path: string): number {
  if (statSync(markOf(path), { throwIfNoEntry: false }) === undefined) return 0;
  const notes = mark(path);
  notes.close();
  return notes.least;
}

/** A new file begins without notes; one that was closed by its last process is whole without them. */
export const unmark = (path: string) => rmSync(markOf(path), { force: true });
