/** Dead letters: what nothing will go on with by itself, for a person to look at. */
import { defined } from '../../defined.ts';
import type { Json } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';
import { checkList, type Fields, hasFields, LIST, type ListOptions, wrongField } from '../read/list-options.ts';
import type { Resources } from '../resources.ts';
import { type InboxEvent, listed } from '../signal.ts';
import { Misses } from '../work/misses.ts';
import type { Miss } from '../work/schedule-store.ts';
import type { EffectRecord } from './did.ts';
import { type EffectsOptions, effectsOf } from './effects.ts';

/** An effect that failed after all attempts, or whose outcome is unknown. */
export type CallLetter = Omit<EffectRecord, 'kind'> & { kind: 'call' };

/** An event that did not fit, or for which no run waited in seven days. `damaged`: nothing of it is known but its number. */
export type EventLetter = Omit<InboxEvent, 'state' | 'dismissed'> & {
  kind: 'event';
  /** Its number in the store. */
  nr: number;
  state: 'rejected' | 'expired' | 'damaged';
};

/** A time of a schedule that started no run. */
export interface FiringLetter {
  kind: 'firing';
  /** The name of the schedule. */
  schedule: string;
  /** The time, epoch milliseconds. */
  at: number;
  /** `late`: no process worked at that time. `overlap`: the run before was open. `refused`: the run could not be enqueued. */
  why: Miss['why'];
  agent: string;
  input: Json;
  /** The user on whose behalf the run would work. */
  by: Principal;
}

/** Check `kind` first: there may be others later. */
export type DeadLetter = CallLetter | EventLetter | FiringLetter;

/** Where a list goes on: the last letter of the previous page, or these fields of it. */
export type LetterPlace =
  | Pick<CallLetter, 'kind' | 'at' | 'runId' | 'callId'>
  | Pick<EventLetter, 'kind' | 'at' | 'nr'>
  | Pick<FiringLetter, 'kind' | 'at' | 'schedule'>;

export interface DeadLettersOptions extends Pick<EffectsOptions, 'by' | 'tool' | 'run' | 'session' | 'since' | 'limit'> {
  /** Only letters of this kind. `tool`, `run` and `session` are only of calls, `event` of events, `schedule` of firings. */
  kind?: DeadLetter['kind'];
  /** The name of an event. */
  event?: string;
  /** The name of a schedule. */
  schedule?: string;
  /** The last letter of the page before. */
  cursor?: LetterPlace;
}

const KINDS: readonly DeadLetter['kind'][] = ['call', 'event', 'firing'];
const OPTIONS: ListOptions = {
  where: 'deadLetters()',
  examples: {
    ...LIST,
    kind: "kind: 'call'",
    event: "event: 'reply'",
    schedule: "schedule: 'daily'",
    cursor: 'cursor: lastOfPreviousPage',
  } satisfies Record<keyof DeadLettersOptions, string>,
  values: { kind: KINDS },
  places: { cursor: { kind: 'string', at: 'number' } },
};
/** What names a letter of each kind. */
export const LETTER: Readonly<Record<DeadLetter['kind'], Fields>> = {
  call: { runId: 'string', callId: 'string' },
  event: { nr: 'number' },
  firing: { schedule: 'string', at: 'number' },
};
/** Events read at a time. */
const PAGE = 100;

/** @see Engine.deadLetters */
export async function* deadLetters(resources: Resources, o: DeadLettersOptions = {}): AsyncGenerator<DeadLetter, void, undefined> {
  checkList(o, OPTIONS);
  const { cursor, limit = Number.POSITIVE_INFINITY } = o;
  if (cursor && !(Object.hasOwn(LETTER, cursor.kind) && hasFields(cursor, LETTER[cursor.kind])))
    throw wrongField(OPTIONS.where, 'cursor', 'the last letter of the page before, or its kind, its time and what names it');
  const lists: AsyncGenerator<DeadLetter, void, undefined>[] = KINDS.filter((one) => isAsked(o, one)).map((one) =>
    LISTS[one](resources, o),
  );
  const next = async (i: number) => (await lists[i]?.next())?.value || undefined;
  // the first of each list that was not yielded yet
  const heads = await Promise.all(lists.map((_, i) => next(i)));
  for (let left = limit; left > 0; left--) {
    let at = -1;
    // of the same time, those of the kind that is first in KINDS come first
    for (const [i, letter] of heads.entries()) if (letter && letter.at > (heads[at]?.at ?? Number.NEGATIVE_INFINITY)) at = i;
    const first = heads[at];
    if (!first) return;
    yield first;
    if (left > 1) heads[at] = await next(at);
  }
}

function isAsked(o: DeadLettersOptions, kind: DeadLetter['kind']): boolean {
  const of = { call: [o.tool, o.run, o.session], event: [o.event], firing: [o.schedule] };
  return (o.kind ?? kind) === kind && KINDS.every((other) => other === kind || of[other].every((filter) => filter === undefined));
}

const LISTS = { call: calls, event: events, firing: firings } satisfies { [K in DeadLetter['kind']]: unknown };

async function* calls(resources: Resources, { cursor, ...o }: DeadLettersOptions): AsyncGenerator<CallLetter, void, undefined> {
  const { by, tool, run, session, since } = o;
  const place = cursor?.kind === 'call' ? cursor : cursor && { runId: '', callId: '', at: cursor.at - 1 };
  const after = place && ({ ...place, outcome: 'unknown' } as const);
  for await (const effect of effectsOf(resources, { ...defined({ by, tool, run, session, since, cursor: after }), open: true }))
    yield { ...effect, kind: 'call' };
}

async function* events({ journal, host }: Resources, o: DeadLettersOptions): AsyncGenerator<EventLetter, void, undefined> {
  const { by, event, since, cursor } = o;
  if (!journal.inbox) return;
  const now = await host.now();
  let after = cursor && { at: cursor.at, nr: cursor.kind === 'event' ? cursor.nr : cursor.kind === 'call' ? Number.MAX_SAFE_INTEGER : 0 };
  for (;;) {
    const page = await journal.inbox.dead({ tenant: by?.tenant, now, event, since: since && Math.ceil(since), after, limit: PAGE });
    for (const stored of page) {
      const { state, dismissed: _, ...rest } = listed(stored, now);
      yield { kind: 'event', nr: stored.nr, ...rest, state: state as EventLetter['state'] };
    }
    after = page.at(-1);
    if (page.length < PAGE) return;
  }
}

async function* firings(resources: Resources, o: DeadLettersOptions): AsyncGenerator<FiringLetter, void, undefined> {
  const { by, schedule, since = Number.NEGATIVE_INFINITY, cursor } = o;
  const letters = (await new Misses(resources).list(by)).map(
    ({ name, agent, input, by, at, why }): FiringLetter => ({ kind: 'firing', schedule: name, at, why, agent, input, by }),
  );
  const isBehind = (letter: FiringLetter) => !cursor || letter.at < cursor.at || (letter.at === cursor.at && follows(cursor, letter));
  for (const letter of letters.sort((a, b) => b.at - a.at || (a.schedule < b.schedule ? -1 : 1)))
    if ((schedule ?? letter.schedule) === letter.schedule && letter.at >= since && isBehind(letter)) yield letter;
}

/** Whether a firing comes after a letter of the same time. */
const follows = (place: LetterPlace, { schedule }: FiringLetter) => place.kind !== 'firing' || place.schedule < schedule;
