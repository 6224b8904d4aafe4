/** Removes runs without activity. What is found out about a run may be old when its turn comes, so it is looked at again then. */
import { invalid, RondoError } from '../../errors.ts';
import type { RunStatus } from '../../journal/entries/entries.ts';
import { OPEN_STATUSES, RUN_STATUSES } from '../../journal/entries/status.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import type { RunHead } from '../../journal/port.ts';
import type { Principal } from '../../ports/principal.ts';
import { aboutHead } from '../about.ts';
import { hasAccess, reaches } from '../access.ts';
import { isUnreadable, loadRun } from '../drive/history.ts';
import type { Recorder } from '../drive/recorder.ts';
import { cancel } from '../interventions.ts';
import { checkCall } from '../method-options.ts';
import { ENGINE, findHead, sees, type Viewer } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { erase, type Forgotten } from './erase.ts';

/** Which runs are removed. A run must match all that is given. */
export interface PruneOptions {
  /** Milliseconds since the run's newest entry, by the store's clock. */
  olderThan: number;
  /** Default: all statuses of ended runs. A queued, running or paused run is removed only if its status is named, and is cancelled first. */
  status?: RunStatus | readonly RunStatus[];
  /** Only runs of this principal. Default: all. */
  by?: Principal;
}

/** `kept`: runs that could not be removed, because they, or a run with copies of their content, are being driven, or are damaged. */
export interface Pruned extends Forgotten {
  kept: readonly string[];
}

/** @see Engine.prune */
export async function prune(resources: Resources, recorder: Recorder, o: PruneOptions, caller: Principal | undefined): Promise<Pruned> {
  checkCall('prune', o);
  const { olderThan, status, by } = o;
  if (typeof olderThan !== 'number' || !(olderThan >= 0)) throw invalid('prune() needs { olderThan }: milliseconds, 0 or more.');
  const wanted = new Set(status === undefined ? RUN_STATUSES.filter((s) => !OPEN_STATUSES.has(s)) : [status].flat());
  for (const s of wanted)
    if (!RUN_STATUSES.includes(s)) throw invalid(`prune(): there is no status "${s}". There are ${RUN_STATUSES.join(', ')}.`);
  const viewer = caller ?? by ?? ENGINE;
  const { journal } = resources;
  const before = (await resources.host.now()) - olderThan;
  const isDue = (run: RunFold) => wanted.has(run.status) && run.lastAt <= before;
  const pruned = { runs: [] as string[], rewritten: [] as string[], kept: [] as string[] };
  const groups = new Map<string, Set<string>>();
  for (const s of wanted)
    for await (const head of journal.heads(by ? { status: s, by: by.id } : { status: s })) {
      if (head.startedAt > before || (by && head.tenant !== by.tenant)) continue;
      try {
        const run = await loadRun(journal, head.runId);
        if (!run || !isDue(run) || !(await reaches(resources, 'decide', viewer, run))) continue;
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        if (await reachesHead(resources, viewer, head)) pruned.kept.push(head.runId);
        continue;
      }
      const group = head.session === undefined ? `run ${head.runId}` : `session ${JSON.stringify([head.tenant, head.session])}`;
      groups.set(group, (groups.get(group) ?? new Set()).add(head.runId));
    }
  for (const ids of groups.values()) {
    const gone = new Set<string>();
    try {
      const expected = new Map<string, number>();
      for (const id of ids) {
        const entries = await ended(resources, id, isDue);
        if (entries === undefined) gone.add(id);
        else expected.set(id, entries);
      }
      const removed = (id: string) => {
        gone.add(id);
        pruned.runs.push(id);
      };
      const { rewritten } = await erase(resources, recorder, { ids: new Set(expected.keys()), viewer, expected, removed });
      pruned.rewritten.push(...rewritten);
    } catch (error) {
      // another process drives one of them, or has removed it
      if (!RondoError.is(error, 'RUN_BUSY') && !RondoError.is(error, 'RUN_NOT_FOUND') && !isUnreadable(error)) throw error;
      for (const id of ids) if (!gone.has(id) && (await findHead(journal, id))) pruned.kept.push(id);
    }
  }
  return pruned;
}

/**
 * Cancels a run that is open.
 * @returns how many entries it has then; undefined if it is gone, or does not match any more: a person answered it, or it went on.
 */
async function ended(resources: Resources, runId: string, isDue: (run: RunFold) => boolean): Promise<number | undefined> {
  const found = await loadRun(resources.journal, runId);
  if (!found || !isDue(found)) return undefined;
  if (!OPEN_STATUSES.has(found.status)) return found.next;
  let same = false;
  const asItWas = (run: RunFold) => {
    same = run.next === found.next;
    return same;
  };
  await cancel(resources, runId, { reason: 'pruned' }, ENGINE, asItWas);
  return same ? (await loadRun(resources.journal, runId))?.next : undefined;
}

/** Whether the caller is told of a run that cannot be read. */
const reachesHead = async (resources: Resources, viewer: Viewer, head: RunHead): Promise<boolean> =>
  viewer === ENGINE || (!head.doubtful && sees(viewer, head.tenant) && hasAccess(resources, 'decide', viewer, aboutHead(head)));
