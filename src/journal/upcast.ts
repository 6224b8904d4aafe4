/**
 * Old entries, read as today's. A change to the format raises VERSION in entries.ts and adds here the step from the version
 * before; a journal of that version stays in test/journal/samples, so that every step has something real to read.
 */
import { RondoError } from '../errors.ts';
import type { Entry, RawEntry } from './entries.ts';
import { VERSION } from './entries.ts';

/** By version: turns an entry of it into one of the next. */
export type Upcasters = Readonly<Record<number, (entry: RawEntry) => RawEntry>>;

/** None yet: 1 is the first version. */
const UPCASTERS: Upcasters = {};

/**
 * The entry in the newest format; one that is in it already is returned as it is.
 * @throws RondoError `JOURNAL_VERSION` where the entry is of a later version than this code knows, or of one that nothing reads.
 */
export function upcast(raw: RawEntry, steps: Upcasters = UPCASTERS, newest: number = VERSION): Entry {
  if (raw.v === newest) return raw as Entry;
  if (raw.v > newest)
    throw new RondoError(
      'JOURNAL_VERSION',
      `This journal has entries of format ${raw.v}, and this version of rondo reads up to ${newest}. Upgrade rondo to read it.`,
      { details: { version: raw.v, newest } },
    );
  let entry = raw;
  for (let v = raw.v; v < newest; v++) {
    const step = steps[v];
    if (!step)
      throw new RondoError('JOURNAL_VERSION', `Nothing here reads journal entries of format ${raw.v}. Use a version of rondo that does.`, {
        details: { version: raw.v, newest },
      });
    entry = { ...step(entry), v: v + 1 };
  }
  return entry as Entry;
}
