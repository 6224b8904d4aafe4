import { type Failure, isResumable } from '../../errors.ts';
import { type Approval, view } from '../../hitl/approvals.ts';
import type { CallId, Crossed, RunStatus } from '../../journal/entries/entries.ts';
import { openApprovals, openWaits, type RunFold } from '../../journal/fold/fold.ts';
import { argumentsOf } from '../../journal/fold/frame.ts';
import { costUsd } from '../../journal/fold/spent.ts';
import { asksPeople } from '../../journal/head.ts';
import { copyJson, type Json } from '../../json.ts';
import type { Message, Usage } from '../../ports/model.ts';
import { type AgentState, treeOf } from './tree.ts';
import { type Waiting, waitingView } from './waiting.ts';

interface Ended {
  runId: string;
  session?: string;
  /** Model answers, over all claims of the run. */
  steps: number;
  /** Tokens of all model calls. Interrupted calls count at their upper bound. */
  usage: Usage;
  /** US dollars; undefined if a price or a usage is unknown. */
  costUsd: number | undefined;
}

/** What a paused run waits for: people (`approvals`), times (`waiting`), or both. At least one of the lists is not empty. */
type Pauses =
  | { approvals: readonly [Approval, ...Approval[]]; waiting: readonly Waiting[] }
  | { approvals: readonly []; waiting: readonly [Waiting, ...Waiting[]] };

/** `approvals`: the open ones, if there are any. They can be decided, and count once the run is resumed. */
interface Asking {
  approvals?: readonly [Approval, ...Approval[]];
}

/** How a run ended or paused. Plain JSON. */
export type RunResult<O = unknown> = Ended &
  (
    | { status: 'completed'; output: O }
    | ({ status: 'paused' } & Pauses)
    | ({ status: 'stopped'; limit: Crossed } & Asking)
    | ({ status: 'failed'; error: Failure } & Asking)
    | { status: 'cancelled'; reason?: string }
  );

/** A call whose outcome is unknown: it may have taken effect. */
export interface UnknownOutcome {
  callId: CallId;
  tool: string;
  /** The arguments that it got, or was to get. */
  input: Json;
  /** Epoch milliseconds. */
  since: number;
}

/** A run as its entries tell it. Plain JSON. */
export interface RunState {
  runId: string;
  /** Name of the top agent. */
  agent: string;
  status: RunStatus;
  /** As the application named it. */
  session?: string;
  /** The whole conversation. */
  messages: readonly Message[];
  /** What the model sees of it, where that is less: see docs/context.md. */
  seen?: readonly Message[];
  /** The state of a graph. */
  state?: Json;
  /** The agents of the run, from the top agent down. */
  tree: AgentState;
  /** The open ones, in the order in which their calls were asked for. */
  approvals: readonly Approval[];
  /** What waits for a time. */
  waiting: readonly Waiting[];
  /** Calls for an operator to settle, with `engine.settle()`. */
  unknowns: readonly UnknownOutcome[];
  /** Model answers of all agents, over all claims. */
  steps: number;
  /** Tokens of all model calls. Interrupted calls count at their upper bound. */
  usage: Usage;
  /** US dollars; undefined if a price or a usage is unknown. */
  costUsd: number | undefined;
  /** The result: how the run ended, or what it waits for. Undefined while it is queued or running. */
  result?: RunResult;
  /** Sequence number of the newest entry. */
  seq: number;
}

/** @param now the store's time, to tell which approvals have expired. @returns undefined while the run is queued or running. */
export function resultOf(run: RunFold, now?: number): RunResult | undefined {
  const { settled } = run;
  if (!settled) return undefined;
  const ended: Ended = { runId: run.runId, steps: run.steps, usage: { ...run.usage }, costUsd: costUsd(run) };
  if (run.started.session !== undefined) ended.session = run.started.session;
  switch (settled.status) {
    case 'completed':
      return { ...ended, status: 'completed', output: copyJson(settled.output ?? null) };
    case 'paused':
      return { ...ended, status: 'paused', approvals: approvalsOf(run, now) as [Approval, ...Approval[]], waiting: waitingOf(run) };
    case 'stopped':
      return { ...ended, status: 'stopped', limit: settled.limit ?? { name: 'steps', max: 0, used: 0 }, ...asking(run, now) };
    case 'failed':
      return { ...ended, status: 'failed', error: { ...(settled.error as Failure) }, ...asking(run, now) };
    case 'cancelled':
      return settled.reason === undefined ? { ...ended, status: 'cancelled' } : { ...ended, status: 'cancelled', reason: settled.reason };
  }
}

const asking = (run: RunFold, now: number | undefined): Asking =>
  asksPeople(run) ? { approvals: approvalsOf(run, now) as [Approval, ...Approval[]] } : {};

/** @param now the store's time, to tell which of them have expired. */
export const approvalsOf = (run: RunFold, now?: number): Approval[] => openApprovals(run).map((a) => view(run, a, now));

/** Events and times that the run waits for. */
const waitingOf = (run: RunFold): Waiting[] => openWaits(run).map(waitingView);

/** @param now as for `resultOf`. */
export function stateOf(run: RunFold, now?: number): RunState {
  return {
    runId: run.runId,
    agent: run.root.agent,
    status: run.status,
    ...(run.started.session !== undefined && { session: run.started.session }),
    // a copy, because the fold shares its messages with the journal
    messages: copyJson(run.root.messages),
    ...(run.root.seen && { seen: copyJson(run.root.seen.messages) }),
    ...(run.root.kind === 'graph' && { state: copyJson(run.root.state ?? null) }),
    tree: treeOf(run),
    approvals: approvalsOf(run, now),
    waiting: waitingOf(run),
    unknowns: [...run.unknowns.values()].map(({ call, since }) => ({
      callId: call.id,
      tool: call.name,
      input: copyJson(argumentsOf(call)),
      since,
    })),
    steps: run.steps,
    usage: { ...run.usage },
    costUsd: costUsd(run),
    result: resultOf(run, now),
    seq: run.next - 1,
  };
}

/** Whether a run may continue later. Until then its agent is kept. */
export const mayGoOn = (result: RunResult): boolean =>
  result.status === 'paused' || result.status === 'stopped' || (result.status === 'failed' && isResumable(result.error));
