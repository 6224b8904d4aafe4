import { invalid, type Mistake } from '../errors.ts';
import { sha256 } from '../journal/canonical.ts';
import type { Limits } from '../journal/entries/entries.ts';
import { declaredSchema } from '../json-schema.ts';
import { checkOptions } from '../options.ts';
import { checkModel } from '../ports/check-model.ts';
import type { Compaction } from '../ports/compaction.ts';
import type { Memory } from '../ports/memory.ts';
import type { AgentInput, Message, Model, ToolChoice } from '../ports/model.ts';
import type { ContextOfTool, Tool, ToolSource } from '../ports/tool.ts';
import type { Out, Schema, SchemaLike } from '../schema.ts';
import { checkCompaction } from './context/policies.ts';
import { readResult } from './context/read-result.ts';
import { checkGrants, checkLimits, checkName, isAgent, made } from './definition.ts';
import { loop } from './loop.ts';
import type { Middleware } from './middleware.ts';
import { checkToolChoice } from './model/tool-choice.ts';
import { checkLayers, checkPorts, checkUse } from './ports.ts';
import { delegated, type HandedOutput } from './sub-agent.ts';
import { isTool } from './tools/tool.ts';
import type { Agent, Grants, LoopDefinition, LoopScope, Reliability, ToolDefinition } from './types.ts';

// biome-ignore lint/suspicious/noExplicitAny: matches an agent of any type
type ContextOf<T> = T extends Agent<any, any, infer C> ? C : ContextOfTool<T>;
// biome-ignore lint/complexity/noBannedTypes: `{}` is the context of a tool that needs none
type Nothing = {};
// contravariant inference intersects the contexts of all tools; a tool of type `any` or unknown needs no context
type Wants<T> = unknown extends ContextOf<T> ? Nothing : ContextOf<T>;
/** The context that all of these tools and agents need together: an intersection. `{}` where none needs any. */
export type ContextOfAll<T extends readonly unknown[]> = { [K in keyof T]: (c: Wants<T[K]>) => void }[number] extends (c: infer C) => void
  ? C
  : Nothing;

/** What an agent answers: what its schema makes, or else a text, or what an agent answers that took the conversation over. */
export type Answered<OS extends SchemaLike, T extends readonly unknown[], A extends readonly unknown[]> =
  Schema<string> extends OS ? Out<OS> | HandedOutput<T> | HandedOutput<A> : Out<OS>;

/** Rejects a tool in a list of agents, with a type error that says where it belongs. */
export type OnlyAgents<A extends readonly unknown[]> = {
  readonly [K in keyof A]: A[K] extends Agent
    ? A[K]
    : Mistake<'This is not an agent. A tool belongs in tools: tools: [refund], agents: [research]'>;
};

/** The declaration of an agent that is a loop around one model. `T`: its tools, `OS`: the schema of its answer, `A`: its agents. */
export interface AgentOptions<
  T extends readonly (Tool | ToolSource | Agent)[],
  OS extends SchemaLike,
  A extends readonly (Agent | Tool)[] = readonly [],
