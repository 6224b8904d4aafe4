import { invalid, isResumable, RondoError } from '../../errors.ts';
import type { Draft, Limits } from '../../journal/entries/entries.ts';
import { limitsWith } from '../../journal/entries/limits.ts';
import { dueOf } from '../../journal/entries/wait.ts';
import { type Frame, isOver, type RunFold, unfinishedCalls } from '../../journal/fold/fold.ts';
import { openFrames } from '../../journal/fold/frame.ts';
import { isAside } from '../../journal/head.ts';
import { sessionKey } from '../../journal/session.ts';
import { crossing, type Limited } from '../../loop/budget.ts';
import { withReading } from '../../loop/context/read-result.ts';
import { summaryBounds } from '../../loop/context/summary.ts';
import { agentDefinition, checkLimits, isLoop } from '../../loop/definition.ts';
import { isPast } from '../../loop/limits.ts';
import { estimate } from '../../loop/model/estimate.ts';
import { Reserved } from '../../loop/reserved.ts';
import type { Agent, AgentDefinition } from '../../loop/types.ts';
import { checkOptions } from '../../options.ts';
import { checkBy, isSamePrincipal, type Principal, principal } from '../../ports/principal.ts';
import { aboutRun } from '../about.ts';
import { assertAccess, runFor } from '../access.ts';
import { agentOf, findHead, notFound, partOf, sees, type Viewer } from '../read/lookup.ts';
import { type RunResult, resultOf } from '../read/results.ts';
import type { Resources } from '../resources.ts';
import { type AssertionOption, assertionOf } from './assertion.ts';
import { assertSameKinds, filledStates } from './changed.ts';
import { drive, limitsOf } from './drive.ts';
import { assertTurn, type Continued, loadRun } from './history.ts';
import { backSince, GIVEN_BACK_WHOLE, LEASE, type Leasing, release } from './lease.ts';
import type { LiveRun } from './live-run.ts';
import { isGone } from './owner.ts';

/** How a run is continued. Each option may be left out. */
export interface ResumeOptions {
  /** Continues with this agent, which must have the name of the run's agent. Default: the one that drove it here, else the registered one. */
  agent?: Agent;
  /** Who resumes it: it needs access to the run, and is journaled with the claim. The run goes on on behalf of the user who started it. */
  by?: Principal;
  /** Raises the limits of a run that stopped at one. */
  limits?: Limits;
  /** Cancels the run once it is aborted. The message of its reason is the reason of the cancellation. */
  signal?: AbortSignal;
  /** The token of the caller who resumes the run, as in `run()`. It is not used where `by` is another user than the one who started the run. */
  assertion?: AssertionOption;
}

/** `by`: the person who decides. `resume`: the run goes on at once, with the other options, still on behalf of the user who started it. */
export type DecideOptions = Omit<ResumeOptions, 'by'> & { by: Principal; resume?: boolean };

export const RESUME_OPTIONS = {
  agent: 'agent: support',
  by: "by: { id: 'ana' }",
  limits: 'limits: { steps: 40 }',
  signal: 'signal: request.signal',
  assertion: 'assertion: token',
} satisfies Record<keyof ResumeOptions, string>;

/** Claims a run and drives it. For a run that cannot continue now, it returns the current result. */
export async function resume(resources: Resources, live: LiveRun, o: ResumeOptions, viewer: Viewer): Promise<RunResult> {
  const { runId } = live;
  checkOptions(o, RESUME_OPTIONS, `the resume of run ${runId}`, { signal: 'signal' });
  checkBy(o.by, `the resume of run ${runId}`);
  checkLimits(o.limits, `the resume of run ${runId}`);
  const given = assertionOf(o.assertion, `the resume of run ${runId}`);
  const run = await runFor(resources, runId, viewer, 'run');
  const agent = namedFor(resources, run, o.agent);
  if (!agent && !isOver(run)) throw unregistered(runId, run.root.agent);
  if (!agent) return resultOf(run) as RunResult;
  const due = {
    now: await resources.host.now(),
    event: await hasEvent(resources, run),
    overdue: isOverdue(resources, agent, run, o.limits),
  };
  if (!goesOn(run, o.limits, due)) return resultOf(run) as RunResult;
  assertSameKinds(agent, run);
  const filled = await filledStates(agent, run);
  // the first claim of a queued run decides by itself who begins it
  const queued = run.status === 'queued';
  if (queued) await assertTurn(resources.journal, run);
  // read before the lease is taken: a wrong answer counts a run that was given back as one whose process died
  live.givenBack = run.status === 'running' ? await backSince(resources, run) : 0;
  if (!queued && !(await acquireLease(resources, runId))) throw busy(runId);
  live.leased = !queued;
  const aside = isAside(run) && (await isTaken(resources, run));
  const how = queued ? 'queued' : isAtStart(run) ? 'again' : undefined;
  const { epoch } = run;
  const driving = drive(resources, live, {
    agent,
    run,
    opening: (trace, now, continued) => [
      ...claim(resources, agent, now, { ...o, aside, left: live.givenBack ?? 0 }, trace, continued),
      ...filled,
    ],
    joins: how && run.started.session !== undefined ? { how, session: run.started } : undefined,
    limits: o.limits,
    // the run acts for the user who started it: with the token of an approver it would have their rights
    assertion: o.by && !isSamePrincipal(o.by, run.started.by) ? undefined : given,
    session: run.started.session,
    by: run.started.by,
  });
  return driving.catch(async (error) => {
    if (!RondoError.is(error, 'RUN_BUSY') || run.epoch !== epoch) throw error;
    // the owner wrote before this claim: a lease without a claim would stop that owner, and keep everyone else out until it ran out
    live.leased = false;
    await release(resources, runId);
    // it may have ended between the look at it and this claim: it was cancelled, or another process drove it to its end
    const ended = await loadRun(resources.journal, runId);
    if (!ended || !isOver(ended)) throw error;
    return resultOf(ended) as RunResult;
  });
}

