import type { Limits } from '../../journal/entries/entries.ts';
import { isLoop } from '../../loop/definition.ts';
import { modelKey } from '../../loop/model/estimate.ts';
import type { AgentDefinition, ToolDefinition } from '../../loop/types.ts';
import type { Effect } from '../../ports/tool.ts';

/** A declared tool as plain JSON. */
export interface ToolInfo {
  name: string;
  description: string;
  effect: Effect;
  /** Whether a rule may ask a person before the tool runs. The engine's policy may ask for other tools too. */
  approval: boolean;
  /** The sub-agent that answers the tool's calls. */
  agent?: string;
}

/** A registered agent as plain JSON. */
export interface AgentInfo {
  name: string;
  description?: string;
  kind: 'loop' | 'graph' | 'foreign';
  /** `provider/id`. Absent for a graph or a foreign agent. */
  model?: string;
  /** The declared tools. Those of a source are known only once a run has opened it. */
  tools: readonly ToolInfo[];
  /** Names of the tool sources. */
  sources: readonly string[];
  /** The agents that it may call. */
  agents: readonly AgentInfo[];
  /** As the agent declares them: those of the engine and of a run are not among them. */
  limits: Limits;
}

export const describedAgent = (agent: AgentDefinition): AgentInfo => ({
  name: agent.name,
  ...(agent.description !== undefined && { description: agent.description }),
  kind: agent.kind,
  ...(isLoop(agent) && { model: modelKey(agent.model) }),
  tools: [...agent.tools.values()].map(describedTool),
  sources: agent.sources.map(({ name }) => name),
  agents: agent.agents.map(describedAgent),
  limits: { ...agent.limits },
});

const describedTool = ({ name, description, effect, options, delegate, ask }: ToolDefinition): ToolInfo => ({
  name,
  description,
  effect,
  approval: ask !== undefined || (options.approval !== undefined && options.approval !== false),
  ...(delegate && { agent: delegate.agent.name }),
});
