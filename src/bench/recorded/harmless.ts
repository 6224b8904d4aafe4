import { invalid } from '../../errors.ts';
import { isGraph } from '../../graph/definition.ts';
import { agentDefinition } from '../../loop/definition.ts';
import type { Agent, AgentDefinition } from '../../loop/types.ts';
import { keyedTool } from '../keyed.ts';

/**
 * Checks that all an agent can do goes through its tools, which are answered from the recording.
 * @param durable real runs may read what is noted in the journal.
 * @returns its definition. @throws RondoError `CONFIG_INVALID` for an agent that may do something else.
 */
export function harmless(agent: Agent, durable: boolean): AgentDefinition {
  const definition = agentDefinition(agent);
  check(definition, new Set());
  const keyed = durable ? keyedTool(definition) : undefined;
  if (keyed !== undefined)
    throw invalid(
      `agent "${definition.name}" cannot be run from a recording in a durable journal: its tool "${keyed}" has a key, which would be noted there as done, ` +
        'though nothing is executed. Give the engine of the benchmark no journal: it has one in memory.',
    );
  return definition;
}

function check(agent: AgentDefinition, seen: Set<AgentDefinition>): void {
  if (seen.has(agent)) return;
  seen.add(agent);
  const refuse = (why: string) => invalid(`agent "${agent.name}" cannot be run from a recording: ${why}`);
  if (agent.kind === 'foreign') throw refuse('its turns run the code of another framework. Leave it out, or put a stand-in in its place.');
  if (agent.memory) throw refuse('its memory would be written to. Write memory: false.');
  if (isGraph(agent))
    for (const [name, node] of agent.nodes)
      if (node.kind === 'function')
        throw refuse(`its node "${name}" is a function, and what that does is not known. Measure the agents of the graph.`);
  for (const below of agent.agents) check(below, seen);
}
