/**
 * Reads entries of older formats. A change of the format raises VERSION in entries.ts and adds a step here, from the version before it.
 * A journal of each version is kept in test/journal/samples, so that every step is tested on real data.
 */
import { RondoError } from '../../errors.ts';
import { factOf } from '../facts.ts';
import type { Entry, RawEntry } from './entries.ts';
import { VERSION } from './entries.ts';

/** By version: converts an entry of that version to the next version. */
export type Upcasters = Readonly<Record<number, (entry: RawEntry) => RawEntry>>;

const UPCASTERS: Upcasters = {
  // facts had no ids
  1: (entry) =>
    entry.type === 'context.changed' && Array.isArray(entry.memory)
      ? { ...entry, memory: entry.memory.map((text) => ({ ...factOf(String(text)) })) }
      : entry,
  // version 3 has entries of its own, and changes none of these
  2: (entry) => entry,
};

/**
 * Converts an entry to the newest format. One of that format is returned unchanged.
 * @throws RondoError `JOURNAL_VERSION` for an entry of a newer version, or of one without a step.
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
