/** What a run is told at its start: records that fit its input, and the last summaries, within a budget. */

import type { Fact, RecallRequest } from '../../../ports/memory.ts';
import type { FoundRecord, MemoryRecord, MemoryStore, Origin } from '../../../ports/memory-store.ts';
import { digestOf, sessionOf } from './names.ts';
import { namespacesOf, placeOf, type Templates, type Whose } from './places.ts';

export interface Recalling {
  readonly store: MemoryStore;
  readonly templates: Templates;
  /** Most records. */
  readonly top: number;
  /** Most summaries. */
  readonly last: number;
}

/** Characters of a token, about. */
const TOKEN = 4;
/** Most characters of a search. */
const LONGEST_SEARCH = 10_000;
/** Summaries that are read to find the last ones of other sessions. */
const READ = 20;
/** The part of the budget that is for summaries. */
const SUMMARIES = 1 / 3;

/** What assistants and tools said may be what an attacker wrote. A store that cannot tell learns from users only, as `record` gives it no more. */
const isTrusted = ({ origin }: { origin?: Origin }) => origin === undefined || origin === 'user';

/** Records by rank, then summaries, the newest first. */
export async function recalled(o: Recalling, whose: Whose, { text, session, tokens, signal }: RecallRequest): Promise<Fact[]> {
  const [records, summaries] = await Promise.all([ranked(o, whose, text, signal), lastSummaries(o, whose, session, signal)]);
  const short = fitting(summaries, tokens * TOKEN * SUMMARIES);
  const used = short.reduce((sum, fact) => sum + fact.text.length, 0);
  return [...fitting(records, tokens * TOKEN - used), ...short];
}

const ofRecord = (record: FoundRecord, whose: Whose): Fact => ({
  id: record.id,
  text: record.text,
  score: record.score,
  ...learnedFrom(sessionsOf(record, whose)),
});

/** @param all the namespace over all sessions. A store that cannot tell what a summary was learned from has its session there. */
function ofSummary(record: MemoryRecord, whose: Whose, all: string): Fact {
  const { id, text, createdAt, updatedAt, namespace } = record;
  const below = namespace.slice(all.length).split('/', 1);
  return {
    id,
    text: `An earlier conversation (${new Date(updatedAt ?? createdAt).toISOString().slice(0, 10)}): ${text}`,
    ...learnedFrom(record.from ? sessionsOf(record, whose) : below),
  };
}

const sessionsOf = ({ from = [] }: MemoryRecord, { actor }: Whose): string[] =>
  from.flatMap((source) => (source.actor === actor && source.session !== undefined ? [source.session] : []));

const learnedFrom = (sessions: readonly string[]) => (sessions.length > 0 ? { sessions: [...new Set(sessions.map(digestOf))] } : {});

function fitting(facts: readonly Fact[], chars: number): Fact[] {
  let left = chars;
  return facts.filter(({ text: { length } }) => {
    if (length > left) return false;
    left -= length;
    return true;
  });
}

async function ranked({ store, templates, top }: Recalling, whose: Whose, text: string, signal: AbortSignal): Promise<Fact[]> {
  const said = text.slice(0, LONGEST_SEARCH).toWellFormed();
  if (said.trim() === '') return [];
  const searches = namespacesOf(templates.recalled, whose).map((namespace) => store.search({ namespace, text: said, top, signal }));
  const found = (await answers(searches)).flatMap(({ items }) => items);
  const best = new Map<string, FoundRecord>();
  for (const record of found) if (isTrusted(record)) best.set(record.id, record);
  return [...best.values()]
    .sort((a, b) => b.score - a.score)
    .slice(0, top)
    .map((record) => ofRecord(record, whose));
}

async function lastSummaries(
  { store, templates, last }: Recalling,
  whose: Whose,
  session: string | undefined,
  signal: AbortSignal,
): Promise<Fact[]> {
  const { namespace } = templates.summaries === undefined ? {} : placeOf(templates.summaries, whose);
  if (namespace === undefined || last === 0) return [];
  const [page] = await answers([store.list({ namespace, limit: READ, signal })]);
  // what this session said is in its conversation
  const current = session === undefined ? undefined : `/${sessionOf(session)}/`;
  const others = page?.items.filter((one) => isTrusted(one) && !(current && one.namespace.endsWith(current))) ?? [];
  const when = ({ createdAt, updatedAt = createdAt }: MemoryRecord) => updatedAt;
  return [...others]
    .sort((a, b) => when(b) - when(a))
    .slice(0, last)
    .map((record) => ofSummary(record, whose, namespace));
}

/** What was answered. @throws the first error, if there is no answer */
async function answers<T>(asked: readonly Promise<T>[]): Promise<T[]> {
  const all = await Promise.allSettled(asked);
  const found = all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = all.find((one) => one.status === 'rejected');
  if (failed && found.length === 0) throw failed.reason;
  return found;
}
