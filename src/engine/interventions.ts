/**
 * Entries that any process may append to a run, even while another drives it: decisions, cancellations, settled outcomes. If this process
 * drives the run, they go through its log; otherwise through a separate compare-and-set, whose entries the owner adopts.
 */
import { RondoError } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import { checkDecisions, decisionEntries } from '../hitl/decisions.ts';
import type { CallId, Decision, Draft, Intent } from '../journal/entries/entries.ts';
import { type Approval as Asked, isOver, type RunFold } from '../journal/fold/fold.ts';
import { Log } from '../journal/log.ts';
import { type Json, plainJson } from '../json.ts';
import { checkOptions } from '../options.ts';
import type { AccessRequest } from '../ports/policy.ts';
import { type Principal, principal, principalProblem } from '../ports/principal.ts';
import { sleep } from '../reliability/retry.ts';
import { aboutRun, aboutStart } from './about.ts';
import { allowedAnswers, assertAccess, runFor } from './access.ts';
import { abandoned, cancelHooks } from './drive/cancelled.ts';
import { leaseOf, release } from './drive/lease.ts';
import { isDriven } from './drive/owner.ts';
import { acquireLease, type DecideOptions, RESUME_OPTIONS } from './drive/resume.ts';
import { didOf, intentOf } from './ledger/did.ts';
import { checkCall, checkMethod } from './method-options.ts';
import { agentOf, findHead, notFound, sees, type Viewer } from './read/lookup.ts';
import { approvalsOf } from './read/results.ts';
import type { Resources } from './resources.ts';

/** The log of a run to append to, if the caller may see it and do this with it. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`. */
export async function logOf(resources: Resources, runId: string, viewer: Viewer, point: AccessRequest['point']): Promise<Log> {
  const own = await resources.opened(runId);
  if (own) {
    if (!sees(viewer, own.run.started.by?.tenant)) throw notFound(runId);
    if (await current(own)) {
      await assertAccess(resources, point, viewer, aboutRun(own.run));
      return own;
    }
  }
  const run = await runFor(resources, runId, viewer, point);
  return new Log(resources.journal, run, undefined, undefined, true);
}

/** Brings a log up to date. @returns false if another process has claimed the run. */
async function current(log: Log): Promise<boolean> {
  try {
    await log.adopt();
    return true;
  } catch (error) {
    if (RondoError.is(error, 'RUN_BUSY')) return false;
    throw error;
  }
}

export function assertPrincipal(by: unknown, what: string): void {
  const wrong = principalProblem(by);
  if (wrong)
    throw new RondoError('NOT_PERMITTED', `${what} needs { by: { id, tenant?, roles? } }, from the caller's authentication: ${wrong}.`);
}

const DECIDE = { ...RESUME_OPTIONS, resume: 'resume: true' } satisfies Record<keyof DecideOptions, string>;

/** @see Engine.decide */
export async function decide(
  resources: Resources,
  runId: string,
  decisions: readonly Decision[],
  o?: DecideOptions,
): Promise<readonly Approval[]> {
  checkOptions(o ?? {}, DECIDE, 'decide()', { signal: 'signal', resume: 'flag' });
  const by: Principal = o?.by as Principal;
  assertPrincipal(by, 'a decision');
  checkDecisions(decisions);
  const plain = plainDecisions(decisions);
  const decider = principal(by);
  const log = await logOf(resources, runId, decider, 'decide');
  const { run } = log;
  const agent = resources.agentOf(runId, run.root.agent);
  const allowed = await allowedAnswers(resources, run, plain, decider);
  for (;;) {
    const deciding = {
      by: decider,
      now: await resources.host.now(),
      schemaOf: ({ asked, frame }: Asked) => agent && agentOf(agent, frame)?.tools.get(asked.tool)?.options.input,
    };
    const decided = await decisionEntries(run, allowed.decisions, deciding);
    const entries = decided.map((entry) => ('id' in entry ? { ...entry, verdicts: allowed.verdicts.get(entry.id) } : entry));
    if (entries.length === 0) return approvalsOf(run, deciding.now);
    const seen = run.next;
    let raced = false;
    await log.append(() => {
      raced = run.next !== seen;
      return raced ? [] : entries;
    }, true);
    // an entry was appended in between, which may have closed the approval: check again
    if (raced) continue;
    await tell(resources, log, entries);
    return approvalsOf(run, deciding.now);
  }
}

/** Reports decisions to telemetry. If a process drives the run, that process reports them when it adopts them. */
async function tell({ journal, host, telemetry }: Resources, { run, guest }: Log, entries: readonly Draft[]): Promise<void> {
  if (!guest) return;
  if (run.status === 'running' && isDriven(await findHead(journal, run.runId), await host.now())) return;
  const { agent, session, by, trace } = run.started;
  const parent = trace === undefined ? {} : { parent: trace, ...(run.trace !== trace && { link: run.trace }) };
  const recording = await telemetry.recording();
  recording?.decided(
    { agent, runId: run.runId, session, by, ...parent },
    entries.filter((entry) => entry.type === 'approval.decided'),
  );
}

function plainDecisions(decisions: readonly Decision[]): Decision[] {
  try {
    return plainJson(decisions) as Decision[];
  } catch (error) {
    throw new RondoError('DECISION_INVALID', `decisions must be plain JSON: ${(error as Error).message}.`);
  }
}

/** Milliseconds until a lease that is being given back is asked for again. */
const HANDING_OVER = 10;

