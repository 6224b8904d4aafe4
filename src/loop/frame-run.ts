/**
 * The driver of every frame: the root frame of a run, and the frame of a sub-agent.
 *
 * I1. An agent is offered only tools that the grants of all agents from the root down to it allow.
 * I2. The journal names the tools that the sources offer before the model is asked.
 * I3. The timer of a time limit ends with the frame's driver.
 * I4. The working time of a frame adds up over its drives, in one claim as over several.
 */
import { RondoError, ToolError } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Frame } from '../journal/fold/fold.ts';
import type { Make } from '../journal/log.ts';
import { Halted } from '../reliability/patience.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import { usedNow } from './budget.ts';
import { clears, withReading } from './context/read-result.ts';
import { isLoop } from './definition.ts';
import { granted } from './grants.ts';
import { isTimed, watchTime } from './limits.ts';
import { LiveScope } from './scope.ts';
import { listed, pin } from './tools/offered.ts';
import type { AgentDefinition, Drive, End, Plan, Scope, Settlement, Tools } from './types.ts';

/** A frame to drive, with what differs between the root and a sub-agent. */
export interface FrameRun<T> {
  drive: Drive;
  frame: Frame;
  agent: AgentDefinition;
  /** Its own. Those of the frames above hold too. */
  limits: Limits;
  /** The scope whose call this frame answers; undefined for the root frame. */
  parent?: Scope;
  /** Starts the span of this frame, after the tools are listed. */
  trace(): AgentTrace | undefined;
  /** Opens the frame in the journal, if it is not open yet. */
  open?(trace: AgentTrace | undefined): Promise<void>;
  /** The entries that end this frame. */
  closing(end: End): Make;
  leaving?: Scope['leaving'];
  /** Handles an agent that cannot be driven: its tools cannot be listed, or its reliability options are invalid. Nothing has run yet. */
  refused(error: unknown): Promise<T>;
  /** Drives the frame with `attempt`, and appends the outcome. */
  work(scope: Scope): Promise<T>;
}

/** Drives a frame to its next end. @returns the result of `work` or `refused`. */
export async function runFrame<T>(o: FrameRun<T>): Promise<T> {
  const { drive, agent, limits, parent } = o;
  const above = parent?.grants ?? [];
  const grants = agent.grants ? [...above, agent.grants] : above;
  let plan: Plan;
  let tools: Tools;
  try {
    plan = drive.host.planOf(agent);
    const listing = listed(drive, agent, grants, (parent ?? drive).cancel);
    // a run that is halted while its sources open ends like any other, without their tools
    const own = listing instanceof Promise ? await listing.catch(ifHalted(granted(agent.tools, grants))) : listing;
    tools = withReading(plan, own, agent.name);
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
    // an engine that drove it before may have had no such policy, and so offered one tool fewer
    if (isLoop(agent) && !agent.compact && clears(plan)) o.frame.measured.fixed = false;
    stop = watched(scope);
    return await o.work(scope);
  } catch (error) {
    trace?.end({ error: { code: RondoError.is(error) ? error.code : 'INTERNAL' } });
    throw error;
  } finally {
    stop?.();
    linked?.unlink();
  }
}

/** Watches the time limits of a frame, if it has any. @returns a function that stops watching. */
function watched(scope: LiveScope): (() => void) | undefined {
  const { drive, frame, limits, parent } = scope;
  if (!isTimed(limits)) return undefined;
  const driven = drive.driven.get(frame.id) ?? 0;
  const since = performance.now();
  const before = parent ? frame.workMs : drive.log.run.workMs;
  const stop = watchTime(before + driven, limits, (limit) => scope.stop({ why: 'limit', limit }));
  return () => {
    stop?.();
    drive.driven.set(frame.id, driven + performance.now() - since);
  };
}

const ifHalted = (tools: Tools) => (error: unknown) => {
  if (error instanceof Halted) return tools;
  throw error;
};

/**
 * Drives an agent once. A typed failure of the user's code, such as instructions that throw, ends its frame and no other.
 * @returns how the frame ended; undefined if its parent or the run was halted.
 */
export async function attempt(scope: Scope): Promise<Settlement | undefined> {
  try {
    const settlement = await scope.agent.drive(scope);
    if (settlement?.status === 'stopped') return { ...settlement, limit: usedNow(settlement.limit, settlement.at) };
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
