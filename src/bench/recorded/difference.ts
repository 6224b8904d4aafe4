/** What a run from a recording did otherwise than the recorded one. */
import type { GradedRun } from '../../engine/evaluate/check.ts';
import { canonical } from '../../journal/canonical.ts';
import { READ_RESULT } from '../../journal/fold/compacted.ts';
import type { Json } from '../../json.ts';
import { FIND_TOOLS } from '../../loop/tools/finding.ts';
import type { AgentDefinition } from '../../loop/types.ts';
import type { Usage } from '../../ports/model.ts';
import { callKey } from './calls.ts';
import type { Recorded } from './recorded.ts';

/** A call that only one of the two runs made. */
export interface OtherCall {
  tool: string;
  input: Json;
  /** It changes the world: its tool is not declared as `read`. */
  effect: boolean;
}

export interface RunDifference {
  /** The recorded run. */
  runId: string;
  /** Calls that were not in the recording, and were answered as not executed. */
  missing: number;
  added: readonly OtherCall[];
  removed: readonly OtherCall[];
  sameOutput: boolean;
  /** Of the recorded run. */
  was: { steps: number; usage: Usage; costUsd: number | null; ms: number };
}

export function differenceOf(recorded: Recorded, run: GradedRun | undefined, missing: number, agent: AgentDefinition): RunDifference {
  const reads = readsOf(agent).add(READ_RESULT).add(FIND_TOOLS);
  const other = ({ tool, input }: { tool: string; input: Json }): OtherCall => ({ tool, input, effect: !reads.has(tool) });
  const left = new Map<string, number>();
  for (const { tool, input } of recorded.calls) count(left, callKey(tool, input), 1);
  const added = (run?.calls ?? []).filter(({ tool, input }) => !taken(left, callKey(tool, input))).map(other);
  const removed = recorded.calls.filter(({ tool, input }) => taken(left, callKey(tool, input))).map(other);
  const { runId, steps, usage, costUsd, ms, output } = recorded;
  const sameOutput = canonical(run?.output ?? null) === canonical(output ?? null);
  return { runId, missing, added, removed, sameOutput, was: { steps, usage, costUsd, ms } };
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}

/** Takes one of these, if any is left. */
function taken(counts: Map<string, number>, key: string): boolean {
  if ((counts.get(key) ?? 0) === 0) return false;
  count(counts, key, -1);
  return true;
}

/** The names of the tools that are declared as `read` and nothing else, in the tree of an agent. */
function readsOf(agent: AgentDefinition, reads = new Set<string>(), seen = new Set<AgentDefinition>()): Set<string> {
  if (seen.has(agent)) return reads;
  seen.add(agent);
  for (const { name, effect } of agent.tools.values()) if (effect === 'read') reads.add(name);
  for (const below of agent.agents) readsOf(below, reads, seen);
  return reads;
}
