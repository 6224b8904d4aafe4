import { candidates } from '../reliability/fallback.ts';
import { resolvePolicy } from '../reliability/policy.ts';
import { isLoop } from './definition.ts';
import type { Middleware } from './middleware.ts';
import type { AgentDefinition, LoopDefinition, Plan, Reliability, ResolvedPolicy, ToolDefinition } from './types.ts';

/** Options by which a conversation is kept small. */
type Compacting = Pick<LoopDefinition, 'compact' | 'pin'>;

/** A model may be silent for minutes. After `timeout` it hangs; a stream that lasts for `longest` will not end. */
const MODEL_DEFAULTS: Reliability = { timeout: 300_000, longest: 3_600_000, retry: { attempts: 3, initialDelay: 500 } };

/**
 * Resolves the reliability options and the wrappers of an agent and its engine.
 * @throws RondoError `CONFIG_INVALID` for an invalid number.
 */
export function planOf(
  agent: AgentDefinition,
  engine: Compacting & { use: readonly Middleware[]; reliability: { tools?: Reliability; model?: Reliability } },
): Plan {
  const use = [...engine.use, ...agent.use];
  const known = new WeakMap<ToolDefinition, ResolvedPolicy>();
  const policy: Plan['policy'] = (options) => resolvePolicy(options, agent.reliability.tools, engine.reliability.tools, options.usual);
  const policyOf = (tool: ToolDefinition): ResolvedPolicy => {
    let resolved = known.get(tool);
    if (!resolved) {
      resolved = policy(tool.options);
      known.set(tool, resolved);
    }
    return resolved;
  };
  for (const tool of agent.tools.values()) policyOf(tool);
  const { compact = engine.compact ?? [], pin = engine.pin }: Compacting = isLoop(agent) ? agent : { compact: [] };
  return {
    compact,
    pin,
    models: isLoop(agent) ? candidates(agent.model) : [],
    model: resolvePolicy({ effect: 'read' }, agent.reliability.model, engine.reliability.model, MODEL_DEFAULTS),
    stepWrappers: use.flatMap((m) => (m.step ? [m.step.bind(m)] : [])),
    modelWrappers: use.flatMap((m) => (m.model ? [m.model.bind(m)] : [])),
    toolWrappers: use.flatMap((m) => (m.tool ? [m.tool.bind(m)] : [])),
    tool: policyOf,
    policy,
  };
}
