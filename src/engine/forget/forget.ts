/**
 * Forgetting. The content of a run is not only in its own journal: a later run of its session may repeat the conversation, and a fork has
 * copied entries. Those entries are rewritten without it, later runs are linked to the run before it, and only then is the run itself
 * removed. If this is interrupted, calling it again completes it.
 */

import { invalid, RondoError } from '../../errors.ts';
import { type Entry, OPEN_STATUSES, RUN_STATUSES, type RunStatus } from '../../journal/entries/entries.ts';
import { isOver, type RunFold } from '../../journal/fold/fold.ts';
import type { Journal } from '../../journal/port.ts';
import { isName, type Principal } from '../../ports/principal.ts';
import { ownerOf } from '../about.ts';
import { hasAccess, reaches, runFor } from '../access.ts';
import { loadRun, startOf } from '../drive/history.ts';
import type { Recorder } from '../drive/recorder.ts';
import { cancel } from '../interventions.ts';
import { checkCall } from '../method-options.ts';
import { ENGINE, findRun, headsOfSession, sees, type Viewer } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { Copies } from './copies.ts';
import { clearMemories, keptInMemory, principalsOf } from './unremember.ts';
import { eraseEvents } from './unsend.ts';

/** `runs`: those that are removed. `rewritten`: other runs, from which copies of their content were removed. */
export interface Forgotten {
  runs: readonly string[];
  rewritten: readonly string[];
  /** Removed runs whose conversations may still be in a memory: one without `forget`, or one that still writes them, long after it had to end. Absent if there are none. */
  remembered?: readonly string[];
  /** How many events that the principal sent and that no run had taken were erased. Absent if there are none. */
  events?: number;
}

/** The id of a run; a session of a user or of the application; or all runs on behalf of a principal. */
export type ForgetTarget = string | { session: string; by?: Principal } | { by: Principal };

/** Which runs are removed. A run must match all that is given. */
export interface PruneOptions {
  /** Milliseconds since the run's newest entry, by the store's clock. */
  olderThan: number;
  /** Default: all statuses of ended runs. A queued, running or paused run is removed only if its status is named, and is cancelled first. */
  status?: RunStatus | readonly RunStatus[];
  /** Only runs of this principal. Default: all. */
  by?: Principal;
}

/** `kept`: runs that could not be removed, because they, or a run with copies of their content, are being driven. */
export interface Pruned extends Forgotten {
  kept: readonly string[];
}

/** @see Engine.forget */
export async function forget(
  resources: Resources,
  recorder: Recorder,
  target: ForgetTarget,
  viewer: Principal | undefined,
): Promise<Forgotten> {
  const { journal } = resources;
  if (typeof target === 'string') {
    await runFor(resources, target, viewer, 'decide');
    return forgetRuns(resources, recorder, new Set([target]), viewer, async (runs) => keptInMemory(resources, runs));
  }
  if (typeof target !== 'object' || target === null || !('session' in target || 'by' in target))
    throw invalid('forget() takes the id of a run, { session, by } or { by }.');
  checkCall('target', target, 'forget()');
  const { by } = target;
  const session = 'session' in target ? target.session : undefined;
  if (!('session' in target) && !by) throw invalid('forget({ by }) needs the principal that is to be forgotten.');
  if ('session' in target && !isName(session)) throw invalid('forget({ session }): a session is a text of 1 to 500 characters.');
  const caller = viewer ?? by;
  // as for a session that has no runs
  if (!sees(caller, by?.tenant)) return { runs: [], rewritten: [] };
  const ids = session === undefined ? await runsBy(journal, by as Principal) : await runsOf(journal, session, by);
  await assertMayForget(resources, ids, session, by, caller);
  const forgotten = await forgetRuns(resources, recorder, ids, caller, (runs) => clearMemories(resources, recorder, runs, session, by), {
    session,
    by,
  });
  const events = session === undefined ? await eraseEvents(resources, by as Principal) : 0;
  return { ...forgotten, ...(events > 0 && { events }) };
}

/**
 * Asks the policy about a session or a principal as a whole, because memories may know more of them than the journals, and about each run.
 * @throws RondoError `NOT_PERMITTED`, which does not tell which runs there are.
 */
async function assertMayForget(
  resources: Resources,
  ids: ReadonlySet<string>,
  session: string | undefined,
  owner: Principal | undefined,
  caller: Principal | undefined,
): Promise<void> {
  if (!resources.host.policy?.access) return;
  const whole = { runId: '', agent: '', session, owner: ownerOf(owner) };
  let allowed = await hasAccess(resources, 'decide', caller, whole);
  for (const id of ids) allowed &&= await reaches(resources, 'decide', caller, await findRun(resources.journal, id, ENGINE));
  if (allowed) return;
  const what = session === undefined ? `of principal "${owner?.id}"` : `of session "${session}"`;
  throw new RondoError(
    'NOT_PERMITTED',
    `the policy does not let this caller forget everything ${what}, so nothing was forgotten. Ask as one who may: forget(target, { by }).`,
    { details: { point: 'decide', ...(session !== undefined && { session }) } },
  );
}

async function runsBy(journal: Journal, { id, tenant }: Principal): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const head of journal.heads({ by: id })) if (head.tenant === tenant) found.add(head.runId);
  return found;
}

