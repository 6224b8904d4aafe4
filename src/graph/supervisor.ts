import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import { jsonSchema } from '../json-schema.ts';
import { type AgentOptions, agent, type ContextOfAll } from '../loop/agent.ts';
import { agentDefinition, checkLimits, isAgent } from '../loop/definition.ts';
import { delegateTool, TOOL_NAME } from '../loop/tool.ts';
import type { Agent, Delegate, ToolDefinition } from '../loop/types.ts';
import type { Message, Prompt } from '../ports/model.ts';
import type { Tool, ToolSource } from '../ports/tool.ts';
import type { Out, Schema } from '../schema.ts';

/** How an agent takes part in a supervisor's work. */
export interface DelegateOptions {
  /** What the supervisor's model calls it. Default: the agent's name. */
  name?: string;
  /** What the supervisor's model is told of it. Default: the agent's description. */
  description?: string;
  /**
   * What it sees besides its task: nothing (`task`, the default), the conversation so far, its calls told in words (`history`), or
   * what a function picks of it.
   */
  share?: 'task' | 'history' | ((messages: readonly Message[]) => readonly Message[]);
  /** Before the agent's own. Where it reaches one, the supervisor is told so and goes on. */
  limits?: Limits;
}

type Part = DelegateOptions & { agent: Agent; handoff: boolean; when?: string };

/** How agents take part; kept aside, so that a part is used like the agent that it is. */
const PARTS = new WeakMap<object, Part>();

/** An agent as a supervisor's tool: it is given a task, and its answer comes back. @throws RondoError `CONFIG_INVALID`. */
export function delegate<A extends Agent>(a: A, o: DelegateOptions = {}): A {
  checkLimits(o.limits, `delegate("${a?.name}")`);
  if (o.share !== undefined && o.share !== 'task' && o.share !== 'history' && typeof o.share !== 'function')
    throw invalid(`delegate("${a?.name}"): share is 'task', 'history' or a function, not ${JSON.stringify(o.share)}.`);
  return part(a, { ...o, agent: a, handoff: false });
}

/**
 * An agent that a supervisor may hand the conversation over to: it sees all of it, and its answer is the supervisor's.
 * @param o.when tells the model when to.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function handoff<A extends Agent>(a: A, o: { when?: string } = {}): A {
  return part(a, { ...o, agent: a, handoff: true });
}

function part<A extends Agent>(a: A, o: Part): A {
  const made = { ...agentDefinition(a) } as unknown as A;
  PARTS.set(made, o);
  return made;
}

export type SupervisorOptions<A extends readonly Agent[], T extends readonly (Tool | ToolSource)[], OS extends Schema> = AgentOptions<
  T,
  OS
> & { agents: A };

/**
 * An agent whose tools are agents. Several that are asked for in one step work side by side.
 * @throws RondoError `CONFIG_INVALID` as `agent()`, and where a sub-agent is none, has a name that no model takes, or one that is taken.
 */
export function supervisor<
  const A extends readonly Agent[],
  const T extends readonly (Tool | ToolSource)[] = readonly [],
  OS extends Schema = Schema<string>,
>(o: SupervisorOptions<A, T, OS>): Agent<Prompt, Out<OS>, ContextOfAll<T> & ContextOfAll<A>> {
  const { agents, ...own } = o;
  if (!Array.isArray(agents) || agents.length === 0) throw invalid(`supervisor "${o.name}" has no agents. Pass some: agents: [research].`);
  const parts = agents.map((a) => toolOf(a, o.name));
  const names = new Set((o.tools ?? []).map((t) => t?.name));
  for (const { name } of parts) {
    if (names.has(name))
      throw invalid(`supervisor "${o.name}" has two tools or agents named "${name}". Rename one: delegate(agent, { name }).`);
    names.add(name);
  }
  const made = agent({ ...own, tools: [...(o.tools ?? []), ...parts] } as unknown as AgentOptions<T, OS>);
  return made as unknown as Agent<Prompt, Out<OS>, ContextOfAll<T> & ContextOfAll<A>>;
}

const TASK = jsonSchema({
  type: 'object',
  properties: { task: { type: 'string', description: 'What to do, with all that is needed to do it: nothing else is known there.' } },
  required: ['task'],
  additionalProperties: false,
});

const REASON = jsonSchema({
  type: 'object',
  properties: { reason: { type: 'string', description: 'Why, in a sentence.' } },
  additionalProperties: false,
});

function toolOf(value: Agent, supervisorName: string): ToolDefinition {
  if (!isAgent(value)) throw invalid(`supervisor "${supervisorName}": each of its agents must come from agent(), graph() or the like.`);
  const o: Part = PARTS.get(value) ?? { agent: value, handoff: false };
  const definition = agentDefinition(o.agent);
  if (o.handoff && definition.input)
    throw invalid(
      `supervisor "${supervisorName}": "${definition.name}" takes no conversation, so it cannot be handed one. Delegate to it.`,
    );
  const name = o.name ?? (o.handoff ? `handoff_to_${definition.name}` : definition.name);
  if (!TOOL_NAME.test(name))
    throw invalid(
      `supervisor "${supervisorName}": "${name}" is no name that models take: 1 to 64 letters, digits, "_" and "-". Give one: delegate(agent, { name }).`,
    );
  const said = o.description ?? definition.description ?? '';
  const description = o.handoff
    ? `Hand the conversation over to ${definition.name}${said && `, ${said}`}.${o.when ? ` When: ${o.when}` : ''} It answers in your place.`
    : said || `Agent ${definition.name}. Give it a task; its answer comes back.`;
  const shape: Delegate = {
    agent: definition,
    share: o.handoff ? 'history' : (o.share ?? 'task'),
    limits: o.limits ?? {},
    handoff: o.handoff,
  };
  return delegateTool({ name, description, input: o.handoff ? REASON : (definition.input?.schema ?? TASK) }, shape);
}
