/** A sub-agent's part of a run: its frame is opened, driven, and closed with the call that it answers. */

import { type Failure, isResumable, ToolError } from '../errors.ts';
import type { Draft, Limits } from '../journal/entries.ts';
import type { Call, Frame } from '../journal/fold.ts';
import type { Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Message } from '../ports/model.ts';
import { failureOf } from '../reliability/classify.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import type { Blocked } from './call.ts';
import { granted } from './grants.ts';
import { held } from './held.ts';
import { limitText, watchTime } from './limits.ts';
import { LiveScope } from './scope.ts';
import type { AgentDefinition, End, Scope, Settlement, Tools } from './types.ts';

/** Or for the world to mend, where what is above it fails with it. */
export type Left = Blocked | { failed: Failure };

export interface Child {
  call: Call;
  agent: AgentDefinition;
  /** Besides the agent's own. */
  limits?: Limits;
  /** What it is given, asked once: then it is in the journal. */
  given(): { input: Json; history?: readonly Message[] };
  /** The entries with which its parent's call ends. */
  closing(end: End): Make;
  /** What is above fails with it, and may be resumed: then it goes on in the middle of this part, which stays open. */
  fatal?: true;
}

/**
 * Drives a sub-agent to its next end. Its failures, and limits of its own, end the call that it answers and nothing else.
 * @returns why it did not end; undefined where its end is in the journal, or the run was halted.
 */
export async function driveChild(scope: Scope, child: Child): Promise<Left | undefined> {
  const { call, agent } = child;
  if (!call.frame) {
    let opened: Draft;
    try {
      opened = { type: 'frame.opened', call: call.id, agent: agent.name, fingerprint: agent.fingerprint, ...child.given() };
    } catch (error) {
      return refuse(scope, child, failureOf(error, 'AGENT_FAILED'));
    }
    await scope.append(() => [{ ...opened }]);
  }
  const frame = call.frame as Frame;
  if (frame.fingerprint !== agent.fingerprint) frame.measured.fixed = false;
  let inner: { scope: Scope; done(): void };
  try {
    inner = await open(scope, frame, child);
  } catch (error) {
    return refuse(scope, child, failureOf(error, 'AGENT_FAILED'));
  }
  const trace = inner.scope.trace;
  let error: Failure | undefined;
  try {
    const settlement = await attempt(inner.scope);
    if (settlement && 'committed' in settlement) return undefined;
    if (!settlement && (scope.halt || !inner.scope.halt)) return undefined;
    if (settlement?.status === 'paused') return { waiting: true };
    if (settlement?.status === 'stopped' && settlement.at !== inner.scope) return { crossed: settlement.limit, at: settlement.at };
    error = failureOfPart(agent, settlement, inner.scope);
    const fatal = child.fatal && isResumable(error);
    // that its model was refused does not undo what its tools did: asked again, it would do that twice
    if (frame.acted && error.outcome === 'not-run') error = { ...error, outcome: 'unknown', retryable: fatal === true };
    if (fatal) return { failed: error };
    return await refuse(inner.scope, child, error);
  } finally {
    inner.done();
    trace.end(error ? { status: 'failed', error } : { status: frame.ended ? 'completed' : 'paused' }, { usage: frame.spent.usage });
  }
}

/** Ends the call with a failure. */
async function refuse(scope: Scope, { closing }: Child, error: Failure): Promise<undefined> {
  await held(scope, closing({ ok: false, error }));
  return undefined;
}

async function open(scope: Scope, frame: Frame, { agent, limits, closing }: Child): Promise<{ scope: Scope; done(): void }> {
  const own: Limits = { ...agent.limits, ...limits };
  const timed = own.time !== undefined || own.deadline !== undefined;
  const { cancel, unlink } = timed ? scope.linkedCancel() : { cancel: scope.cancel, unlink: undefined };
  const tools = await toolsOf(scope, agent);
  const trace = scope.trace.agent({ agent: agent.name, description: agent.description, path: frame.path });
  const inner = new LiveScope({ drive: scope.drive, frame, agent, limits: own, tools, trace, cancel, parent: scope, closing });
  const stop = watchTime(frame.workMs, own, (limit) => {
    inner.halt = { why: 'limit', limit };
    cancel.cancel();
  });
  const done = () => {
    stop?.();
    unlink?.();
  };
  return { scope: inner, done };
}

/** A run that is halted while its sources are opened ends like any other, without them. */
async function toolsOf(scope: Scope, agent: AgentDefinition): Promise<Tools> {
  const found = scope.host.toolsOf(agent, scope.drive.caller);
  const grants = agent.grants ? [...scope.grants, agent.grants] : scope.grants;
  try {
    return granted(found instanceof Promise ? await unlessHalted(found, scope.cancel) : found, grants);
  } catch (error) {
    if (error instanceof Halted) return granted(agent.tools, grants);
    throw error;
  }
}

/** Drives an agent; a typed failure of what the user declared (instructions that throw) ends its part, not what is above it. */
export async function attempt(scope: Scope): Promise<Settlement | undefined> {
  try {
    return await scope.agent.drive(scope);
  } catch (error) {
    if (error instanceof Halted) return undefined;
    if (!(error instanceof ToolError)) throw error;
    const { code, message, retryable, outcome } = error;
    return { status: 'failed', error: { code, message, retryable, attempts: 1, outcome } };
  }
}

function failureOfPart(agent: AgentDefinition, settlement: Exclude<Settlement, { committed: true }> | undefined, inner: Scope): Failure {
  if (settlement?.status === 'failed') return settlement.error;
  const limit = settlement?.status === 'stopped' ? settlement.limit : inner.halt?.why === 'limit' ? inner.halt.limit : undefined;
  return {
    code: 'LIMIT_REACHED',
    message: `Agent ${agent.name} stopped at its own limit${limit ? `: ${limitText(limit)}` : ''}. Ask for less, or go on without it.`,
    retryable: false,
    attempts: 1,
    outcome: 'failed',
  };
}
