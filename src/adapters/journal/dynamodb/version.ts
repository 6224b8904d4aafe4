import { RondoError } from '../../../errors.ts';
import type { Row } from './client.ts';

/** The version of the key layout. Entries have their own format version. */
export const VERSION = 1;

/** @throws RondoError `JOURNAL_VERSION` */
export function checkVersion(table: string, store: Row | undefined): void {
  const version = Number(store?.version ?? 0);
  if (version > VERSION)
    throw new RondoError(
      'JOURNAL_VERSION',
      `The table "${table}" has a layout of version ${version}, and this version of rondo knows up to ${VERSION}. Upgrade rondo to use it.`,
      { details: { table, version, newest: VERSION } },
    );
}
