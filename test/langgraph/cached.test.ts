import { expect, test } from 'vitest';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { type Journal, memoryJournal, type Records } from '../../src/index.ts';

const at = (thread_id: string) => ({ configurable: { thread_id, checkpoint_ns: '' } });
/** Three of these are more characters than a saver keeps in memory. */
const LARGE = 24 * 1024 * 1024;

/** A journal that notes from which value each thread is read: from the first, if nothing of it is in memory. */
function noted(): { journal: Journal; readsFrom: Map<string, number[]> } {
  const journal = memoryJournal();
  const records = journal.records as Records;
  const readsFrom = new Map<string, number[]>();
  const read: Records['read'] = (ns, key, from, ...others) => {
    readsFrom.set(key, [...(readsFrom.get(key) ?? []), from ?? 0]);
    return records.read(ns, key, from, ...others);
  };
  return { journal: { ...journal, records: { ...records, read } }, readsFrom };
}

const ids = ['a', 'b', 'c', 'd'];

test.each<[string, (saver: ReturnType<typeof journalSaver>) => Promise<unknown>]>([
  [
    'looked up',
    async (saver) => {
      for (const id of ids) await saver.getTuple(at(id));
    },
  ],
  [
    'listed',
    async (saver) => {
      for await (const _ of saver.list({ configurable: {} }));
    },
  ],
])('threads that are only %s do not fill the memory: those that were not used for longest are read again', async (_, use) => {
  const { journal, readsFrom } = noted();
  const writer = journalSaver(journal);
  const versions = { text: 1 };
  for (const id of ids)
    for (const n of [1, 2])
      await writer.put(
        at(id),
        {
          v: 4,
          id: `1-${n}`,
          ts: '',
          channel_values: { text: id.repeat(n === 1 ? 1 : LARGE) },
          channel_versions: versions,
          versions_seen: {},
        },
        { source: 'loop', step: n, parents: {} },
        versions,
      );
  const reader = journalSaver(journal);
  await use(reader);
  readsFrom.clear();
  expect((await reader.getTuple(at('d')))?.checkpoint.channel_values.text).toHaveLength(LARGE);
  expect((await reader.getTuple(at('a')))?.checkpoint.channel_values.text).toHaveLength(LARGE);
  // the last value that is kept is read again, to see whether the thread is still the same
  expect([readsFrom.get('d'), readsFrom.get('a')]).toEqual([[1], [0]]);
});
