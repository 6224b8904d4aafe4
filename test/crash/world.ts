import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Journal } from '../../src/index.ts';
import { live } from './lives.ts';
import { copyJournal, journalIn, removeJournal } from './store.ts';
import { type Outcome, outcomeOf } from './verdict.ts';

/** A directory of a test's own, with one for each of the things it tries. */
export class World {
  readonly root = mkdtempSync(join(tmpdir(), 'rondo-crash-'));
  #made = 0;

  folder(name = 'dir'): string {
    const dir = join(this.root, `${name}-${this.#made++}`);
    mkdirSync(dir);
    return dir;
  }

  /** Works in a copy of a directory, which is removed after it. */
  async inCopy<T>(template: string, work: (dir: string) => Promise<T>): Promise<T> {
    const dir = this.folder();
    cpSync(template, dir, { recursive: true });
    await copyJournal(template, dir);
    try {
      return await work(dir);
    } finally {
      await removeJournal(dir);
      rmSync(dir, { recursive: true, force: true });
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A world in which the session has had an earlier run, and what the job comes to there if nothing disturbs it. */
export class JobWorld extends World {
  readonly template = this.folder('template');
  undisturbed!: Outcome;

  async prepare(): Promise<void> {
    await live({ dir: this.template, at: 0, earlier: true });
    await this.inCopy(this.template, async (dir) => {
      await live({ dir, at: 0 });
      this.undisturbed = await outcomeOf(dir);
    });
  }

  copy<T>(work: (dir: string) => Promise<T>): Promise<T> {
    return this.inCopy(this.template, work);
  }
}

/** Works on a journal from outside. */
export async function outside<T>(dir: string, work: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await journalIn(dir);
  try {
    return await work(journal);
  } finally {
    await journal.close?.();
  }
}
