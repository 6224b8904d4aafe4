import type { AgentDefinition } from '../loop/types.ts';

/** The name of a tool with a key, in the tree of an agent. What its key names is done once over all runs of a journal. */
export function keyedTool(agent: AgentDefinition, seen = new Set<AgentDefinition>()): string | undefined {
  if (seen.has(agent)) return undefined;
  seen.add(agent);
  for (const { name, options } of agent.tools.values()) if (options.key) return name;
  for (const below of agent.agents) {
    const found = keyedTool(below, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}
