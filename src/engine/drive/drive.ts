import { detailOf, type Failure, RondoError, ToolError } from '../../errors.ts';
import type { Draft, Limits } from '../../journal/entries/entries.ts';
import { limitsWith } from '../../journal/entries/limits.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { endsFinally } from '../../journal/fold/frame.ts';
import { costUsd } from '../../journal/fold/spent.ts';
import { Log, type Make } from '../../journal/log.ts';
import { assertPlain } from '../../journal/sealed.ts';
import { freezeJson } from '../../json.ts';
import { attempt, runFrame } from '../../loop/frame-run.ts';
import { assertPriced, assertUnits, DEFAULT_LIMITS } from '../../loop/limits.ts';
import type { AgentDefinition, End, Scope, Settlement } from '../../loop/types.ts';
import type { Assertion } from '../../ports/identity.ts';
import type { Principal } from '../../ports/principal.ts';
import { messageOf } from '../../reliability/classify.ts';
import { findHead, sees } from '../read/lookup.ts';
import { type RunResult, resultOf } from '../read/results.ts';
import type { Resources } from '../resources.ts';
import { idTaken } from '../run.ts';
import { maskAssertion } from './assertion.ts';
import { abandoned, cancelHooks } from './cancelled.ts';
import { type Continued, loadRun, sessionBusy } from './history.ts';
import { type Joining, join } from './joining.ts';
import { leaseOf, ownership } from './lease.ts';
import type { LiveRun } from './live-run.ts';

/** Claims in a row without progress, after which a run is given up: something in it kills each process that takes it. */
const CRASHES = 3;

/** The entry with which a drive begins; the trace it belongs to, and what it continues, are known only then. */
export type Opening = (trace: string | undefined, run: RunFold, continued: Continued) => readonly Draft[];

export interface DriveOptions {
  agent: AgentDefinition;
  run: RunFold;
  opening: Opening;
  /** How the run takes its place in its session. Absent: it has it, or has no session. */
  joins?: Joining | undefined;
  /** Limits of this run, before those of its agent and engine. */
  limits: Limits | undefined;
  session: string | undefined;
  by: Principal | undefined;
  assertion?: Assertion | undefined;
}

/**
 * Drives a run from its opening entry to its next end. Resolves for every ending of the run; rejects only where the engine
 * cannot do its job, and then the journal says all that has happened.
 */
export async function drive(resources: Resources, live: LiveRun, o: DriveOptions): Promise<RunResult> {
  const { agent, run, by, session, assertion } = o;
  const limits = keptLimits(resources, agent, run, o.limits);
  live.caller = { runId: run.runId, by, session, assertion };
  maskAssertion(live.secrets, assertion);
  if (run.cancelled) live.stop({ why: 'cancel' });
  const takeover = run.next > 0;
  // the first claim of a queued run need not survive loss of power, like the start of any other run: it is begun again then
  const fsync = takeover && run.status !== 'queued';
  try {
    const told = leaseOf(resources);
    const lease = told instanceof Promise ? await told : told;
    const loading = resources.telemetry.recording(takeover && run.started.trace !== undefined);
    const recording = loading instanceof Promise ? await loading : loading;
    return await runFrame({
      drive: live,
      frame: run.root,
      agent,
      limits,
      trace: () => {
        const trace = recording?.startAgent({
          agent: agent.name,
          description: agent.description,
          runId: run.runId,
          session,
          by,
          epoch: run.epoch + 1,
          // of the run's first claim, which all later ones belong to
          parent: takeover ? run.started.trace : undefined,
          link: run.trace,
        });
        const log = new Log(resources.journal, run, lease, live);
        live.begin(agent, log, trace, ownership(resources, live, log));
        return trace;
      },
      open: async (trace) => {
        // always awaited, so that a reader of the run has joined before the model is asked
        const append = (make: Make) => open(resources, live.log, make, fsync, by);
        const opening = (continued: Continued) => o.opening(trace?.traceparent, run, continued);
        if (o.joins) await join({ ...o.joins, journal: resources.journal, run, opening, append });
        else await append(() => opening({}));
        live.leased = true;
        live.givenBack = undefined;
        live.claimedAt = performance.now();
        // rules, policies and tools see who asked; none of them may change it
        freezeJson(run.started.by);
        freezeJson(run.started.context);
      },
      // a sub-agent far below may append it with its own last entry
      closing: (end) => () => [{ type: 'run.settled', frame: undefined, ...statusOf(end), ms: live.worked() }],
      refused: (error) => Promise.reject(RondoError.is(error) ? error : unavailable(agent, error)),
      work: (scope) => work(scope, live),
    });
  } catch (error) {
    // a late answer must not claim the run again: it is released
    if (live.begun) live.log.lease = undefined;
    throw error;
  }
}

/** Each limit by itself: of this claim, else of the run, its agent. */
const ownLimits = (agent: AgentDefinition, run: Limited, claimed?: Limits): Limits =>
  limitsWith(limitsWith(agent.limits, run.limits), claimed);

const overEngine = ({ limits }: Resources, own: Limits): Limits => limitsWith(limitsWith(DEFAULT_LIMITS, limits), own);

