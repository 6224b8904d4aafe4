/** The agents of a run as a tree, with the usage of each including all agents below it. */
import type { CallId, RunStatus } from '../../journal/entries/entries.ts';
import type { Call, Frame, RunFold } from '../../journal/fold/fold.ts';
import { callsOf } from '../../journal/fold/frame.ts';
import { costUsd } from '../../journal/fold/spent.ts';
import type { Usage } from '../../ports/model.ts';

/** A node of a graph. Nodes that were never reached are left out. */
export interface NodeState {
  name: string;
  /** `waiting`: for a person or a time. */
  status: 'active' | 'waiting' | 'completed' | 'failed';
  /** How often it succeeded, and the milliseconds of all of these. */
  runs: number;
  ms: number;
}

/** The frame of one agent. Times are epoch milliseconds; usage, cost and steps include all agents below it. */
export interface AgentState {
  agent: string;
  /** The agents from the run's top agent down to this one. */
  path: readonly string[];
  /** The call that it answers. Absent for the top agent. */
  callId?: CallId;
  /** That of the run for a sub-agent that has not ended when the run has. */
  status: RunStatus;
  /** Error code, if it failed. */
  error?: string;
  startedAt: number;
  /** Absent where it has not ended: a run that paused or stopped has none. */
  endedAt?: number;
  /** Model answers. */
  steps: number;
  toolCalls: number;
  usage: Usage;
  /** US dollars; undefined if a price or a usage is unknown. */
  costUsd: number | undefined;
  /** The nodes of a graph. */
  nodes?: readonly NodeState[];
  /** Sub-agents in the order in which they began, those that ended included. */
  agents: readonly AgentState[];
}

export function treeOf(run: RunFold): AgentState {
  const { started, settled } = run;
  const top = stateOf(run, run.root, run.status);
  const ended = settled && settled.status !== 'paused' && settled.status !== 'stopped' ? settled : undefined;
  return {
    ...top,
    startedAt: started.at,
    ...(ended && { endedAt: ended.at }),
    ...(settled?.error && { error: settled.error.code }),
  };
}

function stateOf(run: RunFold, frame: Frame, status: RunStatus): AgentState {
  const { ended, spent } = frame;
  return {
    agent: frame.agent,
    path: frame.path,
    ...(frame.id !== '' && { callId: frame.id }),
    status,
    ...(ended?.code !== undefined && { error: ended.code }),
    startedAt: frame.startedAt,
    ...(ended && { endedAt: ended.at }),
    steps: spent.steps,
    toolCalls: spent.toolCalls,
    usage: { ...spent.usage },
    costUsd: costUsd(spent),
    ...(frame.kind === 'graph' && { nodes: nodesOf(run, frame) }),
    agents: frame.children.map((child) => stateOf(run, child, statusOf(run, child))),
  };
}

function statusOf(run: RunFold, frame: Frame): RunStatus {
  const { ended } = frame;
  if (ended) return ended.ok ? 'completed' : 'failed';
  if (run.status !== 'running' && run.status !== 'paused') return run.status;
  return asks(frame) ? 'paused' : 'running';
}

/** Whether the frame, or one below it, waits for a person or a time. */
const asks = (frame: Frame): boolean => [...callsOf(frame)].some(waits);

const waits = (call: Call): boolean =>
  (call.status === 'open' && (call.wait !== undefined || (call.approval !== undefined && !call.approval.decided))) ||
  (call.frame !== undefined && !call.frame.ended && asks(call.frame));

function nodesOf(run: RunFold, { tasks, visits }: Frame): NodeState[] {
  const nodes = new Map<string, NodeState>();
  for (const [name, { runs, ms }] of visits ?? []) nodes.set(name, { name, status: 'completed', runs, ms });
  for (const task of tasks?.values() ?? []) {
    const before = nodes.get(task.name);
    // if the run failed, a node whose sub-agent is unfinished failed too; a resume continues the sub-agent
    const failed = task.status === 'finished' || (run.status === 'failed' && task.frame !== undefined);
    const status = waits(task) ? 'waiting' : failed ? 'failed' : 'active';
    // of several tasks of a node, the status with the highest rank is shown
    if (before && RANK.indexOf(before.status) > RANK.indexOf(status)) continue;
    nodes.set(task.name, { name: task.name, runs: before?.runs ?? 0, ms: before?.ms ?? 0, status });
  }
  // an ended graph has no tasks, only visits
  for (const [name, { failed }] of visits ?? []) {
    const node = nodes.get(name) as NodeState;
    if (failed && node.status === 'completed') nodes.set(name, { ...node, status: 'failed' });
  }
  return [...nodes.values()];
}

const RANK: readonly NodeState['status'][] = ['completed', 'active', 'waiting', 'failed'];
