/**
 * What any process may append to a run, also to one that another drives: decisions, a request to cancel, an operator's word on an outcome.
 * Where this process drives it, through its own log; else by a compare-and-set of its own, which the owner adopts.
 */
import { RondoError } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import { decisionEntries } from '../hitl/decisions.ts';
import type { CallId, Decision, Draft } from '../journal/entries.ts';
import { type Approval as Asked, isOver } from '../journal/fold.ts';
import { Log } from '../journal/log.ts';
import { type Json, plainJson } from '../json.ts';
import type { AccessRequest } from '../ports/policy.ts';
import { type Principal, principal, principalProblem } from '../ports/principal.ts';
import { aboutRun, assertAccess, runFor } from './access.ts';
import { abandoned, farewells } from './cancelled.ts';
import { leaseOf, release } from './lease.ts';
import { agentOf, type Eyes, findHead, notFound, sees } from './lookup.ts';
import type { Resources } from './resources.ts';
import { approvalsOf } from './results.ts';
import { seize } from './resume.ts';

/** The log to append to, of a run that the caller sees and may do this with. @throws RondoError `RUN_NOT_FOUND`, `NOT_PERMITTED`. */
export async function logOf(resources: Resources, runId: string, eyes: Eyes, point: AccessRequest['point']): Promise<Log> {
  const own = await resources.opened(runId);
  if (own) {
    if (!sees(eyes, own.run.started.by?.tenant)) throw notFound(runId);
    if (await current(own)) {
      await assertAccess(resources, point, eyes, aboutRun(own.run));
      return own;
    }
  }
  const run = await runFor(resources, runId, eyes, point);
  return new Log(resources.journal, run, undefined, () => undefined, true);
}

/** Brings a log up to date: false where another process took the run over, which this one had not noticed. */
async function current(log: Log): Promise<boolean> {
  try {
    await log.adopt();
    return true;
  } catch (error) {
    if (RondoError.is(error, 'RUN_BUSY')) return false;
    throw error;
  }
}

function assertPrincipal(by: unknown, what: string): void {
  const wrong = principalProblem(by);
  if (wrong)
    throw new RondoError('NOT_PERMITTED', `${what} needs { by: { id, tenant?, roles? } }, from the caller's authentication: ${wrong}.`);
}

/** @see Engine.decide */
export async function decide(
  resources: Resources,
  runId: string,
  decisions: readonly Decision[],
  by: Principal,
): Promise<readonly Approval[]> {
  assertPrincipal(by, 'a decision');
  if (!Array.isArray(decisions)) throw new RondoError('DECISION_INVALID', 'decisions are a list: [{ approval, type: "approve" }].');
  const plain = plainDecisions(decisions);
  const decider = principal(by);
  const log = await logOf(resources, runId, decider, 'decide');
  const { run } = log;
  const agent = resources.agentOf(runId, run.root.agent);
  for (;;) {
    const o = {
      by: decider,
      now: await resources.host.now(),
      schemaOf: ({ asked, frame }: Asked) => agent && agentOf(agent, frame)?.tools.get(asked.tool)?.options.input,
    };
    const entries = await decisionEntries(run, plain, o);
    if (entries.length === 0) return approvalsOf(run);
    const seen = run.next;
    let raced = false;
    await log.append(() => {
      raced = run.next !== seen;
      return raced ? [] : entries;
    }, true);
    // something was appended in between, which may have closed the approval: look again
    if (raced) continue;
    await tell(resources, log, entries);
    return approvalsOf(run);
  }
}

/** A process that drives the run tells of a decision itself, when it takes it. */
async function tell({ journal, host, telemetry }: Resources, { run, guest }: Log, entries: readonly Draft[]): Promise<void> {
  if (!guest) return;
  if (run.status === 'running' && ((await findHead(journal, run.runId))?.leaseUntil ?? 0) > (await host.now())) return;
  const { agent, session, by, trace } = run.started;
  const parent = trace === undefined ? {} : { parent: trace, ...(run.trace !== trace && { link: run.trace }) };
  telemetry.decided(
    { agent, runId: run.runId, ...(session !== undefined && { session }), ...(by && { by }), ...parent },
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

/** @see Engine.cancel */
export async function cancel(
  resources: Resources,
  runId: string,
  o: { reason?: string; by?: Principal },
  eyes: Eyes = o.by,
): Promise<void> {
  // a run that is being started has nothing to append to yet
  const starting = resources.active.get(runId);
  if (starting?.asked && !starting.log && sees(eyes, starting.asked.tenant)) {
    const { agent, session } = starting.asked;
    await assertAccess(resources, 'decide', eyes, { runId, agent, session });
    if (!starting.log) return starting.halt({ why: 'cancel', reason: o.reason });
  }
  const log = await logOf(resources, runId, eyes, 'decide');
  const { run } = log;
  const request: Draft = {
    type: 'message.received',
    kind: 'cancel',
    ...(o.reason !== undefined && { reason: o.reason }),
    ...(o.by && { by: principal(o.by) }),
  };
  if (isOver(run)) return;
  if (resources.active.has(runId)) return void (await log.append(() => (isOver(run) ? [] : [request])));
  // no process drives it: end it here, as its owner for a moment
  if (!(await seize(resources, runId))) return void (await log.append(() => (isOver(run) ? [] : [request])));
  const waiting = farewells(resources.agentOf(runId, run.root.agent), run);
  log.guest = false;
  log.lease = leaseOf(resources.owner);
  try {
    await log.append(() =>
      isOver(run)
        ? []
        : [
            { type: 'run.claimed', owner: resources.owner, epoch: run.epoch + 1, fingerprint: run.started.fingerprint },
            request,
            ...abandoned(run, 'cancelled'),
            { type: 'run.settled', status: 'cancelled', ms: 0, ...(o.reason !== undefined && { reason: o.reason }) },
          ],
    );
  } catch (error) {
    if (!RondoError.is(error, 'RUN_BUSY')) throw error;
    // somebody claimed it meanwhile, and is to be asked
    return cancel(resources, runId, o, eyes);
  } finally {
    await release(resources, runId);
  }
  resources.agents.letGo(runId);
  for (const say of waiting) say();
}

/** @see Engine.settle */
export async function settle(
  resources: Resources,
  runId: string,
  callId: CallId,
  o: { outcome: 'done' | 'failed' | 'not-run'; note?: string; output?: Json; by: Principal },
): Promise<void> {
  assertPrincipal(o?.by, 'settling an outcome');
  if (!['done', 'failed', 'not-run'].includes(o.outcome))
    throw new RondoError('DECISION_INVALID', `an outcome is done, failed or not-run, not "${o.outcome}".`);
  if (o.note !== undefined && typeof o.note !== 'string') throw new RondoError('DECISION_INVALID', 'a note is a text.');
  const output = settledOutput(o.output);
  const log = await logOf(resources, runId, o.by, 'decide');
  const entry: Draft = {
    type: 'outcome.settled',
    call: callId,
    source: 'operator',
    outcome: o.outcome,
    by: principal(o.by),
    ...(o.note !== undefined && { note: String(o.note).slice(0, 2_000) }),
    ...(output !== undefined && { output }),
  };
  let missing = false;
  await log.append(() => {
    missing = !log.run.unknowns.has(callId);
    return missing ? [] : [entry];
  });
  if (missing)
    throw new RondoError(
      'CALL_NOT_FOUND',
      `run ${runId} has no call ${callId} with an unknown outcome. inspect() lists them as unknowns.`,
      { details: { runId, callId } },
    );
}

/** Bytes of an operator's output that are kept: as much as a tool's own by default. */
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
