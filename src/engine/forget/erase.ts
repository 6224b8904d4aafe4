/**
 * Erases runs. The content of a run is not only in its own journal: a later run of its session may repeat the conversation, and a fork has
 * copied entries. Those entries are rewritten without it, later runs are linked to the run before it, and only then is the run itself
 * removed. If this is interrupted, calling it again completes it.
 *
 * I1. A run is removed only as it was looked at: one that has gone on since is looked at again.
 * I2. No run that is removed or rewritten is resumed, or recorded in a memory, between the last look and the end.
 */
import { invalid, RondoError } from '../../errors.ts';
import type { Entry, RunStatus } from '../../journal/entries/entries.ts';
import { OPEN_STATUSES } from '../../journal/entries/status.ts';
import { isOver, type RunFold } from '../../journal/fold/fold.ts';
import type { Principal } from '../../ports/principal.ts';
import { reaches } from '../access.ts';
import { loadRun } from '../drive/history.ts';
import type { Recorder } from '../drive/recorder.ts';
import { cancel } from '../interventions.ts';
import { ENGINE, findRun, type Viewer } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { Copies } from './copies.ts';
import { Hold } from './hold.ts';
import { principalsOf } from './unremember.ts';

/** `runs`: those that are removed. `rewritten`: other runs, from which copies of their content were removed. */
export interface Forgotten {
  runs: readonly string[];
  rewritten: readonly string[];
  /** Removed runs whose conversations may still be in a memory: one without `forget`, or one that still writes them, long after it had to end. Absent if there are none. */
  remembered?: readonly string[];
  /** How many events that the principal sent and that no run had taken were erased. Absent if there are none. */
  events?: number;
  /** How many schedules that started runs on behalf of the principal were ended and erased. Absent if there are none. */
  schedules?: number;
}

export interface Erasure {
  ids: ReadonlySet<string>;
  /** May do this with these runs. Of other runs, which have copies, it is told those that it may inspect. */
  viewer: Viewer;
  /** Makes the memories forget, before anything is removed. It returns the runs that they may still know. */
  unremember?: (runs: readonly RunFold[]) => Promise<readonly string[]>;
  /** From which session, of whom, memories have learned what is forgotten. */
  learned?: { session: string | undefined; by: Principal | undefined };
  /** How many entries each run must have. Default: any number. */
  expected?: ReadonlyMap<string, number>;
  /** Told of each run that is removed. */
  removed?: (runId: string) => void;
}

/** What was found of the runs and of those with copies. */
interface Found {
  copies: Copies;
  runs: readonly RunFold[];
  others: readonly RunFold[];
  changed: ReadonlyMap<string, readonly Entry[]>;
  /** How far all of these runs had come. */
  state: string;
}

/** Most looks at runs that change all the time. */
const LOOKS = 20;

/** @throws RondoError `RUN_BUSY` if one of the runs, or one with copies, is open or goes on. */
export async function erase(resources: Resources, recorder: Recorder, o: Erasure): Promise<Forgotten> {
  const { journal, host } = resources;
  const hold = new Hold(resources, o.viewer);
  try {
    let found = await look(resources, o, 'Nothing was forgotten.');
    if (found.changed.size > 0 && !journal.rewrite)
      throw invalid(
        'later runs, or forks, hold words of what is to be forgotten, and this journal has no rewrite() to take them out. Nothing was forgotten.',
      );
    for (const { runId } of found.runs) await recorder.drop(runId);
    const took = await hold.take(found.runs, found.others);
    const remembered = (await o.unremember?.(found.runs)) ?? [];
    // memories take their time, and a run may have begun, or gone on, before it was held
    for (let looks = 0, same = !o.unremember && !took; !same; looks++) {
      await hold.take(found.runs, found.others);
      const now = await look(resources, o, AGAIN);
      same = now.state === found.state;
      found = now;
      if (looks > LOOKS) throw changing(found.runs);
    }
    const { copies, runs, others, changed } = found;
    const rewritten = new Set<string>();
    const rewrite = async (id: string, entries: readonly Entry[]) => {
      const run = await loadRun(journal, id);
      if (run && (await reaches(resources, 'inspect', o.viewer, run))) rewritten.add(id);
      await journal.rewrite?.(id, entries);
    };
    for (const [id, entries] of changed) await rewrite(id, entries);
    for (const run of runs) await remove(resources, run, o);
    // runs that had read the conversation, and were written after the last look
    const late = journal.rewrite ? await copies.late(new Set(others.map(({ runId }) => runId)), runs) : [];
    for (const id of late) {
      const run = await loadRun(journal, id);
      if (run && (await copies.copied(id)) >= 0) await cancelled(resources, run);
      if (run) await rewrite(id, await copies.without(id));
    }
    // results that tools gave to these runs may be of the person who is forgotten
    if (runs.length > 0) host.results.clear();
    return {
      runs: runs.map(({ runId }) => runId),
      rewritten: [...rewritten],
      ...(remembered.length > 0 && { remembered }),
    };
  } finally {
    await hold.end();
  }
}

