import { invalid } from '../errors.ts';
import { checkOptions, renamed } from '../options.ts';
import type { AgentInput } from '../ports/model.ts';
import type { Tool, ToolSource } from '../ports/tool.ts';
import type { Schema, SchemaLike } from '../schema.ts';
import { AGENT, type AgentOptions, type Answered, agent, type ContextOfAll, type OnlyAgents } from './agent.ts';
import type { Agent } from './types.ts';

/** @deprecated Use {@link AgentOptions}, which has `agents`. */
export type SupervisorOptions<
  A extends readonly (Agent | Tool)[],
  T extends readonly (Tool | ToolSource | Agent)[],
  OS extends SchemaLike,
> = AgentOptions<T, OS, A> & { agents: A & OnlyAgents<A> };

/**
 * An agent whose tools are agents.
 * @deprecated Use `agent({ agents: [...] })`, which is the same.
 * @throws RondoError `CONFIG_INVALID` as `agent()`, and without agents.
 */
export function supervisor<
  const A extends readonly (Agent | Tool)[],
  const T extends readonly (Tool | ToolSource | Agent)[] = readonly [],
  const OS extends SchemaLike = Schema<string>,
>(o: SupervisorOptions<A, T, OS>): Agent<AgentInput, Answered<OS, T, A>, ContextOfAll<T> & ContextOfAll<A>> {
  renamed('supervisor({ agents })', 'agent({ agents })');
  checkOptions(o, AGENT, typeof o?.name === 'string' ? `supervisor "${o.name}"` : 'supervisor()');
  const { agents }: { agents: readonly unknown[] } = o;
  if (!Array.isArray(agents) || agents.length === 0) throw invalid(`supervisor "${o.name}" has no agents. Pass some: agents: [research].`);
  return agent<T, OS, A>(o);
}
