/** One attempt of one job: what it reads, and what it would write. */
import type { EventItem, FoundRecord, MemoryRecord, SearchQuery } from '../../../ports/memory-store.ts';
import type { Model } from '../../../ports/model.ts';
import { CancelSource } from '../../../reliability/cancel.ts';
import { inTime } from '../../../reliability/patience.ts';
import { type EventRow, eventAt } from '../event-rows.ts';
import { pageOfRecords } from '../records.ts';
import type { Settings } from '../settings.ts';
import { linesOf, originOf } from '../strategies/origin.ts';
import type { Learning, Strategy, Talk } from '../strategies/types.ts';
import type { Job } from './jobs.ts';
import { type Learned, planned } from './plan.ts';

/** Milliseconds of one attempt. */
const TIMEOUT = 300_000;

export interface Attempting {
  readonly settings: Settings;
  readonly strategy: Strategy;
  readonly model: Model | undefined;
  search(query: SearchQuery): Promise<readonly FoundRecord[]>;
}

/** @returns what to write; undefined if the event is gone. @throws what extraction and consolidation throw. */
export async function attempted(job: Job, o: Attempting, signal: AbortSignal): Promise<Learned | undefined> {
  const { settings, strategy } = o;
  const { db } = settings;
  const row = await db.read(() => eventAt(settings, job.event));
  if (!row) return undefined;
  const talk: Talk = {
    actor: row.actor,
    session: row.session_id,
    event: row.id,
    at: row.at,
    metadata: row.metadata === null ? {} : (JSON.parse(row.metadata) as Record<string, string>),
    lines: linesOf(JSON.parse(row.items) as EventItem[], job.items),
  };
  const { source, unlink } = CancelSource.follow(signal);
  try {
    const learning: Learning = {
      model: strategy.model ?? o.model,
      signal: source.signal,
      known: ({ into = '', limit = 10 } = {}) => known(o, job.places[into], limit),
    };
    const learn = async () => {
      const found = await strategy.extract(talk, learning);
      const plan = await planned(found, { strategy, places: job.places, at: row.at, learning, search: o.search });
      return { ...plan, from: provenanceOf(row) };
    };
    return await inTime(learn(), TIMEOUT, 'the extraction', source);
  } catch (error) {
    source.cancel(error);
    throw error;
  } finally {
    unlink();
  }
}

async function known({ settings, strategy }: Attempting, namespace: string | undefined, limit: number): Promise<readonly MemoryRecord[]> {
  if (namespace === undefined) return [];
  const { items } = await settings.db.read(() =>
    pageOfRecords(settings, { namespace, within: false, strategy: strategy.name, limit: Math.min(100, limit) }),
  );
  const origin = originOf(strategy);
  return items.filter((one) => one.origin === origin);
}

/** `run` of an event's metadata is the run that recorded it. */
function provenanceOf({ actor, session_id, id, metadata }: EventRow) {
  const run = metadata === null ? undefined : (JSON.parse(metadata) as Record<string, string>).run;
  return { actor, session: session_id, events: [id], ...(run && { run }) };
}
