import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Journal } from '../../src/journal/port.ts';

/** A folder that is gone when the test is. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'rondo-journal-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A journal file of this test, opened as often as asked. */
export function file(path = join(folder(), 'runs.db')) {
  return {
    path,
    open(o?: Parameters<typeof sqliteJournal>[1]): Journal {
      const journal = sqliteJournal(path, o);
      onTestFinished(() => journal.close?.());
      return journal;
    },
  };
}
