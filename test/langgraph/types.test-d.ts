// What the compiler knows of the doors. Compiled by `npm run typecheck`, never run.
import { type CompiledStateGraph, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { expectTypeOf } from 'vitest';
import { langgraphAgent, type RondoConfigurable, rondoNode } from '../../src/adapters/langgraph/index.ts';
import { type Agent, type AgentInput, type Engine, type Model, type Principal, supervisor } from '../../src/index.ts';

declare const engine: Engine;
declare const model: Model;

const graph = new StateGraph(MessagesAnnotation)
  .addNode('n', () => ({}))
  .addEdge(START, 'n')
  .compile();

// the state is that of the graph
const typed = langgraphAgent({
  name: 'lg',
  graph,
  output: (state) => {
    expectTypeOf(state).toEqualTypeOf<typeof MessagesAnnotation.State>();
    return state.messages.length;
  },
});
expectTypeOf(typed).toEqualTypeOf<Agent<AgentInput, number, Record<never, never>>>();
// @ts-expect-error no such channel
langgraphAgent({ name: 'lg', graph, output: (state) => state.nothing });
expectTypeOf(langgraphAgent({ name: 'lg', graph })).toEqualTypeOf<Agent<AgentInput, string, Record<never, never>>>();

// what its nodes know of the run
new StateGraph(MessagesAnnotation).addNode('n', (_, config) => {
  const rondo = config.configurable?.rondo as RondoConfigurable;
  expectTypeOf(rondo.by).toEqualTypeOf<Principal | undefined>();
  expectTypeOf(rondo.idempotencyKey).toBeString();
  return {};
});

// one whose type says nothing
const lg = langgraphAgent({ name: 'lg', graph: {}, output: (s) => String(s.messages.at(-1).content) });
declare const loose: CompiledStateGraph<unknown, unknown>;
langgraphAgent({ name: 'lg', graph: loose });

const boss = supervisor({ name: 'q', instructions: '', model, agents: [lg, typed] });
const parent = new StateGraph(MessagesAnnotation).addNode('boss', rondoNode(engine, boss)).addEdge(START, 'boss');
expectTypeOf(parent.compile()).toHaveProperty('invoke');
rondoNode(engine, typed, {
  input: (state: { n: number }) => `${state.n}`,
  output: (count) => {
    expectTypeOf(count).toEqualTypeOf<number>();
    return { n: count };
  },
});
