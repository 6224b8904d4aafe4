/**
 * Records the end of the log outside of it, in `<path>-mark`. SQLite treats damage in the `-wal` file as its end and silently drops
 * everything after it. So a writer notes the last row, and the next process that opens the file compares.
 *
 * A note has two row numbers. Rows up to `synced` were flushed to disk, so they must exist in any case. Rows up to `written` were passed
 * to the operating system, so they must exist unless the machine was restarted. A note is written after its commit, so it never
 * claims too much.
 *
 * The file has 64 slots of 32 bytes, because writers do not wait for each other: synced, written, a hash of the boot id, CRC-32 of these.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { bootId } from '../../../journal/boot.ts';
import { sha256 } from '../../../journal/canonical.ts';

const SLOT = 32;
const SLOTS = 64;
const BYTES = 6;

export const markOf = (path: string) => `${path}-mark`;

/** Zero if the boot id is unknown. Then `written` is ignored. */
const boot = () => (bootId() === '' ? Buffer.alloc(8) : Buffer.from(sha256(bootId()), 'hex').subarray(0, 8));

export interface Mark {
  /** The row that the log must reach, as of when this was opened. */
  readonly least: number;
  /** Notes that the log ends at `row`. Never throws. @param synced whether that was flushed to disk. @param flush whether to flush the note too. */
  note(row: number, synced: boolean, flush: boolean): void;
  close(): void;
}

/** Opens the notes of a journal file, or creates them. */
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
    // ignores empty and damaged slots
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
      try {
        // another process closed as the last one and deleted the file
        if (flush && fstatSync(file).nlink === 0) {
          const fresh = opened();
          closeSync(file);
          file = fresh;
        }
        writeSync(file, slot, 0, SLOT, place);
        if (flush) fdatasyncSync(file);
      } catch {
        // what it is about is committed, also where the disk has no room for the note: until the next one the notes claim less
      }
    },
    close: () => closeSync(file),
  };
}

/** The row that the log of a file must reach. */
export function leastOf(path: string): number {
  if (statSync(markOf(path), { throwIfNoEntry: false }) === undefined) return 0;
  const notes = mark(path);
  notes.close();
  return notes.least;
}

/** Deletes the notes. A new file has none, and one that its last process closed cleanly needs none. */
export const unmark = (path: string) => rmSync(markOf(path), { force: true });
