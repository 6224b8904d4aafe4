/** How an encrypted journal looks without its keys: it says that it is one, so that nothing readable is written into it. */
import { RondoError } from '../errors.ts';
import type { Records } from './records.ts';

/** The type of an entry whose content is encrypted. */
export const SEALED = 'entry.sealed';

export const isSealed = ({ type }: { readonly type: string }): boolean => type === SEALED;

/** Namespaces of records that begin so are of an encrypted journal itself. */
export const RESERVED = '@rondo/keys';

const MARK = [`${RESERVED}/mark`, 'sealed'] as const;

export const keysMissing = () =>
  new RondoError(
    'JOURNAL_KEY_UNAVAILABLE',
    'This journal is encrypted, and it was given without its keys, so nothing was written. Wrap it in every process: encrypted(journal, keys), from rondo/journal/encrypted.',
  );

async function isMarked(records: Records): Promise<boolean> {
  for await (const _ of records.read(...MARK)) return true;
  return false;
}

/** Marks a store as encrypted. One without records cannot be. */
export async function mark(records: Records | undefined): Promise<void> {
  if (!records || (await isMarked(records))) return;
  try {
    await records.append(...MARK, [true], { expected: 0, sync: 'power' });
  } catch (error) {
    // another process has marked it meanwhile
    if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
  }
}

/** Stores that were not marked when they were looked at. */
const plain = new WeakSet<Records>();

/**
 * Call it before content is written where none was read. It looks once for each store, and then answers at once.
 * @throws RondoError `JOURNAL_KEY_UNAVAILABLE` if the store is marked as encrypted, or an error of the store.
 */
export function assertPlain(records: Records | undefined): void | Promise<void> {
  if (records && !plain.has(records)) return look(records);
}

async function look(records: Records): Promise<void> {
  if (await isMarked(records)) throw keysMissing();
  plain.add(records);
}
