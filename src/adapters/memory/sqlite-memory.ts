import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import type { MemoryStore } from '../../ports/memory-store.ts';
import { checkedEmbedder, type Embedder } from '../ranking/embedder.ts';
import { checkedCalls } from './calls.ts';
import { name } from './checks.ts';
import { type MemoryDatabase, openMemoryDatabase } from './database.ts';
import { type ExtractionOptions, extraction } from './extraction/extraction.ts';
import { checkedRanking, type Ranking } from './ranking.ts';
import { type MemoryIds, newIds, type Settings, spaceOf } from './settings.ts';
import { eventsAndRecords } from './store.ts';

export interface SqliteMemoryOptions extends ExtractionOptions {
  /** Several memories in one file: each sees its own only. Default `default`. */
  space?: string;
  /** Epoch milliseconds. Default: the time of the machine. */
  clock?: { now(): number };
  /** Makes ids. Default: random ones. */
  ids?: Partial<MemoryIds>;
  /** Milliseconds that an event is kept, or a function that tells it when an event is added. Default: until it is removed. */
  eventExpiry?: number | (() => number | undefined);
  /** Milliseconds that a record of a namespace is kept, or a function that tells it when a record is added. Default: until it is removed. */
  recordExpiry?: number | ((namespace: string) => number | undefined);
  /** `next`: a second event of a millisecond gets the next free one. `random`: both have it, and their order is chance, as in AgentCore. Default `next`. */
  ties?: 'next' | 'random';
  /** Makes vectors of texts, so that records are found by their meaning too. Default: by their words alone. */
  embed?: Embedder;
  /** The weight of each term of a score. */
  ranking?: Partial<Ranking>;
}

const EXAMPLES = {
  space: "space: 'support'",
  clock: 'clock: { now: () => Date.now() }',
  ids: "ids: { session: () => 's1' }",
  eventExpiry: 'eventExpiry: 90 * 86_400_000',
  recordExpiry: 'recordExpiry: 365 * 86_400_000',
  ties: "ties: 'next'",
  embed: "embed: { name: 'titan', embed: async (texts) => vectors }",
  ranking: 'ranking: { recency: 0 }',
  strategies: 'strategies: [facts()]',
  model: "model: bedrock('...')",
  retry: 'retry: { attempts: 5 }',
};

/**
 * A memory in one SQLite file, for any number of processes on one machine. The file and its directory are created for their owner alone.
 * @param file the path of the file, `:memory:`, or a database that other memories use too: then `close` leaves it open.
 * @throws RondoError `CONFIG_INVALID`, `MEMORY_VERSION`, `MEMORY_DAMAGED`, `MEMORY_UNAVAILABLE`
 */
export function sqliteMemory(file: string | MemoryDatabase, o: SqliteMemoryOptions = {}): MemoryStore {
  checkOptions(o, EXAMPLES, 'sqliteMemory()');
  if (file === '' || (typeof file !== 'string' && typeof file?.prepare !== 'function'))
    throw invalid("sqliteMemory() takes the path of a file, or ':memory:'.");
  const finding = { ranking: checkedRanking(o.ranking), embed: o.embed && checkedEmbedder(o.embed, 'sqliteMemory()') };
  const db = typeof file === 'string' ? openMemoryDatabase(file) : file;
  const settings = settingsOf(db, o);
  const { hooks, begin, explained, jobs, redeliver, settled, close } = extraction(settings, o);
  const store = eventsAndRecords(settings, finding, hooks);
  begin(async (query) => (await store.search(query)).items);
  return checkedCalls({
    ...store,
    explain: async (query) => explained(query, await store.explain(query)),
    jobs,
    redeliver,
    settled,
    async close() {
      await close();
      if (db !== file) await db.close();
    },
  });
}

function settingsOf(
  db: MemoryDatabase,
  { space = 'default', clock = Date, ids, eventExpiry, recordExpiry, ties = 'next' }: SqliteMemoryOptions,
): Settings {
  if (ties !== 'next' && ties !== 'random') throw invalid("sqliteMemory(): ties is 'next' or 'random'.");
  return {
    db,
    ...spaceOf(db, name(space, 'space', 200)),
    now: () => clock.now(),
    ids: { ...newIds, ...ids },
    eventExpiry: expiry(eventExpiry, 'eventExpiry'),
    recordExpiry: expiry(recordExpiry, 'recordExpiry'),
    ties: ties === 'random',
  };
}

function expiry<A extends unknown[]>(given: number | ((...args: A) => number | undefined) | undefined, option: string) {
  if (typeof given === 'function') return given;
  if (given !== undefined && !(Number.isFinite(given) && given > 0))
    throw invalid(`sqliteMemory(): ${option} is milliseconds, more than 0.`);
  return () => given;
}