> {
  /**
   * 1 to 64 letters, digits, `_` and `-`. It names the agent in journals, policies, events and spans, and the tool by which another agent
   * calls it. An engine registers one agent of a name.
   */
  name: string;
  /** What the model of another agent is told of it, unless `delegate()` says something else. */
  description?: string;
  /** Asked once for each step. `fallback()` makes a model of several. */
  model: Model;
  /** Tools, tool sources such as MCP servers, and agents, which are treated as in `agents`. */
  tools?: T;
  /**
   * Agents that the model can call as tools. Wrap them in `delegate()` or `handoff()` for options. Several that are called in one step run
   * in parallel.
   */
  agents?: A & OnlyAgents<A>;
  /** The schema of the final answer. Without it, the answer is text. */
  output?: OS;
  /**
   * Whether the model calls a tool: `auto` (the default), `none`, `required`, or `{ tool: 'refund' }`. The last two apply to the first step
   * only; after it the model may answer. Models without this feature ignore it.
   */
  toolChoice?: ToolChoice;
  /**
   * For a run of this agent, or for its part of the run of another agent. Each limit of a run overrides that of its agent, which overrides
   * that of the engine.
   */
  limits?: Limits;
  /** Long-term memory. Default: the engine's; for a sub-agent none. `false`: none. */
  memory?: Memory | false;
  /** Wrappers around its steps and its calls of models and tools, inside those of the engine. Its sub-agents do not have them. */
  use?: readonly Middleware[];
  /** Defaults for this agent's tools, and for its model's calls. */
  reliability?: { tools?: Reliability; model?: Reliability };
  /** Most calls of one step that run at the same time. Default 8. */
  parallel?: number;
  /** The most that this agent and its sub-agents may use. */
  grants?: Grants;
  /** Policies that keep its conversation small, asked in this order before each model request. Default: the engine's. `[]`: none. */
  compact?: readonly Compaction[];
  /** Messages that no policy leaves out. A message with calls and the message with their results stay together. */
  pin?: (message: Message) => boolean;
  /**
   * What the model is told before the conversation. A function is asked before each step, may take 30 seconds, and its text is journaled
   * when it changes. One that throws, is late, or returns no text ends the agent with `INSTRUCTIONS_FAILED`.
   */
  instructions:
    | string
    | ((ctx: { context: ContextOfAll<NoInfer<T>> & ContextOfAll<NoInfer<A>>; session: string | undefined }) => string | Promise<string>);
}

/**
 * Declares an agent.
 * @throws RondoError `CONFIG_INVALID` for a missing part, two tools or agents of one name, or a bad limit.
 */
export function agent<
  const T extends readonly (Tool | ToolSource | Agent)[] = readonly [],
  const OS extends SchemaLike = Schema<string>,
  const A extends readonly (Agent | Tool)[] = readonly [],
>(o: AgentOptions<T, OS, A>): Agent<AgentInput, Answered<OS, T, A>, ContextOfAll<T> & ContextOfAll<A>> {
  checkOptions(o, AGENT, typeof o?.name === 'string' ? `agent "${o.name}"` : 'agent()');
  const { name, model } = o;
  checkName(name, 'agent', "agent({ name: 'support', ... })");
  if (model === undefined)
    throw invalid(
      `agent "${name}" has no model. Pass one, such as bedrock("<model id>") of rondo/bedrock, or scripted([...]) of rondo/testing.`,
    );
  checkModel(model, `the model of agent "${name}"`);
  if (typeof o.instructions !== 'string' && typeof o.instructions !== 'function')
    throw invalid(`agent "${name}" needs instructions: a text, or a function that returns one: instructions: 'Answer the customer.'.`);
  const { tools, sources } = offered(name, o.tools ?? [], o.agents ?? []);
  checkToolChoice(o.toolChoice, { name, tools, sources });
  checkLimits(o.limits, `agent "${name}"`);
  checkGrants(o.grants, `agent "${name}"`);
  checkPorts({ memory: o.memory === false ? undefined : o.memory }, `agent "${name}"`);
  checkUse(o.use, `agent "${name}"`);
  checkLayers(o.reliability, `agent "${name}"`);
  if (o.parallel !== undefined && !(Number.isInteger(o.parallel) && o.parallel > 0))
    throw invalid(`agent "${name}": parallel must be a whole number above 0.`);
  checkCompaction(o, `agent "${name}"`);
  const output = o.output && declaredSchema(o.output, `the output of agent "${name}"`);
  const declared = [
    name,
    `${model.provider}/${model.id}`,
    String(o.instructions),
    [...tools.values()].map((t) => t.hash),
    output?.json ?? null,
    ...(o.compact?.some((policy) => policy.clears) ? [readResult.hash] : []),
  ];
  const definition = made<LoopDefinition>({
    kind: 'loop',
    name,
    description: o.description,
    model,
    instructions: o.instructions as LoopDefinition['instructions'],
    tools,
    sources,
    agents: [...tools.values()].flatMap((t) => (t.delegate ? [t.delegate.agent] : [])),
    output,
    memory: o.memory,
    limits: o.limits ?? {},
    use: o.use ?? [],
    reliability: o.reliability ?? {},
    parallel: o.parallel ?? 8,
    toolChoice: o.toolChoice,
    ...(o.compact && { compact: [...o.compact] }),
    ...(o.pin && { pin: o.pin }),
    grants: o.grants,
    fingerprint: sha256(JSON.stringify(declared)).slice(0, 16),
    child: (called) => tools.get(called)?.delegate?.agent,
    drive: (scope) => loop(scope as LoopScope),
  });
  return definition as unknown as Agent<AgentInput, Answered<OS, T, A>, ContextOfAll<T> & ContextOfAll<A>>;
}

