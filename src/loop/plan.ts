import { type BreakerPolicy, type EnvelopePolicy, resolvePolicy } from '../reliability/policy.ts';
import type { Reliability } from './agent.ts';
import type { AgentDefinition } from './definition.ts';
import type { Middleware } from './middleware.ts';
import type { ToolDefinition } from './tool.ts';

/** A model may be silent for minutes; one that is for longer hangs. One that goes on and on does not come to an end. */
const MODEL_DEFAULTS: Reliability = { timeout: 300_000, longest: 3_600_000, retry: { attempts: 3, initialDelay: 500 } };

export type ResolvedPolicy = EnvelopePolicy & { breaker: BreakerPolicy };
export type ModelWrapper = NonNullable<Middleware['model']>;
export type ToolWrapper = NonNullable<Middleware['tool']>;

/** What follows from an agent's declaration and its engine's, worked out once: which envelope and which wrappers apply. */
export class Plan {
  readonly model: ResolvedPolicy;
  readonly modelWrappers: readonly ModelWrapper[];
  readonly toolWrappers: readonly ToolWrapper[];
  readonly #agent: AgentDefinition;
  readonly #engine: Reliability | undefined;
  readonly #tools = new WeakMap<ToolDefinition, ResolvedPolicy>();

  /** @throws RondoError `CONFIG_INVALID` for a bad number. */
  constructor(agent: AgentDefinition, engine: { use: readonly Middleware[]; reliability: { tools?: Reliability; model?: Reliability } }) {
    const use = [...engine.use, ...agent.use];
    this.#agent = agent;
    this.#engine = engine.reliability.tools;
    this.model = resolvePolicy({ effect: 'read' }, agent.reliability.model, engine.reliability.model, MODEL_DEFAULTS);
    this.modelWrappers = use.flatMap((m) => (m.model ? [m.model.bind(m)] : []));
    this.toolWrappers = use.flatMap((m) => (m.tool ? [m.tool.bind(m)] : []));
    for (const tool of agent.tools.values()) this.tool(tool);
  }

  tool(tool: ToolDefinition): ResolvedPolicy {
    let resolved = this.#tools.get(tool);
    if (!resolved) {
      resolved = resolvePolicy(tool.options, this.#agent.reliability.tools, this.#engine);
      this.#tools.set(tool, resolved);
    }
    return resolved;
  }
}
