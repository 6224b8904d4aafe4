/** The changes of claims that a run's entries stand for. */
import type { ClaimChange } from './claims.ts';
import type { Entry } from './entries.ts';
import { callNamed, didNotRun } from './frame.ts';
import type { RunFold } from './state.ts';

/** The changes of claims that entries say, which the run has not taken yet. Undefined for none, as of nearly all appends. */
export function claimChanges(run: RunFold, entries: readonly Entry[]): readonly ClaimChange[] | undefined {
  let changes: ClaimChange[] | undefined;
  for (const entry of entries) {
    if (
      entry.type !== 'call.started' &&
      entry.type !== 'call.finished' &&
      entry.type !== 'outcome.settled' &&
      entry.type !== 'intent.reopened'
    )
      continue;
    if (entry.type === 'call.started' ? !entry.intent : run.intents === 0) continue;
    if (entry.seq <= (run.next === 0 ? inheritedBy(entries) : run.inherited)) continue;
    const change = changeOf(run, entry);
    if (change) {
      changes ??= [];
      changes.push(change);
    }
  }
  return changes;
}

/** A fork begins with entries of another run, which holds their claims. */
const inheritedBy = ([first]: readonly Entry[]) => (first?.type === 'run.started' ? (first.fork?.at ?? -1) : -1);

type Telling = Extract<Entry, { type: 'call.started' | 'call.finished' | 'outcome.settled' | 'intent.reopened' }>;

function changeOf(run: RunFold, entry: Telling): ClaimChange | undefined {
  const tenant = run.started?.by?.tenant;
  const intent =
    entry.type === 'call.started' ? entry.intent : entry.type === 'intent.reopened' ? entry.intent : callNamed(run, entry)?.intent;
  if (!intent) return undefined;
  const { name, key, generation = 0, digest, remember } = intent;
  const about = { tenant, intent: name, key, call: entry.call, generation };
  if (entry.type === 'call.started') return { ...about, to: 'held', digest, seen: intent.seen ?? 0 };
  if (entry.type === 'intent.reopened') return { ...about, to: 'reopened' };
  // a turn that paused: the next one goes on with the intent
  if (entry.type === 'call.finished' && entry.next?.length) return undefined;
  const outcome = entry.type === 'outcome.settled' ? entry.outcome : entry.ok ? 'done' : (entry.error?.outcome ?? 'unknown');
  if (outcome === 'done') return { ...about, to: 'done', digest, remember };
  if (outcome !== 'unknown') return { ...about, to: 'free' };
  return { ...about, to: 'unknown', holder: entry.type === 'call.finished' && didNotRun(entry) ? intent.over : undefined };
}
