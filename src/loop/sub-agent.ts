/** Agents as tools of another agent: `delegate()` and `handoff()`. */
import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import { jsonSchema } from '../json-schema.ts';
import { checkOptions } from '../options.ts';
import type { Message } from '../ports/model.ts';
import { agentDefinition, checkLimits } from './definition.ts';
import { delegateTool, TOOL_NAME } from './tools/tool.ts';
import type { Agent, AgentDefinition, ToolDefinition } from './types.ts';

/** Options of an agent as a tool of another agent. */
export interface DelegateOptions {
  /** The tool's name. Default: the agent's name. */
  name?: string;
  /** The tool's description. Default: the agent's description. */
  description?: string;
  /**
   * What it sees besides its task: nothing (`task`, the default), the conversation so far with calls described as text (`history`), or
   * the messages that a function picks from it.
   */
  share?: 'task' | 'history' | ((messages: readonly Message[]) => readonly Message[]);
  /** They override the agent's own. If it reaches one, the calling agent gets an error and continues. */
  limits?: Limits;
}

const DELEGATE = {
  name: "name: 'research'",
  description: "description: 'Finds sources'",
  share: "share: 'history'",
  limits: 'limits: { steps: 10 }',
} satisfies Record<keyof DelegateOptions, string>;

/**
 * An agent as a tool of another agent: it gets a task and returns its answer. An agent in a list of agents is treated the same way, with
 * default options.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function delegate<A extends Agent>(a: A, o: DelegateOptions = {}): A {
  checkOptions(o, DELEGATE, `delegate("${a?.name}")`, { name: 'text', description: 'text' });
  checkLimits(o.limits, `delegate("${a?.name}")`);
  if (o.share !== undefined && o.share !== 'task' && o.share !== 'history' && typeof o.share !== 'function')
    throw invalid(`delegate("${a?.name}"): share is 'task', 'history' or a function, not ${JSON.stringify(o.share)}.`);
  return asAgent<A>(delegated(agentDefinition(a), o));
}

declare const handsOver: unique symbol;
/** An agent that another one may hand its conversation over to. The answer of that one may be what this agent answers. */
export type Handoff<A extends Agent = Agent> = A & { readonly [handsOver]: true };

/** What the agents of a list answer that a conversation may be handed over to; `never` without such agents. */
export type HandedOutput<L extends readonly unknown[]> = L[number] extends infer X
  ? X extends Handoff<Agent<infer _, infer O>>
    ? O
    : never
  : never;

/**
 * An agent that takes over the conversation of another agent: it sees all of it, and its answer ends the run of that agent too.
 * @param o.when tells the model when to hand over.
 * @throws RondoError `CONFIG_INVALID`, also for an agent without a conversation, such as a graph.
 */
export function handoff<A extends Agent>(a: A, o: { when?: string } = {}): Handoff<A> {
  const agent = agentDefinition(a);
  const { name, description } = agent;
  checkOptions(o, { when: "when: 'the customer asks for a refund'" }, `handoff("${name}")`, { when: 'text' });
  if (agent.input) throw invalid(`handoff("${name}"): this agent takes no conversation, so it cannot be handed one. Delegate to it.`);
  return asAgent<Handoff<A>>(
    delegateTool(
      {
        name: toolName(`handoff_to_${name}`),
        description: `Hand the conversation over to ${name}${description ? `, ${description}` : ''}.${o.when ? ` When: ${o.when}` : ''} It answers in your place.`,
        input: REASON,
      },
      { agent, share: 'history', limits: {}, handoff: true },
    ),
  );
}

/** The tool for an agent. @throws RondoError `CONFIG_INVALID` for a name that models do not accept. */
export function delegated(agent: AgentDefinition, o: DelegateOptions = {}): ToolDefinition {
  const description = o.description ?? agent.description;
  return delegateTool(
    {
      name: toolName(o.name ?? agent.name),
      description: description || `Agent ${agent.name}. Give it a task; its answer comes back.`,
      input: agent.input?.schema ?? TASK,
    },
    { agent, share: o.share ?? 'task', limits: o.limits ?? {}, handoff: false },
  );
}

/** Keeps the type of the agent, with the context that it needs. `agentDefinition` finds the agent in the tool again. */
const asAgent = <A extends Agent>(tool: ToolDefinition) => tool as unknown as A;

function toolName(name: string): string {
  if (TOOL_NAME.test(name)) return name;
  throw invalid(
    `"${name}" is not a name that models take: 1 to 64 letters, digits, "_" and "-". Give the agent one: delegate(agent, { name }).`,
  );
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
