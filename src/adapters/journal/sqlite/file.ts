/** An open journal file: its tables, its transactions, and its `-mark` file. */
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { type ClaimTable, claimTable } from './claim-table.ts';
import { type EffectTable, effectTable } from './effect-table.ts';
import { cutOff, replaced } from './errors.ts';
import type { Heads } from './heads.ts';
import { heads } from './heads.ts';
import { type InboxTable, inboxTable } from './inbox-table.ts';
import type { Log } from './log.ts';
import { log } from './log.ts';
import { type Mark, mark, markOf, unmark } from './mark.ts';
import { open, rollback } from './open.ts';
import { type RecordTables, recordTables } from './record-tables.ts';
import { type Removal, removal } from './removal.ts';

/** Fast appends between two notes in the `-mark` file. */
const UNMARKED = 16;

/** Milliseconds between checks that the paths still lead to the open files. Fast appends check no more often. */
const CHECK = 100;

export class File {
  readonly db: DatabaseSync;
  readonly log: Log;
  readonly heads: Heads;
  readonly claims: ClaimTable;
  readonly effects: EffectTable;
  /** Runs that the current transaction has changed. */
  readonly touched: string[] = [];
  readonly #path: string;
  readonly #mark: Mark;
  readonly #begin;
  readonly #commit;
  readonly #version;
  #seen: unknown;
  #synced: 'power' | 'process' | undefined;
  // half of all statements, and most processes need none of them
  #removal: Removal | undefined;
  #records: RecordTables | undefined;
  #inbox: InboxTable | undefined;
  /** The inodes of the opened files. */
  readonly #own: string | undefined;
  #wal: string | undefined;
  #unmarked = 0;
  /** The row of the last fast append. */
  #last = 0;
  #checked = 0;

  /** @throws RondoError `JOURNAL_DAMAGED` if rows that were written are missing. */
  constructor(path: string) {
    this.#path = path;
    this.db = open(path);
    try {
      this.#own = inode(path);
      this.log = log(this.db);
      this.heads = heads(this.db, this.log.isWhole);
      this.claims = claimTable(this.db);
      this.effects = effectTable(this.db);
      this.#begin = this.db.prepare('BEGIN IMMEDIATE');
      this.#commit = this.db.prepare('COMMIT');
      this.#version = this.db.prepare('PRAGMA data_version');
      // the mark is read before the log: rows that are appended in between are in the log, but not in the mark
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

  get removal(): Removal {
    this.#removal ??= removal(this.db);
    return this.#removal;
  }

  get records(): RecordTables {
    this.#records ??= recordTables(this.db);
    return this.#records;
  }

  get inbox(): InboxTable {
    this.#inbox ??= inboxTable(this.db, (run) => {
      this.heads.wake(run);
      this.touched.push(run);
    });
    return this.#inbox;
  }

  begin(): void {
    this.#begin.run();
    this.log.begin();
  }

  commit(fsync: boolean): void {
    this.#commit.run();
    this.#note(this.log.last(), fsync, fsync);
  }

  /** A fast append of several tables in one transaction. @returns undefined if one of them refused it; then nothing was written. */
  together<T>(first: () => T | undefined, second: () => boolean): T | undefined {
    this.#begin.run();
    try {
      const written = first();
      if (written !== undefined && second()) {
        this.#commit.run();
        return written;
      }
      rollback(this.db);
      return undefined;
    } catch (error) {
      rollback(this.db);
      throw error;
    }
  }

  /** Call it after a fast append. @param row the id of the appended row. */
  appended(row: number, fsync: boolean): void {
    this.#last = row;
    if (fsync || ++this.#unmarked >= UNMARKED) this.#note(row, fsync, false);
  }

  /** Notes the fast appends that were not noted yet. */
  catchUp(): void {
    if (this.#unmarked > 0) this.#note(this.#last, false, false);
  }

  #note(row: number, fsync: boolean, flush: boolean): void {
    this.#unmarked = 0;
    this.#mark.note(row, fsync, flush);
  }

  /** Whether another connection wrote since the last call. */
  foreignWrites(): boolean {
    const before = this.#seen;
    this.#seen = (this.#version.get() as { data_version: number }).data_version;
    return this.#seen !== before;
  }

  /** Sets the durability of the next commit. */
  sync(fsync: boolean): void {
    const wanted = fsync ? 'power' : 'process';
    if (this.#synced === wanted) return;
    this.db.exec(fsync ? 'PRAGMA synchronous = FULL' : 'PRAGMA synchronous = NORMAL');
    this.#synced = wanted;
  }

  /** Whether the next check of the paths is due. A check before each fast append would make it 10% slower. */
  get isDue(): boolean {
    return performance.now() - this.#checked > CHECK;
  }

  /** @throws RondoError `JOURNAL_DAMAGED` if the paths lead to other files now: writes to the open ones would be lost. */
  assertThere(): void {
    this.#checked = performance.now();
    const own = inode(this.#path);
    const wal = inode(`${this.#path}-wal`);
    this.#wal ??= wal;
    if (own !== this.#own || own === undefined) throw replaced(this.#path, own === undefined);
    if (wal !== this.#wal) throw replaced(`${this.#path}-wal`, wal === undefined);
  }

  /** Copies the `-wal` file into the database and truncates it. @returns false if a reader of another process prevents it. */
  emptyLog(): boolean {
    const { busy } = this.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    return busy === 0;
  }

  close(): void {
    this.#mark.close();
    // the last connection removes the `-wal` file; then the mark is not needed any more
    this.db.close();
    if (this.#wal !== undefined && inode(this.#path) === this.#own && inode(`${this.#path}-wal`) === undefined) unmark(this.#path);
  }
}

function inode(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev}:${found.ino}`;
}
