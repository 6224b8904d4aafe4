/** An entry as it is stored: its number, and a box with all of it. */
import type { Entry, RawEntry } from '../../../journal/entries/entries.ts';
import { VERSION } from '../../../journal/entries/entries.ts';
import { upcast } from '../../../journal/entries/upcast.ts';
import { damaged } from '../../../journal/errors.ts';
import { isSealed, SEALED } from '../../../journal/sealed.ts';
import { type DataKey, keyIdOf } from '../../keys/data-key.ts';
import { keyUnavailable } from './master.ts';
import { nameOf, type Ring } from './ring.ts';

/** The format of the entry is in the box, so that the version of the outer one says nothing. */
type Sealed = {
  v: number;
  seq: number;
  at: 0;
  type: typeof SEALED;
  box: string;
};

const placeOf = (runId: string, seq: number) => JSON.stringify(['entry', runId, seq]);

export function sealedEntries(key: DataKey, runId: string, entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry) => {
    const { seq } = entry;
    const sealed: Sealed = { v: VERSION, seq, at: 0, type: SEALED, box: key.seal(JSON.stringify(entry), placeOf(runId, seq)) };
    // a store does not look into entries
    return sealed as unknown as Entry;
  });
}

/** @throws RondoError `JOURNAL_DAMAGED`, `JOURNAL_KEY_UNAVAILABLE` */
export async function* openedEntries(
  ring: Ring,
  runId: string,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
): AsyncGenerator<Entry, void, undefined> {
  let key: DataKey | undefined;
  for await (const entry of entries) {
    const { seq, box } = entry as unknown as Sealed;
    const id = isSealed(entry) ? keyIdOf(box) : undefined;
    if (id === undefined) throw damaged(runId, seq, 'it is not encrypted');
    if (key?.id !== id) key = await ring.ofId(nameOf({ run: runId }), id);
    if (!key) {
      if (await ring.find(nameOf({ run: runId }))) throw damaged(runId, seq, 'it was encrypted with a key that is not the one of its run');
      throw keyUnavailable(
        `The data key of run ${runId} was destroyed, or is not in this store of keys: what is left of the run cannot be read.`,
        {
          run: runId,
        },
      );
    }
    const text = key.open(box, placeOf(runId, seq));
    if (text === undefined) throw damaged(runId, seq, 'it was changed, cut or moved');
    yield upcast(JSON.parse(text) as RawEntry);
  }
}
