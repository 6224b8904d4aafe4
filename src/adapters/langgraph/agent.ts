import { type ForeignAgentOptions, foreignAgent } from '../../graph/foreign.ts';
import type { Agent } from '../../loop/types.ts';

import type { Prompt } from '../../ports/model.ts';
import { checked, type LanggraphAgentOptions } from './options.ts';
import { takeTurn, type Waits } from './turn.ts';

/**
 * A compiled graph of LangGraph as an agent of ours, at the top of a run, under a supervisor or in a graph.
 *
 * It keeps its state in a thread of its own checkpointer, named after its part of the run; our journal has the thread's name and its
 * open interrupts. Each interrupt, wherever in the graph and its subgraphs, is an approval of the run: a string or `{ question, answer }`
 * a question, `{ tool, input, reason }` a tool call, a request of LangChain's middleware or a `HumanInterrupt` a tool call for each of its
 * actions, anything else a question with its JSON. `interrupt()` returns the answer, `true` for approve, `false` for reject, the new input for edit.
 * Nodes find `{ runId, session, by, context, idempotencyKey, traceparent }` in `config.configurable.rondo`.
 *
 * Failures are ToolErrors: `RECURSION_LIMIT`, `INVALID_GRAPH_UPDATE`, `THREAD_LOST` (a checkpointer that did not survive), `REJECTED`
 * (a breakpoint), what a node's error is by our tables, else `LANGGRAPH_FAILED`. RondoError `CONFIG_INVALID` where the graph interrupts
 * and has no checkpointer.
 * @throws RondoError `CONFIG_INVALID` for what is no compiled graph, or a bad option.
 */
export function langgraphAgent<O = string, G = unknown>(o: LanggraphAgentOptions<O, G>): Agent<Prompt, O, Record<never, never>> {
  return foreignAgent(foreignGraph(o));
}

/** As a foreign agent. */
export function foreignGraph<O = string, G = unknown>(o: LanggraphAgentOptions<O, G>): ForeignAgentOptions<O, Waits> {
  const own = checked(o);
  const { name, description, effect, timeout, retry, limits } = o;
  return {
    name,
    ...(description !== undefined && { description }),
    ...(effect !== undefined && { effect }),
    ...(timeout !== undefined && { timeout }),
    ...(retry && { retry }),
    ...(limits && { limits }),
    turn: (turn, ctx) => takeTurn(own, turn, ctx),
  };
}
