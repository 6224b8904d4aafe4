import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';

export const KEYS = { current: 'k1', keys: { k1: '11'.repeat(32) } };

/** An encrypted file, as any process opens it. */
export const openEncrypted = (path: string) => encrypted(sqliteJournal(path), KEYS);
