import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { describe, test } from 'vitest';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { memoryJournal } from '../../src/journal/memory/journal.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { recordsConformance } from '../../src/testing/records.ts';
import { KEYS, openEncrypted } from './encrypted-open.ts';
import { folder } from './setup.ts';

describe('encrypted memory', () => {
  journalConformance(() => encrypted(memoryJournal(), KEYS), { test });
  recordsConformance(() => encrypted(memoryJournal(), KEYS), { test });
});

describe('encrypted sqlite', () => {
  const paths = new Map<Journal, string>();
  const open = (path: string) => {
    const journal = openEncrypted(path);
    paths.set(journal, path);
    return journal;
  };
  const pathOf = (journal: Journal) => paths.get(journal) as string;
  const options = {
    test,
    another: (journal: Journal) => open(pathOf(journal)),
    process: (journal: Journal) => ({
      module: new URL('./encrypted-open.ts', import.meta.url),
      open: 'openEncrypted',
      args: [pathOf(journal)],
      execArgv: [],
    }),
  };
  recordsConformance(() => open(join(folder(), 'runs.db')), options);
  journalConformance(() => open(join(folder(), 'runs.db')), {
    ...options,
    // with the checksum of the new bytes, so that only the seal can tell
    damageLast(journal) {
      const db = new DatabaseSync(pathOf(journal));
      const { id, body } = db.prepare('SELECT id, body FROM entry ORDER BY id DESC LIMIT 1').get() as { id: number; body: string };
      const [sealed] = JSON.parse(body) as [{ box: string }];
      const bytes = Buffer.from(sealed.box, 'base64');
      bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 1;
      sealed.box = bytes.toString('base64');
      const changed = JSON.stringify([sealed]);
      db.prepare('UPDATE entry SET body = ?, checksum = ? WHERE id = ?').run(changed, crc32(changed), id);
      db.close();
    },
  });
});
