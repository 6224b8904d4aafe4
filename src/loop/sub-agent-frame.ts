/** A sub-agent's part of a run: its frame is opened, driven, and closed with the call that it answers. */

import { type Failure, isResumable } from '../errors.ts';
import type { Draft, Limits } from '../journal/entries/entries.ts';
import { limitsWith } from '../journal/entries/limits.ts';
import type { Call, Frame } from '../journal/fold/fold.ts';
import type { Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Message } from '../ports/model.ts';
import { failureOf } from '../reliability/classify.ts';
import { appendWithRetry } from './append-with-retry.ts';
import type { Blocked } from './call/call.ts';
import { attempt, runFrame } from './frame-run.ts';
import { limitText } from './limits.ts';
import type { AgentDefinition, End, Scope, Settlement } from './types.ts';

/** Or for the world to mend, where what is above it fails with it. */
export type Left = Blocked | { failed: Failure };

/** A sub-agent to drive for a call of its parent. */
export interface Child {
  /** The call that it answers. Its frame is opened unless it has one. */
  call: Call;
  agent: AgentDefinition;
  /** Besides the agent's own. */
  limits?: Limits;
  /** What it is given, asked once: then it is in the journal. */
  given(): { input: Json; history?: readonly Message[] };
  /** The entries with which its parent's call ends. */
  closing(end: End): Make;
  /** Asked before that: what the end becomes. */
  leaving?: Scope['leaving'];
  /** What is above fails with it, and may be resumed: then it goes on in the middle of this part, which stays open. */
  fatal?: true;
}

/**
 * Drives a sub-agent to its next end. Its failures, and limits of its own, end the call that it answers and nothing else.
 * @returns why it did not end; undefined where its end is in the journal, or the run was halted.
 */
export async function driveChild(scope: Scope, child: Child): Promise<Left | undefined> {
  const { call, agent, closing, leaving } = child;
  if (!call.frame) {
    let opened: Draft;
    try {
      opened = { type: 'frame.opened', call: call.id, agent: agent.name, fingerprint: agent.fingerprint, ...child.given() };
    } catch (error) {
      await fail(scope, child, failureOf(error, 'AGENT_FAILED'));
      return undefined;
    }
    await scope.append(() => [{ ...opened }]);
  }
  const frame = call.frame as Frame;
  if (frame.fingerprint !== agent.fingerprint) frame.measured.fixed = false;
  return runFrame<Left | undefined>({
    drive: scope.drive,
    frame,
    agent,
    limits: limitsWith(agent.limits, child.limits),
    parent: scope,
    closing,
    leaving,
    trace: () => scope.trace?.agent({ agent: agent.name, description: agent.description, path: frame.path }),
    refused: (error) => failed(scope, child, failureOf(error, 'AGENT_FAILED')),
    work: (inner) => work(inner, child),
  });
}

/** Ends the call with a failure, as it is let out. */
async function fail(at: Scope, { closing, leaving }: Child, error: Failure): Promise<void> {
  const end: End = { ok: false, error };
  await appendWithRetry(at, closing(leaving ? await leaving(end) : end));
}

async function work(inner: Scope, child: Child): Promise<Left | undefined> {
  const { frame, trace } = inner;
  const settlement = await attempt(inner);
  const error = settlement && errorOf(inner, settlement);
  const left = error && (await failed(inner, child, error));
  trace?.end(error ? { status: 'failed', error } : { status: frame.ended ? 'completed' : 'paused' }, { usage: frame.spent.usage });
  if (settlement?.status === 'paused') return { waiting: true };
  return settlement?.status === 'stopped' && !error ? { crossed: settlement.limit, at: settlement.at } : left;
}

/** The failure of the frame; undefined if it has not failed. */
function errorOf(inner: Scope, settlement: Settlement): Failure | undefined {
  if (settlement.status === 'failed') return settlement.error;
  if (settlement.status !== 'stopped' || settlement.at !== inner) return undefined;
  return {
    code: 'LIMIT_REACHED',
    message: `Agent ${inner.agent.name} stopped at its own limit: ${limitText(settlement.limit)}. Ask for less, or go on without it.`,
    retryable: false,
    attempts: 1,
    outcome: 'failed',
  };
}

/** Ends the call with a failure; for a fatal one, leaves the frame open and returns the failure. */
async function failed(at: Scope, child: Child, error: Failure): Promise<Left | undefined> {
  const { call } = child;
  const fatal = child.fatal && isResumable(error);
  // it may have acted before, and a repeated call would repeat that; what is above goes on in the middle where the failure is fatal
  const acted = call.frame?.acted && (error.outcome === 'not-run' || (error.retryable && !fatal));
  const told: Failure = acted ? { ...error, outcome: 'unknown', retryable: fatal === true } : error;
  if (fatal) return { failed: told };
  await fail(at, child, told);
  return undefined;
}
