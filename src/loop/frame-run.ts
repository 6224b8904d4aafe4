/**
 * The one driver of a frame: the root of a run, and the part of a sub-agent.
 *
 * I1. Nothing is driven before the agent's tools are listed, within all bounds on the way down, and the frame is open in the journal.
 * I2. The journal says which tools the sources offered, before the agent uses one.
 * I3. A limit of time is watched from there to the end of the part, and no longer.
 */
import { RondoError, ToolError } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import type { Frame } from '../journal/fold.ts';
import type { Make } from '../journal/log.ts';
import { Halted } from '../reliability/patience.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import { granted } from './grants.ts';
import { isTimed, watchTime } from './limits.ts';
import { listed, pin } from './offered.ts';
import { LiveScope } from './scope.ts';
import type { AgentDefinition, Drive, End, Plan, Scope, Settlement, Tools } from './types.ts';

export interface FrameRun<T> {
  drive: Drive;
  frame: Frame;
  agent: AgentDefinition;
  limits: Limits;
  /** The part that a call of which this one answers; undefined for the root. */
  parent?: Scope;
  /** Starts the span of this part, once the tools are listed. */
  trace(): AgentTrace;
  /** Opens the frame in the journal, where it is not open yet. */
  open?(trace: AgentTrace): Promise<void>;
  /** The entries with which this part ends. */
  closing(end: End): Make;
  /** The agent cannot be driven: its tools cannot be listed, or its declaration has a bad number. Nothing was done. */
  refused(error: unknown): Promise<T>;
  /** Drives the part, by `attempt`, and writes what came of it. */
  work(scope: Scope): Promise<T>;
}

/** Drives a frame to its next end. @returns what `work` does, or `refused`. */
export async function runFrame<T>(o: FrameRun<T>): Promise<T> {
  const { drive, agent, limits, parent } = o;
  const above = parent?.grants ?? [];
  const grants = agent.grants ? [...above, agent.grants] : above;
  let plan: Plan;
  let tools: Tools;
  try {
    plan = drive.host.planOf(agent);
    const listing = listed(drive, agent, grants, (parent ?? drive).cancel);
    // a run that is halted while its sources are opened ends like any other, without them
    tools = listing instanceof Promise ? await listing.catch(ifHalted(granted(agent.tools, grants))) : listing;
  } catch (error) {
    return o.refused(error);
  }
  const trace = o.trace();
  const linked = parent && isTimed(limits) ? parent.linkedCancel() : undefined;
  const { cancel } = linked ?? parent ?? drive;
  const scope = new LiveScope({ ...o, plan, grants, tools, trace, cancel });
  let stop: (() => void) | undefined;
  try {
    if (o.open) await o.open(trace);
    if (!scope.halt) await pin(scope, tools);
    stop = watchTime(parent ? o.frame.workMs : drive.log.run.workMs, limits, (limit) => scope.stop({ why: 'limit', limit }));
    return await o.work(scope);
  } catch (error) {
    trace.end({ error: { code: RondoError.is(error) ? error.code : 'INTERNAL' } });
    throw error;
  } finally {
    stop?.();
    linked?.unlink();
  }
}

const ifHalted = (tools: Tools) => (error: unknown) => {
  if (error instanceof Halted) return tools;
  throw error;
};

/**
 * Drives an agent once. A typed failure of what the user declared (instructions that throw) ends its part, not what is above it.
 * @returns how the part ended; undefined where what is above it was halted, or the whole run.
 */
export async function attempt(scope: Scope): Promise<Settlement | undefined> {
  try {
    const settlement = await scope.agent.drive(scope);
    if (settlement) return settlement;
  } catch (error) {
    if (error instanceof ToolError) {
      const { code, message, retryable, outcome } = error;
      return { status: 'failed', error: { code, message, retryable, attempts: 1, outcome } };
    }
    if (!(error instanceof Halted)) throw error;
  }
  const { halt, parent } = scope;
  return halt?.why === 'limit' && !parent?.halt ? { status: 'stopped', limit: halt.limit, at: scope } : undefined;
}