/** Each limit by itself: of the run, else of its agent, the engine. */
export const limitsOf = (resources: Resources, agent: AgentDefinition, run: Limited): Limits =>
  overEngine(resources, ownLimits(agent, run));

type Limited = Partial<Pick<RunFold, 'limits'>>;

/** The limits of a run that can be kept. @throws RondoError `CONFIG_INVALID` for one that needs a price or an amount that there is not. */
export function keptLimits(resources: Resources, agent: AgentDefinition, run: Limited, claimed?: Limits): Limits {
  const own = ownLimits(agent, run, claimed);
  const limits = overEngine(resources, own);
  assertPriced(agent, limits, resources.host);
  assertUnits(agent, own);
  return limits;
}

/** The error has the code of the source, such as `MCP_UNAVAILABLE`, if there is one. */
function unavailable(agent: AgentDefinition, cause: unknown): RondoError {
  const code = cause instanceof ToolError && cause.code === 'MCP_UNAVAILABLE' ? cause.code : 'SOURCE_UNAVAILABLE';
  return new RondoError(code, `agent "${agent.name}" has no tools: ${messageOf(cause)} Nothing was done: try again once they are there.`, {
    cause,
  });
}

/**
 * Writes the entry with which a drive, or a queued run, begins.
 * @throws RondoError `RUN_EXISTS`, `SESSION_BUSY`, `RUN_BUSY`, `JOURNAL_KEY_UNAVAILABLE`.
 */
export async function open(resources: Resources, log: Log, opening: Make, fsync: boolean, by: Principal | undefined): Promise<void> {
  const looking = assertPlain(resources.journal.records);
  if (looking) await looking;
  try {
    await log.append(opening, fsync);
  } catch (error) {
    const { runId } = log.run;
    if (RondoError.is(error, 'RUN_EXISTS') && !sees(by, (await findHead(resources.journal, runId))?.tenant)) throw idTaken(runId);
    const other = detailOf(error, 'SESSION_BUSY', 'runId');
    const run = other === undefined ? undefined : await loadRun(resources.journal, other);
    throw run ? await sessionBusy(resources.journal, run) : error;
  }
}

/** Drives the root until the run has ended, which a decision that comes in late puts off. */
async function work(scope: Scope, live: LiveRun): Promise<RunResult> {
  const { run } = scope;
  while (run.status === 'running') {
    const before = run.decisions;
    const settlement = crashLoop(run) ?? (await attempt(scope));
    if (settlement && 'committed' in settlement) break;
    const settled = settlement ? settledOf(settlement) : halted(scope);
    let waiting: readonly (() => void)[] = [];
    const append = scope.append(() => {
      // a cancellation may have come in until now; what could go on would never be looked at for it
      const end = run.cancelled && !endsFinally(settled) ? cancelled(run.cancelled.reason) : settled;
      // a decision that came in meanwhile may let the run go on instead
      if (end.status === 'paused' && run.decisions !== before) return [];
      waiting = end.status === 'cancelled' ? cancelHooks(scope.agent, run) : [];
      return [
        ...(endsFinally(end) ? abandoned(run, end.status === 'failed' ? 'failed' : 'cancelled') : []),
        { type: 'run.settled', ms: live.worked(), ...end },
      ];
    });
    if (append) await append;
    for (const say of waiting) say();
  }
  scope.trace?.end(run.settled ?? {}, { usage: run.usage, usd: costUsd(run) });
  return resultOf(run) as RunResult;
}

/** How the top ends: a run that completed has said so already. */
const statusOf = (end: End) =>
  end.ok ? ({ status: 'completed', output: end.output } as const) : ({ status: 'failed', error: end.error } as const);

const settledOf = (settlement: Exclude<Settlement, { committed: true }>): Settled =>
  settlement.status === 'stopped' ? { status: 'stopped', limit: settlement.limit } : settlement;

type Settled = Omit<Extract<Draft, { type: 'run.settled' }>, 'type' | 'ms'>;

/** How a halted run ends. @throws where it does not end, but moves on to another process. */
function halted({ halt, run }: Scope): Settled {
  if (halt?.why === 'lost') throw halt.error;
  if (halt?.why === 'close')
    throw new RondoError('ENGINE_CLOSED', `the engine was closed while run ${run.runId} was under way. Nothing is lost: resume() it.`, {
      details: { runId: run.runId },
    });
  return cancelled(run.cancelled?.reason ?? (halt?.why === 'cancel' ? halt.reason : undefined));
}

const cancelled = (reason: string | undefined): Settled => ({ status: 'cancelled', ...(reason !== undefined && { reason }) });

function crashLoop(run: RunFold): Settlement | undefined {
  if (run.failedClaims < CRASHES) return undefined;
  const error: Failure = {
    code: 'CRASH_LOOP',
    message: `${run.failedClaims} processes in a row took this run over and came to nothing. See what its next step does before you start it again.`,
    retryable: false,
    attempts: run.failedClaims,
    outcome: 'unknown',
  };
  return { status: 'failed', error };
}
