/** The entries of a run as rows of one append each, read in order. */
import type { Entry } from '../../../journal/entries/entries.ts';
import { damaged } from '../../../journal/errors.ts';

/** `at`: the first entry of the next row. `next`: the entry that is read next; it is inside of the first row that is read. */
export interface Reading {
  at: number;
  next: number;
}

/** The entries of the row at `reading.at` that were not read yet. Moves `reading` behind them. @throws RondoError `JOURNAL_DAMAGED` */
export function* entriesOfRow(runId: string, entries: readonly Entry[], reading: Reading): Generator<Entry, void, undefined> {
  reading.at += entries.length;
  for (const entry of entries)
    if (entry.seq >= reading.next) {
      reading.next = entry.seq + 1;
      yield entry;
    }
  if (reading.next !== reading.at) throw damaged(runId, reading.next);
}
