import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { memoryJournal } from '../../src/journal/memory/journal.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { folder } from './setup.ts';

describe('memory', () => journalConformance(() => memoryJournal(), { test }));

describe('sqlite', () => {
  const paths = new Map<Journal, string>();
  const open = (path: string) => {
    const journal = sqliteJournal(path);
    paths.set(journal, path);
    return journal;
  };
  const pathOf = (journal: Journal) => paths.get(journal) as string;
  journalConformance(() => open(join(folder(), 'runs.db')), {
    test,
    another: (journal) => open(pathOf(journal)),
    process: (journal) => ({
      module: new URL('../../src/adapters/journal/sqlite.ts', import.meta.url),
      open: 'sqliteJournal',
      args: [pathOf(journal)],
      execArgv: [],
    }),
    damageLast(journal) {
      const db = new DatabaseSync(pathOf(journal));
      db.exec("UPDATE entry SET body = replace(body, 'ok', 'ko') WHERE id = (SELECT max(id) FROM entry)");
      db.close();
    },
  });
});
