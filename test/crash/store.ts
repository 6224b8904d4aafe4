/**
 * Where the journal of a directory is: a file in it; or, where RONDO_CRASH_POSTGRES names a database, a schema of its own there; or, where
 * RONDO_CRASH_DYNAMODB names an endpoint, a table of its own. The processes that a test starts inherit the variable.
 */
import { createHash } from 'node:crypto';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Journal } from '../../src/index.ts';
import { database } from './ledger.ts';

/** A store beside the directories. Each journal in it has a name. */
export interface CrashStore {
  open(name: string): Promise<Journal>;
  /** Nothing, where the source is not there. */
  copy(source: string, target: string): Promise<void>;
  remove(name: string): Promise<void>;
}

async function store(): Promise<CrashStore | undefined> {
  const { RONDO_CRASH_POSTGRES: postgres, RONDO_CRASH_DYNAMODB: dynamodb } = process.env;
  if (postgres !== undefined) return (await import('./postgres-store.ts')).postgresStore(postgres);
  return dynamodb === undefined ? undefined : (await import('./dynamodb-store.ts')).dynamodbStore(dynamodb);
}

/** Such a store answers later, so that the order of parallel writes, and with it the number of points, differs from life to life. */
export const isLater = () => process.env.RONDO_CRASH_POSTGRES !== undefined || process.env.RONDO_CRASH_DYNAMODB !== undefined;

const nameOf = (dir: string) => `crash_${createHash('sha256').update(dir).digest('hex').slice(0, 24)}`;

export const journalIn = async (dir: string): Promise<Journal> => (await store())?.open(nameOf(dir)) ?? sqliteJournal(database(dir));

/** After the files of a directory were copied. */
export const copyJournal = async (from: string, to: string): Promise<void> => (await store())?.copy(nameOf(from), nameOf(to));

/** Before the files of a directory are removed. */
export const removeJournal = async (dir: string): Promise<void> => (await store())?.remove(nameOf(dir));