/** @see Engine.cancel @param still whether the run, as it is when this is written, is to be cancelled. Default: yes, unless it is over. */
export async function cancel(
  resources: Resources,
  runId: string,
  o: { reason?: string; by?: Principal },
  viewer: Viewer = o?.by,
  still: (run: RunFold) => boolean = () => true,
): Promise<void> {
  checkCall('cancel', o);
  // a run that is still starting has no journal to append to
  const starting = resources.active.get(runId);
  if (starting?.asked && !starting.begun && sees(viewer, starting.asked.by?.tenant)) {
    await assertAccess(resources, 'decide', viewer, aboutStart(runId, starting.asked));
    if (!starting.begun) return starting.stop({ why: 'cancel', reason: o.reason });
  }
  const log = await logOf(resources, runId, viewer, 'decide');
  const { run } = log;
  const request: Draft = {
    type: 'message.received',
    kind: 'cancel',
    reason: o.reason,
    by: o.by && principal(o.by),
  };
  const isMeant = () => !isOver(run) && still(run);
  if (!isMeant()) return;
  if (resources.active.has(runId)) return void (await log.append(() => (isMeant() ? [request] : [])));
  if (run.status === 'queued') {
    let begun = false;
    await log.append(() => {
      begun = run.status !== 'queued';
      return begun || !isMeant() ? [] : [request, { type: 'run.settled', status: 'cancelled', ms: 0, reason: o.reason }];
    });
    // a process has begun it meanwhile
    return begun ? cancel(resources, runId, o, viewer, still) : undefined;
  }
  // no process drives it: claim it and end it here
  if (!(await acquireLease(resources, runId))) {
    let driven = true;
    await log.append(() => {
      driven = run.status === 'running';
      return driven && isMeant() ? [request] : [];
    });
    if (driven || isOver(run)) return;
    // it paused or stopped, and its process gives the lease back now: a request would be found by none
    await sleep(HANDING_OVER);
    return cancel(resources, runId, o, viewer, still);
  }
  const waiting = cancelHooks(resources.agentOf(runId, run.root.agent), run);
  log.guest = false;
  log.lease = await leaseOf(resources);
  let ends = false;
  try {
    await log.append(() => {
      ends = isMeant();
      return !ends
        ? []
        : [
            { type: 'run.claimed', owner: resources.owner, epoch: run.epoch + 1, fingerprint: run.started.fingerprint },
            request,
            ...abandoned(run, 'cancelled'),
            { type: 'run.settled', status: 'cancelled', ms: 0, reason: o.reason },
          ];
    });
  } catch (error) {
    if (!RondoError.is(error, 'RUN_BUSY')) throw error;
    // another process claimed it meanwhile, so request the cancellation from that one
    return cancel(resources, runId, o, viewer, still);
  } finally {
    // a resume in this process has the same lease
    if (!resources.active.has(runId)) await release(resources, runId);
  }
  if (!ends) return;
  resources.agents.drop(runId);
  for (const say of waiting) say();
}

/** @see Engine.settle */
export async function settle(
  resources: Resources,
  runId: string,
  callId: CallId,
  o: { outcome: 'done' | 'failed' | 'not-run'; note?: string; output?: Json; by: Principal },
): Promise<void> {
  checkMethod('settle', o);
  assertPrincipal(o?.by, 'settling an outcome');
  if (!['done', 'failed', 'not-run'].includes(o.outcome))
    throw new RondoError('DECISION_INVALID', `an outcome is done, failed or not-run, not "${o.outcome}".`);
  if (o.note !== undefined && typeof o.note !== 'string') throw new RondoError('DECISION_INVALID', 'a note is a text.');
  const output = settledOutput(o.output);
  const log = await logOf(resources, runId, o.by, 'decide');
  const intent = log.run.unknowns.has(callId) ? undefined : await settleable(resources, runId, callId);
  const entry: Draft = {
    type: 'outcome.settled',
    call: callId,
    source: 'operator',
    outcome: o.outcome,
    by: principal(o.by),
    note: o.note === undefined ? undefined : String(o.note).slice(0, 2_000),
    output,
    ...(intent && { intent: intent.of }),
  };
  let missing = false;
  await log.append(() => {
    missing = !intent && !log.run.unknowns.has(callId);
    return missing ? [] : [entry];
  });
  if (missing)
    throw new RondoError(
      'CALL_NOT_FOUND',
      `run ${runId} has no call ${callId} with an unknown outcome. inspect() lists them as unknowns.`,
      { details: { runId, callId } },
    );
}

/** The intent of an `idempotent` call whose outcome is unknown; undefined for any other call. */
async function settleable({ journal }: Resources, runId: string, callId: CallId): Promise<{ of: Intent | undefined } | undefined> {
  const told = (await didOf(journal, runId))?.effects.get(callId);
  if (told?.effect !== 'idempotent' || told.row?.outcome !== 'unknown') return undefined;
  return { of: await intentOf(journal, runId, callId) };
}

/** Most bytes of an operator's output: the default `maxBytes` of a tool. */
const MAX_SETTLED = 65_536;

function settledOutput(output: unknown): Json | undefined {
  let plain: Json | undefined;
  try {
    plain = plainJson(output);
  } catch (error) {
    throw new RondoError('DECISION_INVALID', `the output must be plain JSON: ${(error as Error).message}.`);
  }
  if (plain !== undefined && JSON.stringify(plain).length > MAX_SETTLED)
    throw new RondoError(
      'DECISION_INVALID',
      `the output is larger than ${MAX_SETTLED} characters. Put where it is to be found in the note.`,
    );
  return plain;
}