/** An example of each option, by name: for the check of unknown options and its message. */
export const AGENT = {
  name: "name: 'support'",
  description: "description: 'Answers customers'",
  instructions: "instructions: 'Answer the customer.'",
  model: "model: bedrock('<model id>')",
  tools: 'tools: [refund]',
  agents: 'agents: [research]',
  toolChoice: "toolChoice: 'required'",
  output: 'output: z.object({ total: z.number() })',
  memory: 'memory: false',
  limits: 'limits: { steps: 20 }',
  use: 'use: [{ tool: async (call, next) => next() }]',
  reliability: 'reliability: { tools: { timeout: 10_000 } }',
  parallel: 'parallel: 4',
  grants: "grants: { tools: ['refund'] }",
  compact: 'compact: [keepLast(40)]',
  pin: "pin: (message) => message.role === 'user'",
} satisfies Record<keyof AgentOptions<[], Schema>, string>;

/** The tools that the model may call, with each agent converted to a tool. */
function offered(
  name: string,
  given: readonly unknown[],
  agents: readonly unknown[],
): { tools: Map<string, ToolDefinition>; sources: ToolSource[] } {
  const tools = new Map<string, ToolDefinition>();
  const sources: ToolSource[] = [];
  const add = (tool: ToolDefinition) => {
    const other = tools.get(tool.name);
    if (other?.delegate || (other && tool.delegate))
      throw invalid(`agent "${name}" has two tools or agents named "${tool.name}". Rename one: delegate(agent, { name }).`);
    if (other) throw invalid(`agent "${name}" has two tools named "${tool.name}". Rename one.`);
    tools.set(tool.name, tool);
  };
  if (!Array.isArray(given)) throw invalid(`agent "${name}": tools is a list: tools: [refund].`);
  if (!Array.isArray(agents)) throw invalid(`agent "${name}": agents is a list: agents: [research].`);
  for (const item of given) {
    if (isTool(item)) add(item);
    else if (isAgent(item)) add(delegated(item));
    else if (typeof (item as ToolSource | undefined)?.open === 'function') {
      sources.push(item as ToolSource);
      for (const one of (item as ToolSource).agents ?? []) add(ofAgent(one, name));
    } else throw invalid(`agent "${name}": each of its tools must come from tool() or agent(), or be a tool source such as mcpTools().`);
  }
  for (const item of agents) {
    if (isAgent(item)) add(delegated(item));
    else if (isTool(item) && item.delegate) add(item);
    else if (isTool(item)) throw invalid(`agent "${name}": "${item.name}" among its agents is a tool. List it in tools.`);
    else throw invalid(`agent "${name}": each of its agents must come from agent(), graph() or the like.`);
  }
  return { tools, sources };
}

/** A tool of a source that an agent answers. @throws RondoError `CONFIG_INVALID` for any other tool. */
function ofAgent(item: unknown, name: string): ToolDefinition {
  if (isTool(item) && item.delegate) return item;
  throw invalid(`agent "${name}": the agents of a tool source are tools that agents answer. Other tools are what its list() returns.`);
}
