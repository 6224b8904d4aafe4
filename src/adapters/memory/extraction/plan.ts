/** From what a strategy found to what is written. What it found is untrusted: it is checked and bounded here. */
import { ToolError } from '../../../errors.ts';
import type { FoundRecord, MemoryRecord, NewRecord, Provenance, SearchQuery } from '../../../ports/memory-store.ts';
import { originOf } from '../strategies/origin.ts';
import { LONGEST_TEXT, MOST_FOUND, plainOf } from '../strategies/sentences.ts';
import type { Candidate, Found, Learning, Merge, Strategy } from '../strategies/types.ts';
import type { Places } from './jobs.ts';

export interface PlannedChange {
  readonly id: string;
  readonly text: string;
  /** The text that was there when the change was decided. */
  readonly was: string;
  /** With what the record had before. Undefined: it stays. */
  readonly metadata?: MemoryRecord['metadata'];
}

export interface Plan {
  readonly add: readonly NewRecord[];
  readonly change: readonly PlannedChange[];
  /** Records that say what was found. When what they were made from is forgotten, it is learned from this event. */
  readonly same: readonly string[];
}

/** A plan, and what it was learned from. */
export interface Learned extends Plan {
  readonly from: Provenance;
}

export interface Planning {
  readonly strategy: Strategy;
  readonly places: Places;
  readonly at: number;
  readonly learning: Learning;
  search(query: SearchQuery): Promise<readonly FoundRecord[]>;
}

/** How many records something new is compared with. */
const SIMILAR = 10;
/** Most characters of a search. */
const LONGEST_SEARCH = 10_000;

/** @throws ToolError `EXTRACTION_INVALID` for what is not a list of texts, and for a decision that does not fit. */
export async function planned(found: unknown, planning: Planning): Promise<Plan> {
  const all = distinct(checkedFound(found, planning.places));
  return planning.strategy.merge === 'replace' ? replaced(all, planning) : merged(all, planning);
}

/** What an extraction gave, with a text and a namespace that are known to be there. */
interface Known extends Found {
  readonly namespace: string;
}

const unfit = (what: string) => new ToolError('EXTRACTION_INVALID', what, { retryable: true });

function checkedFound(found: unknown, places: Places): Known[] {
  if (!Array.isArray(found)) throw unfit('the extraction answered no list.');
  if (found.length > MOST_FOUND) throw unfit(`the extraction answered more than ${MOST_FOUND} records.`);
  return found.map((one) => {
    const { text, into = '', metadata } = (one ?? {}) as Partial<Record<keyof Found, unknown>>;
    if (!isText(text)) throw unfit(`the extraction answered a record without a text of 1 to ${LONGEST_TEXT} characters.`);
    const namespace = typeof into === 'string' && Object.hasOwn(places, into) ? places[into] : undefined;
    if (namespace === undefined) throw unfit('the extraction answered a record for a namespace that the strategy does not have.');
    // its values are checked when it is written, as those of any other record
    return { text, namespace, ...(metadata !== undefined && { metadata: metadata as NonNullable<Found['metadata']> }) };
  });
}

const isText = (text: unknown): text is string =>
  typeof text === 'string' && text.trim() !== '' && text.length <= LONGEST_TEXT && text.isWellFormed();

/** One of those that say the same in the same words. */
function distinct(found: readonly Known[]): Known[] {
  const seen = new Set<string>();
  return found.filter(({ namespace, text }) => {
    const key = `${namespace} ${plainOf(text)}`;
    return !seen.has(key) && seen.add(key);
  });
}

const newRecord = ({ text, metadata, namespace }: Known, { strategy, at }: Planning): NewRecord => ({
  namespace,
  text,
  ...(metadata && { metadata }),
  strategy: strategy.name,
  at,
  origin: originOf(strategy),
});

/** New values take the place of those before. */
const told = (before: MemoryRecord, { metadata }: Found) => metadata && { metadata: { ...before.metadata, ...metadata } };

/** The one record of the namespace, with the last text that was found for it. */
async function replaced(found: readonly Known[], planning: Planning): Promise<Plan> {
  const last = found.at(-1);
  const none: Plan = { add: [], change: [], same: [] };
  if (!last) return none;
  const known = (await planning.learning.known({ limit: 1 }))[0];
  if (!known) return { ...none, add: [newRecord(last, planning)] };
  const { id, text: was } = known;
  return was === last.text ? { ...none, same: [id] } : { ...none, change: [{ id, text: last.text, was, ...told(known, last) }] };
}

async function merged(found: readonly Known[], planning: Planning): Promise<Plan> {
  const fresh: (Known & Candidate)[] = [];
  const same = new Set<string>();
  for (const one of found) {
    const similar = await similarTo(one, planning);
    // said before, in the same words: no one needs to be asked
    const said = similar.find(({ text }) => plainOf(text) === plainOf(one.text));
    if (said) same.add(said.id);
    else fresh.push({ ...one, similar });
  }
  const { merge, consolidate } = planning.strategy;
  const asked = merge === 'compare' && consolidate ? fresh.filter(({ similar }) => similar.length > 0) : [];
  const merges = asked.length > 0 && consolidate ? checkedMerges(await consolidate(asked, planning.learning), asked) : [];
  const decision = new Map(asked.map((one, i) => [one, merges[i]]));
  const add: NewRecord[] = [];
  // the last text of a record, if two items change it
  const change = new Map<string, PlannedChange>();
  for (const one of fresh) {
    const said = decision.get(one);
    if (!said || said.do === 'add') add.push(newRecord(one, planning));
    else if (said.do === 'update') {
      const before = one.similar.find(({ id }) => id === said.id) as MemoryRecord;
      change.set(said.id, { id: said.id, text: said.text, was: before.text, ...told(before, one) });
    }
    // it is not said which record has it: the most similar one
    else if (one.similar[0]) same.add(one.similar[0].id);
  }
  return { add, change: [...change.values()], same: [...same] };
}

/** Records that the same strategy made, of the same origin, in the very namespace. */
async function similarTo({ text, namespace }: Known, { strategy, search }: Planning): Promise<MemoryRecord[]> {
  const found = await search({
    namespace,
    within: false,
    strategy: strategy.name,
    text: text.slice(0, LONGEST_SEARCH).toWellFormed(),
    top: SIMILAR,
  });
  const origin = originOf(strategy);
  return found.filter((one) => one.origin === origin).map(({ score: _, ...record }) => record);
}

function checkedMerges(merges: unknown, asked: readonly Candidate[]): readonly Merge[] {
  if (!Array.isArray(merges) || merges.length !== asked.length) throw unfit('the consolidation did not decide for each item.');
  for (const [i, merge] of (merges as readonly (Merge | undefined)[]).entries()) {
    const ok =
      merge?.do === 'add' ||
      merge?.do === 'skip' ||
      (merge?.do === 'update' && isText(merge.text) && asked[i]?.similar.some(({ id }) => id === merge.id));
    if (!ok) throw unfit('the consolidation gave a decision that is none of add, update (of a similar record, with a text) and skip.');
  }
  return merges;
}
