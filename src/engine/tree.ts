/** The agents of a run as a tree: who did what below whom, and what each used, with all below it. */
import type { CallId, RunStatus } from '../journal/entries.ts';
import type { Call, Frame, RunFold } from '../journal/fold.ts';
import { callsOf } from '../journal/frame.ts';
import { costUsd } from '../journal/spent.ts';
import type { Usage } from '../ports/model.ts';

/** A node of a graph. One that was never reached is left out. */
export interface NodeState {
  name: string;
  /** `waiting`: for a person. */
  status: 'active' | 'waiting' | 'completed' | 'failed';
  /** How often it ended, and in how many ms in all. */
  runs: number;
  ms: number;
}

/** One agent's part of a run. Times are epoch milliseconds; usage, cost and steps include what is below it. */
export interface AgentState {
  agent: string;
  /** From the top run down to this one. */
  path: readonly string[];
  /** The call it answers; left out for the top. */
  callId?: CallId;
  status: RunStatus;
  /** Code of what it failed with. */
  error?: string;
  startedAt: number;
  endedAt?: number;
  /** Answers of models. */
  steps: number;
  toolCalls: number;
  usage: Usage;
  /** US dollars; undefined where a price or a usage is unknown. */
  costUsd: number | undefined;
  /** Of a graph. */
  nodes?: readonly NodeState[];
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

/** Whether it, or what is below it, waits for a person. */
const asks = (frame: Frame): boolean => [...callsOf(frame)].some(waits);

const waits = (call: Call): boolean =>
  (call.status === 'open' && call.approval !== undefined && !call.approval.decided) ||
  (call.frame !== undefined && !call.frame.ended && asks(call.frame));

function nodesOf(run: RunFold, { tasks, visits }: Frame): NodeState[] {
  const nodes = new Map<string, NodeState>();
  for (const [name, { runs, ms }] of visits ?? []) nodes.set(name, { name, status: 'completed', runs, ms });
  for (const task of tasks?.values() ?? []) {
    const before = nodes.get(task.name);
    // one whose agent failed with the run goes on from there, should the run be resumed
    const failed = task.status === 'finished' || (run.status === 'failed' && task.frame !== undefined);
    const status = waits(task) ? 'waiting' : failed ? 'failed' : 'active';
    // of several at once, the one that somebody should look at
    if (before && RANK.indexOf(before.status) > RANK.indexOf(status)) continue;
    nodes.set(task.name, { name: task.name, runs: before?.runs ?? 0, ms: before?.ms ?? 0, status });
  }
  // where a graph has ended its tasks are gone
  for (const [name, { failed }] of visits ?? []) {
    const node = nodes.get(name) as NodeState;
    if (failed && node.status === 'completed') nodes.set(name, { ...node, status: 'failed' });
  }
  return [...nodes.values()];
}

const RANK: readonly NodeState['status'][] = ['completed', 'active', 'waiting', 'failed'];
