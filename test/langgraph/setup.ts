import { Annotation, type BaseCheckpointSaver, START, StateGraph } from '@langchain/langgraph';
import { expect } from 'vitest';
import type { Waits } from '../../src/adapters/langgraph/turn.ts';
import type { Decision, Json, ModelDelta } from '../../src/index.ts';
import type { Ask, TurnContext, TurnResult } from '../../src/ports/foreign.ts';
import { context as turnContext } from '../kit/turns.ts';

export const Log = Annotation.Root({ log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }) });
export type Logged = typeof Log.State;
export const output = (state: Logged) => state.log.join(' ');
export const input = () => ({ log: [] });

/** A graph of nodes that all begin at once. */
export function side(
  nodes: Record<string, ((s: Logged) => object | Promise<object>) | { invoke: unknown }>,
  checkpointer?: BaseCheckpointSaver,
) {
  // biome-ignore lint/suspicious/noExplicitAny: the names of nodes are known at run time only
  let graph: any = new StateGraph(Log);
  for (const [name, node] of Object.entries(nodes)) graph = graph.addNode(name, node).addEdge(START, name);
  return graph.compile({ checkpointer });
}

export function context(o: Partial<TurnContext> & { deltas?: ModelDelta[] } = {}): TurnContext {
  const { deltas, ...rest } = o;
  return turnContext({ emit: deltas && ((delta) => void deltas.push(delta)), ...rest });
}

type Answer = { type: 'approve' } | { type: 'edit'; input: Json } | { type: 'reject'; reason: string } | { type: 'respond'; answer: Json };

/** Answers for asks, by their question or tool. */
export const answers = (asks: readonly Ask[], said: Record<string, Answer>) =>
  asks.map((ask) => {
    const about = ask.kind === 'question' ? ask.question : ask.kind === 'tool' ? ask.tool : ask.provider;
    return { id: ask.id, decision: { approval: ask.id, ...(said[about] as Answer) } as Decision };
  });

type Paused<O> = Extract<TurnResult<O, Waits>, { status: 'paused' }>;
export function paused<O>(result: TurnResult<O, Waits>): Paused<O> {
  if (result.status !== 'paused') expect.fail(`it ${result.status}: ${JSON.stringify(result)}`);
  return result;
}
