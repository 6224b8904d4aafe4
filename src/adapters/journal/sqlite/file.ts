/** A journal file as this process has it open: its tables, and what lies beside it. */
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { cutOff, replaced } from './errors.ts';
import type { Heads } from './heads.ts';
import { heads } from './heads.ts';
import type { Log } from './log.ts';
import { log } from './log.ts';
import { type Mark, mark, markOf, unmark } from './mark.ts';
import { open } from './open.ts';
import { type RecordTables, recordTables } from './record-tables.ts';
import { type Removal, removal } from './removal.ts';

/** Appends of the short way that may go by without a note of how far the log has come. */
const UNMARKED = 16;

/** Milliseconds between looks at where the paths lead, while appends go the short way. */
const CHECK = 100;

export class File {
  readonly db: DatabaseSync;
  readonly log: Log;
  readonly heads: Heads;
  readonly removal: Removal;
  readonly records: RecordTables;
  readonly #path: string;
  readonly #mark: Mark;
  readonly #begin;
  readonly #commit;
  readonly #version;
  #seen: unknown;
  #synced: 'power' | 'process' | undefined;
  /** What the paths led to when the file was opened. */
  readonly #own: string | undefined;
  #wal: string | undefined;
  #unmarked = 0;
  #checked = 0;

  /** @throws RondoError `JOURNAL_DAMAGED` where rows that were written are no longer there. */
  constructor(path: string) {
    this.#path = path;
    this.db = open(path);
    try {
      this.#own = inode(path);
      this.log = log(this.db);
      this.heads = heads(this.db, this.log.isWhole);
      this.removal = removal(this.db);
      this.records = recordTables(this.db);
      this.#begin = this.db.prepare('BEGIN IMMEDIATE');
      this.#commit = this.db.prepare('COMMIT');
      this.#version = this.db.prepare('PRAGMA data_version');
      // read before the log is, so that it is not ahead of it
      this.#mark = mark(path);
    } catch (error) {
      this.db.close();
      throw error;
    }
    const { least } = this.#mark;
    const last = this.log.last();
    if (last < least) {
      this.close();
      throw cutOff(path, markOf(path), last, least);
    }
  }

  begin(): void {
    this.#begin.run();
    this.log.begin();
  }

  commit(power: boolean): void {
    this.#commit.run();
    this.#note(this.log.last(), power, power);
  }

  /** After an append of the short way, which was to this row. */
  appended(row: number, power: boolean): void {
    if (power || ++this.#unmarked >= UNMARKED) this.#note(row, power, false);
  }

  /** Notes what the short way has left out. Called now and then. */
  catchUp(): void {
    if (this.#unmarked > 0) this.#note(this.log.last(), false, false);
  }

  #note(row: number, power: boolean, flush: boolean): void {
    this.#unmarked = 0;
    this.#mark.note(row, power, flush);
  }

  /** Whether another connection wrote since the last time this was asked. */
  foreignWrites(): boolean {
    const before = this.#seen;
    this.#seen = (this.#version.get() as { data_version: number }).data_version;
    return this.#seen !== before;
  }

  /** Says how the next commit is to be written. */
  sync(power: boolean): void {
    const wanted = power ? 'power' : 'process';
    if (this.#synced === wanted) return;
    this.db.exec(power ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#synced = wanted;
  }

  /** Whether it is time to look where the paths lead: not before each append of the short way, which would take a tenth longer. */
  get isDue(): boolean {
    return performance.now() - this.#checked > CHECK;
  }

  /** @throws RondoError `JOURNAL_DAMAGED` where the paths lead elsewhere: what is written to this file would not be found. */
  assertThere(): void {
    this.#checked = performance.now();
    const own = inode(this.#path);
    const wal = inode(`${this.#path}-wal`);
    this.#wal ??= wal;
    if (own !== this.#own || own === undefined) throw replaced(this.#path, own === undefined);
    if (wal !== this.#wal) throw replaced(`${this.#path}-wal`, wal === undefined);
  }

  /** Empties the log of writes into the file, with all that was forgotten; false where a reader of another process is in the way. */
  emptyLog(): boolean {
    const { busy } = this.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    return busy === 0;
  }

  close(): void {
    this.#mark.close();
    // the last connection to a file takes the log of writes in
    this.db.close();
    if (this.#wal !== undefined && inode(this.#path) === this.#own && inode(`${this.#path}-wal`) === undefined) unmark(this.#path);
  }
}

function inode(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev}:${found.ino}`;
}
