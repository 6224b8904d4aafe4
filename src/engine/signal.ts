/** Events from outside for runs that wait: see `waitForEvent()`, and the `event` node of a graph. */
import { invalid, RondoError } from '../errors.ts';
import type { StoredEvent, Topic } from '../journal/inbox.ts';
import { assertPlain } from '../journal/sealed.ts';
import { copyJson, type Json } from '../json.ts';
import { foreignSchema } from '../json-schema.ts';
import { LONGEST_KEY, NO_INBOX } from '../loop/call/arrival.ts';
import { checkOptions, plain } from '../options.ts';
import { isName, type Principal } from '../ports/principal.ts';
import { validate } from '../schema.ts';
import { loadRun } from './drive/history.ts';
import { newId } from './drive/ids.ts';
import { assertPrincipal } from './interventions.ts';
import { checkList, LIST } from './read/list-options.ts';
import { waitOf } from './read/waiting.ts';
import type { Resources } from './resources.ts';

/** An event for a run that waits for it. */
export interface EventSignal {
  /** The name of the event. */
  event: string;
  /** What it is about, 1 to 512 characters: the `key` of the wait. */
  key: string;
  /** JSON of at most 1,000,000 characters. Default null. */
  data?: unknown;
  /** The same id again has no effect for seven days. Default: a new one. */
  id?: string;
  /** Who gets it: the oldest wait (the default), or all that wait now. */
  deliver?: 'oldest' | 'all';
}

/**
 * What became of an event: `assigned` to a run that will take it, `taken`, or `waiting` for a run that waits for it. `dismissed`: it came
 * before, and an operator dismissed it.
 */
export interface Signalled {
  /** The id that was given, or the new one. */
  id: string;
  state: 'assigned' | 'taken' | 'waiting' | 'dismissed';
}

/** An event that no run has taken. Times are epoch milliseconds by the store's clock. */
export interface InboxEvent {
  id: string;
  event: string;
  key: string;
  /** Null for an event whose row is damaged. */
  data: Json;
  /** Id of the principal that sent it. */
  by: string;
  /** When it arrived at the store. */
  at: number;
  /** `expired`: no run waited for it in seven days. `damaged`: its row in the store is, so nothing else of it is told. */
  state: 'assigned' | 'waiting' | 'rejected' | 'expired' | 'dismissed' | 'damaged';
  /** Why it was rejected. */
  problem?: string;
  /** Who dismissed it, when, and why. */
  dismissed?: { by: string; at: number; reason: string };
}

const OPTIONS = {
  event: "event: 'reply'",
  key: "key: 'ticket-7'",
  data: "data: { text: 'It works again.' }",
  id: "id: 'msg_1'",
  deliver: "deliver: 'all'",
} satisfies Record<keyof EventSignal, string>;

const LARGEST = 1_000_000;

/** @see Operations.signal */
export async function signal(resources: Resources, o: EventSignal, by: Principal): Promise<Signalled> {
  assertPrincipal(by, 'an event');
  checkOptions(o, OPTIONS, 'signal()');
  const { event, key, id = newId(), deliver = 'oldest' } = o;
  if (!isName(event)) throw invalid(`signal(): an event is a text of 1 to 500 characters, ${OPTIONS.event}.`);
  if (!isName(key) || key.length > LONGEST_KEY)
    throw invalid(`signal(): a key is a text of 1 to ${LONGEST_KEY} characters, ${OPTIONS.key}.`);
  if (!isName(id)) throw invalid(`signal(): an id is a text of 1 to 500 characters, ${OPTIONS.id}.`);
  if (deliver !== 'oldest' && deliver !== 'all') throw invalid('signal(): deliver is "oldest" or "all".');
  const data = eventData(o.data ?? null);
  const { inbox } = resources.journal;
  if (!inbox) throw invalid(`signal(): ${NO_INBOX}`);
  await assertPlain(resources.journal.records);
  const topic = { tenant: by.tenant, event, key };
  const problem = deliver === 'all' ? undefined : await fits(resources, topic, data);
  const now = await resources.host.now();
  const kept = await inbox.signal({ ...topic, id, data, by: by.id, all: deliver === 'all', now, problem });
  return signalled(kept);
}

/** @throws RondoError `CONFIG_INVALID` */
export function eventData(given: unknown): Json {
  const data = plain(given, 'the data of an event');
  if (JSON.stringify(data).length > LARGEST) throw invalid(`the data of an event is at most ${LARGEST} characters of JSON.`);
  return data;
}

/** What became of an event. @throws RondoError `EVENT_REJECTED` */
export function signalled({ id, event, key, state, problem }: StoredEvent): Signalled {
  if (state !== 'rejected') return { id, state };
  throw new RondoError(
    'EVENT_REJECTED',
    `event ${id} does not fit what waits for "${event}": ${problem ?? 'it was rejected'}. The run goes on waiting: send another event, of another id, or retry() this one with other data.`,
    { details: { id, event, key, problem: problem ?? null } },
  );
}

/** Why data does not fit the oldest wait of a topic; undefined if it does, or none waits. */
export async function fits(resources: Resources, topic: Topic, data: Json): Promise<string | undefined> {
  const [first] = (await resources.journal.inbox?.waits(topic)) ?? [];
  return first && misfit(resources, first, data);
}

/** Why data does not fit the JSON Schema of a waiting call. Undefined if it fits, or if the call does not wait any more. */
async function misfit(
  { journal }: Resources,
  { run: runId, call }: { run: string; call: string },
  data: Json,
): Promise<string | undefined> {
  const run = await loadRun(journal, runId);
  const schema = run && waitOf(run, call)?.began.event?.schema;
  if (!schema) return undefined;
  const checked = await validate(foreignSchema(schema, 'the schema of the event'), copyJson(data));
  return checked.ok ? undefined : checked.problem.replace(/\.$/, '');
}

/** @see Operations.events */
export async function inboxEvents(resources: Resources, o: { by?: Principal; limit?: number }): Promise<readonly InboxEvent[]> {
  checkList(o, { where: 'events()', examples: { by: LIST.by, limit: LIST.limit }, limits: [0, 10_000] });
  const { inbox } = resources.journal;
  if (!inbox) return [];
  const now = await resources.host.now();
  return (await inbox.list(o.by?.tenant, o.limit ?? 100)).map((event) => listed(event, now));
}

/** The public form of an event. */
export const listed = (stored: StoredEvent, now: number): InboxEvent => {
  const { id, event, key, data = null, by, at, until, state, problem, dismissed, doubtful } = stored;
  return {
    id,
    event,
    key,
    data: copyJson(data),
    by,
    at,
    state: doubtful ? 'damaged' : state === 'waiting' && until <= now ? 'expired' : (state as InboxEvent['state']),
    ...(problem !== undefined && { problem }),
    ...(dismissed && { dismissed: { ...dismissed } }),
  };
};
