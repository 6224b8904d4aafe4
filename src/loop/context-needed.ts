/** The context that the tools of an agent need, where its runs are started for others. */
import { invalid } from '../errors.ts';
import { contextOf } from '../hitl/gate.ts';
import { agentDefinition } from './definition.ts';
import type { Agent, AgentDefinition } from './types.ts';

/**
 * Refuses an agent whose calls would all end with `CONTEXT_INVALID`, because nothing gives its tools the context that they need.
 * @param context what makes the context of a run, or what it is. @param example how to give one.
 * @throws RondoError `CONFIG_INVALID`, also for what is not an agent.
 */
export function assertContext(agent: Agent, context: unknown, where: string, example = 'context: (by) => ({ ... })'): void {
  const definition = agentDefinition(agent);
  const lacking = context === undefined ? lackingIn(definition, new Set()) : undefined;
  if (lacking)
    throw invalid(
      `${where}: the tool "${lacking.tool}" of agent "${lacking.agent}" needs a context, and its runs would have none: ${lacking.problem}. Write ${example}.`,
    );
}

/** The first tool of an agent or of those below that does not do without a context. Tools of sources are known only once a run has opened them. */
function lackingIn(agent: AgentDefinition, seen: Set<AgentDefinition>): { agent: string; tool: string; problem: string } | undefined {
  seen.add(agent);
  for (const tool of agent.tools.values()) {
    const checked = contextOf(tool, undefined);
    if (!checked.ok) return { agent: agent.name, tool: tool.name, problem: checked.problem };
  }
  for (const below of agent.agents) {
    const lacking = seen.has(below) ? undefined : lackingIn(below, seen);
    if (lacking) return lacking;
  }
  return undefined;
}
