import { type Failure, isResumable, RondoError, ToolError } from '../errors.ts';
import type { Draft, Limits } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import { Log, type Make } from '../journal/log.ts';
import { costUsd } from '../journal/spent.ts';
import { freezeJson } from '../json.ts';
import { attempt } from '../loop/child.ts';
import { granted } from '../loop/grants.ts';
import { assertPriced, DEFAULT_LIMITS, watchTime } from '../loop/limits.ts';
import { pinned } from '../loop/offered.ts';
import { LiveScope } from '../loop/scope.ts';
import type { AgentDefinition, Caller, End, Scope, Settlement } from '../loop/types.ts';
import type { Assertion } from '../ports/identity.ts';
import type { Principal } from '../ports/principal.ts';
import { messageOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { Secrets } from '../secrets.ts';
import type { Active } from './active.ts';
import { maskAssertion } from './assertion.ts';
import { abandoned, farewells } from './cancelled.ts';
import { loadRun, sessionBusy } from './history.ts';
import { leaseOf, ownership } from './lease.ts';
import { findHead, sees } from './lookup.ts';
import type { Resources } from './resources.ts';
import { type RunResult, resultOf } from './results.ts';
import { idTaken } from './run.ts';

/** Claims in a row without progress, after which a run is given up: something in it kills each process that takes it. */
const CRASHES = 3;

/** The entry with which a drive begins; the trace it belongs to is known only then. */
export type Opening = (trace: string | undefined, run: RunFold) => readonly Draft[];

export interface DriveOptions {
  agent: AgentDefinition;
  run: RunFold;
  opening: Opening;
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
export async function drive(resources: Resources, active: Active, o: DriveOptions): Promise<RunResult> {
  const { agent, run } = o;
  const limits = limitsOf(resources, agent, run, o.limits);
  assertPriced(agent, limits, resources.host.prices);
  const caller: Caller = { runId: run.runId, by: o.by, session: o.session, assertion: o.assertion };
  const found = resources.sources.toolsOf(agent, caller);
  const listed = found instanceof Promise ? await unlessHalted(found, active.cancel).catch(declared(agent)) : found;
  const tools = agent.grants ? granted(listed, [agent.grants]) : listed;

  const trace = resources.telemetry.startAgent({
    agent: agent.name,
    description: agent.description,
    runId: run.runId,
    session: o.session,
    by: o.by,
    epoch: run.epoch + 1,
    parent: firstTrace(run),
    link: run.trace,
  });
  active.trace = trace;
  const secrets = new Secrets();
  maskAssertion(secrets, o.assertion);
  const log = new Log(resources.journal, run, leaseOf(resources.owner), (entry) => active.committed(run, entry));
  active.from = run.next;
  active.log = log;
  const scope = new LiveScope({
    drive: {
      host: resources.host,
      run,
      log,
      secrets,
      caller,
      own: ownership(resources, active, log),
      draining: active.draining,
      emit: undefined,
    },
    frame: run.root,
    agent,
    limits,
    tools,
    trace,
    cancel: active.cancel,
    // a sub-agent far below may append it with its own last entry
    closing: (end) => () => [{ type: 'run.settled', frame: undefined, ...statusOf(end), ms: active.worked() }],
  });
  if (active.halted) scope.halt = active.halted;
  active.scope = scope;
  active.listen();

  const takeover = run.next > 0;
  try {
    // always awaited, so that a reader of the run has joined before the model is asked
    await open(resources, log, () => o.opening(trace.traceparent, run), takeover, o.by);
    active.leased = true;
    active.began = performance.now();
    // rules, policies and tools see who asked; none of them may change it
    freezeJson(run.started.by);
    freezeJson(run.started.context);
    const pins = pinned(agent, tools);
    if (pins && JSON.stringify(pins) !== JSON.stringify(run.root.tools)) await log.append(() => [{ type: 'context.changed', tools: pins }]);
    await work(scope, active);
    trace.end(run.settled ?? {}, { usage: run.usage, usd: costUsd(run) });
  } catch (error) {
    // what comes late must not take the run again, which is given back
    log.lease = undefined;
    trace.end({ error: { code: RondoError.is(error) ? error.code : 'INTERNAL' } });
    throw error;
  }
  return resultOf(run) as RunResult;
}

/** Each limit by itself: of this claim, else of the run, its agent, the engine. */
export const limitsOf = ({ limits }: Resources, agent: AgentDefinition, run: RunFold, claimed?: Limits): Limits => ({
  ...DEFAULT_LIMITS,
  ...limits,
  ...agent.limits,
  ...run.limits,
  ...claimed,
});

/** A run that is halted while its sources are opened ends like any other, without them. */
const declared = (agent: AgentDefinition) => (error: unknown) => {
  if (error instanceof Halted) return agent.tools;
  throw RondoError.is(error) ? error : unavailable(agent, error);
};

/** Under the code that the source gives it, where it knows one: such as `MCP_UNAVAILABLE`. */
function unavailable(agent: AgentDefinition, cause: unknown): RondoError {
  const code = cause instanceof ToolError && cause.code === 'MCP_UNAVAILABLE' ? cause.code : 'SOURCE_UNAVAILABLE';
  return new RondoError(code, `agent "${agent.name}" has no tools: ${messageOf(cause)} Nothing was done: try again once they are there.`, {
    cause,
  });
}

async function open(resources: Resources, log: Log, opening: Make, takeover: boolean, by: Principal | undefined): Promise<void> {
  try {
    await log.append(opening, takeover);
  } catch (error) {
    const { runId } = log.run;
    if (RondoError.is(error, 'RUN_EXISTS') && !sees(by, (await findHead(resources.journal, runId))?.tenant)) throw idTaken(runId);
    const other = RondoError.is(error, 'SESSION_BUSY') ? (error.details as { runId?: string } | null)?.runId : undefined;
    const run = other === undefined ? undefined : await loadRun(resources.journal, other);
    throw run ? sessionBusy(run) : error;
  }
}

/** traceparent of the run's first claim, which all later ones belong to. */
const firstTrace = (run: RunFold) => (run.next > 0 ? run.started.trace : undefined);

async function work(scope: Scope, active: Active): Promise<void> {
  const { run, limits } = scope;
  const stop = watchTime(run.workMs + active.worked(), limits, (limit) => active.halt({ why: 'limit', limit }));
  try {
    while (run.status === 'running') {
      const before = run.decisions;
      const settlement: Settlement | undefined = crashLoop(run) ?? (await attempt(scope));
      if (settlement && 'committed' in settlement) return;
      const settled = settlement ? settledOf(settlement) : halted(scope);
      // one that failed may go on later, in the middle of what is below it
      const over = settled.status === 'cancelled' || (settled.status === 'failed' && !isResumable(settled.error as Failure));
      const waiting = settled.status === 'cancelled' ? farewells(scope.agent, run) : [];
      // a decision that came in meanwhile may let the run go on instead
      const append = scope.append(() =>
        settled.status === 'paused' && run.decisions !== before
          ? []
          : [
              ...(over ? abandoned(run, settled.status === 'failed' ? 'failed' : 'cancelled') : []),
              { type: 'run.settled', ms: active.worked(), ...settled },
            ],
      );
      if (append) await append;
      for (const say of waiting) say();
    }
  } finally {
    stop?.();
  }
}

/** How the top ends: a run that completed has said so already. */
const statusOf = (end: End) =>
  end.ok ? ({ status: 'completed', output: end.output } as const) : ({ status: 'failed', error: end.error } as const);

const settledOf = (settlement: Exclude<Settlement, { committed: true }>): Settled =>
  settlement.status === 'stopped' ? { status: 'stopped', limit: settlement.limit } : settlement;

type Settled = Omit<Extract<Draft, { type: 'run.settled' }>, 'type' | 'ms'>;

/** How a halted run ends. @throws where it does not end, but moves on to another process. */
function halted({ halt, run }: Scope): Settled {
  if (halt?.why === 'limit') return { status: 'stopped', limit: halt.limit };
  if (halt?.why === 'lost') throw halt.error;
  if (halt?.why === 'close')
    throw new RondoError('ENGINE_CLOSED', `the engine was closed while run ${run.runId} was under way. Nothing is lost: resume() it.`, {
      details: { runId: run.runId },
    });
  const reason = run.cancelled?.reason ?? halt?.reason;
  return { status: 'cancelled', ...(reason !== undefined && { reason }) };
}

function crashLoop(run: RunFold): Settlement | undefined {
  if (run.fruitless < CRASHES) return undefined;
  const error: Failure = {
    code: 'CRASH_LOOP',
    message: `${run.fruitless} processes in a row took this run over and came to nothing. See what its next step does before you start it again.`,
    retryable: false,
    attempts: run.fruitless,
    outcome: 'unknown',
  };
  return { status: 'failed', error };
}