/** Whether its first process may have died before it knew which run of the session this one continues. */
const isAtStart = ({ status, epoch, root }: RunFold) => status === 'running' && epoch === 0 && root.step === 0 && !root.kind;

/**
 * The agent that continues a run; undefined if it is unknown.
 * @throws RondoError `CONFIG_INVALID` if `given` has another name, `AGENT_CHANGED` if an agent of the run is of another kind now.
 */
export function agentFor(resources: Resources, run: RunFold, given: Agent | undefined): AgentDefinition | undefined {
  const agent = namedFor(resources, run, given);
  if (agent) assertSameKinds(agent, run);
  return agent;
}

/** The agent of the run's name, given or known. @throws RondoError `CONFIG_INVALID` if `given` has another name. */
function namedFor(resources: Resources, { runId, root }: RunFold, given: Agent | undefined): AgentDefinition | undefined {
  if (!given) return resources.agentOf(runId, root.agent);
  const agent = agentDefinition(given);
  if (agent.name === root.agent) return agent;
  throw invalid(`run ${runId} is of agent "${root.agent}", and "${agent.name}" was given to go on with it. Give the one of its name.`);
}

export const unregistered = (runId: string, agent: string) =>
  new RondoError(
    'AGENT_NOT_REGISTERED',
    `run ${runId} is of agent "${agent}", which this engine does not know. Pass it: new Engine({ agents: [${agent}] }), or { agent } with this call. The run waits.`,
    { details: { runId, agent } },
  );

/** Acquires the lease on a run. @returns false if its owner is alive. */
export async function acquireLease({ journal, host, owner }: Leasing, runId: string): Promise<boolean> {
  const until = (await host.now()) + LEASE;
  if (await journal.renew(runId, owner, until)) return true;
  const holder = (await findHead(journal, runId))?.owner;
  if (holder === undefined || !isGone(holder)) return false;
  await journal.renew(runId, holder, 0);
  return journal.renew(runId, owner, until);
}

/** Why a run that this process drives is not resumed, as far as the caller may know. @throws RondoError `NOT_PERMITTED` */
export async function driven(resources: Resources, runId: string, viewer: Viewer): Promise<RondoError> {
  const log = await resources.opened(runId);
  if (log && !sees(viewer, log.run.started.by?.tenant)) return notFound(runId);
  if (log) await assertAccess(resources, 'run', viewer, aboutRun(log.run));
  else await runFor(resources, runId, viewer, 'run');
  return busy(runId);
}

const busy = (runId: string) =>
  new RondoError(
    'RUN_BUSY',
    `run ${runId} is being driven. watch() it, or try again after its owner's lease (${LEASE / 1_000} s) has ended.`,
    { details: { runId } },
  );

/** Whether a claim would make progress. A run that still waits for people is not claimed. */
function goesOn(
  run: RunFold,
  raised: Limits | undefined,
  { now, event, overdue }: { now: number; event: boolean; overdue: boolean },
): boolean {
  const error = run.settled?.error;
  // of an engine that paused it all the same
  if (run.cancelled && !isOver(run)) return true;
  switch (run.status) {
    case 'queued':
    case 'running':
      return true;
    case 'paused':
      return (
        event ||
        overdue ||
        answered(run, now) ||
        openFrames(run).some((f) => f.calls.some((c) => c.status === 'open' && !c.approval && !c.wait))
      );
    case 'stopped':
      return (raised !== undefined || event || answered(run, now)) && run.settled?.limit?.name !== 'journal';
    case 'failed':
      // a temporary error may be gone; an unknown outcome must be settled first
      return error !== undefined && isResumable(error) && (error.outcome !== 'unknown' || run.unknowns.size === 0);
    default:
      return false;
  }
}

