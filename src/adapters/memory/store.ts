/** The store over a database: what each function of the port does in which transaction. */
import { digest } from '../../journal/canonical.ts';
import type { MemoryStore, SearchQuery, Written } from '../../ports/memory-store.ts';
import type { Embedder } from '../ranking/embedder.ts';
import { list, name } from './checks.ts';
import { embedding } from './embedding.ts';
import { verdictOf } from './errors.ts';
import { checkedEvent } from './event-input.ts';
import { eventOf, findEvent, pageOfActors, pageOfEvents, pageOfSessions } from './event-rows.ts';
import { type Appended, appendEvent, removeEvent } from './events.ts';
import { explained } from './explain.ts';
import { forgetActor, type LearnedFrom } from './forget.ts';
import { purge } from './purge.ts';
import type { Ranking } from './ranking.ts';
import { checkedChange, checkedRecord } from './record-input.ts';
import { changeRecord, findRow, insertRecord, pageOfRecords, recordOf, removeRecord } from './records.ts';
import { checkedSearch, type SearchBy, searchRecords } from './search.ts';
import type { Settings } from './settings.ts';
import { vectorIndex } from './vectors.ts';

/** What extraction does in the transactions of the store. */
export interface StoreHooks {
  /** An event was added. Not called where its key was known. */
  appended?(added: Appended, extract: boolean): void;
  /** An actor or a session is about to be forgotten. */
  forgetting?(whom: { actor: string; session?: string }): void;
  /** Records went that were learned from these events too. */
  lost?(from: readonly LearnedFrom[]): void;
  /** After the transaction of an append or a change, to begin work in the background. */
  changed?(): void;
}

export type EventsAndRecords = Required<Omit<MemoryStore, 'jobs' | 'redeliver' | 'settled' | 'close'>>;

/** How records are found. Without `embed`: by their words. */
export interface Finding {
  readonly ranking: Ranking;
  readonly embed?: Embedder | undefined;
}

/** Records without a vector that a search makes vectors of, before it begins. */
const MOST_LATE = 256;

export function eventsAndRecords(settings: Settings, { ranking, embed }: Finding, hooks: StoreHooks = {}): EventsAndRecords {
  const { db } = settings;
  const model = embed && embedding(settings, embed);
  const index = model && vectorIndex(settings, model.name);

  /** A batch whose records get their vectors at once, if the model works. */
  async function embedded<T>(written: Promise<T>): Promise<T> {
    const result = await written;
    await model?.catchUp();
    return result;
  }

  async function searchBy(query: SearchQuery): Promise<SearchBy> {
    if (!model || !index || ranking.vectors === 0) return { ranking };
    await model.catchUp(MOST_LATE);
    const vector = await model.query(query.text);
    return { ranking, vectors: vector && { index, vector } };
  }

  /** A batch in one transaction: each entry for itself. */
  async function each<T>(given: readonly T[], field: string, write: (entry: T, i: number) => string): Promise<readonly Written[]> {
    const entries = list<T>(given, field, 0, 100);
    return db.write(() => {
      purge(settings);
      return entries.map((entry, i) => attempt(() => write(entry, i), entry));
    });
  }

  /** Old texts stay in the `-wal` file until it is emptied. */
  async function erased<T>(removed: Promise<T>): Promise<T> {
    const result = await removed;
    await db.empty();
    return result;
  }

  return {
    async append(event, { signal } = {}) {
      const checked = checkedEvent(event);
      const added = await db.write(() => {
        // the file may have been locked until now
        if (signal?.aborted) return undefined;
        purge(settings);
        const appended = appendEvent(settings, checked);
        if (appended.isNew) hooks.appended?.(appended, checked.extract);
        return appended;
      });
      if (!added) throw signal?.reason;
      if (added.isNew) hooks.changed?.();
      return added.event;
    },
    async events(query) {
      query.signal?.throwIfAborted();
      return db.read(() => pageOfEvents(settings, query));
    },
    async event(ref) {
      return db.read(() => {
        const row = findEvent(settings, ref);
        return row && eventOf(row);
      });
    },
    removeEvent: async (ref) => erased(db.write(() => removeEvent(settings, ref))),
    async sessions(query) {
      query.signal?.throwIfAborted();
      return db.read(() => pageOfSessions(settings, query));
    },
    async actors(query) {
      query.signal?.throwIfAborted();
      return db.read(() => pageOfActors(settings, query));
    },
    async search(query) {
      query.signal?.throwIfAborted();
      checkedSearch(query);
      // a page has its order from the page before
      const by = query.after === undefined ? await searchBy(query) : { ranking };
      return db.read(() => searchRecords(settings, query, by));
    },
    async explain(query) {
      const checked = checkedSearch(query);
      const by = await searchBy(query);
      return db.read(() => explained(settings, checked, by, query.among));
    },
    async list(query) {
      query.signal?.throwIfAborted();
      return db.read(() => pageOfRecords(settings, query));
    },
    async record(id) {
      return db.read(() => {
        const row = findRow(settings, id);
        return row && recordOf(settings, row);
      });
    },
    async add(records, { key } = {}) {
      const all = key === undefined ? undefined : name(key, 'key', 500);
      const idOf = (i: number) => (all === undefined ? undefined : `mem-${digest(['record', all, i]).slice(0, 40)}`);
      return embedded(each(records, 'records', (record, i) => insertRecord(settings, checkedRecord(record), idOf(i))));
    },
    correct: async (changes) =>
      embedded(
        each(changes, 'changes', (change) => {
          changeRecord(settings, checkedChange(change));
          return change.id;
        }),
      ),
    remove: async (ids) =>
      erased(
        each(ids, 'ids', (id) => {
          removeRecord(settings, name(id, 'id', 100));
          return id;
        }),
      ),
    async forget(whom) {
      await erased(
        db.write(() => {
          hooks.forgetting?.(whom);
          hooks.lost?.(forgetActor(settings, whom));
        }),
      );
      hooks.changed?.();
    },
  };
}

/** A refused entry does not stop the others. All checks come before its first row is written. */
function attempt(write: () => string, entry: unknown): Written {
  try {
    return { ok: true, id: write() };
  } catch (error) {
    return verdictOf(error, entry);
  }
}
