import { invalid } from '../errors.ts';
import { sha256 } from '../journal/canonical.ts';
import type { Limits } from '../journal/entries.ts';
import type { Model, Prompt } from '../ports/model.ts';
import type { ContextOfTool, Tool, ToolSource } from '../ports/tool.ts';
import { describe, type Out, type Schema } from '../schema.ts';
import { checkGrants, checkLimits, made } from './definition.ts';
import { loop } from './loop.ts';
import type { Middleware } from './middleware.ts';
import { isTool } from './tool.ts';
import type { Agent, Grants, LoopDefinition, LoopScope, Reliability, ToolDefinition } from './types.ts';

// biome-ignore lint/suspicious/noExplicitAny: matches an agent of any type
type ContextOf<T> = T extends Agent<any, any, infer C> ? C : ContextOfTool<T>;
// biome-ignore lint/complexity/noBannedTypes: `{}` is what asks for nothing
type Nothing = {};
// contravariant inference intersects the contexts of all tools; an `any` or unknown tool asks for nothing
type Wants<T> = unknown extends ContextOf<T> ? Nothing : ContextOf<T>;
export type ContextOfAll<T extends readonly unknown[]> = { [K in keyof T]: (c: Wants<T[K]>) => void }[number] extends (c: infer C) => void
  ? C
  : Nothing;

export interface AgentOptions<T extends readonly (Tool | ToolSource)[], OS extends Schema> {
  name: string;
  description?: string;
  model: Model;
  tools?: T;
  /** The schema of the final answer. Without it, the answer is text. */
  output?: OS;
  limits?: Limits;
  use?: readonly Middleware[];
  /** Defaults for this agent's tools, and for its model's calls. */
  reliability?: { tools?: Reliability; model?: Reliability };
  /** How many calls of one step may run at the same time. Default 8. */
  parallel?: number;
  /** The most that this agent and its sub-agents may use. */
  grants?: Grants;
  instructions: string | ((ctx: { context: ContextOfAll<NoInfer<T>>; session: string | undefined }) => string | Promise<string>);
}

/**
 * Declares an agent.
 * @throws RondoError `CONFIG_INVALID` for a missing part, two tools of one name, or a bad limit.
 */
export function agent<const T extends readonly (Tool | ToolSource)[] = readonly [], OS extends Schema = Schema<string>>(
  o: AgentOptions<T, OS>,
): Agent<Prompt, Out<OS>, ContextOfAll<T>> {
  const { name, model } = o;
  if (typeof name !== 'string' || name === '') throw invalid('an agent needs a name: agent({ name: "support", ... }).');
  if (typeof model?.generate !== 'function')
    throw invalid(
      `agent "${name}" has no model. Pass one, such as bedrock("<model id>") of rondo/bedrock, or scripted([...]) of rondo/testing.`,
    );
  if (typeof o.instructions !== 'string' && typeof o.instructions !== 'function')
    throw invalid(`agent "${name}": instructions must be a text, or a function that returns one.`);
  const tools = new Map<string, ToolDefinition>();
  const sources: ToolSource[] = [];
  for (const item of o.tools ?? []) {
    if (isTool(item)) {
      if (tools.has(item.name)) throw invalid(`agent "${name}" has two tools named "${item.name}". Rename one.`);
      tools.set(item.name, item);
    } else if (typeof (item as ToolSource | undefined)?.open === 'function') sources.push(item as ToolSource);
    else throw invalid(`agent "${name}": each of its tools must come from tool() or be a tool source such as mcpTools().`);
  }
  checkLimits(o.limits, `agent "${name}"`);
  checkGrants(o.grants, `agent "${name}"`);
  if (o.parallel !== undefined && !(Number.isInteger(o.parallel) && o.parallel > 0))
    throw invalid(`agent "${name}": parallel must be a whole number above 0.`);
  const output = o.output && { schema: o.output as Schema, json: describe(o.output, `the output of agent "${name}"`) };
  const declared = [
    name,
    `${model.provider}/${model.id}`,
    String(o.instructions),
    [...tools.values()].map((t) => t.hash),
    output?.json ?? null,
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
    limits: o.limits ?? {},
    use: o.use ?? [],
    reliability: o.reliability ?? {},
    parallel: o.parallel ?? 8,
    ...(o.grants && { grants: o.grants }),
    fingerprint: sha256(JSON.stringify(declared)).slice(0, 16),
    child: (called) => tools.get(called)?.delegate?.agent,
    drive: (scope) => loop(scope as LoopScope),
  });
  return definition as Agent<Prompt, Out<OS>, ContextOfAll<T>>;
}
