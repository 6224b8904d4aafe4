/** What is forgotten: a run, a session, or everything of a principal, and who may ask for it. */
import { invalid, RondoError } from '../../errors.ts';
import type { Journal } from '../../journal/port.ts';
import { isName, type Principal } from '../../ports/principal.ts';
import { ownerOf } from '../about.ts';
import { hasAccess, reaches, runFor } from '../access.ts';
import { startOf } from '../drive/history.ts';
import type { Recorder } from '../drive/recorder.ts';
import { checkCall } from '../method-options.ts';
import { ENGINE, findRun, headsOfSession, sees } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import { aboutNext } from '../work/firing.ts';
import { erase, type Forgotten } from './erase.ts';
import { clearMemories, keptInMemory } from './unremember.ts';
import { endSchedules, schedulesOf } from './unschedule.ts';
import { eraseEvents } from './unsend.ts';

/** The id of a run; a session of a user or of the application; or all runs on behalf of a principal. */
export type ForgetTarget = string | { session: string; by?: Principal } | { by: Principal };

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
    return erase(resources, recorder, { ids: new Set([target]), viewer, unremember: async (runs) => keptInMemory(resources, runs) });
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
  const forgotten = await erase(resources, recorder, {
    ids,
    viewer: caller,
    unremember: (runs) => clearMemories(resources, recorder, runs, session, by),
    learned: { session, by },
  });
  if (session !== undefined) return forgotten;
  const schedules = await endSchedules(resources, by as Principal);
  const events = await eraseEvents(resources, by as Principal);
  return { ...forgotten, ...(events > 0 && { events }), ...(schedules > 0 && { schedules }) };
}

/**
 * Asks the policy about a session or a principal as a whole, because memories may know more of them than the journals, and about each run and each
 * schedule.
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
  if (session === undefined && owner)
    for (const { state } of await schedulesOf(resources, owner)) allowed &&= await hasAccess(resources, 'decide', caller, aboutNext(state));
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
