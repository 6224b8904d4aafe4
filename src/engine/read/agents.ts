import { invalid } from '../../errors.ts';
import { agentDefinition } from '../../loop/definition.ts';
import type { Agent, AgentDefinition } from '../../loop/types.ts';

/** Most agents that are kept for waiting runs. */
const MOST_HELD = 10_000;

/**
 * Finds the agent that continues a run: the object that drove it in this engine, else the one that is registered under its name. A name
 * is not enough if the application creates agents per request, for example per tenant.
 */
export class Agents {
  readonly #registered = new Map<string, AgentDefinition>();
  /** By run: the agents of waiting runs that were driven here. Longest wait first. */
  readonly #held = new Map<string, AgentDefinition>();

  /** @throws RondoError `CONFIG_INVALID` if another agent of that name is registered. */
  register(agent: Agent): AgentDefinition {
    const definition = this.checked(agent);
    this.#registered.set(definition.name, definition);
    return definition;
  }

  /** The definition of an agent, registered or not. @throws RondoError `CONFIG_INVALID` if another agent of its name is registered. */
  checked(agent: Agent): AgentDefinition {
    const definition = agentDefinition(agent);
    const known = this.#registered.get(definition.name);
    if (known && known !== definition)
      throw invalid(
        `another agent "${definition.name}" is registered, and a run of that name would go on with it in another process. Declare the agent once, and pass what differs from request to request in { context }. Or rename this one.`,
      );
    return definition;
  }

  registered(): readonly AgentDefinition[] {
    return [...this.#registered.values()];
  }

  /** All agents that are registered, or kept for a run. */
  all(): Iterable<AgentDefinition> {
    return [...this.#registered.values(), ...this.#held.values()];
  }

  of(runId: string, name: string): AgentDefinition | undefined {
    return this.#held.get(runId) ?? this.#registered.get(name);
  }

  /** Keeps the agent of a waiting run. @param driven number of runs that are being driven, which count towards the limit. */
  hold(runId: string, agent: AgentDefinition, driven: number): void {
    this.#held.delete(runId);
    if (this.#registered.get(agent.name) === agent) return;
    this.#held.set(runId, agent);
    while (this.#held.size > Math.max(1, MOST_HELD - driven)) this.#held.delete(this.#held.keys().next().value as string);
  }

  /** Drops the agent of a run that will not continue. */
  drop(runId: string): void {
    this.#held.delete(runId);
  }
}