/** The runs of the conversation that `by` started. There may be several sessions of one name. */
async function runsOf(journal: Journal, session: string, by: Principal | undefined): Promise<Set<string>> {
  const found = new Set<string>();
  const heads = await headsOfSession(journal, session, by, {});
  for (const head of heads.reverse()) {
    const started = await startOf(journal, head.runId);
    const before = started?.previous !== undefined && heads.some(({ runId }) => runId === started.previous) ? started.previous : undefined;
    if (before === undefined ? head.by === by?.id : found.has(before)) found.add(head.runId);
  }
  return found;
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
  const groups = new Map<string, Set<string>>();
  for (const s of wanted)
    for await (const head of journal.heads(by ? { status: s, by: by.id } : { status: s })) {
      if (head.startedAt > before || (by && head.tenant !== by.tenant)) continue;
      const run = await loadRun(journal, head.runId);
      if (!run || (run.lastAt ?? Number.POSITIVE_INFINITY) > before || !(await reaches(resources, 'decide', viewer, run))) continue;
      const group = head.session === undefined ? `run ${head.runId}` : `session ${JSON.stringify([head.tenant, head.session])}`;
      groups.set(group, (groups.get(group) ?? new Set()).add(head.runId));
    }
  const pruned = { runs: [] as string[], rewritten: [] as string[], kept: [] as string[] };
  for (const ids of groups.values()) {
    try {
      for (const id of ids)
        if (OPEN_STATUSES.has((await findRun(journal, id, ENGINE)).status)) await cancel(resources, id, { reason: 'pruned' }, ENGINE);
      const { runs, rewritten } = await forgetRuns(resources, recorder, ids, viewer, async () => []);
      pruned.runs.push(...runs);
      pruned.rewritten.push(...rewritten);
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      pruned.kept.push(...ids);
    }
  }
  return pruned;
}

/**
 * @param viewer may do this with these runs. Of other runs, which have copies, it is told those that it may inspect.
 * @param learned from which session, of whom, memories have learned what is forgotten.
 * @param unremember makes the memories forget, before anything is removed. It returns the runs that they may still know.
 */
async function forgetRuns(
  resources: Resources,
  recorder: Recorder,
  ids: ReadonlySet<string>,
  viewer: Viewer,
  unremember: (runs: readonly RunFold[]) => Promise<readonly string[]>,
  learned: { session?: string | undefined; by?: Principal | undefined } = {},
): Promise<Forgotten> {
  const { journal } = resources;
  const runs: RunFold[] = [];
  for (const id of ids) runs.push(await assertIdle(resources, id, viewer, 'it is forgotten'));
  const copies = new Copies(journal, ids, learned.session);
  const holders = await copies.holders();
  for (const id of holders)
    if ((await copies.copied(id)) >= 0) await assertIdle(resources, id, viewer, 'what it was forked from is forgotten');
    else await assertIdle(resources, id, viewer, 'what it continues is forgotten', ['running']);
  const told = (await copies.recalling(principalsOf(learned.by, runs))).filter((id) => !holders.includes(id));
  for (const id of told) await assertIdle(resources, id, viewer, 'a fact that it recalled is forgotten', ['running']);
  const changed = new Map<string, Entry[]>();
  for (const id of told) changed.set(id, await copies.unrecalled(id));
  for (const id of holders) {
    // a fork is cancelled first: its copied open calls must not run without their arguments
    if ((await copies.copied(id)) >= 0 && !isOver(await findRun(journal, id, ENGINE)))
      await cancel(resources, id, { reason: 'the run it was forked from was forgotten' }, ENGINE);
    const entries = await copies.without(id);
    if (entries.length > 0) changed.set(id, entries);
  }
  if (changed.size > 0 && !journal.rewrite)
    throw invalid(
      'later runs, or forks, hold words of what is to be forgotten, and this journal has no rewrite() to take them out. Nothing was forgotten.',
    );
  const rewritten: string[] = [];
  for (const id of changed.keys()) if (await reaches(resources, 'inspect', viewer, await findRun(journal, id, ENGINE))) rewritten.push(id);
  for (const run of runs) await recorder.drop(run);
  const remembered = await unremember(runs);
  for (const [id, entries] of changed) await journal.rewrite?.(id, entries);
  for (const id of ids) {
    resources.agents.drop(id);
    await journal.remove(id);
  }
  // results that tools gave to these runs may be of the person who is forgotten
  if (ids.size > 0) resources.host.results.clear();
  return { runs: [...ids], rewritten, ...(remembered.length > 0 && { remembered }) };
}

/** @throws RondoError `RUN_BUSY`, which names the run only to those who may inspect it. */
async function assertIdle(
  resources: Resources,
  runId: string,
  viewer: Viewer,
  why: string,
  busy: readonly RunStatus[] = [...OPEN_STATUSES],
): Promise<RunFold> {
  const run = await findRun(resources.journal, runId, ENGINE);
  const { status } = run;
  if (!busy.includes(status) && !resources.active.has(runId)) return run;
  if (await reaches(resources, 'inspect', viewer, run))
    throw new RondoError('RUN_BUSY', `run ${runId} is ${status}: cancel() it before ${why}. Nothing was forgotten.`, {
      details: { runId },
    });
  throw new RondoError(
    'RUN_BUSY',
    `a run that this caller may not inspect is open: it must be cancelled before ${why}. Nothing was forgotten.`,
  );
}
