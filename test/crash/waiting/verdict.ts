/** What became of runs that waited: what their journals say, against what was done outside. */
import type { Entry, EntryOf, RunHead } from '../../../src/index.ts';
import { outside } from '../world.ts';
import { type Deed, deeds } from './agents.ts';

export interface Ended {
  head: RunHead;
  entries: readonly Entry[];
  /** What it answered. */
  output: unknown;
}

export interface Verdict {
  duplicates: string[];
  lost: string[];
  differences: string[];
  /** Effects without a key of which no one knows: not wrong, but counted. */
  unknown: number;
}

/** All runs of a store, those first that started first. */
export function runsOf(dir: string): Promise<Ended[]> {
  return outside(dir, async (journal) => {
    const runs: Ended[] = [];
    for await (const head of journal.heads({})) {
      const entries: Entry[] = [];
      for await (const entry of journal.read(head.runId)) entries.push(entry);
      const end = entries.findLast((e) => e.type === 'run.settled') as EntryOf<'run.settled'> | undefined;
      runs.push({ head, entries, output: end?.output });
    }
    return runs.reverse();
  });
}

/**
 * Three processes that were killed, or too slow, took the run over in turn and did not further it: it has failed, as it
 * should. Where processes work at the same time, this happens by chance.
 */
export const gaveUp = ({ entries }: Ended): boolean => {
  const last = entries.at(-1);
  const claims = entries.filter(({ type }) => type === 'run.started' || type === 'run.claimed').length;
  return last?.type === 'run.settled' && last.error?.code === 'CRASH_LOOP' && claims >= 3;
};

/** Judges that every run has ended well, and that each of its effects was had once, or is honestly unknown. */
export function judge(dir: string, runs: readonly Ended[], alone: boolean): Verdict {
  const verdict: Verdict = { duplicates: [], lost: [], differences: [], unknown: 0 };
  const done = deeds(dir).all();
  for (const run of runs) {
    const { head, entries } = run;
    const { runId, status } = head;
    if (status !== 'completed' && (alone || !gaveUp(run))) verdict.lost.push(`${runId} is ${status}: ${JSON.stringify(entries.at(-1))}`);
    entries.forEach((entry, i) => {
      if (entry.seq !== i) verdict.differences.push(`entry ${i} of ${runId} has the number ${entry.seq}`);
    });
    const ends = new Map<string, EntryOf<'call.finished'>>();
    for (const entry of entries) {
      if (entry.type !== 'call.finished') continue;
      if (ends.has(entry.call)) verdict.duplicates.push(`${runId}: call ${entry.call} has ended twice`);
      ends.set(entry.call, entry);
    }
    judgeCalls({ runId, entries, ends, over: gaveUp(run) }, done, verdict);
  }
  for (const [what, all] of grouped(done.filter(({ kind }) => kind === 'keyed')))
    if (all.length > 1) verdict.duplicates.push(`the key ${what} took effect ${all.length} times`);
  const plain = done.filter(({ kind }) => kind === 'plain');
  for (const [run, all] of grouped(plain, ({ run = '' }) => run))
    if (all.length > 1) verdict.duplicates.push(`${run} took effect ${all.length} times without a key`);
  for (const { run } of plain) if (!runs.some(({ head }) => head.runId === run)) verdict.lost.push(`${run} took effect, and is not a run`);
  return verdict;
}

interface Calls {
  runId: string;
  entries: readonly Entry[];
  ends: ReadonlyMap<string, EntryOf<'call.finished'>>;
  /** The run was given up: what was under way then has not been found out. */
  over: boolean;
}

function judgeCalls({ runId, entries, ends, over }: Calls, done: readonly Deed[], verdict: Verdict): void {
  for (const answer of entries) {
    if (answer.type !== 'model.responded') continue;
    const calls = answer.content.filter((part) => part.type === 'toolCall');
    for (const [i, { name, input }] of calls.entries()) {
      const call = `${answer.seq}.${i}`;
      const end = ends.get(call);
      const { what } = input as { what?: string };
      const started = entries.find((e) => e.type === 'call.started' && e.call === call)?.seq ?? Number.POSITIVE_INFINITY;
      // what a run that was given up had not begun, such as a wait, ends with the run
      if (!end && (!over || started < Number.POSITIVE_INFINITY)) verdict.lost.push(`${runId}: ${name} ${what} has no end`);
      if (!end || (name !== 'keyed' && name !== 'plain')) continue;
      const times = done.filter((deed) => deed.kind === name && (name === 'keyed' ? deed.what === what : deed.run === runId)).length;
      const cut = entries.some((e) => e.type === 'run.claimed' && e.seq > started && e.seq < end.seq);
      const wrong = problemOf(name, end, times, { cut, over });
      if (wrong) verdict.differences.push(`${runId}: ${name} ${what} ${wrong}`);
      else if (!end.ok) verdict.unknown++;
    }
  }
}

/** @param times how often it took effect. @param why `cut`: another process claimed the run while it was under way. `over`: the run was given up. */
function problemOf(
  name: string,
  { ok, error }: EntryOf<'call.finished'>,
  times: number,
  { cut, over }: { cut: boolean; over: boolean },
): string | undefined {
  if (ok) return times === 0 ? 'is told to have run, and did not' : undefined;
  if (error?.outcome !== 'unknown') return `ended with ${error?.code}, and took effect ${times} times`;
  if (name === 'keyed' && !over) return 'is unknown, and could have been found out';
  return cut || over ? undefined : 'is unknown, and no crash cut it off';
}

function grouped(all: readonly Deed[], by = ({ what }: Deed) => what): Map<string, Deed[]> {
  const groups = new Map<string, Deed[]>();
  for (const deed of all) groups.set(by(deed), [...(groups.get(by(deed)) ?? []), deed]);
  return groups;
}

/** The events that the calls of a run took, in the order in which they took them. */
export const taken = ({ entries }: Ended): string[] => entries.flatMap((e) => (e.type === 'call.finished' && e.event ? [e.event.id] : []));
