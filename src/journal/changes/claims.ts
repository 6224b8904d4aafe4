/** The changes of claims that a run's entries stand for. */
import { type ClaimChange, MOST_CLAIMS } from '../claims.ts';
import type { Draft, Entry } from '../entries/entries.ts';
import { callNamed, callsBelow, didNotRun, holdsIntent, inheritedBy, midTurns, withBelow } from '../fold/frame.ts';
import type { Call, RunFold } from '../fold/state.ts';

/** The changes of claims that entries say, which the run has not taken yet. Undefined for none, as of nearly all appends. */
export function claimChanges(run: RunFold, entries: readonly Entry[]): readonly ClaimChange[] | undefined {
  let changes: ClaimChange[] | undefined;
  for (const entry of entries) {
    if (!tells(run, entry)) continue;
    if (entry.seq <= (run.next === 0 ? inheritedBy(entries) : run.inherited)) continue;
    for (const change of [...cutOff(run, entry, changes), changeOf(run, entry)])
      if (change) {
        changes ??= [];
        changes.push(change);
      }
  }
  return changes && changes.length > MOST_CLAIMS ? fewer(changes) : changes;
}

/** Whether an entry may change a claim. */
function tells(run: RunFold, entry: Draft): entry is Telling {
  if (entry.type === 'call.started') return entry.intent !== undefined;
  return run.intents > 0 && (entry.type === 'call.finished' || entry.type === 'outcome.settled' || entry.type === 'intent.reopened');
}

/** How many claims entries may change at most, with those of what ends with them. */
export function claimsIn(run: RunFold, entries: readonly Draft[]): number {
  let claims = 0;
  for (const entry of entries) if (tells(run, entry)) claims += 1 + cutOff(run, entry).length;
  return claims;
}

/**
 * What ends with the frame, or with the node, of an entry: no call below it goes on. Where one had started its intent is unknown from then on, and one
 * that asked a person gives its intent back. Their run lives on, so another call of the intent would wait for them.
 */
function cutOff(run: RunFold, entry: Telling, before: readonly ClaimChange[] = []): ClaimChange[] {
  const ends = entry.type === 'call.finished' ? callNamed(run, entry) : undefined;
  const below = ends?.frame ? callsBelow(ends.frame) : (ends?.durable?.values() ?? []);
  const lost = (call: Call, to: 'unknown' | 'free'): ClaimChange[] => {
    const { intent, settled, id } = call;
    if (!intent || settled || before.some((one) => one.call === id)) return [];
    const { name, key, generation = 0, doubt, over } = intent;
    const about = { tenant: run.started?.by?.tenant, intent: name, key, call: id, generation };
    // one that asked a person did not run: the call that it took the intent over from may be settled
    return [doubt && to === 'free' ? { ...about, to: 'unknown', holder: over } : { ...about, to: doubt ? 'unknown' : to }];
  };
  return [
    ...[...below].flatMap((call) => (call.status === 'started' ? lost(call, 'unknown') : holdsIntent(call) ? lost(call, 'free') : [])),
    ...midTurns(ends?.frame ? withBelow(ends.frame) : []).flatMap((turn) => lost(turn, 'unknown')),
  ];
}

/**
 * A run that ends with many calls cut off: a claim that it still holds is as unknown as one that says so. What starts or was done is never left
 * out: it would be done twice.
 */
function fewer(changes: readonly ClaimChange[]): readonly ClaimChange[] {
  const first = changes.filter(({ to }) => to === 'held' || to === 'done' || to === 'reopened');
  const then = changes.filter((change) => change.to === 'free' || (change.to === 'unknown' && change.holder !== undefined));
  const kept = new Set([...first, ...then].slice(0, MOST_CLAIMS));
  return changes.filter((change) => kept.has(change));
}

type Telling = Extract<Draft, { type: 'call.started' | 'call.finished' | 'outcome.settled' | 'intent.reopened' }>;

function changeOf(run: RunFold, entry: Telling): ClaimChange | undefined {
  const tenant = run.started?.by?.tenant;
  const own = entry.type === 'call.finished' ? undefined : entry.intent;
  const intent = own ?? (entry.type === 'call.started' ? undefined : callNamed(run, entry)?.intent);
  if (!intent) return undefined;
  const { name, key, generation = 0, digest, remember } = intent;
  const about = { tenant, intent: name, key, call: entry.call, generation };
  if (entry.type === 'call.started') return { ...about, to: 'held', digest, seen: intent.seen ?? 0 };
  if (entry.type === 'intent.reopened') return { ...about, to: 'reopened' };
  // a turn that paused: the next one goes on with the intent
  if (entry.type === 'call.finished' && entry.next?.length) return undefined;
  const outcome = entry.type === 'outcome.settled' ? entry.outcome : entry.ok ? 'done' : (entry.error?.outcome ?? 'unknown');
  if (outcome === 'done') return { ...about, to: 'done', digest, remember };
  // the run goes on with it, or a person says that it has failed
  if (outcome === 'not-run' && intent.later) return { ...about, to: 'unknown' };
  if (outcome !== 'unknown' && !intent.doubt) return { ...about, to: 'free' };
  const back = outcome !== 'unknown' || (entry.type === 'call.finished' && didNotRun(entry));
  return { ...about, to: 'unknown', holder: back ? intent.over : undefined };
}
