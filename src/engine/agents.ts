import { invalid } from '../errors.ts';
import { agentDefinition } from '../loop/definition.ts';
import type { Agent, AgentDefinition } from '../loop/types.ts';

/** Agents that are held for runs of this engine which may go on. */
const MOST_HELD = 10_000;

/**
 * Which agent goes on with a run: the object that drove it here before, else the one that is registered under its name. A name alone
 * does not say which tenant an agent works for, where agents are made for each request.
 */
export class Agents {
  readonly #registered = new Map<string, AgentDefinition>();
  /** By run: of those that wait, and were driven here. The one that has waited longest comes first. */
  readonly #held = new Map<string, AgentDefinition>();

  /** @throws RondoError `CONFIG_INVALID` where another agent of that name is registered. */
  register(agent: Agent): AgentDefinition {
    const definition = this.checked(agent);
    this.#registered.set(definition.name, definition);
    return definition;
  }

  /** The agent, registered or not. @throws RondoError `CONFIG_INVALID` where another one of its name is registered. */
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

  /** Every agent that is registered, or held for a run. */
  all(): Iterable<AgentDefinition> {
    return [...this.#registered.values(), ...this.#held.values()];
  }

  of(runId: string, name: string): AgentDefinition | undefined {
    return this.#held.get(runId) ?? this.#registered.get(name);
  }

  /** Keeps the agent of a run that waits. `driven`: how many runs hold theirs because they are being driven. */
  hold(runId: string, agent: AgentDefinition, driven: number): void {
    this.#held.delete(runId);
    if (this.#registered.get(agent.name) === agent) return;
    this.#held.set(runId, agent);
    while (this.#held.size > Math.max(1, MOST_HELD - driven)) this.#held.delete(this.#held.keys().next().value as string);
  }

  /** The run will not go on. */
  letGo(runId: string): void {
    this.#held.delete(runId);
  }
}
