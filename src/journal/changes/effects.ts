/** The changes of the index of effects that a run's entries stand for. */
import type { EffectChange } from '../effects.ts';
import type { Entry, EntryOf } from '../entries/entries.ts';
import {
  callNamed,
  callsBelow,
  didNotRun,
  endsFinally,
  inheritedBy,
  isOwn,
  midTurns,
  openFrames,
  unfinishedCalls,
  withBelow,
} from '../fold/frame.ts';
import type { Call, Frame, RunFold } from '../fold/state.ts';

/** The changes that entries say, which the run has not taken yet. Undefined for none, as of all appends of a run that only reads. */
export function effectChanges(run: RunFold, entries: readonly Entry[]): readonly EffectChange[] | undefined {
  let changes: EffectChange[] | undefined;
  for (const entry of entries) {
    if (run.effects === 0 && !(entry.type === 'call.finished' && entry.repeated)) continue;
    if (entry.seq <= (run.next === 0 ? inheritedBy(entries) : run.inherited)) continue;
    for (const change of changesBy(run, entry, changes)) {
      changes ??= [];
      changes.push(change);
    }
  }
  return changes;
}

/** @param before the changes by earlier entries of the same append. */
function changesBy(run: RunFold, entry: Entry, before: readonly EffectChange[] | undefined): readonly EffectChange[] {
  switch (entry.type) {
    case 'call.finished':
      return endsBy(run, entry, before);
    case 'run.settled':
      return [...cutOff(unfinishedCalls(run), before), ...(endsFinally(entry) ? turnsLost(openFrames(run)) : [])];
    case 'outcome.settled': {
      const { call: id, outcome, source } = entry;
      const call = callNamed(run, entry);
      const started = call && isEffect(call) ? factsOf(call) : undefined;
      // what failed by itself has given up; what a person or a check found out is closed
      return [{ to: 'settled', call: id, outcome, open: source === 'late' && outcome !== 'done' ? true : undefined, started }];
    }
    case 'call.dismissed':
      return [{ to: 'dismissed', call: entry.call }];
    default:
      return [];
  }
}

function endsBy(run: RunFold, entry: EntryOf<'call.finished'>, before: readonly EffectChange[] | undefined): readonly EffectChange[] {
  const { call: id, repeated, ok, error, attempts } = entry;
  if (repeated && !isOwn(run, { id }, repeated))
    return [{ to: 'repeated', call: id, at: entry.at, first: { run: repeated.run, call: repeated.call } }];
  const call = callNamed(run, entry);
  if (!call) return [];
  // what still runs below it ends with it
  if (call.frame) return [...cutOff([...callsBelow(call.frame)], before), ...turnsLost(withBelow(call.frame))];
  if (call.durable) return cutOff([...call.durable.values()], before);
  if (!isEffect(call)) return [];
  // an intent that another call may have done: this one did nothing
  const idle = call.intent?.over && didNotRun(entry);
  const outcome = ok ? 'done' : idle ? 'not-run' : (error?.outcome ?? 'unknown');
  const open = !ok && (outcome === 'unknown' || attempts > 0) ? true : undefined;
  return [{ to: 'ended', call: id, ...factsOf(call), outcome, open }];
}

/** Calls that nothing will end: whether they took effect is unknown. */
function cutOff(calls: readonly Call[], before: readonly EffectChange[] = []): readonly EffectChange[] {
  const ended = new Set(before.map((change) => ('call' in change ? change.call : undefined)));
  return calls
    .filter(isEffect)
    .filter((call) => call.status === 'started' && !call.settled && !ended.has(call.id))
    .map(lost);
}

const turnsLost = (frames: readonly Frame[]): readonly EffectChange[] => midTurns(frames).filter(isEffect).map(lost);

const lost = (call: Effective): EffectChange => ({ to: 'ended', call: call.id, ...factsOf(call), outcome: 'unknown', open: true });

type Effective = Call & { since: number };

/** A call of this run that has started, and is not a read. */
const isEffect = (call: Call): call is Effective => call.since !== undefined;

const factsOf = ({ since, name, amount }: Effective) => ({ at: since, tool: name, amount });
