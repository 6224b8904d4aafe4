import { type ForeignAgentOptions, foreignAgent } from '../../foreign/foreign.ts';
import type { Agent } from '../../loop/types.ts';

import type { AgentInput } from '../../ports/model.ts';
import { checked, type LanggraphAgentOptions } from './options.ts';
import { takeTurn, type Waits } from './turn.ts';

/**
 * A compiled LangGraph graph as a Rondo agent: the root of a run, a sub-agent, or a node of a graph.
 *
 * Its state is in a thread of its own checkpointer, named after its part of the run. The Rondo journal has the thread's name and its
 * open interrupts. Each interrupt, anywhere in the graph and its subgraphs, is an approval of the run: a string or `{ question, answer
 * }` is a question, `{ tool, input, reason }` a tool call, a request of LangChain's middleware or a `HumanInterrupt` a tool call for
 * each of its actions, anything else a question with its JSON. `interrupt()` returns the answer, `true` for approve, `false` for reject,
 * the new input for edit. Nodes find a `RondoConfigurable` in `config.configurable.rondo`.
 *
 * Failures are ToolErrors: `RECURSION_LIMIT`, `INVALID_GRAPH_UPDATE`, `THREAD_LOST` (a checkpointer that did not survive), `REJECTED` (a
 * breakpoint), a node's error by the engine's error table, else `LANGGRAPH_FAILED`. RondoError `CONFIG_INVALID` if the graph interrupts
 * and has no checkpointer.
 * @throws RondoError `CONFIG_INVALID` if it is not a compiled graph, or for an invalid option.
 */
export function langgraphAgent<O = string, G = unknown>(o: LanggraphAgentOptions<O, G>): Agent<AgentInput, O, Record<never, never>> {
  return foreignAgent(foreignGraph(o));
}

/** As a foreign agent. */
export function foreignGraph<O = string, G = unknown>(o: LanggraphAgentOptions<O, G>): ForeignAgentOptions<O, Waits> {
  const own = checked(o);
  const { name, description, effect, timeout, retry, limits, key, intent, remember } = o;
  return {
    name,
    description,
    effect,
    timeout,
    retry,
    limits,
    key,
    intent,
    remember,
    turn: (turn, ctx) => takeTurn(own, turn, ctx),
  };
}
