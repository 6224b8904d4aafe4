/** Extraction of a SQLite memory: its hooks in the store's transactions, and its part of the port. */
import { invalid } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import { checkModel } from '../../../ports/check-model.ts';
import type { Explanation, MemoryStore, SearchQuery } from '../../../ports/memory-store.ts';
import type { Model } from '../../../ports/model.ts';
import { eventAt, findEvent } from '../event-rows.ts';
import type { Settings } from '../settings.ts';
import type { StoreHooks } from '../store.ts';
import type { Strategy } from '../strategies/types.ts';
import type { Attempting } from './attempt.ts';
import type { RetryOptions } from './failure.ts';
import { addJobs, hasJobFor, pageOfJobs, reopenJob, restartJobs } from './jobs.ts';
import { removeLease } from './lease.ts';
import { notesOn } from './skips.ts';
import { extractionWorker } from './worker.ts';

export interface ExtractionOptions {
  /** What is learned from events, or a function that tells it when an event is added. Default: nothing. Every process that opens the file needs the same. */
  strategies?: readonly Strategy[] | (() => readonly Strategy[]);
  /** The model of strategies without one of their own. Without a model, `facts()` are the sentences of the user. */
  model?: Model;
  retry?: RetryOptions;
}

export interface Extraction extends Pick<MemoryStore, 'jobs' | 'redeliver' | 'settled' | 'close'> {
  readonly hooks: StoreHooks;
  /** Begins what other processes left. */
  begin(search: Attempting['search']): void;
  /** Adds what extraction knows. */
  explained(query: SearchQuery, explanation: Explanation): Promise<Explanation>;
}

/** @throws RondoError `CONFIG_INVALID` */
export function extraction(settings: Settings, o: ExtractionOptions): Extraction {
  const { db } = settings;
  const { model } = o;
  if (model !== undefined) checkModel(model, 'sqliteMemory(): its model');
  const strategies = declaredStrategies(o.strategies ?? [], model);
  let search: Attempting['search'] = async () => [];
  const worker = extractionWorker({
    settings,
    strategies,
    model,
    retry: checkedRetry(o.retry),
    search: (query) => search(query),
  });
  return {
    hooks: {
      appended: ({ event }, extract) => {
        const row = extract ? findEvent(settings, event) : undefined;
        if (row) addJobs(settings, strategies().values(), row);
      },
      forgetting: ({ actor, session }) => {
        restartJobs(settings, actor);
        if (session === undefined) removeLease(settings, actor);
      },
      lost(all) {
        for (const { event, strategy } of all) {
          const row = eventAt(settings, event);
          const known = strategies().get(strategy);
          if (row && known && !hasJobFor(settings, event, strategy)) addJobs(settings, [known], row);
        }
      },
      changed: () => worker.wake(),
    },
    begin(given) {
      search = given;
      worker.wake();
    },
    async jobs(query = {}) {
      query.signal?.throwIfAborted();
      return db.read(() => pageOfJobs(settings, query));
    },
    async redeliver(job) {
      await db.write(() => reopenJob(settings, job));
      worker.wake();
    },
    settled: async (of = {}) => worker.settled(of),
    async explained({ namespace }, explanation) {
      const notes = await db.read(() => notesOn(settings, strategies().values(), namespace));
      return notes.length === 0 ? explanation : { ...explanation, why: [explanation.why, ...notes].join(' ') };
    },
    close: () => worker.close(),
  };
}

function declaredStrategies(
  given: NonNullable<ExtractionOptions['strategies']>,
  model: Model | undefined,
): () => ReadonlyMap<string, Strategy> {
  // those that are told at run time are checked when a job needs them: a job without its model fails, and the event stays
  if (typeof given === 'function') return () => new Map(given().map((one) => [one.name, one]));
  if (!Array.isArray(given) || given.some((one) => typeof one?.extract !== 'function'))
    throw invalid('sqliteMemory(): strategies is a list, such as [facts(), summary()].');
  const byName = new Map(given.map((one): [string, Strategy] => [one.name, one]));
  if (byName.size < given.length)
    throw invalid('sqliteMemory(): two strategies have one name. Give one of them another: facts({ name: ... }).');
  for (const one of given)
    if (one.asks && !one.model && !model)
      throw invalid(`sqliteMemory(): the strategy "${one.name}" needs a model. Give it to sqliteMemory({ model }) or to the strategy.`);
  return () => byName;
}

function checkedRetry(o: RetryOptions = {}): Required<RetryOptions> {
  checkOptions(o, { attempts: 'attempts: 5', delay: 'delay: 1_000' }, 'sqliteMemory(): retry');
  const { attempts = 5, delay = 1_000 } = o;
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > 20) throw invalid('sqliteMemory(): retry.attempts is 1 to 20.');
  if (!Number.isFinite(delay) || delay < 0) throw invalid('sqliteMemory(): retry.delay is milliseconds, 0 or more.');
  return { attempts, delay };
}