/** Whether the deadline of a paused run is over, or that of an agent which waits in it. No timer watches it while the run is paused. */
function isOverdue(resources: Resources, top: AgentDefinition, run: RunFold, raised: Limits | undefined): boolean {
  if (run.status !== 'paused') return false;
  if (isPast(limitsOf(resources, top, { limits: limitsWith(run.limits, raised) }))) return true;
  return [...run.frames.values()].some((frame) => isPast(partOf(top, frame)?.limits ?? {}));
}

/** Whether an event has come for a call. */
const hasEvent = async ({ journal }: Resources, run: RunFold): Promise<boolean> =>
  run.listens === true && ((await journal.inbox?.assigned(run.runId)) ?? []).length > 0;

/** Whether an open call has a decision, an approval that expired, or a wait that is due. */
const answered = (run: RunFold, now: number) =>
  unfinishedCalls(run).some(
    ({ status, approval, wait }) =>
      status === 'open' &&
      (wait ? dueOf(wait) <= now : approval && (approval.decided || (approval.asked.expiresAt ?? Number.POSITIVE_INFINITY) <= now)),
  );

/** Whether another run has the session of this one. */
async function isTaken({ journal }: Resources, { runId, started }: RunFold): Promise<boolean> {
  const { tenant } = started.by ?? {};
  for await (const head of journal.heads({ session: sessionKey(started) as string, ...(tenant !== undefined && { tenant }) }))
    if (head.runId !== runId && head.tenant === tenant && !head.aside && (head.status === 'running' || head.status === 'paused'))
      return true;
  return false;
}

function claim(
  resources: Resources,
  agent: AgentDefinition,
  run: RunFold,
  o: ResumeOptions & { aside: boolean; left: number },
  trace: string | undefined,
  continued: Continued,
): readonly Draft[] {
  const { limits } = o;
  const draft: Draft & { type: 'run.claimed' } = {
    type: 'run.claimed',
    owner: resources.owner,
    epoch: run.epoch + 1,
    fingerprint: agent.fingerprint,
    ...continued,
  };
  if (o.by) draft.by = principal(o.by);
  if (limits) draft.limits = { ...limits };
  if (o.aside) draft.aside = true;
  if (o.left > 0) draft.released = true;
  if (trace) draft.trace = trace;
  const lost = run.status === 'running' && run.next > 0 && o.left !== GIVEN_BACK_WHOLE ? lostIn(resources, agent, run) : [];
  const own = lost.find(({ frame }) => frame === '')?.lost;
  if (own) draft.lost = own;
  const below = lost.filter(({ frame }) => frame !== '').map(({ frame, step, lost }): Draft => ({ ...CRASHED, frame, step, lost }));
  return [draft, ...below];
}

const CRASHED = {
  type: 'attempt.failed',
  of: 'model',
  attempt: 1,
  code: 'CRASHED',
  message: 'the process stopped while the model thought',
} as const;

/** Model calls that a crash interrupted. Their cost is unknown, so each is charged at its upper bound. */
function lostIn(resources: Resources, agent: AgentDefinition, run: RunFold): { frame: string; step: number; lost: Lost }[] {
  return openFrames(run).flatMap((frame) => {
    const own = agentOf(agent, frame);
    const then = frame.unfinished === 0 && driving(resources, agent, run, frame);
    if (!then || !own || !isLoop(own)) return [];
    // its next step, or a summary of its conversation; a call that would have crossed a limit was never made
    const calls = [estimate(then), ...summaryBounds({ ...then, agent: own })].filter((bound) => !crossing(then, 1, () => bound));
    if (calls.length === 0) return [];
    const usd = calls.some((call) => call.usd === undefined) ? undefined : Math.max(...calls.map((call) => call.usd as number));
    return [{ frame: frame.id, step: frame.step + 1, lost: { tokens: Math.max(...calls.map(({ tokens }) => tokens)), usd } }];
  });
}

/** What a frame was driven with, and those above it, whose limits held too. Undefined where its agent is no longer declared. */
function driving(resources: Resources, top: AgentDefinition, run: RunFold, frame: Frame): Limited | undefined {
  const part = partOf(top, frame);
  if (!part) return undefined;
  const { host } = resources;
  const { agent } = part;
  const limits = frame.parent ? part.limits : limitsOf(resources, top, run);
  const tools = isLoop(agent) ? withReading(host.planOf(agent), agent.tools, agent.name) : agent.tools;
  const parent = frame.parent && driving(resources, top, run, frame.parent);
  return { agent, run, frame, host, tools, limits, reserved: new Reserved(), parent };
}

interface Lost {
  tokens: number;
  usd?: number;
}