const AGAIN = 'Then ask again: what is left is forgotten then.';

/** @param then what the error says if one of the runs is open. */
async function look(resources: Resources, o: Erasure, then: string): Promise<Found> {
  const { journal } = resources;
  const { ids, viewer, learned, expected } = o;
  const runs: RunFold[] = [];
  for (const id of ids) {
    const run = await loadRun(journal, id);
    // another call has removed it
    if (!run) continue;
    await assertIdle(resources, run, viewer, `it is forgotten. ${then}`);
    if (expected && run.next !== expected.get(id)) throw changing([run]);
    runs.push(run);
  }
  const copies = new Copies(journal, ids, learned?.session);
  const others: RunFold[] = [];
  const changed = new Map<string, readonly Entry[]>();
  for (const id of await copies.holders()) {
    const run = await loadRun(journal, id);
    if (!run) continue;
    const isFork = (await copies.copied(id)) >= 0;
    if (isFork) await assertIdle(resources, run, viewer, `what it was forked from is forgotten. ${then}`);
    else await assertIdle(resources, run, viewer, `what it continues is forgotten. ${then}`, ['running']);
    others.push(isFork ? await cancelled(resources, run) : run);
  }
  for (const id of await copies.recalling(principalsOf(learned?.by, runs))) {
    const run = others.some(({ runId }) => runId === id) ? undefined : await loadRun(journal, id);
    if (!run) continue;
    await assertIdle(resources, run, viewer, `a fact that it recalled is forgotten. ${then}`, ['running']);
    changed.set(id, await copies.unrecalled(id));
    others.push(run);
  }
  for (const { runId } of others) {
    const entries = changed.has(runId) ? [] : await copies.without(runId);
    if (entries.length > 0) changed.set(runId, entries);
  }
  return { copies, runs, others, changed, state: JSON.stringify([...runs, ...others].map(({ runId, next }) => [runId, next])) };
}

/** A fork that has ended: its copied open calls must not run without their arguments. */
async function cancelled(resources: Resources, run: RunFold): Promise<RunFold> {
  if (isOver(run)) return run;
  await cancel(resources, run.runId, { reason: 'the run it was forked from was forgotten' }, ENGINE);
  return findRun(resources.journal, run.runId, ENGINE);
}

/** Removes a run as it was found, or as it is now if it is still idle. @throws RondoError `RUN_BUSY` */
async function remove(resources: Resources, found: RunFold, o: Erasure): Promise<void> {
  const { journal, agents } = resources;
  for (let run: RunFold | undefined = found; run; ) {
    try {
      await journal.remove(run.runId, run.next);
      break;
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      if (o.expected) throw changing([run]);
      run = await loadRun(journal, run.runId);
      if (run) await assertIdle(resources, run, o.viewer, `it is forgotten. ${AGAIN}`);
    }
  }
  agents.drop(found.runId);
  o.removed?.(found.runId);
}

/** @throws RondoError `RUN_BUSY`, which names the run only to those who may inspect it. */
async function assertIdle(
  resources: Resources,
  run: RunFold,
  viewer: Viewer,
  why: string,
  busy: readonly RunStatus[] = [...OPEN_STATUSES],
): Promise<void> {
  const { runId, status } = run;
  if (!busy.includes(status) && !resources.active.has(runId)) return;
  if (await reaches(resources, 'inspect', viewer, run))
    throw new RondoError('RUN_BUSY', `run ${runId} is ${status}: cancel() it before ${why}`, { details: { runId } });
  throw new RondoError('RUN_BUSY', `a run that this caller may not inspect is open: it must be cancelled before ${why}`);
}

const changing = ([run]: readonly RunFold[]) =>
  new RondoError('RUN_BUSY', `run ${run?.runId} went on while it was to be forgotten. Try again in a moment.`, {
    details: { runId: run?.runId ?? '' },
  });
