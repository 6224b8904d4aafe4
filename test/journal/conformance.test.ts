import { join } from 'node:path';
import { describe, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { memoryJournal } from '../../src/journal/memory.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { folder } from './setup.ts';

describe('memory', () => journalConformance(async () => memoryJournal(), { test }));

describe('sqlite', () => {
  const paths = new Map<Journal, string>();
  const open = async (path: string) => {
    const journal = sqliteJournal(path);
    paths.set(journal, path);
    return journal;
  };
  journalConformance(() => open(join(folder(), 'runs.db')), { test, another: (journal) => open(paths.get(journal) as string) });
});
